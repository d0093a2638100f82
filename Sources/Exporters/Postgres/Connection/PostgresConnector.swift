import Platform
import Synchronization

/// Opens connections as the settings say, one host after the other.
final class PostgresConnector: Sendable {
    let timeouts: PostgresTimeouts
    let cancellation: Cancellation
    private let options: ConnectionOptions
    private let library: LibPQ
    private let connectTimeout: Duration
    /// Connections that got no answer in time: with each the list of hosts begins one further on.
    private let timeoutCount = Atomic<Int>(0)

    init(
        _ options: ConnectionOptions, _ library: LibPQ, timeouts: PostgresTimeouts,
        connectTimeout: Duration, _ cancellation: Cancellation
    ) {
        self.options = options
        self.library = library
        self.timeouts = timeouts
        self.connectTimeout = connectTimeout
        self.cancellation = cancellation
    }

    func connect() throws(PostgresError) -> PostgresConnection {
        let rotation = timeoutCount.load(ordering: .relaxed)
        let deadline = Instant.now + connectTimeout
        do throws(PostgresError) {
            let connection = try PostgresConnection(
                options.rotated(by: rotation), library, cancellation, until: deadline)
            connection.answerTimeout = timeouts.answer
            try connection.requireVersion()
            return connection
        } catch {
            // libpq tries the next host by itself but for one that does not answer at all.
            if error.isTimeoutOfConnect { timeoutCount.wrappingAdd(1, ordering: .relaxed) }
            throw error
        }
    }
}

extension PostgresConnection {
    /// The oldest that the schema was tried with.
    private static let versionLeast = 150_000

    fileprivate func requireVersion() throws(PostgresError) {
        guard serverVersion >= Self.versionLeast else {
            throw PostgresError(
                kind: .schema,
                message: "the server is PostgreSQL \(serverVersion / 10_000); 15 is the least",
                operation: "connect")
        }
    }
}

/// How long a transaction of the exporter may take, and what its commit waits for. Set in each
/// transaction, so that a pooler between may give each another backend.
struct PostgresTimeouts: Sendable, Equatable {
    var statement = Duration.seconds(60)
    var lock = Duration.seconds(10)
    var synchronousCommit = PostgresSettings.SynchronousCommit.on
    var directCompress = false

    /// On this side: later than the server, whose word is better.
    var answer: Duration { statement + .seconds(10) }

    var settings: String {
        var sql = """
            SET LOCAL statement_timeout = \(statement.milliseconds); \
            SET LOCAL lock_timeout = \(lock.milliseconds); \
            SET LOCAL idle_in_transaction_session_timeout = \(answer.milliseconds); \
            SET LOCAL synchronous_commit = \(synchronousCommit.rawValue);
            """
        if directCompress {
            sql += " SET LOCAL timescaledb.enable_direct_compress_copy = on;"
        }
        return sql
    }
}
