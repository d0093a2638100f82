/// Rows that a statement gave, as text.
@safe final class PostgresResult {
    // SAFETY: made by libpq for this object alone, and cleared with it.
    private let handle: LibPQ.Result
    private let library: LibPQ

    init(_ handle: LibPQ.Result, _ library: LibPQ) {
        unsafe self.handle = handle
        self.library = library
    }

    deinit { unsafe library.clear(handle) }

    var rowCount: Int { Int(unsafe library.rowCount(handle)) }

    /// Nil for NULL, and for a row that the server has not given.
    func text(_ row: Int, _ column: Int) -> String? {
        guard (0..<rowCount).contains(row) else { return nil }
        guard unsafe library.isNull(handle, CInt(row), CInt(column)) == 0 else { return nil }
        // SAFETY: the text lives as long as the result, ends with 0, and is copied here.
        return unsafe library.value(handle, CInt(row), CInt(column)).map {
            unsafe String(cString: $0)
        }
    }

    /// Nil for NULL and for what is no integer.
    func integer(_ row: Int, _ column: Int) -> Int64? { text(row, column).flatMap { Int64($0) } }

    /// Rows that an INSERT, UPDATE, DELETE or COPY changed.
    var affectedRowCount: Int {
        unsafe library.affectedRows(handle).flatMap { unsafe Int(String(cString: $0)) } ?? 0
    }
}
