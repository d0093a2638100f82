import DurableLog
import Pipeline
import Platform

/// A connection that may write an exporter's rows: it holds one of the exporter's slots in the
/// table `writer_slot`, the fence.
///
/// A lost connection may yet commit. So each transaction locks its slot's row, and whoever takes
/// the slot over locks it first, which waits until the old transaction has ended one way or the
/// other; what is read then of `ingested` is all there will ever be of it. An old session that
/// wakes up later finds another holder in its row, and writes nothing.
///
/// Only one exporter of a name and a data directory holds slots at any time, whatever their
/// numbers: a process that was started before the old one was gone, the exporter of a
/// configuration before, a copied directory. Whoever takes a slot takes all slots from the others.
final class PostgresSession {
    let slot: Int
    private let connection: PostgresConnection
    private let names: PostgresNames
    private let limits: PostgresTimeouts
    /// The first half of the exporter's holders: which of those that share a data directory.
    private let instance: String
    /// Of this session alone.
    private let holder: String

    /// Connects. The session may write when it holds its slot.
    ///
    /// - Parameter instance: 16 hexadecimal digits, of this exporter's life.
    init(
        slot: Int, of instance: String, _ connector: PostgresConnector, _ names: PostgresNames
    ) throws(PostgresError) {
        self.slot = slot
        self.names = names
        self.instance = instance
        limits = connector.timeouts
        connection = try connector.connect()
        holder = instance + Self.randomDigits()
    }

    /// 16 hexadecimal digits.
    static func randomDigits() -> String {
        let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    func withConnection<Value>(
        _ body: (PostgresConnection) throws(PostgresError) -> Value
    ) throws(PostgresError) -> Value {
        try body(connection)
    }

    // MARK: The fence

    /// How long an old transaction may take to end by itself before its backend is ended.
    private static let fencePatience = Duration.seconds(5)
    private static let fenceAttemptsMax = 3

    /// Takes the session's slot and those of other exporters' lives, and waits until nothing
    /// written through them or the slots named can be committed any more.
    func takeSlot(andWaitFor others: [Int]) throws(PostgresError) {
        let slots = (others + [slot]).map(String.init).joined(separator: ",")
        let zeros = String(repeating: "0", count: 16)
        let ends = String(repeating: "f", count: 16)
        let old = """
            writer = '\(names.directoryID)' AND exporter = \(names.exporterLiteral) AND (
              slot IN (\(slots))
              OR holder NOT BETWEEN '\(instance)\(zeros)' AND '\(instance)\(ends)')
            """
        var attempts = 0
        while true {
            do throws(PostgresError) {
                return try lockSlots(old)
            } catch {
                attempts += 1
                try? roll(back: "take over a slot")
                guard error.state == PostgresError.lockNotAvailable,
                    attempts < Self.fenceAttemptsMax
                else { throw error }
                try endBackends(old)
            }
        }
    }

    /// One at a time, by the advisory lock: two that took slots at once might not see each other's.
    /// A statement sees what was committed before it, whatever the database's default is.
    private func lockSlots(_ old: String) throws(PostgresError) {
        let lock = PostgresNames.literal("sluice fence \(names.directoryID) \(names.exporter)")
        let sql = """
            BEGIN ISOLATION LEVEL READ COMMITTED;
            SET LOCAL lock_timeout = \(Self.fencePatience.milliseconds);
            SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(\(lock), 0));
            INSERT INTO \(names.schema).writer_slot (writer, exporter, slot)
              VALUES ('\(names.directoryID)', \(names.exporterLiteral), \(slot))
              ON CONFLICT DO NOTHING;
            SELECT slot FROM \(names.schema).writer_slot WHERE \(old) ORDER BY slot FOR UPDATE;
            UPDATE \(names.schema).writer_slot SET holder = NULL
              WHERE \(old) AND slot <> \(slot) AND holder IS NOT NULL;
            UPDATE \(names.schema).writer_slot SET holder = '\(holder)', taken_at = now(),
              gateway = \(names.gatewayLiteral), backend_pid = pg_backend_pid(), backend_start =
                (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
              WHERE writer = '\(names.directoryID)' AND exporter = \(names.exporterLiteral)
                AND slot = \(slot);
            COMMIT
            """
        try connection.execute(sql, [], "take over a slot")
    }

    /// Ends the sessions that hold these slots and don't let go: their gateway is gone, and the
    /// server has not noticed.
    private func endBackends(_ old: String) throws(PostgresError) {
        try connection.execute(
            """
            SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
            JOIN \(names.schema).writer_slot w
              ON a.pid = w.backend_pid AND a.backend_start = w.backend_start
            WHERE \(old) AND a.pid <> pg_backend_pid()
            """, [], "end an old session")
    }

    /// What the table says that is there.
    func ledger() throws(PostgresError) -> [PostgresLedger.Entry] {
        let rows = try connection.execute(
            """
            SELECT log, replace(epoch::text, '-', ''), from_position, from_item, to_position,
              to_item
            FROM \(names.schema).ingested WHERE exporter = $1
            """, [names.exporter], "read what was ingested")
        return (0..<rows.rowCount).compactMap { row in
            guard let log = rows.text(row, 0), let epoch = LogEpoch(rows.text(row, 1) ?? ""),
                let from = Self.point(rows, row, 2), let to = Self.point(rows, row, 4), from < to
            else { return nil }
            return PostgresLedger.Entry(
                key: PostgresLedger.Key(log: log, epoch: epoch), range: from..<to)
        }
    }

    private static func point(_ rows: PostgresResult, _ row: Int, _ column: Int) -> ItemPoint? {
        guard let record = rows.integer(row, column), let item = rows.integer(row, column + 1)
        else { return nil }
        return ItemPoint(record: UInt64(bitPattern: record), item: Int(item))
    }

    // MARK: Writing

    /// Runs `body` and the ledger's entries in one transaction, as the holder of the slot.
    func transaction(
        _ entries: [PostgresLedger.Entry],
        _ body: (PostgresConnection) throws(PostgresError) -> Void
    ) throws(PostgresError) {
        do throws(PostgresError) {
            try begin()
            try body(connection)
        } catch {
            if !error.endsSession { try roll(back: error.operation) }
            throw error
        }
        do throws(PostgresError) {
            try connection.execute(names.ledgerSQL(entries) + "COMMIT", [], "commit")
        } catch {
            // Whatever it says: a cancel may come when all is committed, and before the answer.
            var error = error
            error.mayBeCommitted = true
            throw error
        }
    }

    /// The operation before a transaction's rows.
    static let beginning = "begin"

    private func begin() throws(PostgresError) {
        let results = try connection.executeAll(
            """
            BEGIN ISOLATION LEVEL READ COMMITTED;
            \(limits.settings)
            SELECT slot FROM \(names.schema).writer_slot
              WHERE writer = '\(names.directoryID)' AND exporter = \(names.exporterLiteral)
                AND slot = \(slot) AND holder = '\(holder)'
                AND NOT EXISTS (SELECT FROM \(names.schema).migration
                  WHERE oldest_writer > \(PostgresMigrator.version))
              FOR NO KEY UPDATE
            """, Self.beginning)
        guard results.last?.rowCount == 1 else {
            throw PostgresError(
                kind: .fenced,
                message: "another session has taken over slot \(slot), or the schema has changed",
                operation: Self.beginning)
        }
    }

    private func roll(back operation: String) throws(PostgresError) {
        try connection.execute("ROLLBACK", [], operation)
    }
}

extension PostgresError {
    static let lockNotAvailable = "55P03"
}

extension Duration {
    var milliseconds: Int { Int(nanoseconds / 1_000_000) }
}
