import Bytes
import Foundation
import Platform
import Synchronization
import Testing

@testable import DurableLog

@Suite struct OpeningTests {
    let scratch: Scratch
    private var directory: String { scratch.path + "/log" }

    init() throws {
        scratch = try Scratch()
        try FileManager.default.createDirectory(
            atPath: scratch.path + "/log", withIntermediateDirectories: true)
    }

    /// Segments without content but for their ends, which is all that a start may look at.
    private func makeSegments(_ count: Int, bytes: Int) throws {
        let epoch = LogEpoch.random()
        for number in 1...UInt64(count) {
            var segment = Segment(
                header: SegmentHeader(
                    epoch: epoch, number: number, firstPosition: number * 10 - 9,
                    previousEnd: number * 10 - 9, createdAt: 1,
                    boot: .now, itemsBefore: number * 100 - 100, name: "log"),
                path: "\(directory)/\(Segment.fileName(number))")
            segment.dataEnd = bytes - LogFormat.sealBytes
            segment.endPosition = number * 10 + 1
            segment.itemCount = 100
            let file = try DiskStorage().create(segment.path)
            try file.write(segment.header.encoded().rawSpan, at: 0)
            try file.write(segment.seal().rawSpan, at: segment.dataEnd)
        }
    }

    @Test(arguments: [(1000, 4096), (320, 64 << 20)])
    func `A start reads the ends of segments only`(count: Int, bytes: Int) throws {
        try makeSegments(count, bytes: bytes)
        let storage = CountingStorage()
        let clock = ContinuousClock()
        var log: DurableLog?
        var settings = LogSettings()
        settings.bytesMax = 1 << 40
        let elapsed = try clock.measure {
            log = try DurableLog(
                "log", directory: directory, settings: settings, epoch: .random(),
                storage: storage)
        }
        #expect(log?.end == UInt64(count) * 10 + 1)
        #expect(log?.status.itemsEnd == count * 100)
        #expect(log?.status.bytes == count * bytes)
        #expect(storage.bytesRead.load(ordering: .relaxed) == count * (256 + 368))
        // In a debug build on a busy machine: far from what it takes, and far from reading it all.
        #expect(elapsed < .seconds(2), "\(elapsed)")
        print("opening \(count) segments of \(bytes) bytes took \(elapsed)")
    }
}

@Suite struct PageCacheTests {
    @Test(arguments: [true, false])
    func `Full segments leave the page cache unless a cursor is behind`(keepsUp: Bool) throws {
        let scratch = try Scratch()
        let storage = CountingStorage()
        var settings = LogSettings()
        settings.diskReserveBytes = 0
        settings.segmentBytes = 4096
        settings.cacheBytesMax = 1000
        let log = try DurableLog(
            "small", directory: scratch.path + "/log", settings: settings, epoch: .random(),
            storage: storage)
        let cursor = log.openCursor("a") { _, _ in }
        for number in 0..<40 {
            let next = record(number, bytes: 500, items: 1)
            #expect(log.reserve(bytes: next.bytesOnDisk) == nil)
            log.append(next) { _ in }
            log.commitGathered()
            guard keepsUp else { continue }
            for placed in try cursor.read(bytesMax: .max) {
                cursor.settle(placed.position, as: CursorTotals(exported: 1))
            }
        }
        #expect((storage.releases.load(ordering: .relaxed) > 0) == keepsUp)
        log.close()
    }
}

/// The machine's files, counting what is read of them.
private final class CountingStorage: LogStorage {
    private let disk = DiskStorage()
    let bytesRead = Atomic<Int>(0)
    /// How often the page cache was told to forget something.
    let releases = Atomic<Int>(0)

    private final class CountingFile: LogFile {
        let file: any LogFile
        let storage: CountingStorage

        init(_ file: any LogFile, _ storage: CountingStorage) {
            self.file = file
            self.storage = storage
        }

        func size() throws(SystemError) -> Int { try file.size() }

        func read(
            at offset: Int, upTo count: Int, appendingTo buffer: inout [UInt8]
        ) throws(SystemError) -> Int {
            let count = try file.read(at: offset, upTo: count, appendingTo: &buffer)
            storage.bytesRead.add(count, ordering: .relaxed)
            return count
        }

        func write(_ bytes: RawSpan, at offset: Int) throws(SystemError) {
            try file.write(bytes, at: offset)
        }

        func truncate(to bytes: Int) throws(SystemError) { try file.truncate(to: bytes) }
        func synchronize() throws(SystemError) { try file.synchronize() }

        func releasePages(_ range: Range<Int>) {
            storage.releases.add(1, ordering: .relaxed)
        }
    }

    func list(_ directory: String) throws(SystemError) -> [String] { try disk.list(directory) }
    func makeDirectory(_ path: String) throws(SystemError) { try disk.makeDirectory(path) }

    func create(_ path: String) throws(SystemError) -> any LogFile {
        CountingFile(try disk.create(path), self)
    }

    func open(_ path: String, forWriting: Bool) throws(SystemError) -> any LogFile {
        CountingFile(try disk.open(path, forWriting: forWriting), self)
    }

    func rename(_ path: String, to newPath: String) throws(SystemError) {
        try disk.rename(path, to: newPath)
    }

    func remove(_ path: String) throws(SystemError) { try disk.remove(path) }

    func synchronizeDirectory(_ path: String) throws(SystemError) {
        try disk.synchronizeDirectory(path)
    }

    func freeBytes(_ path: String) throws(SystemError) -> Int { try disk.freeBytes(path) }
}
