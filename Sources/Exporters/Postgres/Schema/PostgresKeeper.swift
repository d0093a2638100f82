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
    /// Before each upkeep.
    private let whenDue: @Sendable (PostgresConnection) throws(PostgresError) -> Void
    private let stopping = Monitor(false)
    /// Only touched on the keeper's thread.
    private let progress = Mutex(Progress())

    private struct Progress {
        /// The step that a lost session was at: the next run begins behind it, so that a step that
        /// always ends its session holds up no other.
        var lost: String?
        var failing: Set<String> = []
    }
    private let thread = Mutex<Thread?>(nil)

    init(
        _ settings: PostgresSettings, _ connector: PostgresConnector, _ names: PostgresNames,
        _ migrator: PostgresMigrator, _ log: Logger,
        _ metrics: PostgresMetrics,
        whenPrepared: @escaping @Sendable (PostgresConnection) throws(PostgresError) -> Void,
        whenDue: @escaping @Sendable (PostgresConnection) throws(PostgresError) -> Void
    ) {
        self.settings = settings
        self.connector = connector
        self.names = names
        self.migrator = migrator
        self.log = log
        self.metrics = metrics
        self.whenPrepared = whenPrepared
        self.whenDue = whenDue
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

    private var isStopping: Bool { stopping.withLock { $0 } }

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
                try whenDue(open)
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
        let changed = try connection.execute(
            """
            SELECT key, was, value, key LIKE 'retain%' AND value::interval > interval '0'
              AND (was::interval = interval '0' OR value::interval < was::interval)
            FROM \(names.schema).apply_settings($1)
            """, [changes], "apply the settings")
        for row in 0..<changed.rowCount {
            let setting = LogField("setting", changed.text(row, 0) ?? "")
            let was = LogField("was", changed.text(row, 1) ?? "")
            let value = LogField("is", changed.text(row, 2) ?? "")
            if changed.text(row, 3) == "t" {
                log.warn(
                    "a retention was shortened: what is older is dropped now", setting, was, value)
                metrics.shortenedRetentions.add()
            } else {
                log.info("a setting of the database was changed", setting, was, value)
            }
        }
    }

    /// Each step is a transaction of its own, short, and asked for again while there is more. One
    /// that fails is counted, and the others go on.
    private func maintain(_ connection: PostgresConnection) throws(PostgresError) {
        let found = try connection.execute(
            "SELECT \(names.schema).maintain_steps()", [], "list the steps of the upkeep")
        var steps = (0..<found.rowCount).compactMap { found.text($0, 0) }
        let lost = progress.withLock { progress in
            defer { progress.lost = nil }
            return progress.lost
        }
        if let lost, let index = steps.firstIndex(of: lost) {
            steps = Array(steps[(index + 1)...] + steps[...index])
        }
        for step in steps where !isStopping {
            do throws(PostgresError) {
                var repetitions = 0
                while try run(step, connection), repetitions < Self.repetitionsMax, !isStopping {
                    repetitions += 1
                }
            } catch {
                if error.kind == .aborted { throw error }
                note(failure: "\(error)", of: step)
                guard !error.endsSession else {
                    progress.withLock { $0.lost = step }
                    throw error
                }
            }
        }
        try connection.execute(
            """
            UPDATE \(names.schema).writer_slot SET taken_at = now()
            WHERE writer = '\(names.directoryID)' AND exporter = \(names.exporterLiteral)
              AND taken_at < now() - interval '1 hour'
            """, [], "say that the exporter is alive")
    }

    /// Of a step in one run: a large backlog is worked off in several.
    private static let repetitionsMax = 100

    /// - Returns: whether there is more to do.
    private func run(_ step: String, _ connection: PostgresConnection) throws(PostgresError) -> Bool
    {
        // A timeout of the role's or the database's is for queries, not for this.
        try connection.execute(
            """
            BEGIN ISOLATION LEVEL READ COMMITTED;
            SET LOCAL statement_timeout = \(connector.timeouts.statement.milliseconds);
            SET LOCAL idle_in_transaction_session_timeout = 0;
            """, [], step)
        let done: PostgresResult
        do throws(PostgresError) {
            done = try connection.execute(
                "SELECT ok, outcome, more FROM \(names.schema).maintain_step($1)", [step], step)
            try connection.execute("COMMIT", [], step)
        } catch {
            if !error.endsSession { try connection.execute("ROLLBACK", [], step) }
            throw error
        }
        var isMore = false
        var failure: String?
        for row in 0..<done.rowCount {
            isMore = isMore || done.text(row, 2) == "t"
            let outcome = done.text(row, 1) ?? ""
            if done.text(row, 0) == "f" {
                failure = outcome
            } else if let dropped = UpkeepDrop(outcome) {
                note(dropped, by: step)
            }
        }
        if let failure { note(failure: failure, of: step) } else { noteSuccess(of: step) }
        return isMore
    }

    private func note(_ dropped: UpkeepDrop, by step: String) {
        metrics.note(dropped)
        let table = LogField("table", dropped.table)
        let what = LogField("what", dropped.what.rawValue)
        let count = LogField("count", dropped.count)
        // Rows of a day that has no partition any more came when they were too old already.
        if step == "default_partition" {
            log.rateLimited.warn(
                "rows that were older than their retention were purged", table, what, count)
        } else {
            log.info("the database's upkeep dropped what was over its time", table, what, count)
        }
    }

    private func note(failure: String, of step: String) {
        metrics.maintenanceFailures.add()
        let count = progress.withLock { progress in
            progress.failing.insert(step)
            return progress.failing.count
        }
        metrics.failingSteps.set(count)
        log.rateLimited.warn(
            "a step of the database's upkeep failed", LogField("step", step),
            LogField("reason", failure))
    }

    private func noteSuccess(of step: String) {
        let count: Int? = progress.withLock { progress in
            progress.failing.remove(step) == nil ? nil : progress.failing.count
        }
        guard let count else { return }
        metrics.failingSteps.set(count)
        log.info("a step of the database's upkeep works again", LogField("step", step))
    }
}
