import CPostgreSQL
import Pipeline

/// libpq's keywords and values, from a connection string or URI. What is not given comes from the
/// environment (`PGHOST` …), the service file and the pass file, as libpq documents.
struct ConnectionOptions: Sendable {
    private var values: [(keyword: String, value: String)]
    /// The lists of one length each that say where the hosts are.
    private static let hostLists = ["host", "hostaddr", "port"]

    /// - Throws: what is wrong with it, without quoting it: it may hold a password.
    init(_ text: String, _ library: LibPQ) throws(ComponentError) {
        var problem: UnsafeMutablePointer<CChar>?
        // SAFETY: libpq allocates the list, which ends with a keyword of nil, and frees it below;
        // its texts are copied before that.
        guard let list = unsafe library.parse(text, &problem) else {
            let words = unsafe problem.map { unsafe String(cString: $0) } ?? "out of memory"
            unsafe library.freeMemory(problem)
            // Of what it has not understood, libpq quotes up to the whole.
            let reason = words.prefix { $0 != "\"" && $0 != "\n" }
            throw ComponentError(
                "not a libpq connection string or URI: \(reason)…; see "
                    + "https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING")
        }
        values = []
        var option = unsafe list
        while let keyword = unsafe option.pointee.keyword {
            if let value = unsafe option.pointee.val {
                values.append(unsafe (String(cString: keyword), String(cString: value)))
            }
            unsafe option += 1
        }
        unsafe library.freeOptions(list)
        try requirePlaces(isURI: text.hasPrefix("postgres"))
        set("client_encoding", "UTF8")
        standard("application_name", "sluice")
        // A peer that is gone without a word is noticed within a minute or so.
        standard("keepalives_idle", "30")
        standard("keepalives_interval", "10")
        standard("keepalives_count", "3")
        standard("tcp_user_timeout", "60000")
    }

    /// What is wrong with a configured text, in words for its writer; nil where libpq is not there
    /// to be asked.
    static func problem(in text: String) -> String? {
        guard let library = try? LibPQ() else { return nil }
        do throws(ComponentError) {
            _ = try ConnectionOptions(text, library)
            return nil
        } catch {
            return error.description
        }
    }

    /// A password with a `/` or an `@` moves its own pieces to where the port, the host and the
    /// database are; they would be quoted when it connects.
    private func requirePlaces(isURI: Bool) throws(ComponentError) {
        for (keyword, value) in values {
            let parts = value.split(separator: ",")
            let isWrong =
                switch keyword {
                case "port": !parts.allSatisfy { (1...65_535).contains(Int($0) ?? 0) }
                // One at the beginning is a socket without a file.
                case "host": parts.contains { $0.dropFirst().contains("@") }
                case "dbname": isURI && value.contains("@")
                default: false
                }
            guard !isWrong else {
                throw ComponentError(
                    "the \(keyword) is not one; in a URI's user and password '/' has to be written "
                        + "as %2F and '@' as %40")
            }
        }
    }

    private mutating func set(_ keyword: String, _ value: String) {
        values.removeAll { $0.keyword == keyword }
        values.append((keyword, value))
    }

    private mutating func standard(_ keyword: String, _ value: String) {
        if !values.contains(where: { $0.keyword == keyword }) { values.append((keyword, value)) }
    }

    /// The same with the list of hosts begun further on. One host stays as it is.
    func rotated(by count: Int) -> [(keyword: String, value: String)] {
        guard count > 0 else { return values }
        return values.map { keyword, value in
            guard Self.hostLists.contains(keyword) else { return (keyword, value) }
            let parts = value.split(separator: ",", omittingEmptySubsequences: false)
            let shift = count % parts.count
            return (keyword, (parts[shift...] + parts[..<shift]).joined(separator: ","))
        }
    }
}
