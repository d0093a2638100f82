import Configuration
import Glibc
import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct SQLiteExporterTests {
    private let fixture: SQLiteFixture

    init() throws { fixture = try SQLiteFixture() }

    @Test func `A lot is one transaction: an error in it leaves nothing`() throws {
        let exporter = try fixture.makeExporter()
        try SQLiteReader(path: fixture.path).rows(
            """
            CREATE TRIGGER refuse BEFORE INSERT ON span WHEN new.span_id = 3
            BEGIN SELECT raise(ABORT, 'refused'); END
            """)
        guard case .retry(_, let reason) = exporter.export(Lot([Payload.spans(5)])) else {
            Issue.record("accepted")
            return
        }
        #expect(reason.contains("refused"))
        #expect(try fixture.value("SELECT count(*) FROM span") == "0")
        #expect(try fixture.value("SELECT count(*) FROM resource") == "0")
        try SQLiteReader(path: fixture.path).rows("DROP TRIGGER refuse")
        #expect(exporter.export(Lot([Payload.spans(5)])) == .accepted())
        exporter.close()
        #expect(try fixture.value("SELECT count(*) FROM span") == "5")
        // The rolled-back resource was not taken for written.
        #expect(try fixture.value("SELECT count(*) FROM resource") == "1")
    }

    @Test func `All signals share one lot, and one row of the dictionaries`() throws {
        let log = Payload.batch(.logs) { $0.message(2) { $0.string(3, "INFO") } }
        let gauge = Payload.batch(.metrics) { scope in
            scope.message(2) { $0.message(5) { $0.message(1) { $0.double(4, 1) } } }
        }
        #expect(try fixture.store(Payload.spans(2), log, gauge) == .accepted())
        #expect(try fixture.value("SELECT count(*) FROM resource") == "1")
        #expect(try fixture.value("SELECT count(*) FROM scope") == "1")
        let ids = """
            SELECT id FROM span UNION ALL SELECT id FROM log UNION ALL SELECT id FROM metric_number
            """
        #expect(try fixture.value("SELECT group_concat(id) FROM (\(ids) ORDER BY id)") == "1,2,3,4")
    }

    @Test func `A file is opened again and goes on`() throws {
        #expect(try fixture.store(Payload.spans(2)) == .accepted())
        #expect(try fixture.store(Payload.spans(2)) == .accepted())
        #expect(try fixture.value(Self.spanIDs) == "1,2,3,4")
        #expect(try fixture.value("SELECT count(*) FROM resource") == "1")
        #expect(try fixture.value("PRAGMA integrity_check") == "ok")
    }

    @Test func `Directory and file belong to their owner alone`() throws {
        _ = try fixture.store(Payload.spans(1))
        #expect(Self.mode("\(fixture.directory)/data") == 0o700)
        #expect(Self.mode(fixture.path) == 0o600)
    }

    @Test func `After closing the file alone is the database`() throws {
        _ = try fixture.store(Payload.spans(1))
        #expect(Self.mode("\(fixture.path)-wal") == nil)
    }

    @Test func `The file of a newer version is refused, and stays as it is`() throws {
        _ = try fixture.store(Payload.spans(1))
        try SQLiteReader(path: fixture.path).rows("PRAGMA user_version = 99")
        let error = #expect(throws: ComponentError.self) { try fixture.makeExporter() }
        #expect(error?.description.contains("has schema version 99") == true)
        #expect(try fixture.value("PRAGMA user_version") == "99")
    }

    @Test func `A file of version 2 keeps its rows and gets the new columns and views`() throws {
        _ = try fixture.store(Payload.spans(1))
        for statement in [
            "DROP VIEW spans", "DROP VIEW logs", "DROP VIEW metrics", "DROP VIEW traces",
            "CREATE VIEW spans AS SELECT 1 AS old", "ALTER TABLE span DROP COLUMN adjusted_count",
            "ALTER TABLE log DROP COLUMN adjusted_count",
            "DROP TABLE id_key", "DELETE FROM migration WHERE version > 2",
            "PRAGMA user_version = 2",
        ] {
            try SQLiteReader(path: fixture.path).rows(statement)
        }
        _ = try fixture.store(Payload.spans(1))
        #expect(try fixture.value("SELECT sum(adjusted_count) FROM spans") == "2.0")
        #expect(try fixture.value("SELECT count(*) FROM migration") == "4")
    }

    @Test func `The file of another program is refused`() throws {
        unsafe mkdir("\(fixture.directory)/data", 0o700)
        unsafe close(open(fixture.path, O_CREAT | O_WRONLY, 0o600))
        try SQLiteReader(path: fixture.path).rows("CREATE TABLE mine (x)")
        let error = #expect(throws: ComponentError.self) { try fixture.makeExporter() }
        #expect(error?.description.contains("another program") == true)
        #expect(try fixture.value("SELECT count(*) FROM sqlite_schema") == "1")
    }

    @Test func `A file that is no database is refused`() throws {
        unsafe mkdir("\(fixture.directory)/data", 0o700)
        let descriptor = unsafe open(fixture.path, O_CREAT | O_WRONLY, 0o600)
        let text = [UInt8](repeating: 65, count: 4096)
        _ = unsafe text.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress!, $0.count) }
        close(descriptor)
        let error = #expect(throws: ComponentError.self) { try fixture.makeExporter() }
        #expect(error?.description.contains("not a database") == true)
    }

    @Test func `A path below a file is refused at the start`() throws {
        unsafe close(open("\(fixture.directory)/data", O_CREAT | O_WRONLY, 0o600))
        defer { unsafe unlink("\(fixture.directory)/data") }
        let error = #expect(throws: ComponentError.self) { try fixture.makeExporter() }
        #expect(error?.description.contains("Not a directory") == true)
    }

    @Test func `A lot waits for the lock of another process`() throws {
        let exporter = try fixture.makeExporter()
        let other = try SQLiteReader(path: fixture.path)
        try other.rows("BEGIN IMMEDIATE")
        guard case .retry(_, let reason) = exporter.export(Lot([Payload.spans(1)])) else {
            Issue.record("accepted")
            return
        }
        #expect(reason.contains("locked"))
        try other.rows("ROLLBACK")
        #expect(exporter.export(Lot([Payload.spans(1)])) == .accepted())
        exporter.close()
    }

    @Test func `A full disk asks for another try, and keeps what is stored`() throws {
        let store = try SQLiteStore(
            fixture.settings, clock: fixture.clock, waits: SQLiteWaits(busyTimeout: .zero))
        _ = try store.write(Lot([Payload.spans(1)]))
        let pages = try store.connection.integer("PRAGMA page_count", "test")
        _ = try store.connection.integer("PRAGMA max_page_count = \(pages)", "test")
        let lot = Lot([Payload.spans(200, size: 1000)])
        let error = #expect(throws: SQLiteError.self) { try store.write(lot) }
        #expect(error?.description.contains("the disk or the quota is full") == true)
        #expect(error?.endsConnection == false)
        _ = try store.connection.integer("PRAGMA max_page_count = 1000000", "test")
        #expect(try store.write(lot) == 0)
        #expect(try fixture.value("SELECT count(*) FROM span") == "201")
    }

    @Test func `A file that turned read-only ends the connection`() throws {
        let store = try SQLiteStore(
            fixture.settings, clock: fixture.clock, waits: SQLiteWaits(busyTimeout: .zero))
        try store.connection.execute("PRAGMA query_only = 1", "test")
        let error = #expect(throws: SQLiteError.self) {
            try store.write(Lot([Payload.spans(1)]))
        }
        #expect(error?.endsConnection == true)
        #expect(error?.description.contains("permissions") == true)
    }

    @Test func `A file that was moved away is made anew`() throws {
        let exporter = try fixture.makeExporter()
        #expect(exporter.export(Lot([Payload.spans(1)])) == .accepted())
        unsafe rename(fixture.path, "\(fixture.directory)/moved.db")
        unsafe unlink("\(fixture.path)-wal")
        unsafe unlink("\(fixture.path)-shm")
        #expect(exporter.export(Lot([Payload.spans(2)])) == .accepted())
        exporter.close()
        #expect(try fixture.value("SELECT count(*) FROM span") == "2")
    }

    @Test func `A reader with an open transaction sees its state, and stops nobody`() throws {
        let exporter = try fixture.makeExporter()
        #expect(exporter.export(Lot([Payload.spans(1)])) == .accepted())
        let reader = try SQLiteReader(path: fixture.path)
        try reader.rows("BEGIN")
        #expect(try reader.rows("SELECT * FROM span").count == 1)
        // Enough to make the write-ahead log due for moving into the file.
        for _ in 0..<20 {
            #expect(exporter.export(Lot([Payload.spans(1000, size: 1000)])) == .accepted())
        }
        #expect(try reader.rows("SELECT * FROM span").count == 1)
        try reader.rows("COMMIT")
        #expect(try reader.rows("SELECT count(*) AS n FROM span") == [["n": "20001"]])
        exporter.close()
    }

    @Test func `What another process wrote is not overwritten`() throws {
        let first = try fixture.makeExporter()
        let second = try fixture.makeExporter()
        for exporter in [first, second, first, second] {
            #expect(exporter.export(Lot([Payload.spans(1)])) == .accepted())
        }
        first.close()
        second.close()
        #expect(try fixture.value(Self.spanIDs) == "1,2,3,4")
    }

    @Test func `After abort every lot is left for another time`() throws {
        let exporter = try fixture.makeExporter()
        exporter.abort()
        guard case .retry = exporter.export(Lot([Payload.spans(1)])) else {
            Issue.record("accepted")
            return
        }
        exporter.close()
        #expect(try fixture.value("SELECT count(*) FROM span") == "0")
    }

    @Test func `Settings have defaults, limits and warnings`() {
        let settings = Self.read("{}").settings
        #expect(settings == SQLiteSettings())
        #expect(settings.delivery.consumerCount == 1)
        #expect(settings.delivery.lots.mixesSignals)
        let full = Self.read(
            """
            path: /var/lib/x.db
            retention: {max_age: 24h, max_size: 100MiB}
            busy_timeout: 1s
            synchronous: normal
            cache_size: 8MiB
            transaction: {max_rows: 500, max_bytes: 1MiB, max_wait: 1s}
            sending_queue: {queue_size: 7}
            """)
        #expect(full.settings.maxAge == .seconds(86_400))
        #expect(full.settings.maxBytes == 100 << 20)
        #expect(full.settings.cacheBytes == 8 << 20)
        #expect(full.settings.delivery.lots.itemsMax == 500)
        #expect(full.settings.delivery.lots.waitMax == .seconds(1))
        #expect(full.settings.delivery.queueSize == 7)
        #expect(full.report.contains("a power cut can undo the last commits"))
        #expect(Self.read("path: ''").report.contains("must not be empty"))
        #expect(Self.read("retention: {max_size: 1kB}").report.contains("at least 1MiB"))
        #expect(Self.read("synchronous: fully").report.contains("did you mean 'full'?"))
    }

    private static let spanIDs =
        "SELECT group_concat(id) FROM (SELECT id FROM span ORDER BY id)"

    private static func read(_ yaml: String) -> (settings: SQLiteSettings, report: String) {
        let diagnostics = Diagnostics()
        let root = YAML.parse(yaml, file: "test.yaml", diagnostics: diagnostics)!
        let settings = MappingReader.read(
            root, path: ConfigurationPath("exporters", "sqlite"), diagnostics: diagnostics,
            SQLiteExporterFactory.read)
        return (settings, diagnostics.report())
    }

    private static func mode(_ path: String) -> UInt32? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_mode & 0o777 : nil
    }
}
