import Bytes
import Foundation
import Platform
import Synchronization
import Testing

@testable import DurableLog

@Suite struct SegmentReaderTests {
    /// A log on a modelled disk, without its thread.
    private func open(
        _ disk: ModelDisk, _ change: (inout LogSettings) -> Void = { _ in },
        onEvent: @escaping @Sendable (LogEvent) -> Void = { _ in }
    ) throws -> DurableLog {
        var settings = LogSettings()
        settings.diskReserveBytes = 0
        settings.cacheBytesMax = 0
        change(&settings)
        return try DurableLog(
            "traces", directory: LogHistory.directory, settings: settings, epoch: .random(),
            storage: disk.boot(), onEvent: onEvent)
    }

    private func append(_ numbers: Range<Int>, to log: DurableLog) {
        for number in numbers {
            _ = log.reserve(bytes: record(number).bytesOnDisk)
            log.append(record(number)) { _ in }
        }
        log.commitGathered()
    }

    @Test func `What is half written behind the end is not taken for damage later`() throws {
        let disk = ModelDisk(seed: 1)
        let log = try open(disk)
        let cursor = log.openCursor("a") { _, _ in }
        append(0..<3, to: log)
        let segment = log.state.withLock { $0.segments[0] }
        let file = try log.storage.open(segment.path, forWriting: true)
        // As if the next records were on their way.
        try file.write([UInt8](repeating: 0xAA, count: 5000).rawSpan, at: segment.dataEnd)
        #expect(try cursor.readAll().count == 3)
        append(3..<6, to: log)
        #expect(try cursor.readAll().count == 3)
        #expect(cursor.totals.lost == 0)
    }

    @Test func `A read that fails loses nothing that was read before`() throws {
        // Larger together than what is read at once, so that a call reads several times.
        let records = (0..<12).map { record($0, bytes: 100_000) }
        for call in 1..<20 {
            let disk = ModelDisk(seed: 1)
            let log = try open(disk)
            let cursor = log.openCursor("a") { _, _ in }
            for record in records {
                _ = log.reserve(bytes: record.bytesOnDisk)
                log.append(record) { _ in }
            }
            log.commitGathered()
            var faults = FaultPlan()
            faults.kind = .noMemory
            faults.failing = disk.calls + call..<disk.calls + call + 1
            disk.set(faults)
            var read: [PlacedRecord] = []
            while read.count < records.count {
                if let some = try? cursor.read(bytesMax: 1 << 20) {
                    if some.isEmpty { break }
                    read += some
                }
            }
            #expect(read.map(\.record) == records)
        }
    }

    @Test func `Records that are skipped while a reader has them do not hold the cursor`() throws {
        let disk = ModelDisk(seed: 1)
        let log = try open(disk) {
            $0.segmentBytes = 1000; $0.bytesMax = 10_000
        }
        let cursor = log.openCursor("a", isSkippable: true) { _, _ in }
        append(0..<20, to: log)
        let out = try cursor.read(bytesMax: 1)
        for number in 20..<200 {
            guard log.reserve(bytes: record(number).bytesOnDisk) == nil else { continue }
            log.append(record(number)) { _ in }
            log.commitGathered()
        }
        #expect(cursor.totals.skipped > 0)
        for record in out { cursor.settle(record.position, as: CursorTotals(exported: 1)) }
        _ = try cursor.readAll()
        #expect(cursor.pending.items == 0 && cursor.pending.records == 0)
        #expect(cursor.isPast(log.end))
        #expect(cursor.totals.sum == log.status.itemsEnd)
    }

    @Test(arguments: 0..<12)
    func `A place that the disk cannot read costs what is in it`(block: Int) throws {
        let disk = ModelDisk(seed: 1)
        let damages = Mutex(0)
        let first = try open(disk)
        let before = first.openCursor("a") { _, _ in }
        append(0..<300, to: first)
        first.close()
        _ = before
        let log = try open(
            disk, onEvent: { event in if case .damaged = event { damages.withLock { $0 += 1 } } })
        let cursor = log.openCursor("a") { _, _ in }
        let path = log.state.withLock { $0.segments[0].path }
        let bad = block * 4096..<(block + 1) * 4096
        disk.withLock { $0.unreadable[path] = bad }
        let read = try cursor.readAll()
        let size = log.state.withLock { $0.segments[0].dataEnd }
        if bad.lowerBound < size {
            #expect(read.count < 300 && read.count > 240)
            // A record whose header is before the place, and what is in it.
            #expect((1...2).contains(damages.withLock { $0 }))
        }
        #expect(cursor.totals.exported + cursor.totals.lost == 300)
        #expect(cursor.pending.items == 0)
    }

    @Test(arguments: [true, false], 0..<12)
    func `A start with a place that cannot be read cuts nothing away`(
        isSealed: Bool, block: Int
    ) throws {
        let disk = ModelDisk(seed: 1)
        let first = try open(disk)
        _ = first.openCursor("a") { _, _ in }
        append(0..<300, to: first)
        let path = first.state.withLock { $0.segments[0].path }
        if isSealed { first.close() }
        first.state.withLock { $0.cursors = [] }
        let bad = block * 4096..<(block + 1) * 4096
        disk.withLock { $0.unreadable[path] = bad }
        let second = try open(disk)
        let cursor = second.openCursor("a") { _, _ in }
        if isSealed || block > 0 {
            #expect(try cursor.readAll(settling: false).count > 240)
            append(300..<310, to: second)
        }
        second.state.withLock { $0.cursors = [] }
        // The disk has come to its senses.
        disk.withLock { $0.unreadable = [:] }
        let third = try open(disk)
        let again = third.openCursor("a") { _, _ in }
        if isSealed || block > 0 {
            #expect(try again.readAll().map(\.record) == (0..<310).map { record($0) })
            #expect(again.pending.items == 0)
            #expect(again.totals.lost == 0)
        } else {
            // Without header and seal nobody knows whose records they are; the file is there.
            #expect(disk.fileSizes[path + ".unreadable"] != nil)
        }
    }
}
