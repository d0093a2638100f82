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

/// Payloads of one resource and one scope.
enum Payload {
    static func batch(
        _ signal: Signal, service: String? = "checkout", itemCount: Int = 1,
        _ items: (inout ProtobufWriter) -> Void
    ) -> QueuedBatch {
        batch(
            signal, itemCount: itemCount,
            resource: { resource in
                guard let service else { return }
                resource.message(1) { $0.attribute("service.name") { $0.string(1, service) } }
            }, items)
    }

    static func batch(
        _ signal: Signal, itemCount: Int = 1, resource: (inout ProtobufWriter) -> Void,
        _ items: (inout ProtobufWriter) -> Void
    ) -> QueuedBatch {
        var writer = ProtobufWriter()
        writer.message(1) { group in
            group.message(1, resource)
            group.message(2) { scope in
                scope.message(1) { scope in
                    scope.string(1, "library")
                    scope.string(2, "1.2.3")
                    scope.message(3) { $0.attribute("scope.kind") { $0.string(1, "test") } }
                    scope.varint(4, 4)
                }
                items(&scope)
                scope.string(3, "https://example.com/scope")
            }
            group.string(3, "https://example.com/resource")
        }
        return QueuedBatch(
            signal: signal, payload: writer.bytes, itemCount: itemCount,
            enqueuedAt: Instant(nanoseconds: 0))
    }

    /// Spans with ids 1…count, all of one trace unless the trace is given.
    static func spans(_ count: Int, trace: UInt64 = 7, size: Int = 0) -> QueuedBatch {
        batch(.traces, itemCount: count) { scope in
            for number in 1...UInt64(count) {
                scope.message(2) { span in
                    span.identifier(1, 0, trace)
                    span.identifier(2, number)
                    span.string(5, "operation")
                    span.fixed64(7, 1_700_000_000_000_000_000 + number)
                    span.fixed64(8, 1_700_000_000_000_500_000 + number)
                    guard size > 0 else { return }
                    let filler = String(repeating: "x", count: size)
                    span.message(9) { $0.attribute("filler") { $0.string(1, filler) } }
                }
            }
        }
    }
}

extension ProtobufWriter {
    /// The fields of a `KeyValue`.
    mutating func attribute(_ key: String, _ value: (inout ProtobufWriter) -> Void) {
        string(1, key)
        message(2, value)
    }
}
