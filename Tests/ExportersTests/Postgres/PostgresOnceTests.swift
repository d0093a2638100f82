import DurableLog
import OTLP
import Platform
import Testing

@testable import Exporters
@testable import Pipeline

/// A database as the ledger sees it: what was committed, and the ranges that say so.
private struct ModelDatabase {
    /// Rows of each item, by record and index.
    private(set) var rows: [ItemPoint: Int] = [:]
    private(set) var ranges: [PostgresLedger.Key: [Range<ItemPoint>]] = [:]

    mutating func commit(
        _ plan: LotPlan, _ lot: Lot, _ entries: [PostgresLedger.Entry]
    ) {
        for piece in plan.pieces {
            let batch = lot.batches[piece.batch]
            guard let record = batch.place?.position.number else { continue }
            let first = batch.itemsOfRecord?.lowerBound ?? 0
            for item in piece.items {
                rows[ItemPoint(record: record, item: first + item), default: 0] += 1
            }
        }
        for entry in entries {
            // As `ledgerSQL` does it.
            var known = ranges[entry.key] ?? []
            known.removeAll {
                $0.lowerBound >= entry.range.lowerBound && $0.upperBound <= entry.range.upperBound
            }
            if let index = known.firstIndex(where: { $0.lowerBound == entry.range.lowerBound }) {
                let end = max(known[index].upperBound, entry.range.upperBound)
                known[index] = entry.range.lowerBound..<end
            } else {
                known.append(entry.range)
            }
            ranges[entry.key] = known
        }
    }

    var entries: [PostgresLedger.Entry] {
        ranges.flatMap { key, ranges in
            ranges.map { PostgresLedger.Entry(key: key, range: $0) }
        }
    }
}

/// One consumer between two steps of ``PostgresExporter``: it has planned, and not yet written.
private struct Consumer {
    var lot: Lot
    var rest: LotPlan
}

@Suite struct PostgresOnceTests {
    private static let itemCounts = [3, 1, 5, 2, 8, 1, 4, 7, 2, 6]

    private func lots(_ random: inout SplitMix) throws -> [Lot] {
        let log = try DurableLog(
            "traces", directory: "", settings: Self.inMemory, epoch: .random())
        let cursor = log.openCursor("postgres", start: .end, isSkippable: false) { _, _ in }
        for count in Self.itemCounts {
            let record = LogRecord(signal: 0, itemCount: count, receivedAt: 1, payload: [0])
            #expect(log.reserve(bytes: record.bytesOnDisk) == nil)
            log.append(record) { _ in }
        }
        var batches: [QueuedBatch] = []
        for placed in try cursor.read(bytesMax: 1 << 20) {
            let batch = QueuedBatch(placed, from: log, cursor)
            // As narrowing cuts it.
            if batch.itemCount > 1, Bool.random(using: &random) {
                let middle = Int.random(in: 1..<batch.itemCount, using: &random)
                batches.append(batch.part([0], items: 0..<middle))
                batches.append(batch.part([0], items: middle..<batch.itemCount))
            } else {
                batches.append(batch)
            }
        }
        var lots: [Lot] = []
        while !batches.isEmpty {
            let count = Int.random(in: 1...min(4, batches.count), using: &random)
            lots.append(Lot(Array(batches.prefix(count))))
            batches.removeFirst(count)
        }
        return lots
    }

    private static var inMemory: LogSettings {
        var settings = LogSettings()
        settings.durability = .memory
        return settings
    }

    /// Consumers in any order, transactions of any size, answers that are lost with the commit done
    /// or not, processes that begin anew with other lots: each item has one row in the end.
    @Test(arguments: 0..<200) func `Each item is written once, whatever is lost`(
        seed: UInt64
    ) throws {
        var random = SplitMix(state: seed)
        let all = try lots(&random)
        var waiting = all
        var database = ModelDatabase()
        var ledger = PostgresLedger()
        var consumers: [Consumer] = []
        var unknown = false
        var steps = 0
        while !waiting.isEmpty || !consumers.isEmpty {
            steps += 1
            try #require(steps < 100_000)
            if consumers.isEmpty || (consumers.count < 3 && Bool.random(using: &random)),
                !waiting.isEmpty
            {
                let lot = waiting.removeFirst()
                consumers.append(Consumer(lot: lot, rest: ledger.plan(lot)))
                continue
            }
            let index = Int.random(in: 0..<consumers.count, using: &random)
            var consumer = consumers.remove(at: index)
            if consumer.rest.isEmpty { continue }
            var part = consumer.rest.prefix(Int.random(in: 1...9, using: &random))
            if unknown {
                // Whoever takes a session reads the ledger first.
                try ledger.load { database.entries }
                unknown = false
            }
            if ledger.generation != part.generation {
                consumer.rest = consumer.rest.renewed(ledger.plan(consumer.lot), of: consumer.lot)
                part = consumer.rest.prefix(9)
            }
            let entries = ledger.entries(part.pieces, of: consumer.lot)
            switch Int.random(in: 0..<12, using: &random) {
            case 0:  // Rolled back, and known to be.
                break
            case 1:  // Lost before the commit.
                unknown = true
            case 2, 3:  // Lost after it.
                database.commit(part, consumer.lot, entries)
                unknown = true
            case 4:  // The process ends, with or without the commit.
                if Bool.random(using: &random) {
                    database.commit(part, consumer.lot, entries)
                }
                ledger = PostgresLedger()
                try ledger.load { database.entries }
                unknown = false
                waiting =
                    (consumers.map(\.lot) + [consumer.lot] + waiting).flatMap { lot in
                        lot.batches.map { Lot([$0]) }
                    }.shuffled(using: &random)
                consumers = []
                continue
            default:
                database.commit(part, consumer.lot, entries)
                ledger.note(entries)
                consumer.rest.remove(part)
            }
            consumers.append(consumer)
        }
        #expect(database.rows.count == Self.itemCounts.reduce(0, +))
        #expect(database.rows.values.allSatisfy { $0 == 1 })
        // What is known is what is there.
        let reader = PostgresLedger()
        try reader.load { database.entries }
        for lot in all { #expect(reader.plan(lot).isEmpty) }
    }

    @Test func `What is forced has a place of its own, and once again is once`() throws {
        let log = try DurableLog(
            "traces", directory: "", settings: Self.inMemory, epoch: .random())
        let cursor = log.openCursor("postgres", start: .end, isSkippable: false) { _, _ in }
        let record = LogRecord(signal: 0, itemCount: 4, receivedAt: 1, payload: [0])
        #expect(log.reserve(bytes: record.bytesOnDisk) == nil)
        log.append(record) { _ in }
        let placed = try #require(try cursor.read(bytesMax: 1 << 20).first)
        let ledger = PostgresLedger()
        func write(_ lot: Lot) { ledger.note(ledger.entries(ledger.plan(lot).pieces, of: lot)) }
        write(Lot([QueuedBatch(placed, from: log, cursor)]))
        let unforced = QueuedBatch(
            placed, from: log, cursor, replay: ReplayTally(), isForced: false)
        #expect(ledger.plan(Lot([unforced])).isEmpty)
        for _ in 0..<2 {
            let tally = ReplayTally()
            let forced = Lot([
                QueuedBatch(placed, from: log, cursor, replay: tally, isForced: true)
            ])
            #expect(ledger.plan(forced).itemCount == 4)
            write(forced)
            #expect(ledger.plan(forced).isEmpty)
        }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
