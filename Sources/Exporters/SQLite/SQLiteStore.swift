import Pipeline
import Platform
import Synchronization

/// One open database: lots become rows, and old rows go.
final class SQLiteStore {
    /// What was done since it was last asked for.
    struct Tally {
        var deletedByAge = 0
        var deletedBySize = 0
        var clamped = 0
        /// By how much the wall clock was set, ahead or back.
        var clockJump: Duration?
    }

    let connection: SQLiteConnection
    let rows: RowWriter
    private let ledger: SQLiteLedger
    let settings: SQLiteSettings
    let waits: SQLiteWaits
    var tally = Tally()
    let retention: SQLiteRetention
    var lastTruncationAttempt: Instant?

    let clock: any Clock
    private let file: SQLiteFile?
    private let beginning: SQLiteStatement
    private let committing: SQLiteStatement
    private let rollingBack: SQLiteStatement
    private let dataVersion: SQLiteStatement
    /// Changes when another connection has written.
    private var knownDataVersion: Int64 = -1

    enum OpenFailure: Error, CustomStringConvertible {
        case file(SystemError)
        case schema(SQLiteSchema.Failure)

        var description: String {
            switch self {
            case .file(let error): "cannot be made: \(error)"
            case .schema(let failure): "\(failure)"
            }
        }
    }

    /// Opens the file, making what is missing, and brings its schema up to date.
    init(
        _ settings: SQLiteSettings, clock: any Clock, waits: SQLiteWaits
    ) throws(OpenFailure) {
        do throws(SystemError) {
            try SQLiteFile.create(settings.path)
        } catch {
            throw .file(error)
        }
        self.settings = settings
        self.clock = clock
        self.waits = waits
        file = SQLiteFile(at: settings.path)
        let connection = try Self.connect(settings, waits, now: Self.now(clock))
        self.connection = connection
        do throws(SQLiteError) {
            rows = try RowWriter(connection)
            ledger = try SQLiteLedger(connection)
            beginning = try SQLiteStatement(connection, "BEGIN IMMEDIATE", "begin")
            committing = try SQLiteStatement(connection, "COMMIT", "commit")
            rollingBack = try SQLiteStatement(connection, "ROLLBACK", "roll back")
            dataVersion = try SQLiteStatement(connection, "PRAGMA data_version", "look for writers")
            retention = try SQLiteRetention(connection, settings, clock)
        } catch {
            throw .schema(.database(error))
        }
    }

    private static func connect(
        _ settings: SQLiteSettings, _ waits: SQLiteWaits, now: Int64
    ) throws(OpenFailure) -> SQLiteConnection {
        do throws(SQLiteSchema.Failure) {
            let connection = try SQLiteSchema.database { () throws(SQLiteError) in
                let connection = try SQLiteConnection(path: settings.path, waits: waits)
                if connection.isReadOnly { throw .readOnlyFile }
                return connection
            }
            try SQLiteSchema.check(connection)
            try SQLiteSchema.database { () throws(SQLiteError) in
                try setUp(connection, settings)
            }
            try SQLiteSchema.migrate(connection, now: now)
            return connection
        } catch {
            throw .schema(error)
        }
    }

    private static func setUp(
        _ connection: SQLiteConnection, _ settings: SQLiteSettings
    ) throws(SQLiteError) {
        // Counts only before the first table, and before journal_mode makes a header.
        try connection.execute("PRAGMA auto_vacuum = INCREMENTAL", "set up")
        guard try connection.text("PRAGMA journal_mode = WAL", "set up") == "wal" else {
            throw .noWriteAheadLog
        }
        try connection.execute(
            """
            PRAGMA synchronous = \(settings.synchronous.rawValue);
            PRAGMA cache_size = -\(settings.cacheBytes >> 10);
            PRAGMA journal_size_limit = \(walBytesKept);
            PRAGMA temp_store = MEMORY;
            PRAGMA secure_delete = FAST;
            PRAGMA analysis_limit = 400;
            """, "set up")
    }

    /// Writes what the file has not yet of a lot, in one transaction, and returns how many of its
    /// items no row can hold.
    func write(_ lot: Lot) throws(SQLiteError) -> Int {
        try begin()
        do throws(SQLiteError) {
            var rejectedCount = 0
            for batch in lot.batches {
                if waits.isAborted.load(ordering: .relaxed) { throw .aborted }
                if let origin = batch.origin {
                    if !origin.isForced, ledger.contains(origin) { continue }
                    // The last piece of a record stands for all of them.
                    if !batch.isUnfinished { ledger.note(origin) }
                }
                rejectedCount += try rows.write(batch, indexBytesMax: lot.workBytesMax)
            }
            try ledger.write()
            try committing.run()
            ledger.commit()
            rows.dictionary.commit()
            tally.clamped += rows.clampedCount
            rows.clampedCount = 0
            return rejectedCount
        } catch {
            rollBack()
            throw error
        }
    }

    /// Deletes what is over its time or over the size, in steps that keep up with what comes in,
    /// and keeps the write-ahead log small.
    func maintain(after writtenRowCount: Int) throws(SQLiteError) {
        let step = max(2 * writtenRowCount, SQLiteRetention.stepRowsMin)
        try retention.advance(self, rowsMax: step, now: rows.now)
        try checkpointIfDue()
    }

    /// Moves the write-ahead log into the file, so that the file alone is the database.
    func prepareToClose() throws(SQLiteError) {
        try connection.execute("PRAGMA optimize", "optimize")
        try connection.checkpoint(truncating: true)
    }

    /// Gives back the pages that are kept, and what a large batch has needed.
    func trim() {
        connection.releaseMemory()
        rows.trim()
    }

    /// The file was moved or deleted: what is still in the write-ahead log goes into it, wherever
    /// it is now, since SQLite would delete that log with the next file of its name.
    func emptyWriteAheadLog() throws(SQLiteError) { try connection.checkpoint(truncating: true) }

    /// Whether the file was moved or deleted: rows would go to a file that nobody finds.
    var isOrphaned: Bool { SQLiteFile(at: settings.path) != file }

    /// Runs `body` in a transaction of its own.
    func transaction(_ body: () throws(SQLiteError) -> Void) throws(SQLiteError) {
        try begin()
        do throws(SQLiteError) {
            try body()
            try committing.run()
        } catch {
            rollBack()
            throw error
        }
    }

    private func begin() throws(SQLiteError) {
        try beginning.run()
        do throws(SQLiteError) {
            let (now, jump) = retention.advanceClock(clock)
            rows.now = now
            if let jump { tally.clockJump = jump }
            rows.clampedCount = 0
            _ = try dataVersion.step()
            let version = dataVersion.integer(0)
            dataVersion.reset()
            if version != knownDataVersion {
                // Another process may have written or deleted: what we remember counts no more.
                rows.dictionary.removeAll()
                rows.nextID = try retention.nextID(connection)
                try ledger.load()
                knownDataVersion = version
            }
            try retention.noteArrival(nextID: rows.nextID, now: rows.now)
        } catch {
            rollBack()
            throw error
        }
    }

    private func rollBack() {
        rows.dictionary.rollBack()
        ledger.rollBack()
        // The ids of rows that are not there are read anew.
        knownDataVersion = -1
        retention.forgetArrival()
        // Some errors, such as a full disk, have ended the transaction already. Where rolling back
        // fails, so does the next BEGIN, and the exporter reports it.
        if connection.isInTransaction { try? rollingBack.run() }
    }

    private static func now(_ clock: any Clock) -> Int64 { Int64(clamping: clock.unixNanoseconds) }
}
