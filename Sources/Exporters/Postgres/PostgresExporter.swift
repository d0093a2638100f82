import Configuration
import OTLP
import Pipeline
import Platform
import Synchronization
import Telemetry

/// Writes telemetry to PostgreSQL or TimescaleDB, each item once. See the README for the keys, and
/// docs/postgres.md for the tables.
///
/// A consumer makes a lot's rows, then takes a session and writes them in one transaction with the
/// ranges of the log that they are. There is a consumer more than sessions, so that rows are made
/// while the server takes others.
final class PostgresExporter: Exporter {
    private let slots: PostgresSlots
    private let ledger = PostgresLedger()
    private let settings: PostgresSettings
    private let log: Logger
    private let shared: SharedRows
    private let keeper: PostgresKeeper
    private let cancellation: Cancellation
    private let metrics: PostgresMetrics
    /// Rows of one transaction; halved where the server is too slow for so many.
    private let rowsMax = Atomic(Int.max)

    init(
        _ settings: PostgresSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) {
        self.settings = settings
        log = environment.log
        let library = try LibPQ()
        let options = try ConnectionOptions(settings.connection.reveal(), library)
        do throws(SystemError) {
            cancellation = try Cancellation()
        } catch {
            throw ComponentError("\(error)")
        }
        let connector = PostgresConnector(
            options, library, timeouts: settings.timeouts, connectTimeout: settings.connectTimeout,
            cancellation)
        let names = PostgresNames(
            schema: PostgresNames.identifier(settings.schema),
            exporter: settings.delivery.cursor ?? environment.id,
            directoryID: environment.directoryID,
            gateway: "\(Machine.hostName):\(CurrentProcess.id)")
        metrics = PostgresMetrics(environment.metrics, exporter: environment.id)
        let migrator = PostgresMigrator(
            schema: settings.schema, applies: settings.appliesSchema, log: environment.log)
        shared = SharedRows(settings, environment.clock)
        slots = PostgresSlots(
            count: settings.connectionCount, connector, names, ledger,
            prepare: { connection throws(PostgresError) in try migrator.prepare(connection) },
            whenLoaded: { [shared] connection throws(PostgresError) in
                try shared.reload(from: connection)
            })
        keeper = PostgresKeeper(
            settings, connector, names, migrator, environment.log, metrics,
            whenPrepared: { [shared] connection throws(PostgresError) in
                try shared.seed(from: connection)
            },
            whenDue: { [shared] connection throws(PostgresError) in
                try shared.reloadRetention(from: connection)
            })
        do throws(SystemError) {
            try keeper.start()
        } catch {
            throw ComponentError("cannot start the thread that keeps the schema: \(error)")
        }
    }

    func export(_ lot: Lot) -> ExportOutcome {
        let rows = shared.take()
        defer { shared.give(back: rows) }
        var rest = ledger.plan(lot)
        do throws(PostgresError) {
            // Rows that are made without the database's key would be other series to their limits.
            if !shared.isIdentified {
                slots.give(back: try slots.take())
                rest = ledger.plan(lot)
            }
            while !rest.isEmpty {
                if let rejection = try write(&rest, of: lot, rows) { return rejection }
            }
            return .accepted()
        } catch {
            return outcome(of: error)
        }
    }

    func abort() { cancellation.cancel() }

    func close() {
        cancellation.cancel()
        keeper.stop()
        slots.close()
    }

    func trim() { shared.trim() }

    /// Writes the first rows of what is left, and takes them off; or less, or nothing, if what is
    /// left has turned out to be another.
    ///
    /// - Returns: what the server will never take.
    private func write(
        _ rest: inout LotPlan, of lot: Lot, _ rows: LotRows
    ) throws(PostgresError) -> ExportOutcome? {
        // A row takes 200 bytes and more, whatever its item has.
        let rowCountMax = min(
            rowsMax.load(ordering: .relaxed), max(1000, lot.workBytesMax / Self.rowBytes))
        var part = rest.prefix(rowCountMax)
        if let unreadable = rows.make(part, of: lot) { return unreadable }
        let session = try slots.take()
        // A session was lost since: what it has committed after all must not be written again, and
        // the dictionaries may not be what they were.
        if ledger.generation != part.generation {
            rest = rest.renewed(ledger.plan(lot), of: lot)
            part = rest.prefix(rowCountMax)
            if let unreadable = rows.make(part, of: lot) {
                slots.give(back: session)
                return unreadable
            }
        }
        let oversized = rows.oversized
        guard oversized.isEmpty else {
            slots.give(back: session)
            return .exclude(oversized)
        }
        let entries = ledger.entries(part.pieces, of: lot)
        do throws(PostgresError) {
            try write(rows, entries, session)
        } catch {
            slots.give(back: session, after: error)
            if error.endsSession { metrics.sessionsLost.add() }
            return try recover(from: error, part, rows)
        }
        ledger.note(entries)
        slots.give(back: session)
        rows.note(metrics)
        note(expired: rows.expiredCount)
        noteFolded()
        rest.remove(part)
        if part.itemCount >= rowCountMax {
            let (twice, isOver) = rowCountMax.multipliedReportingOverflow(by: 2)
            rowsMax.store(isOver ? .max : twice, ordering: .relaxed)
        }
        return nil
    }

    private func write(
        _ rows: LotRows, _ entries: [PostgresLedger.Entry], _ session: PostgresSession
    ) throws(PostgresError) {
        try session.withConnection { connection throws(PostgresError) in
            try rows.writeDictionaries(connection)
        }
        let deadline = Instant.now + settings.timeouts.answer
        try session.transaction(entries) { connection throws(PostgresError) in
            try rows.writeFacts(connection, until: deadline)
        }
    }

    private func note(expired count: Int) {
        guard count > 0 else { return }
        log.rateLimited.warn(
            "rows are older than their retention; the next upkeep drops them",
            LogField("rows", count))
    }

    private func noteFolded() {
        for folded in shared.cardinality.takeFolded() {
            metrics.note(folded)
            log.rateLimited.warn(
                "a service has more than its limit; what is beyond is stored together",
                LogField("service", folded.service), LogField("kind", folded.kind.rawValue),
                LogField("items", folded.count))
        }
    }

    /// What there is to do but to try again later.
    private func recover(
        from error: PostgresError, _ part: LotPlan, _ rows: LotRows
    ) throws(PostgresError) -> ExportOutcome? {
        switch error.kind {
        case .timeout where part.itemCount > 1:
            rowsMax.store(part.itemCount / 2, ordering: .relaxed)
            log.rateLimited.warn(
                "a transaction took too long; the next has half the rows",
                LogField("rows", part.itemCount / 2), LogField("reason", "\(error)"))
            return nil
        // Nothing was written yet: it is a setting that the server has refused.
        case .data where error.operation == PostgresSession.beginning: throw error
        case .data:
            guard let item = rows.item(of: error) else {
                return .reject(because: "\(error)")
            }
            return .exclude(
                [RejectedItem(batch: item.batch, item: item.item, reason: "\(error)")])
        case .schema:
            // It may have been dropped: the keeper makes it anew, and then it knows nothing.
            shared.known.removeAll()
            throw error
        default: throw error
        }
    }

    private func outcome(of error: PostgresError) -> ExportOutcome {
        switch error.kind {
        case .schema: .retry(after: Self.schemaPause, because: "\(error)")
        case .fenced:
            .retry(after: .milliseconds(Int.random(in: Self.fencedPause)), because: "\(error)")
        case .connection, .server, .timeout, .data, .aborted:
            .retry(after: nil, because: "\(error)")
        }
    }

    private static let rowBytes = 200
    /// Two that take each other's slots at once would both get none of them to a lot; so each
    /// has a turn. In milliseconds.
    private static let fencedPause = 1000...3000
    /// A person has to act: there is no hurry.
    private static let schemaPause = Duration.seconds(15)
}
