import DurableLog
import OTLP
import Pipeline
import Platform
import Testing

@testable import Exporters

/// Batches of a log in memory, as an exporter gets them.
private final class Source {
    let log: DurableLog

    init() throws {
        var settings = LogSettings()
        settings.durability = .memory
        log = try DurableLog("traces", directory: "", settings: settings, epoch: .random())
    }

    /// One lot of batches with so many items.
    func batches(_ itemCounts: [Int]) throws -> Lot {
        let queue = ExportQueue(
            QueueLimit(capacity: .max, sizer: .requests, bytesMax: .max))
        queue.add(log, of: .traces, cursor: "postgres", start: .end, isSkippable: false)
        for count in itemCounts {
            let record = LogRecord(signal: 0, itemCount: count, receivedAt: 1, payload: [0])
            #expect(log.reserve(bytes: record.bytesOnDisk) == nil)
            log.append(record) { _ in }
        }
        let lot = queue.nextLot(LotLimits(itemsMin: itemCounts.reduce(0, +)))
        return try #require(lot)
    }
}

@Suite struct PostgresLedgerTests {
    @Test func `A lot is planned whole, then less what was committed of it`() throws {
        let lot = try Source().batches([3, 2, 4])
        let ledger = PostgresLedger()
        let plan = ledger.plan(lot)
        #expect(plan.pieces.map(\.items) == [0..<3, 0..<2, 0..<4])
        #expect(plan.itemCount == 9)
        let first = plan.prefix(4)
        #expect(first.pieces.map(\.items) == [0..<3, 0..<1])
        ledger.note(ledger.entries(first.pieces, of: lot))
        #expect(ledger.plan(lot).pieces.map(\.items) == [1..<2, 0..<4])
        var rest = plan
        rest.remove(first)
        #expect(rest.pieces == ledger.plan(lot).pieces)
    }

    @Test func `Whole records in a row become one entry, with what is there`() throws {
        let lot = try Source().batches([3, 2, 4])
        let ledger = PostgresLedger()
        let number = try #require(lot.batches.first?.origin).position.number
        let plan = ledger.plan(lot)
        ledger.note(ledger.entries(plan.pieces.prefix(1), of: lot))
        let entries = ledger.entries(plan.pieces.dropFirst(), of: lot)
        #expect(
            entries.map(\.range) == [
                ItemPoint(record: number)..<ItemPoint(record: number + 3)
            ])
    }

    @Test func `What was read after a lost session is subtracted from what was planned`() throws {
        let lot = try Source().batches([3, 2])
        let ledger = PostgresLedger()
        let planned = ledger.plan(lot)
        let other = PostgresLedger()
        try ledger.load { other.entries(planned.prefix(4).pieces, of: lot) }
        #expect(ledger.generation != planned.generation)
        let renewed = planned.renewed(ledger.plan(lot), of: lot)
        #expect(renewed.pieces == [LotPlan.Piece(batch: 1, items: 1..<2)])
    }

    @Test func `A database that lacks what it had is believed, but for what is just committed`()
        throws
    {
        let lot = try Source().batches([3, 2])
        let ledger = PostgresLedger()
        let plan = ledger.plan(lot)
        ledger.note(ledger.entries(plan.pieces.prefix(1), of: lot))
        try ledger.load {
            ledger.note(ledger.entries(plan.pieces.suffix(1), of: lot))
            return []
        }
        // The second batch's entry had been joined with the first one's.
        #expect(ledger.plan(lot).pieces.isEmpty)
        try ledger.load { [] }
        #expect(ledger.plan(lot).pieces == plan.pieces)
    }

    @Test func `What has no place in a log is planned whole each time`() {
        let lot = Lot([
            QueuedBatch(signal: .traces, payload: [], itemCount: 5, enqueuedAt: .now)
        ])
        let ledger = PostgresLedger()
        var rest = ledger.plan(lot)
        #expect(ledger.entries(rest.pieces, of: lot).isEmpty)
        rest.remove(rest.prefix(2))
        #expect(rest.pieces == [LotPlan.Piece(batch: 0, items: 2..<5)])
        #expect(rest.renewed(ledger.plan(lot), of: lot).pieces == rest.pieces)
    }
}

@Suite struct PostgresNamesTests {
    @Test(arguments: [
        ("otel", "\"otel\""), ("my schema", "\"my schema\""), ("a\"b", "\"a\"\"b\""),
    ]) func `An identifier is quoted`(name: String, quoted: String) {
        #expect(PostgresNames.identifier(name) == quoted)
    }

    @Test(arguments: [("traces", "'traces'"), ("it's", "'it''s'"), ("a\\'b", "E'a\\\\''b'")])
    func `A literal is quoted`(text: String, quoted: String) {
        #expect(PostgresNames.literal(text) == quoted)
    }

    @Test(
        arguments: [
            ("COPY span, line 12, column name: \"x\"", 12, "name"),
            ("COPY span, line 3", 3, nil),
            ("SQL function \"f\"\nCOPY log, line 7, column body", 7, "body"),
            ("COPY span, Zeile 3, Spalte name", 3, "name"), ("", nil, nil), ("COPY span", nil, nil),
        ] as [(String, Int?, String?)])
    func `COPY's error context names the row`(context: String, row: Int?, column: String?) {
        let found = CopyContext(context)
        #expect(found.row == row)
        #expect(found.column == column)
    }

    @Test(arguments: [
        ("08006", PostgresError.Kind.connection), ("57P01", .connection), ("25006", .connection),
        ("57014", .timeout), ("55P03", .server), ("40P01", .server), ("53100", .server),
        ("22021", .data), ("23505", .data), ("54000", .data), ("54001", .data), ("42501", .schema),
        ("42P01", .schema), ("3F000", .schema), ("XX000", .server),
    ]) func `An SQLSTATE says what to do`(state: String, kind: PostgresError.Kind) {
        #expect(PostgresError.Kind(state: state) == kind)
    }

    @Test func `A check with a name is of the row, one without of a partition`() {
        let check = PostgresError.Kind(state: "23514", isOfTable: true, isOfConstraint: true)
        #expect(check == .data)
        #expect(PostgresError.Kind(state: "23514", isOfTable: true) == .server)
        // What a trigger raises names neither.
        #expect(PostgresError.Kind(state: "23514") == .data)
    }
}
