import Platform

/// Which rows are over their time, and their deletion.
///
/// Age is counted from arrival, not from the times in the data, which clocks of other machines
/// made: nothing that was just accepted is deleted because its sender's clock is wrong. The table
/// `arrival` says, about once a minute, which id was the next at what time. That time is an
/// ``AgeClock``'s, whose state the table `age_clock` keeps: this machine's clock may be wrong, too.
final class SQLiteRetention {
    /// Rows deleted in one step at least, so that even a quiet gateway gets rid of a backlog.
    static let stepRowsMin = 1_000
    /// How exact ages are.
    static let arrivalInterval: Int64 = 60_000_000_000
    /// A machine that comes back says how long it was away; where that is wrong, it costs at most
    /// this part of `max_age`.
    private static let downtimeParts = 4
    /// Dictionaries are scanned once an hour for rows that nothing refers to.
    private static let purgeInterval: Int64 = 3_600_000_000_000
    /// Pages given back to the file system in one step.
    private static let vacuumPagesMax = 512
    /// Free pages worth keeping for what comes next, as a part of the file.
    private static let freePagesShare: Int64 = 10

    private let maxAge: Int64
    private let maxBytes: Int64
    private let pageBytes: Int64
    private let arriving: SQLiteStatement
    private let agedOut: SQLiteStatement
    private let oldest: SQLiteStatement
    private let deletions: [SQLiteStatement]
    private let arrivalDeletion: SQLiteStatement
    private let pageCount: SQLiteStatement
    private let freePageCount: SQLiteStatement
    private let savingClock: SQLiteStatement
    private var ageClock: AgeClock
    /// Of downtime that only the wall clock knows.
    private let downtimeMax: Duration
    private var lastArrival: Int64?
    /// Rows before this id are over their age.
    private var ageCutoff: Int64 = 0
    private var lastPurge: Int64?
    /// Of the pages in use, for the metrics.
    private(set) var usedBytes: Int64 = 0

    init(
        _ connection: SQLiteConnection, _ settings: SQLiteSettings, _ clock: any Clock
    ) throws(SQLiteError) {
        maxAge = settings.maxAge.nanoseconds
        downtimeMax = settings.maxAge / Self.downtimeParts
        ageClock = try Self.loadClock(connection, clock)
        savingClock = try SQLiteStatement(
            connection, "INSERT OR REPLACE INTO age_clock VALUES (1, ?, ?, ?, ?, ?)",
            "note the time")
        maxBytes = Int64(settings.maxBytes)
        pageBytes = try connection.integer("PRAGMA page_size", "read the page size")
        arriving = try SQLiteStatement(
            connection, "INSERT OR REPLACE INTO arrival VALUES (?, ?)", "note an arrival")
        agedOut = try SQLiteStatement(
            connection,
            """
            SELECT min(id) FROM arrival \
            WHERE id > (SELECT max(id) FROM arrival WHERE time <= ?)
            """, "find old rows")
        let oldestOfEach = SQLiteSchema.factTableNames.map { "SELECT min(id) AS id FROM \($0)" }
        oldest = try SQLiteStatement(
            connection,
            "SELECT min(id) FROM (\(oldestOfEach.joined(separator: " UNION ALL ")))",
            "find the oldest row")
        var deletions: [SQLiteStatement] = []
        for table in SQLiteSchema.factTableNames {
            deletions.append(
                try SQLiteStatement(
                    connection, "DELETE FROM \(table) WHERE id < ?", "delete from \(table)"))
        }
        self.deletions = deletions
        arrivalDeletion = try SQLiteStatement(
            connection,
            "DELETE FROM arrival WHERE id < (SELECT max(id) FROM arrival WHERE id <= ?)",
            "delete from arrival")
        pageCount = try SQLiteStatement(connection, "PRAGMA page_count", "count pages")
        freePageCount = try SQLiteStatement(connection, "PRAGMA freelist_count", "count pages")
    }

    /// The id after all that was ever given: rows may be gone, but `arrival` remembers.
    func nextID(_ connection: SQLiteConnection) throws(SQLiteError) -> Int64 {
        let latest = (SQLiteSchema.factTableNames).map { "SELECT max(id) AS id FROM \($0)" }
        let union = latest.joined(separator: " UNION ALL ")
        return try connection.integer(
            """
            SELECT max(coalesce((SELECT max(id) + 1 FROM (\(union))), 1), \
            coalesce((SELECT max(id) FROM arrival), 1))
            """, "find the next id")
    }

    /// The account of time that the file was left with.
    private static func loadClock(
        _ connection: SQLiteConnection, _ clock: any Clock
    ) throws(SQLiteError) -> AgeClock {
        // Not a migration: a Sluice that does not know the table can go on with the file.
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS age_clock (
              id INTEGER PRIMARY KEY CHECK (id = 1), time INTEGER NOT NULL,
              wall INTEGER NOT NULL, boot_time INTEGER NOT NULL, boot_high INTEGER NOT NULL,
              boot_low INTEGER NOT NULL)
            """, "make age_clock")
        let saved = try SQLiteStatement(
            connection, "SELECT time, wall, boot_time, boot_high, boot_low FROM age_clock",
            "read age_clock")
        if try saved.step() {
            return AgeClock(
                time: UInt64(clamping: saved.integer(0)), wall: UInt64(clamping: saved.integer(1)),
                boot: BootTime(
                    id: UInt128(UInt64(bitPattern: saved.integer(3))) << 64
                        | UInt128(UInt64(bitPattern: saved.integer(4))),
                    nanoseconds: UInt64(clamping: saved.integer(2))))
        }
        // A file of an earlier version, or a new one.
        let last = try connection.integer(
            "SELECT time FROM arrival ORDER BY id DESC LIMIT 1", "read the last arrival")
        guard last > 0 else { return AgeClock(clock) }
        return AgeClock(
            time: UInt64(last), wall: UInt64(last), boot: BootTime(id: 0, nanoseconds: 0))
    }

    /// Nanoseconds since 1970 as far as the account knows; and the wall clock's jump, where it had
    /// one since it was last asked for.
    func advanceClock(_ clock: any Clock) -> (now: Int64, jump: Duration?) {
        let jump = ageClock.advance(by: clock, downtimeMax: downtimeMax)
        return (Int64(clamping: ageClock.time), jump)
    }

    /// Within the transaction of a lot, before its rows.
    func noteArrival(nextID: Int64, now: Int64) throws(SQLiteError) {
        if let last = lastArrival, now >= last, now - last < Self.arrivalInterval { return }
        arriving.bind(nextID)
        arriving.bind(now)
        try arriving.run()
        savingClock.bind(Int64(clamping: ageClock.time))
        savingClock.bind(Int64(clamping: ageClock.wall))
        savingClock.bind(Int64(clamping: ageClock.boot.nanoseconds))
        savingClock.bind(Int64(truncatingIfNeeded: ageClock.boot.id >> 64))
        savingClock.bind(Int64(truncatingIfNeeded: ageClock.boot.id))
        try savingClock.run()
        lastArrival = now
        // Rows between two entries arrived at most an interval after the first of them.
        agedOut.bind(now.subtractingClamped(maxAge).subtractingClamped(Self.arrivalInterval))
        ageCutoff = maxAge == 0 ? 0 : try Self.integer(agedOut)
    }

    /// The transaction did not come to pass.
    func forgetArrival() { lastArrival = nil }

    /// One step: deletes at most about `rowsMax` rows, and gives some pages back.
    func advance(
        _ store: SQLiteStore, rowsMax: Int, now: Int64
    ) throws(SQLiteError) {
        let pages = try Self.integer(pageCount)
        let freePages = try Self.integer(freePageCount)
        usedBytes = (pages - freePages) * pageBytes
        let isOverSize = maxBytes > 0 && usedBytes > maxBytes
        let first = try Self.integer(oldest)
        if first > 0, isOverSize || first < ageCutoff {
            let step = first + Int64(rowsMax)
            let end = isOverSize ? step : min(step, ageCutoff)
            let aged = ageCutoff
            try store.transaction { () throws(SQLiteError) in
                let count = try Self.delete(deletions, before: end, store.connection)
                arrivalDeletion.bind(end)
                try arrivalDeletion.run()
                if end <= aged {
                    store.tally.deletedByAge += count
                } else {
                    store.tally.deletedBySize += count
                }
            }
        }
        try purgeDictionaries(store, now: now)
        if freePages > Int64(Self.vacuumPagesMax), freePages * Self.freePagesShare > pages {
            try store.connection.execute(
                "PRAGMA incremental_vacuum(\(Self.vacuumPagesMax))", "give pages back")
        }
    }

    private static func delete(
        _ deletions: [SQLiteStatement], before id: Int64, _ connection: SQLiteConnection
    ) throws(SQLiteError) -> Int {
        var count = 0
        for deletion in deletions {
            deletion.bind(id)
            try deletion.run()
            count += connection.changedRowCount
        }
        return count
    }

    /// Rows that arrived after `arrival`'s oldest entry had refreshed what they refer to by then,
    /// or at most a refresh interval before.
    private func purgeDictionaries(
        _ store: SQLiteStore, now: Int64
    ) throws(SQLiteError) {
        if let last = lastPurge, now >= last, now - last < Self.purgeInterval { return }
        lastPurge = now
        let margin = 2 * DictionaryCache.refreshInterval
        try store.transaction { () throws(SQLiteError) in
            for table in SQLiteSchema.dictionaryTableNames {
                try store.connection.execute(
                    """
                    DELETE FROM \(table)
                    WHERE last_seen < (SELECT min(time) FROM arrival) - \(margin)
                    """, "delete from \(table)")
            }
        }
    }

    private static func integer(_ statement: SQLiteStatement) throws(SQLiteError) -> Int64 {
        let value = try statement.step() ? statement.integer(0) : 0
        statement.reset()
        return value
    }
}

extension Int64 {
    fileprivate func subtractingClamped(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? .min : difference
    }
}
