import Bytes
import Foundation
import Platform
import Synchronization
import Testing

@testable import DurableLog

/// A directory of its own for each test.
final class Scratch {
    let path: String

    /// - Parameter onDisk: otherwise in memory where there is such a place: some tests sync
    ///   thousands of files.
    init(onDisk: Bool = false) throws {
        let memory = "/dev/shm/"
        let isInMemory = !onDisk && FileManager.default.isWritableFile(atPath: memory)
        let above = isInMemory ? memory : NSTemporaryDirectory() + "/"
        path = above + "durable-log-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

func record(_ number: Int, bytes: Int = 100, items: Int = 1) -> LogRecord {
    var payload = Array("record \(number) ".utf8)
    payload += [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: max(0, bytes - 10))
    return LogRecord(
        signal: 0, itemCount: items, receivedAt: 1_700_000_000_000_000_000 + UInt64(number),
        attachment: [UInt8(truncatingIfNeeded: number)], payload: payload)
}

extension DurableLog {
    /// Appends and waits for the answer.
    func appendAndWait(_ records: [LogRecord]) -> [Bool] {
        let answers = Monitor<[Bool]>([])
        for record in records {
            #expect(reserve(bytes: record.bytesOnDisk) == nil)
            append(record) { isKept in
                answers.withLock { $0.append(isKept) }
                answers.notifyAll()
            }
        }
        return answers.wait { $0.count == records.count ? $0 : nil } ?? []
    }
}

extension LogCursor {
    func readAll(settling: Bool = true) throws -> [PlacedRecord] {
        var all: [PlacedRecord] = []
        while case let some = try read(bytesMax: 1000), !some.isEmpty { all += some }
        if settling {
            for record in all {
                settle(record.position, as: CursorTotals(exported: record.record.itemCount))
            }
        }
        return all
    }
}

@Suite struct DurableLogTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func open(
        durability: LogSettings.Durability = .fsync,
        _ change: (inout LogSettings) -> Void = { _ in }
    ) throws -> DurableLog {
        var settings = LogSettings()
        settings.durability = durability
        settings.diskReserveBytes = 0
        change(&settings)
        let log = try DurableLog(
            "traces", directory: scratch.path + "/traces", settings: settings, epoch: .random())
        try log.start()
        return log
    }

    @Test(arguments: LogSettings.Durability.allCases)
    func `What is appended is read in order`(durability: LogSettings.Durability) throws {
        let log = try open(durability: durability)
        let cursor = log.openCursor("a") { _, _ in }
        let records = (0..<100).map { record($0) }
        #expect(log.appendAndWait(records) == [Bool](repeating: true, count: 100))
        let read = try cursor.readAll()
        #expect(read.map(\.record.payload) == records.map(\.payload))
        #expect(read.map(\.position.number) == Array(1...100))
        #expect(cursor.totals.exported == 100)
        log.close()
    }

    @Test(arguments: [false, true], [false, true])
    func `A log that is opened again goes on where its cursors stood`(
        closes: Bool, compresses: Bool
    ) throws {
        let first = try open {
            $0.compresses = compresses; $0.segmentBytes = 4096
        }
        let cursor = first.openCursor("a") { _, _ in }
        let records = (0..<100).map { record($0) }
        _ = first.appendAndWait(Array(records[..<60]))
        for record in try cursor.read(bytesMax: 2000) {
            cursor.settle(record.position, as: CursorTotals(exported: 1))
        }
        first.maintain()
        let done = cursor.totals.exported
        #expect(done > 0 && done < 60)
        if closes { first.close() }

        let second = try open {
            $0.compresses = compresses; $0.segmentBytes = 4096
        }
        let again = second.openCursor("a") { _, _ in }
        _ = second.appendAndWait(Array(records[60...]))
        let read = try again.readAll()
        #expect(read.map(\.record.payload) == records[done...].map(\.payload))
        #expect(read.map(\.record.attachment) == records[done...].map(\.attachment))
        #expect(Set(read.map(\.position.epoch)).count == 2)
        #expect(again.totals.exported == 100)
        second.close()
        if !closes { first.close() }
    }

    @Test func `What every cursor is past is let go, and read from the disk by who wants it`()
        throws
    {
        let log = try open()
        let quick = log.openCursor("quick") { _, _ in }
        let slow = log.openCursor("slow") { _, _ in }
        #expect(log.appendAndWait((0..<4).map { record($0) }) == [true, true, true, true])
        _ = try quick.readAll()
        let all = log.recentBytes
        log.trim()
        #expect(all > 0 && log.recentBytes == all)
        let first = try #require(try slow.read(bytesMax: 1).first)
        slow.settle(first.position, as: CursorTotals(exported: 1))
        log.trim()
        #expect(log.recentBytes == all - first.record.bytesOnDisk)
        #expect(try slow.readAll().count == 3)
        log.trim()
        #expect(log.recentBytes == 0)
        let late = log.openCursor("late", start: .oldest) { _, _ in }
        let read = try late.readAll(settling: false)
        #expect(read.map(\.record.payload) == (0..<4).map { record($0).payload })
        #expect(log.appendAndWait([record(4)]) == [true])
        #expect(try late.readAll().count == 1)
        log.close()
    }

    @Test func `What every cursor has passed is deleted when nothing is to be retained`() throws {
        let log = try open {
            $0.segmentBytes = 4096; $0.retain = .zero; $0.cacheBytesMax = 0
        }
        let cursors = ["a", "b"].map { log.openCursor($0) { _, _ in } }
        _ = log.appendAndWait((0..<100).map { record($0, bytes: 1000) })
        let count = log.state.withLock { $0.segments.count }
        #expect(count > 5)
        _ = try cursors[0].readAll()
        log.maintain()
        #expect(log.state.withLock { $0.segments.count } == count)
        #expect(try cursors[1].readAll().count == 100)
        log.maintain()
        #expect(log.state.withLock { $0.segments.count } <= 1)
        log.close()
    }

    @Test func `A full log refuses until a cursor has moved`() throws {
        let log = try open {
            $0.bytesMax = 40_000; $0.segmentBytes = 5000; $0.retain = .seconds(3600)
        }
        let cursor = log.openCursor("a") { _, _ in }
        var taken = 0
        while log.reserve(bytes: 1100) == nil {
            log.cancel(bytes: 1100)
            _ = log.appendAndWait([record(taken, bytes: 1000)])
            taken += 1
        }
        #expect(taken > 30 && taken < 40)
        #expect(log.reserve(bytes: 1100) == .full(bytesMax: 40_000, cursor: "a"))
        #expect(try cursor.readAll().count == taken)
        #expect(log.reserve(bytes: 1100) == nil)
        log.cancel(bytes: 1100)
        _ = log.appendAndWait([record(taken, bytes: 1000)])
        log.close()
    }

    @Test func `A full log skips cursors that allow it, and says what`() throws {
        let skipped = Mutex(0)
        var settings = LogSettings()
        settings.bytesMax = 40_000
        settings.segmentBytes = 5000
        settings.diskReserveBytes = 0
        let log = try DurableLog(
            "traces", directory: scratch.path + "/traces", settings: settings, epoch: .random()
        ) { event in
            if case .skipped(_, _, _, let items, _) = event { skipped.withLock { $0 += items } }
        }
        try log.start()
        let slow = log.openCursor("slow", isSkippable: true) { _, _ in }
        for number in 0..<100 { _ = log.appendAndWait([record(number, bytes: 1000)]) }
        let read = try slow.readAll()
        #expect(read.count < 40)
        #expect(read.last?.record.payload == record(99, bytes: 1000).payload)
        #expect(slow.totals.exported + slow.totals.skipped == 100)
        #expect(skipped.withLock { $0 } == slow.totals.skipped)
        log.close()
    }
}
