import Bytes
import CSQLite

/// A prepared statement, made once and run for many rows.
///
/// Values are bound in the order of the statement's parameters, without copying:
/// text must stay where it is until `run` or `step` has returned.
@safe final class SQLiteStatement {
    // SAFETY: made by init, finalized by deinit, before the connection closes.
    private let handle: OpaquePointer
    private let connection: SQLiteConnection
    private let operation: String
    private let parameterCount: CInt
    private var boundCount: CInt = 0
    private var bindingCode = SQLITE_OK

    /// - Parameter operation: what it does, for errors.
    init(_ connection: SQLiteConnection, _ sql: String, _ operation: String) throws(SQLiteError) {
        var prepared: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(
            connection.handle, sql, -1, CUnsignedInt(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let handle = unsafe prepared else {
            throw connection.error(code, operation)
        }
        unsafe self.handle = handle
        self.connection = connection
        self.operation = operation
        parameterCount = unsafe sqlite3_bind_parameter_count(handle)
    }

    deinit { unsafe sqlite3_finalize(handle) }

    func bindNull() { note(unsafe sqlite3_bind_null(handle, nextParameter())) }

    func bind(_ value: Int64) { note(unsafe sqlite3_bind_int64(handle, nextParameter(), value)) }

    func bind(_ value: Double) { note(unsafe sqlite3_bind_double(handle, nextParameter(), value)) }

    /// Text in place: its owner must neither change nor go before the row is written.
    func bind(_ text: RawSpan) {
        let parameter = nextParameter()
        // SAFETY: the caller keeps the span's owner as it is until `run` returns; afterwards SQLite
        // does not look at the pointer again, as each row binds every parameter anew. A nil
        // destructor is SQLITE_STATIC: nothing is copied or freed.
        unsafe text.withUnsafeBytes { source in
            // Without an address SQLite would bind NULL, and empty text is not that.
            let base = unsafe source.isEmpty ? emptyText : source.baseAddress!
            note(
                unsafe sqlite3_bind_text64(
                    handle, parameter, base.assumingMemoryBound(to: CChar.self),
                    UInt64(source.count), nil, utf8))
        }
    }

    /// Runs a statement that gives no rows, and makes it ready for the next.
    func run() throws(SQLiteError) {
        let hasRow = try step()
        precondition(!hasRow, "BUG: \(operation) gave a row")
    }

    /// Runs to the next row; `false`, and ready to run again, when there is none.
    func step() throws(SQLiteError) -> Bool {
        precondition(
            boundCount == parameterCount, "BUG: \(operation) has values for some parameters only")
        guard bindingCode == SQLITE_OK else {
            let code = bindingCode
            reset()
            throw SQLiteError(code: code, message: "a value does not fit", operation: operation)
        }
        let code = unsafe sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        // The message has to be taken before reset, which may change it.
        let failure = code == SQLITE_DONE ? nil : connection.error(code, operation)
        reset()
        if let failure { throw failure }
        return false
    }

    /// Makes it ready to run again, however far it came.
    func reset() {
        unsafe sqlite3_reset(handle)
        boundCount = 0
        bindingCode = SQLITE_OK
    }

    func integer(_ column: CInt) -> Int64 { unsafe sqlite3_column_int64(handle, column) }

    func text(_ column: CInt) -> String {
        // SAFETY: the text is valid until the next step, and copied here.
        guard let text = unsafe sqlite3_column_text(handle, column) else { return "" }
        return unsafe String(cString: text)
    }

    private func nextParameter() -> CInt {
        boundCount += 1
        return boundCount
    }

    private func note(_ code: CInt) {
        if code != SQLITE_OK, bindingCode == SQLITE_OK { bindingCode = code }
    }
}

private let utf8 = CUnsignedChar(SQLITE_UTF8)

/// An address without bytes. SAFETY: a static string's lives as long as the process.
private var emptyText: UnsafeRawPointer { unsafe UnsafeRawPointer(("" as StaticString).utf8Start) }

extension SQLiteStatement {
    func bind(_ text: RawSpan, _ range: Range<Int>) { bind(text.extracting(range)) }

    func bind(_ text: RawSpan, _ range: ByteRange) {
        bind(text.extracting(range.lowerBound..<range.upperBound))
    }

    func bind(_ json: borrowing ValueJSON, _ range: Range<Int>) { bind(json.written, range) }

    /// NULL instead of zero, which costs the row no byte.
    func bindUnlessZero(_ value: Int64) {
        if value == 0 { bindNull() } else { bind(value) }
    }

    /// NULL for nil and, as SQLite has no other way, for NaN.
    func bind(_ value: Double?) {
        if let value { bind(value) } else { bindNull() }
    }

    /// NULL instead of empty text.
    func bindUnlessEmpty(_ text: RawSpan, _ range: ByteRange) {
        if range.isEmpty { bindNull() } else { bind(text, range) }
    }
}
