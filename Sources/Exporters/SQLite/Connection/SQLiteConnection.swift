import CSQLite
import Platform
import Synchronization

/// One open database file. Belongs to one thread at a time; `interrupt` alone may come from others.
@safe final class SQLiteConnection: @unchecked Sendable {
    // SAFETY: opened by init, closed by deinit, and not used by anything that outlives the
    // connection: statements hold a reference to it. The exporter's lock keeps all but `interrupt`
    // to one thread at a time, and SQLite allows that one from any.
    let handle: OpaquePointer
    private let waits: SQLiteWaits

    /// Opens a file that exists, for reading and writing.
    /// - Parameter waits: how long to wait for other processes' locks, and who may end the wait.
    init(path: String, waits: SQLiteWaits) throws(SQLiteError) {
        // Neither `:memory:` nor `file:…` must mean anything but a file of that name.
        let literal = path.hasPrefix("/") ? path : "./\(path)"
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = unsafe sqlite3_open_v2(literal, &opened, flags, nil)
        guard let handle = unsafe opened else {
            throw SQLiteError(code: code, message: "out of memory", operation: "open")
        }
        unsafe self.handle = handle
        self.waits = waits
        // On failure the handle carries the message; from here on deinit closes it.
        guard code == SQLITE_OK else { throw error(code, "open") }
        // SAFETY: `waits` is held by this object, which closes the handle before it lets go.
        let context = unsafe Unmanaged.passUnretained(waits).toOpaque()
        unsafe sqlite3_busy_handler(handle, waitForLock, context)
        unsafe sqlite3_wal_hook(handle, noteWALPages, context)
    }

    deinit {
        // The last statement is gone: each of them holds a reference to this connection.
        let code = unsafe sqlite3_close(handle)
        precondition(code == SQLITE_OK, "BUG: a connection was closed with statements left")
    }

    /// Runs statements that give no rows that matter, one after the other.
    func execute(_ sql: String, _ operation: String) throws(SQLiteError) {
        let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error(code, operation) }
    }

    /// Gives back the pages that are cached.
    func releaseMemory() { unsafe sqlite3_db_release_memory(handle) }

    /// The first column of the first row; 0 where there is none or it is NULL.
    func integer(_ sql: String, _ operation: String) throws(SQLiteError) -> Int64 {
        let statement = try SQLiteStatement(self, sql, operation)
        return try statement.step() ? statement.integer(0) : 0
    }

    /// The first column of the first row, as text.
    func text(_ sql: String, _ operation: String) throws(SQLiteError) -> String {
        let statement = try SQLiteStatement(self, sql, operation)
        return try statement.step() ? statement.text(0) : ""
    }

    /// Whether the file can only be read, which opening it doesn't tell.
    var isReadOnly: Bool { unsafe sqlite3_db_readonly(handle, "main") == 1 }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    var changedRowCount: Int { Int(unsafe sqlite3_changes64(handle)) }

    /// Whether a transaction is open: some errors end it, some don't.
    var isInTransaction: Bool { unsafe sqlite3_get_autocommit(handle) == 0 }

    /// Moves pages from the write-ahead log to the file.
    /// - Parameter truncating: waits for readers, then cuts the log to nothing.
    func checkpoint(truncating: Bool) throws(SQLiteError) {
        var logPages: CInt = 0
        var movedPages: CInt = 0
        let mode = truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
        let code = unsafe sqlite3_wal_checkpoint_v2(
            handle, nil, mode, &logPages, &movedPages)
        guard code == SQLITE_OK else { throw error(code, "checkpoint") }
        // Where all pages are moved, the next commit begins the log anew.
        if logPages <= movedPages { waits.walPages.store(0, ordering: .relaxed) }
    }

    /// Ends the statement that runs now, with SQLITE_INTERRUPT. From any thread.
    /// - Precondition: the connection stays open meanwhile.
    func interrupt() { unsafe sqlite3_interrupt(handle) }

    func error(_ code: CInt, _ operation: String) -> SQLiteError {
        // SAFETY: the text is the connection's own, valid until its next call, and copied here.
        let message = unsafe String(cString: sqlite3_errmsg(handle))
        return SQLiteError(code: code, message: message, operation: operation)
    }
}
