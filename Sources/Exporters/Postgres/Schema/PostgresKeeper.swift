import Pipeline
import Platform
import Synchronization
import Telemetry

/// The exporter's upkeep, by a thread and a connection of its own: makes the schema before the
/// first row comes, then has the database make partitions, rollups and room every minute.
///
/// Gateways that share a database all do this; the database lets one through at a time.
final class PostgresKeeper: Sendable {
    private let settings: PostgresSettings
    private let connector: PostgresConnector
    private let names: PostgresNames
    private let migrator: PostgresMigrator
    private let log: Logger
    private let metrics: PostgresMetrics
    /// Once, with the schema as it has to be.
    private let whenPrepared: @Sendable (PostgresConnection) throws(PostgresError) -> Void
    private let stopping = Monitor(false)
    private let thread = Mutex<Thread?>(nil)

    init(
        _ settings: PostgresSettings, _ connector: PostgresConnector, _ names: PostgresNames,
        _ migrator: PostgresMigrator, _ log: Logger,
        _ metrics: PostgresMetrics,
        whenPrepared: @escaping @Sendable (PostgresConnection) throws(PostgresError) -> Void
    ) {
        self.settings = settings
        self.connector = connector
        self.names = names
        self.migrator = migrator
        self.log = log
        self.metrics = metrics
        self.whenPrepared = whenPrepared
    }

    func start() throws(SystemError) {
        let started = try Thread(name: "postgres-keeper") { [self] in run() }
        thread.withLock { $0 = started }
    }

    func stop() {
        stopping.withLock { $0 = true }
        stopping.notifyAll()
        thread.withLock { $0 }?.join()
    }

    /// After a failure, so that a server that comes back finds its schema made soon.
    private static let pauseAfterFailure = Duration.seconds(5)

    private func run() {
        var connection: PostgresConnection?
        var isFirst = true
        var hasSettings = false
        while true {
            var pause = settings.maintenanceInterval
            do throws(PostgresError) {
                let open = if let connection { connection } else { try connector.connect() }
                connection = open
                try migrator.prepare(open)
                if !hasSettings, settings.appliesSchema {
                    try apply(settings.databaseSettings, open)
                }
                hasSettings = true
                if isFirst {
                    try whenPrepared(open)
                    isFirst = false
                }
                try maintain(open)
            } catch {
                if error.kind == .aborted { return }
                log.rateLimited.warn(
                    "upkeep of the database failed", LogField("reason", "\(error)"))
                metrics.maintenanceFailures.add()
                // What state it is in is not worth finding out; nor whether it is another database.
                connection = nil
                hasSettings = false
                pause = min(pause, Self.pauseAfterFailure)
            }
            if stopping.wait(until: .now + pause, { $0 ? true : nil }) != nil { return }
        }
    }

    private func apply(
        _ changes: String, _ connection: PostgresConnection
    ) throws(PostgresError) {
        guard !changes.isEmpty else { return }
        try connection.execute(
            "SELECT \(names.schema).apply_settings($1)", [changes], "apply the settings")
    }

    /// Each step is a transaction of its own, short, and asked for again while there is more.
    private func maintain(_ connection: PostgresConnection) throws(PostgresError) {
        let schema = names.schema
        let steps = try connection.execute(
            "SELECT \(schema).maintain_steps()", [], "list the steps of the upkeep")
        for row in 0..<steps.rowCount {
            guard let step = steps.text(row, 0) else { continue }
            for _ in 0..<Self.repetitionsMax where !stopping.withLock({ $0 }) {
                guard try run(step, connection) else { break }
            }
        }
        try connection.execute(
            """
            UPDATE \(schema).writer_slot SET taken_at = now()
            WHERE writer = '\(names.directoryID)' AND exporter = \(names.exporterLiteral)
              AND taken_at < now() - interval '1 hour'
            """, [], "say that the exporter is alive")
    }

    /// Of a step in one run: a large backlog is worked off in several.
    private static let repetitionsMax = 100

    /// - Returns: whether there is more to do.
    private func run(_ step: String, _ connection: PostgresConnection) throws(PostgresError) -> Bool
    {
        let done = try connection.execute(
            "SELECT ok, outcome, more FROM \(names.schema).maintain_step($1)", [step], step)
        var isMore = false
        for row in 0..<done.rowCount {
            isMore = isMore || done.text(row, 2) == "t"
            guard done.text(row, 0) == "f" else { continue }
            metrics.maintenanceFailures.add()
            log.rateLimited.warn(
                "a step of the database's upkeep failed", LogField("step", step),
                LogField("reason", done.text(row, 1) ?? ""))
        }
        return isMore
    }
}
