import CSQLite
import OTLP

/// What SQLite had to say, as https://www.sqlite.org/rescode.html lists it.
struct SQLiteError: Error, Equatable, CustomStringConvertible {
    /// Extended: `code & 0xFF` is the primary code.
    let code: CInt
    /// SQLite's words; they name tables and columns, never values.
    let message: String
    /// What was being done, such as `commit`.
    let operation: String

    /// Whoever writes was told to stop.
    static let aborted = SQLiteError(
        code: SQLITE_INTERRUPT, message: "the time to drain is over", operation: "write")

    /// Of a record that is not what this version takes.
    static func unreadable(_ error: WireError) -> SQLiteError {
        var operation = "read a record"
        if case .tooManyMessages = error.reason { operation = indexing }
        return SQLiteError(code: SQLITE_FORMAT, message: "\(error)", operation: operation)
    }

    private static let indexing = "index a record"

    /// Whether a record takes more memory than the lot was given.
    var needsMemory: Bool { isUnreadable && operation == Self.indexing }

    /// Whether the data itself is in the way.
    var isUnreadable: Bool { primaryCode == SQLITE_FORMAT }

    /// SQLite opens a file that it may not write for reading, and says so only when it writes.
    static let readOnlyFile = SQLiteError(
        code: SQLITE_READONLY, message: "the file cannot be written", operation: "open")

    static let noWriteAheadLog = SQLiteError(
        code: SQLITE_CANTOPEN,
        message: "the file system does not allow WAL mode; give a path on a local disk",
        operation: "open")

    static let noKey = SQLiteError(
        code: SQLITE_CORRUPT, message: "the table id_key has no key", operation: "open")

    var primaryCode: CInt { code & 0xFF }

    /// The value is over SQLite's limit, 10^9 bytes: the same row never fits.
    var isTooBig: Bool { primaryCode == SQLITE_TOOBIG }

    var isDiskFull: Bool { primaryCode == SQLITE_FULL }

    /// Whether to begin again with a new connection: what this one believes about the file may no
    /// longer be so. Waiting for a lock or for room on the disk needs none.
    var endsConnection: Bool {
        ![
            SQLITE_BUSY, SQLITE_LOCKED, SQLITE_FULL, SQLITE_INTERRUPT, SQLITE_NOMEM, SQLITE_TOOBIG,
            SQLITE_FORMAT,
        ]
        .contains(primaryCode)
    }

    var description: String {
        let advice =
            switch primaryCode {
            case SQLITE_BUSY, SQLITE_LOCKED: "; another process holds its lock"
            case SQLITE_FULL: "; the disk or the quota is full"
            case SQLITE_READONLY: "; check the file's and its directory's permissions"
            case SQLITE_CORRUPT, SQLITE_NOTADB:
                "; move it aside (sqlite3 FILE .recover saves what can be read), and a new one is "
                    + "made"
            default: ""
            }
        return "\(operation): \(message) (code \(code))\(advice)"
    }
}
