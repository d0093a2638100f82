import CSQLite
import Configuration
import Glibc
import OTLP
import Pipeline
import Platform
import Telemetry

@testable import Exporters

/// A directory for one test, with an exporter's file in it; gone with the fixture.
final class SQLiteFixture {
    let directory: String
    let clock = ManualClock()
    let metrics = MetricRegistry()
    var settings = SQLiteSettings()

    var path: String { settings.path }

    init() throws {
        var template = Array("/tmp/sluice-sqlite-XXXXXX".utf8CString)
        // SAFETY: a NUL-terminated buffer of its own, which mkdtemp changes in place.
        directory = unsafe template.withUnsafeMutableBufferPointer {
            unsafe String(cString: mkdtemp($0.baseAddress!)!)
        }
        settings.path = "\(directory)/data/sluice.db"
        settings.busyTimeout = .milliseconds(20)
    }

    deinit {
        for file in ["data/sluice.db", "data/sluice.db-wal", "data/sluice.db-shm", "moved.db"] {
            unsafe unlink("\(directory)/\(file)")
        }
        unsafe rmdir("\(directory)/data")
        unsafe rmdir(directory)
    }

    func makeExporter() throws -> any Exporter {
        let output = LogOutput(level: .error, encoding: .text, clock: clock) { _ in true }
        return try SQLiteExporterFactory.make(
            settings,
            ComponentEnvironment(
                id: "sqlite", log: Logger(output), metrics: metrics, clock: clock))
    }

    /// Exports the payloads as one lot, and closes.
    func store(_ batches: QueuedBatch...) throws -> ExportOutcome {
        let exporter = try makeExporter()
        defer { exporter.close() }
        return exporter.export(Lot(batches))
    }

    func counter(_ name: String) -> String? {
        let names = ExpositionNames(hasTypeSuffix: true, hasUnitSuffix: true)
        let text = String(
            decoding: metrics.exposition(.prometheusText, names: names), as: UTF8.self)
        return text.split(separator: "\n").first { $0.hasPrefix(name) }
            .map { String($0.split(separator: " ").last!) }
    }

    /// Rows as another process would read them: column names and values, nil for NULL.
    func rows(_ sql: String) throws -> [[String: String?]] {
        try SQLiteReader(path: path).rows(sql)
    }

    /// The only value of the only row.
    func value(_ sql: String) throws -> String? {
        let rows = try rows(sql)
        guard rows.count == 1, rows[0].count == 1 else { return "\(rows.count) rows" }
        return rows[0].first!.value
    }
}

struct SQLiteReaderError: Error, CustomStringConvertible {
    let description: String
}

/// A second connection, independent of the exporter's code.
@safe final class SQLiteReader {
    // SAFETY: opened by init, closed by deinit.
    private let handle: OpaquePointer

    init(path: String) throws {
        var opened: OpaquePointer?
        let code = unsafe sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE, nil)
        guard code == SQLITE_OK, let handle = unsafe opened else {
            throw SQLiteReaderError(description: "cannot open \(path)")
        }
        unsafe self.handle = handle
    }

    deinit { unsafe sqlite3_close(handle) }

    @discardableResult
    func rows(_ sql: String) throws -> [[String: String?]] {
        var prepared: OpaquePointer?
        guard unsafe sqlite3_prepare_v2(handle, sql, -1, &prepared, nil) == SQLITE_OK,
            let statement = unsafe prepared
        else {
            throw SQLiteReaderError(description: unsafe String(cString: sqlite3_errmsg(handle)))
        }
        defer { unsafe sqlite3_finalize(statement) }
        var rows: [[String: String?]] = []
        while unsafe sqlite3_step(statement) == SQLITE_ROW {
            var row: [String: String?] = [:]
            for column in 0..<(unsafe sqlite3_column_count(statement)) {
                let name = unsafe String(cString: sqlite3_column_name(statement, column))
                row[name] = .some(unsafe Self.text(statement, column))
            }
            rows.append(row)
        }
        return rows
    }

    private static func text(_ statement: OpaquePointer, _ column: CInt) -> String? {
        guard let base = unsafe sqlite3_column_text(statement, column) else { return nil }
        // SAFETY: valid until the next step; the count includes what stands behind a NUL.
        let count = Int(unsafe sqlite3_column_bytes(statement, column))
        return unsafe String(
            decoding: UnsafeBufferPointer(start: base, count: count), as: UTF8.self)
    }
}
