public import Configuration
public import Pipeline
import Platform
import PostgresSchema
public import Telemetry

/// What `sluice schema` does to a database.
public struct PostgresAdministration {
    /// A database's schema, as lines for people.
    public struct Report: Sendable {
        public var lines: [(name: String, value: String)]
        /// Whether a gateway of this version can write to it as it is.
        public var isCurrent: Bool
    }

    private let schema: String
    private let connection: PostgresConnection

    /// Connects.
    ///
    /// - Parameter connectionString: libpq's; what it leaves out comes from `PG*` variables.
    public init(connectionString: Secret, schema: String) throws(ComponentError) {
        guard PostgresSchema.accepts(schema: schema) else {
            throw ComponentError(
                "the schema's name must be up to 63 ASCII letters, digits and underscores")
        }
        self.schema = schema
        let library = try LibPQ()
        let options = try ConnectionOptions(connectionString.reveal(), library)
        let cancellation: Cancellation
        do throws(SystemError) {
            cancellation = try Cancellation()
        } catch {
            throw ComponentError("\(error)")
        }
        let connector = PostgresConnector(
            options, library, timeouts: PostgresTimeouts(), connectTimeout: .seconds(15),
            cancellation)
        connection = try Self.reporting { () throws(PostgresError) in try connector.connect() }
    }

    public func status(log: Logger) throws(ComponentError) -> Report {
        let migrator = PostgresMigrator(schema: schema, applies: false, log: log)
        let state = try Self.reporting { () throws(PostgresError) in
            try migrator.state(connection)
        }
        var lines = [
            ("database", connection.place),
            ("server", "PostgreSQL \(connection.serverVersion / 10_000)"),
            ("schema", schema),
            ("version", state.version == 0 ? "none" : "\(state.version)"),
            ("this program's", "\(PostgresMigrator.version)"),
        ]
        if !state.edition.isEmpty { lines.append(("edition", state.edition)) }
        for applied in state.applied {
            lines.append(
                ("migration \(applied.version)", "\(applied.name), \(applied.at), by \(applied.by)")
            )
        }
        let problem = state.problem(applies: false)
        if let problem { lines.append(("to do", "\(problem.hint ?? problem.message)")) }
        let missing = try Self.reporting { () throws(PostgresError) in
            try migrator.missing(connection)
        }
        for part in missing { lines.append(("lacks", part)) }
        if !missing.isEmpty { lines.append(("to do", "run 'sluice schema apply'")) }
        lines += try Self.reporting { () throws(PostgresError) in
            try failingSteps(state, isThere: !missing.contains("table upkeep"))
        }
        return Report(lines: lines, isCurrent: problem == nil && missing.isEmpty)
    }

    private func failingSteps(
        _ state: PostgresMigrator.State, isThere: Bool
    ) throws(PostgresError) -> [(name: String, value: String)] {
        guard state.version == PostgresMigrator.version, isThere else { return [] }
        let rows = try connection.execute(
            """
            SELECT step, failing_since, error FROM \(PostgresNames.identifier(schema)).upkeep
            WHERE failing_since IS NOT NULL ORDER BY step
            """, [], "look at the upkeep")
        return (0..<rows.rowCount).map { row in
            (
                "upkeep \(rows.text(row, 0) ?? "")",
                "fails since \(rows.text(row, 1) ?? ""): \(rows.text(row, 2) ?? "")"
            )
        }
    }

    /// Makes or migrates the schema, and makes anew what was dropped of it.
    public func apply(log: Logger) throws(ComponentError) {
        let migrator = PostgresMigrator(schema: schema, applies: true, log: log)
        try Self.reporting { () throws(PostgresError) in
            try migrator.prepare(connection)
            try migrator.apply(connection, mends: true)
        }
    }

    private static func reporting<Value>(
        _ body: () throws(PostgresError) -> Value
    ) throws(ComponentError) -> Value {
        do throws(PostgresError) {
            return try body()
        } catch {
            throw ComponentError("\(error)")
        }
    }
}
