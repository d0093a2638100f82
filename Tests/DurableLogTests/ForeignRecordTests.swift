import Bytes
import Foundation
import Platform
import Synchronization
import Testing

@testable import DurableLog

/// Records that another version may have written, sound by their checksums.
@Suite struct ForeignRecordTests {
    private let original: SmallLog

    init() throws { original = try SmallLog.write(records: 6) }

    /// The log with byte `offset` of a record's header changed, and its checksum made right.
    private func changed(
        _ bytes: [UInt8], record: Int, _ offset: Int, to value: UInt8
    ) -> [UInt8] {
        var bytes = bytes
        let start = original.range(record).lowerBound
        bytes[start + offset] = value
        let number = Segment.number(inFileName: original.name)!
        let seed = RecordSeed(epoch: original.epoch, segment: number)
        let checksum = seed.checksum(
            of: bytes.rawSpan.extracting(start + 8..<start + LogFormat.recordHeaderBytes),
            offset: start)
        bytes.overwrite32(checksum, at: start + 4)
        return bytes
    }

    @Test(arguments: [3, 5], [3 as UInt8, 9, 255])
    func `A signal that nobody knows is damage`(record: Int, signal: UInt8) throws {
        let segment = changed(original.sealed, record: record, 43, to: signal)
        let found = try original.read(segment)
        var others = original.records
        let lost = others.remove(at: record)
        #expect(found.records == others)
        #expect(found.totals.lost == lost.itemCount)
        #expect(found.isSettled && found.damages.count == 1 && found.damages[0].isSaved)
    }

    /// Bytes 42 and 44 of the header.
    @Test(arguments: [42, 44], [2 as UInt8, 5, 128])
    func `A kind or a flag that nobody knows stops the reader, which says so`(
        offset: Int, value: UInt8
    ) throws {
        let segment = changed(original.sealed, record: 3, offset, to: value)
        let scratch = try Scratch()
        try original.write(segment, cursors: original.cursors, to: scratch)
        let log = try SmallLog.open(scratch) { _ in }
        let cursor = log.openCursor("a") { _, _ in }
        var read: [PlacedRecord] = []
        let error = #expect(throws: LogReadError.self) {
            while true { read += try cursor.read(bytesMax: 1) }
        }
        #expect(read.map(\.record) == Array(original.records[..<3]))
        #expect(error?.description.contains("a newer Sluice wrote it") == true)
        #expect(log.troubles.first?.operation == .read)
        for placed in read { cursor.settle(placed.position, as: CursorTotals(exported: 1)) }
        log.maintain()
        #expect(cursor.totals.lost == 0 && cursor.pending.records == 3)
        log.close()
        #expect(throws: LogReadError.self) {
            _ = try LogInspector(scratch.path + "/log").verify()
        }
    }

    @Test func `One in a segment that has no seal stops the start, and nothing is changed`() throws
    {
        let segment = changed(original.unsealed, record: 3, 42, to: 2)
        let scratch = try Scratch()
        try original.write(segment, cursors: original.cursors, to: scratch)
        let error = #expect(throws: LogOpenError.self) { _ = try SmallLog.open(scratch) { _ in } }
        #expect(error?.description.contains("newer Sluice") == true)
        let path = scratch.path + "/log/" + original.name
        #expect(try [UInt8](Data(contentsOf: URL(filePath: path))) == segment)
    }

    @Test func `Numbers at the end of their range are damage, and end nothing`() throws {
        var segment = original.sealed
        for offset in 12..<20 { segment = changed(segment, record: 5, offset, to: 0xFF) }
        let found = try original.read(segment)
        #expect(found.records == Array(original.records[..<5]))
        let scratch = try Scratch()
        let header = original.sealed[..<LogFormat.segmentHeaderBytes]
        for offset in [32, 40, 56, 88] {
            var bytes = Array(header)
            for index in offset..<offset + 8 { bytes[index] = 0xFF }
            bytes.overwrite32(SegmentHeader.checksum(of: bytes.rawSpan), at: 252)
            #expect(throws: SegmentHeader.Fault.self) {
                _ = try SegmentHeader(decoding: bytes.rawSpan)
            }
        }
        try original.write(
            original.sealed, cursors: original.cursors,
            files: ["ffffffffffffffff.seg": Array(header)], to: scratch)
        let log = try SmallLog.open(scratch) { _ in }
        _ = log.reserve(bytes: record(0).bytesOnDisk)
        log.append(record(0)) { isKept in #expect(isKept) }
        log.commitGathered()
        log.close()
    }
}

/// What cursors prove although no segment has it.
@Suite struct MissingRecordsTests {
    private func missing(
        _ segments: [(name: String, bytes: [UInt8])], cursors: [UInt8]
    ) throws -> (events: [MissingRecords], lost: Int, items: Int) {
        let scratch = try Scratch()
        let directory = scratch.path + "/log"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        for (name, bytes) in segments + [("cursors", cursors)] {
            try Data(bytes).write(to: URL(filePath: "\(directory)/\(name)"))
        }
        #expect(try LogInspector(directory).missing.isEmpty == false)
        let events = Mutex<[MissingRecords]>([])
        let log = try SmallLog.open(scratch) { event in
            if case .missing(let missing) = event { events.withLock { $0.append(missing) } }
        }
        let slow = log.openCursor("slow") { _, _ in }
        _ = try slow.readAll()
        let lost = slow.totals.lost
        #expect(slow.isPast(log.end) && slow.pending.items == 0)
        let missing = log.counters.missingItems.load(ordering: .relaxed)
        // New numbers are given behind what is missing.
        _ = log.reserve(bytes: record(99).bytesOnDisk)
        log.append(record(99)) { _ in }
        log.commitGathered()
        #expect(try slow.readAll().map(\.record) == [record(99)])
        log.close()
        return (events.withLock { $0 }, lost, missing)
    }

    /// Of a log whose cursor `a` has passed `records` of it, and `slow` none.
    private func cursors(_ log: SmallLog, passed: Int, from first: UInt64 = 1) throws -> [UInt8] {
        var file = CursorFile()
        let items = log.records[..<passed].reduce(0) { $0 + $1.itemCount }
        file.cursors["a"] = SavedCursor(
            after: LogPosition(epoch: log.epoch, number: UInt64(passed)), itemsBefore: 0,
            totals: CursorTotals(exported: items))
        file.cursors["slow"] = SavedCursor(
            after: LogPosition(epoch: LogEpoch(0), number: 0), itemsBefore: 0,
            totals: CursorTotals())
        return file.encoded()
    }

    @Test func `The last records of a log that a cursor has passed`() throws {
        let log = try SmallLog.write(records: 12)
        let items = log.records[8...].reduce(0) { $0 + $1.itemCount }
        let found = try missing(
            [(log.name, Array(log.unsealed[..<log.ends[7]]))], cursors: try cursors(log, passed: 12)
        )
        #expect(found.events.map(\.place) == [.newest])
        #expect(found.events.first?.numbers == 9..<13)
        #expect(found.lost == items && found.items == items)
    }

    @Test func `A damaged last record that a cursor has passed`() throws {
        let log = try SmallLog.write(records: 12)
        var bytes = Array(log.unsealed[..<log.ends[11]])
        bytes[log.range(11).lowerBound + LogFormat.recordHeaderBytes + 3] ^= 1
        let found = try missing([(log.name, bytes)], cursors: try cursors(log, passed: 12))
        #expect(found.lost == log.records[11].itemCount)
    }

    @Test func `The newest segment and the oldest one`() throws {
        let first = try SmallLog.write(records: 12)
        let second = try SmallLog.write(records: 3, behind: first)
        let firstItems = first.records.reduce(0) { $0 + $1.itemCount }
        let secondItems = second.records.reduce(0) { $0 + $1.itemCount }
        var file = try CursorFile(decoding: try cursors(first, passed: 12))
        file.cursors["a"] = SavedCursor(
            after: LogPosition(epoch: second.epoch, number: 15), itemsBefore: 0,
            totals: CursorTotals(exported: firstItems + secondItems))
        let newest = try missing([(first.name, first.sealed)], cursors: file.encoded())
        #expect(newest.events.map(\.place) == [.newest])
        #expect(newest.lost == secondItems && newest.items == secondItems)
        let oldest = try missing([(second.name, second.sealed)], cursors: file.encoded())
        #expect(oldest.events.map(\.place) == [.oldest])
        #expect(oldest.lost == firstItems && oldest.items == firstItems)
    }
}
