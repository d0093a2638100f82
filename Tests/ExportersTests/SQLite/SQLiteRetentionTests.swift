import OTLP
import Pipeline
import Platform
import Testing

@testable import Exporters

@Suite struct SQLiteRetentionTests {
    private let fixture: SQLiteFixture

    init() throws { fixture = try SQLiteFixture() }

    @Test func `Rows go max_age after their arrival, whatever their own times say`() throws {
        fixture.settings.maxAge = .seconds(3600)
        let exporter = try fixture.makeExporter()
        #expect(exporter.export(Lot([Payload.spans(3, trace: 1)])) == .accepted())
        fixture.clock.advance(by: .seconds(1800))
        #expect(exporter.export(Lot([Payload.spans(2, trace: 2)])) == .accepted())
        #expect(try fixture.value("SELECT count(*) FROM span") == "5")
        fixture.clock.advance(by: .seconds(1900))
        #expect(exporter.export(Lot([Payload.spans(1, trace: 3)])) == .accepted())
        let traces = "SELECT group_concat(DISTINCT CAST(trace_id AS INTEGER)) FROM span"
        #expect(try fixture.value(traces) == "2,3")
        #expect(deletedCount(because: "max_age") == "3")
        exporter.close()
    }

    private func deletedCount(because reason: String) -> String? {
        fixture.counter(
            "sluice_sqlite_deleted_rows_total{exporter=\"sqlite\",reason=\"\(reason)\"}")
    }

    @Test func `A backlog of old rows goes in steps`() throws {
        fixture.settings.maxAge = .seconds(3600)
        let exporter = try fixture.makeExporter()
        #expect(exporter.export(Lot([Payload.spans(2500)])) == .accepted())
        fixture.clock.advance(by: .seconds(4000))
        for remaining in ["1501", "502", "3"] {
            #expect(exporter.export(Lot([Payload.spans(1)])) == .accepted())
            #expect(try fixture.value("SELECT count(*) FROM span") == remaining)
        }
        exporter.close()
    }

    @Test func `The oldest rows go when the file is over max_size, and room is given back`() throws
    {
        fixture.settings.maxBytes = 4 << 20
        let exporter = try fixture.makeExporter()
        for trace in 1...40 {
            let batch = Payload.spans(500, trace: UInt64(trace), size: 1000)
            #expect(exporter.export(Lot([batch])) == .accepted())
        }
        let bytes = try fixture.value(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        #expect(Int(bytes ?? "")! < 8 << 20)
        let newest = try fixture.value("SELECT max(trace_id) FROM span")
        #expect(newest == "00000000000000000000000000000028")
        let oldest = try fixture.value("SELECT min(trace_id) FROM span") ?? ""
        #expect(oldest > "00000000000000000000000000000010")
        #expect(Int(deletedCount(because: "max_size") ?? "0")! > 0)
        exporter.close()
        #expect(try fixture.value("PRAGMA integrity_check") == "ok")
    }

    @Test func `Dictionary rows that nothing refers to any more are purged, others stay`() throws {
        fixture.settings.maxAge = .seconds(3600)
        let exporter = try fixture.makeExporter()
        let old = Payload.batch(.traces, service: "old") { $0.message(2) { $0.string(5, "x") } }
        #expect(exporter.export(Lot([old, Payload.spans(1)])) == .accepted())
        for _ in 0..<6 {
            fixture.clock.advance(by: .seconds(3600))
            #expect(exporter.export(Lot([Payload.spans(1)])) == .accepted())
        }
        #expect(try fixture.value("SELECT group_concat(service_name) FROM resource") == "checkout")
        // It comes back with the next item that needs it.
        #expect(exporter.export(Lot([old])) == .accepted())
        let orphans = """
            SELECT count(*) FROM span LEFT JOIN resource USING (resource_id)
            WHERE resource.service_name IS NULL
            """
        #expect(try fixture.value(orphans) == "0")
        exporter.close()
    }

    @Test func `Ids are not given twice after everything was deleted`() throws {
        fixture.settings.maxAge = .seconds(3600)
        _ = try fixture.store(Payload.spans(5))
        fixture.clock.advance(by: .seconds(4000))
        _ = try fixture.store(Payload.spans(1))
        try SQLiteReader(path: fixture.path).rows("DELETE FROM span")
        _ = try fixture.store(Payload.spans(1))
        #expect(try fixture.value("SELECT id >= 6 FROM span") == "1")
    }

    // MARK: Clocks that are wrong

    private func spans() throws -> String? { try fixture.value("SELECT count(*) FROM span") }

    @Test(arguments: [365, 30 * 365, -365, -20_000])
    func `A wall clock that jumps and comes back deletes nothing`(days: Int) throws {
        fixture.settings.maxAge = .seconds(7 * 86_400)
        let exporter = try fixture.makeExporter()
        #expect(exporter.export(Lot([Payload.spans(5)])) == .accepted())
        fixture.clock.setWall(ahead: .seconds(days * 86_400))
        for _ in 0..<3 {
            fixture.clock.advance(by: .seconds(120))
            #expect(exporter.export(Lot([Payload.spans(1)])) == .accepted())
        }
        fixture.clock.setWall(ahead: .zero)
        fixture.clock.advance(by: .seconds(120))
        #expect(exporter.export(Lot([Payload.spans(1)])) == .accepted())
        #expect(try spans() == "9")
        exporter.close()
    }

    @Test func `A start in 1970 that is corrected later loses nothing from before or after`() throws
    {
        fixture.settings.maxAge = .seconds(7 * 86_400)
        _ = try fixture.store(Payload.spans(5))
        fixture.clock.restartMachine()
        fixture.clock.setWall(ahead: .seconds(-19_000 * 86_400))
        _ = try fixture.store(Payload.spans(1))
        fixture.clock.advance(by: .seconds(3600))
        fixture.clock.setWall(ahead: .zero)
        _ = try fixture.store(Payload.spans(1))
        #expect(try spans() == "7")
    }

    @Test func `What passed while the process was down counts, of the machine's a part`() throws {
        fixture.settings.maxAge = .seconds(3600)
        _ = try fixture.store(Payload.spans(5))
        fixture.clock.advance(by: .seconds(1800))
        _ = try fixture.store(Payload.spans(1))
        fixture.clock.advance(by: .seconds(1900))
        _ = try fixture.store(Payload.spans(1))
        // The first five are over their hour.
        #expect(try spans() == "2")
        fixture.clock.restartMachine()
        fixture.clock.advance(by: .seconds(30 * 86_400))
        _ = try fixture.store(Payload.spans(1))
        #expect(try spans() == "3")
        fixture.clock.advance(by: .seconds(3000))
        _ = try fixture.store(Payload.spans(1))
        #expect(try spans() == "2")
    }
}
