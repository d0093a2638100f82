/// What PostgreSQL, or the way to it, had to say.
struct PostgresError: Error, Equatable, CustomStringConvertible {
    /// What to do about it. Decided in one place, by the SQLSTATE and what the error names.
    enum Kind: Equatable {
        /// The connection is gone, or there never was one: what was under way may yet have been
        /// committed.
        case connection
        /// The server can't now: shutting down, out of room or of locks, a deadlock.
        case server
        /// The statement took too long, on either side's clock.
        case timeout
        /// Tables, rights or settings are not what they should be: a person has to act.
        case schema
        /// The same rows will never be taken.
        case data
        /// The exporter was told to stop.
        case aborted
        /// Another session has this one's place.
        case fenced
    }

    let kind: Kind
    /// Five characters; empty where the server didn't answer.
    var state = ""
    /// The server's primary message. Never its details or context, which quote data.
    let message: String
    /// What was being done, such as `commit`.
    let operation: String
    var hint: String?
    /// From the context of COPY: the row, counted from 1, and its column.
    var row: Int?
    var column: String?
    /// Whether the transaction that has failed may be there all the same.
    var mayBeCommitted = false

    var description: String {
        var text = "\(operation): \(message)"
        if !state.isEmpty { text += " (SQLSTATE \(state))" }
        if let column { text += ", column \(column)" }
        if let hint { text += "; \(hint)" }
        if kind == .schema, let advice = Self.advice(state) { text += "; \(advice)" }
        return text
    }

    /// What a person can do, where that is known.
    private static func advice(_ state: String) -> String? {
        switch state {
        case "42501": "grant what docs/postgres.md lists to this user"
        case "42P01", "42703", "42883", "3F000": "run 'sluice schema apply'"
        default: nil
        }
    }

    /// The server, or a host on the way to it, has not answered while connecting.
    var isTimeoutOfConnect: Bool { kind == .connection && message == Self.noAnswer }

    static let noAnswer = "no answer in time"

    /// Whether a new session has to take this one's place: the old one's state isn't known.
    var endsSession: Bool {
        if mayBeCommitted { return true }
        return switch kind {
        case .connection, .aborted, .fenced: true
        case .timeout: state.isEmpty
        case .server, .schema, .data: state == "25P03"
        }
    }
}

extension PostgresError.Kind {
    /// See https://www.postgresql.org/docs/15/errcodes-appendix.html.
    ///
    /// - Parameters:
    ///   - isOfTable: whether the error names a table.
    ///   - isOfConstraint: whether it names a constraint.
    ///   - isOfRow: whether its context names a row of COPY.
    init(
        state: String, isOfTable: Bool = false, isOfConstraint: Bool = false, isOfRow: Bool = false
    ) {
        switch state {
        // A row on its way to the default partition while its day gets one of its own: the next
        // attempt finds that. A check has a name, and what a trigger raises has no table.
        case "23514" where isOfTable && !isOfConstraint: self = .server
        // Canceled by statement_timeout, or by somebody.
        case "57014": self = .timeout
        // Read-only: a standby, until the next attempt finds the primary.
        case "25006": self = .connection
        // Raised by a trigger for a row that COPY names, or by a function of ours.
        case "P0001": self = isOfRow ? .data : .server
        default:
            switch state.prefix(2) {
            case "08": self = .connection
            case "57": self = .connection
            // 54: a limit that this row passes, of an index row, a value or the nesting.
            case "22", "23", "54": self = .data
            case "28", "3D", "3F", "42", "0A", "2B", "34": self = .schema
            default: self = .server
            }
        }
    }
}
