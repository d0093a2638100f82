import Bytes
import Foundation
import Platform
import Synchronization
import Testing

@testable import DurableLog

/// Files that are not what was written.
@Suite struct CorruptionTests {
    let original: SmallLog

    init() throws { original = try SmallLog.write(records: 12) }

    // MARK: One segment

    @Test(arguments: [true, false])
    func `A flipped byte costs no more than the record that it is in`(isSealed: Bool) throws {
        let file = isSealed ? original.sealed : original.unsealed
        for offset in file.indices {
            var damaged = file
            damaged[offset] ^= UInt8(1 << (offset % 8))
            let found = try original.read(damaged)
            let isHeader = offset < LogFormat.segmentHeaderBytes
            if isHeader, !isSealed {
                #expect(found.records.isEmpty && found.unreadable == 1, "at \(offset)")
                continue
            }
            let hit = isHeader ? nil : original.recordIndex(at: offset)
            expect(found, at: offset, missing: hit.map { [$0] } ?? [], isSealed)
        }
    }

    @Test(arguments: [true, false])
    func `A file that ends early has what is whole before its end`(isSealed: Bool) throws {
        let file = isSealed ? original.sealed : original.unsealed
        for count in 0..<file.count {
            let found = try original.read(Array(file[..<count]))
            let whole = original.ends.filter { $0 <= count }.count
            let expected = count < LogFormat.segmentHeaderBytes ? 0 : whole
            #expect(found.records == Array(original.records[..<expected]), "of \(count)")
            #expect(found.isSettled, "of \(count)")
        }
    }

    @Test func `Blocks in the wrong place are no records`() throws {
        let block = 512
        let file = original.sealed
        for first in 0..<file.count / block {
            for second in first + 1..<file.count / block {
                // With its header and the seal's copy of it both elsewhere a segment is put aside.
                if first == 0, (second + 1) * block > original.ends.last! { continue }
                var damaged = file
                damaged.replaceSubrange(
                    first * block..<(first + 1) * block,
                    with: file[second * block..<(second + 1) * block])
                damaged.replaceSubrange(
                    second * block..<(second + 1) * block,
                    with: file[first * block..<(first + 1) * block])
                let hit = original.records.indices.filter { index in
                    [first, second].contains {
                        original.bytes(index).overlaps($0 * block..<($0 + 1) * block)
                    }
                }
                let found = try original.read(damaged)
                expect(found, at: first * block, missing: Set(hit), true)
            }
        }
    }

    @Test(arguments: [0 as UInt8, 0xFF])
    func `A range that was overwritten is skipped`(value: UInt8) throws {
        var random = SeededRandom(seed: 3)
        let file = original.sealed
        for _ in 0..<300 {
            let start = LogFormat.segmentHeaderBytes + random.below(file.count)
            let end = min(start + 1 + random.below(600), original.ends.last!)
            guard start < end else { continue }
            var damaged = file
            damaged.replaceSubrange(
                start..<end, with: repeatElement(value, count: end - start))
            let hit = original.records.indices.filter { index in
                let range = original.bytes(index)
                return range.overlaps(start..<end) && damaged[range] != file[range]
            }
            let found = try original.read(damaged)
            expect(found, at: start, missing: Set(hit), true)
        }
    }

    private func expect(
        _ found: SmallLog.Found, at offset: Int, missing: Set<Int>, _ isSealed: Bool
    ) {
        let expected = original.records.indices.filter { !missing.contains($0) }
            .map { original.records[$0] }
        #expect(found.records == expected, "at \(offset)")
        #expect(found.isSettled, "at \(offset)")
        #expect(found.unreadable == 0, "at \(offset)")
        guard found.records.count < original.records.count else { return }
        // The last record of a file that was not closed may be torn, which is no damage.
        #expect(!found.damages.isEmpty || found.torn > 0, "at \(offset)")
        #expect(Set(found.damages.map(\.offset)).count == found.damages.count, "at \(offset)")
        for damage in found.damages { #expect(damage.isSaved, "at \(offset)") }
        if isSealed, found.torn == 0 {
            let items = original.records.reduce(0) { $0 + $1.itemCount }
            #expect(found.totals.exported + found.totals.lost == items, "at \(offset)")
        }
    }

    @Test func `What fills up the last block is no torn end`() throws {
        #expect(original.unsealed.count % BlockBuffer.blockBytes == 0)
        #expect(original.unsealed.count > original.ends.last!)
        #expect(try original.read(original.unsealed).torn == 0)
        // Sealed, and the machine stopped before the file was cut behind the seal.
        let filling = [UInt8](repeating: 0, count: 100)
        #expect(try original.read(original.sealed + filling).torn == 0)
        var torn = original.unsealed
        torn[torn.count - 1] = 1
        #expect(try original.read(torn).torn == 1)
    }

    // MARK: Forged records

    @Test(arguments: [0, 8, 48, 200])
    func `Records inside a payload are never taken for records`(damageAt: Int) throws {
        // All that a client could have seen of a log: another one's file, and this one's so far.
        let forged =
            original.sealed[LogFormat.segmentHeaderBytes...]
            + original.unsealed[LogFormat.segmentHeaderBytes...]
        var log = try SmallLog.write(records: 3)
        var payload = Array(log.unsealed[LogFormat.segmentHeaderBytes...])
        payload += forged
        // The payload begins at a multiple of eight, as the records in it do.
        let record = LogRecord(
            signal: 1, itemCount: 1, receivedAt: 1, attachment: [UInt8](repeating: 0, count: 8),
            payload: payload)
        log = try SmallLog.write(
            records: 3, epoch: log.epoch, then: [record] + SmallLog.records(5..<8))
        var damaged = log.sealed
        damaged[log.range(3).lowerBound + damageAt] ^= 0x10
        let found = try log.read(damaged)
        #expect(found.records == Array(log.records[..<3] + log.records[4...]))
        #expect(found.totals.lost == 1)
        #expect(found.damages.map(\.offset) == [log.range(3).lowerBound])
        #expect(found.damages.first?.bytes == log.range(3).count)
    }

    // MARK: Directories

    @Test func `A segment under another's number is put aside`() throws {
        let found = try original.read(
            original.sealed, files: ["0000000000000007.seg": original.sealed])
        #expect(found.records == original.records)
        #expect(found.unreadable == 1)
    }

    @Test func `A segment that is shorter than its successor knows has lost the rest`() throws {
        let first = try SmallLog.write(records: 12)
        let second = try SmallLog.write(records: 3, behind: first)
        let cut = Array(first.sealed[..<first.ends[7]])
        let found = try first.read(cut, files: [second.name: second.sealed])
        #expect(found.records == Array(first.records[..<8] + second.records))
        #expect(found.totals.lost == first.records[8...].reduce(0) { $0 + $1.itemCount })
        #expect(found.isSettled)
        #expect(found.damages.count == 1)
    }

    @Test func `A segment that overlaps another run's is put aside`() throws {
        // A backup that is newer than what its successor was begun behind.
        let short = try SmallLog.write(records: 5)
        let long = try SmallLog.write(records: 12)
        let second = try SmallLog.write(records: 3, behind: short)
        let found = try long.read(long.sealed, files: [second.name: second.sealed])
        #expect(found.records == long.records)
        #expect(found.unreadable == 1)
        #expect(found.isSettled)
    }

    @Test func `A segment that is gone is counted as lost`() throws {
        let first = try SmallLog.write(records: 12)
        let second = try SmallLog.write(records: 3, behind: first)
        let found = try first.read(nil, files: [second.name: second.sealed])
        #expect(found.records == second.records)
        #expect(found.totals.lost == first.records.reduce(0) { $0 + $1.itemCount })
        #expect(found.isSettled)
    }

    @Test(arguments: [nil, "sluice-cursors 1\nend 0\n", "", "\0\0\0\0"])
    func `A log whose cursors are lost is read from its beginning by every cursor`(
        cursors: String?
    ) throws {
        let scratch = try Scratch()
        try original.write(original.sealed, cursors: cursors.map { Array($0.utf8) }, to: scratch)
        let log = try SmallLog.open(scratch) { _ in }
        for name in ["a", "b", "c"] {
            #expect(try log.openCursor(name) { _, _ in }.readAll().count == 12)
        }
        log.close()
        let kept = scratch.path + "/log/cursors.unreadable"
        #expect(FileManager.default.fileExists(atPath: kept) == (cursors != nil))
    }

    @Test func `Older cursors deliver again, newer ones begin where the log ends`() throws {
        let short = Array(original.unsealed[..<original.ends[5]])
        let found = try original.read(original.sealed)
        #expect(found.records.count == 12)
        // The cursors have passed all twelve, the file has six.
        let again = try original.read(short, cursors: found.cursors)
        #expect(again.records == [])
        #expect(again.isSettled)
    }

    // MARK: Versions

    @Test func `A newer segment stops the start, and nothing is changed`() throws {
        let scratch = try Scratch()
        var header = SegmentHeader(
            epoch: .random(), number: 2, firstPosition: 13, previousEnd: 13, createdAt: 0,
            boot: .now,
            itemsBefore: 0, name: "x"
        ).encoded()
        header[8] = 2
        header.overwrite32(SegmentHeader.checksum(of: header.rawSpan), at: 252)
        try original.write(
            original.unsealed, cursors: nil, files: ["0000000000000002.seg": header], to: scratch)
        let error = #expect(throws: LogOpenError.self) { _ = try SmallLog.open(scratch) { _ in } }
        #expect(error?.description.contains("version 2") == true)
        #expect(
            try [UInt8](Data(contentsOf: URL(filePath: scratch.path + "/log/" + original.name)))
                == original.unsealed)
    }

    @Test func `Newer cursors stop the start`() throws {
        let scratch = try Scratch()
        let text = Array("sluice-cursors 2\n".utf8)
        let checksum = CursorFile.checksum(of: text)
        let cursors = text + Array("end \(String(checksum, radix: 16))\n".utf8)
        try original.write(original.sealed, cursors: cursors, to: scratch)
        let error = #expect(throws: LogOpenError.self) { _ = try SmallLog.open(scratch) { _ in } }
        #expect(error?.description.contains("version 2") == true)
    }
}
