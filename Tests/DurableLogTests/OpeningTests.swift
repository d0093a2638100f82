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
        #expect(storage.bytesWaitedFor.load(ordering: .relaxed) == 0)
        #expect(storage.filesAhead.load(ordering: .relaxed) <= 64)
        // In a debug build on a busy machine: far from what it takes, and far from reading it all.
        #expect(elapsed < .seconds(2), "\(elapsed)")
        print("opening \(count) segments of \(bytes) bytes took \(elapsed)")
    }
}

@Suite struct PageCacheTests {
    @Test(arguments: LogSettings.Durability.allCases)
    func `Only what is synced at once bypasses the page cache`(
        durability: LogSettings.Durability
    ) throws {
        let scratch = try Scratch()
        let storage = CountingStorage()
        var settings = LogSettings()
        settings.durability = durability
        settings.diskReserveBytes = 0
        settings.segmentBytes = 4096
        let log = try DurableLog(
            "small", directory: scratch.path + "/log", settings: settings, epoch: .random(),
            storage: storage)
        for number in 0..<40 {
            let next = record(number, bytes: 500, items: 1)
            #expect(log.reserve(bytes: next.bytesOnDisk) == nil)
            log.append(next) { _ in }
            log.commitGathered()
        }
        let segments = log.state.withLock { $0.segments.count }
        #expect(
            storage.bypasses.load(ordering: .relaxed) == (durability == .fsync ? segments : 0))
        log.close()
    }

    @Test(arguments: [false, true])
    func `A record that is larger than the buffer is read as it was written`(
        onDisk: Bool
    ) throws {
        let scratch = try Scratch(onDisk: onDisk)
        var settings = LogSettings()
        settings.diskReserveBytes = 0
        settings.cacheBytesMax = 0
        let log = try DurableLog(
            "large", directory: scratch.path + "/log", settings: settings, epoch: .random())
        let cursor = log.openCursor("a") { _, _ in }
        let sizes = [100, 5 << 20, 3000, 2 << 20, (2 << 20) - LogFormat.recordHeaderBytes, 1]
        for (number, bytes) in sizes.enumerated() {
            let next = record(number, bytes: bytes, items: 1)
            #expect(log.reserve(bytes: next.bytesOnDisk) == nil)
            log.append(next) { isKept in #expect(isKept) }
            if number != 1 { log.commitGathered() }
        }
        var read: [LogRecord] = []
        while case let found = try cursor.read(bytesMax: 1), !found.isEmpty {
            read += found.map(\.record)
        }
        #expect(read == sizes.enumerated().map { record($0, bytes: $1, items: 1) })
        log.close()
    }

    @Test func `What a file cannot take past the page cache goes through it`() throws {
        let scratch = try Scratch(onDisk: true)
        let file = try DiskStorage().create(scratch.path + "/file")
        file.bypassPageCache()
        // Neither whole blocks nor at one.
        try file.write([1, 2, 3].rawSpan, at: 5)
        var read: [UInt8] = []
        #expect(try file.read(at: 4, upTo: 10, appendingTo: &read) == 4)
        #expect(read == [0, 1, 2, 3])
    }
}

/// The machine's files, counting what is read of them.
private final class CountingStorage: LogStorage {
    private let disk = DiskStorage()
    let bytesRead = Atomic<Int>(0)
    /// Of these, what the disk was not asked for before, of segments.
    let bytesWaitedFor = Atomic<Int>(0)
    /// The most files that were open at once.
    let filesAhead = Atomic<Int>(0)
    private let filesOpen = Atomic<Int>(0)
    /// Files that bypass the page cache.
    let bypasses = Atomic<Int>(0)

    private final class CountingFile: LogFile {
        let file: any LogFile
        let storage: CountingStorage
        private let isSegment: Bool
        private let asked = Mutex(RangeSet<Int>())

        init(_ file: any LogFile, at path: String, _ storage: CountingStorage) {
            self.file = file
            isSegment = path.hasSuffix(".seg")
            self.storage = storage
            let open = storage.filesOpen.add(1, ordering: .relaxed).newValue
            storage.filesAhead.max(open, ordering: .relaxed)
        }

        deinit { storage.filesOpen.subtract(1, ordering: .relaxed) }

        func size() throws(SystemError) -> Int { try file.size() }

        func read(
            at offset: Int, upTo count: Int, appendingTo buffer: inout [UInt8]
        ) throws(SystemError) -> Int {
            let count = try file.read(at: offset, upTo: count, appendingTo: &buffer)
            storage.bytesRead.add(count, ordering: .relaxed)
            let waited = asked.withLock { RangeSet(offset..<offset + count).subtracting($0) }
            let waitedBytes = waited.ranges.reduce(0) { $0 + $1.count }
            if isSegment { storage.bytesWaitedFor.add(waitedBytes, ordering: .relaxed) }
            return count
        }

        func write(_ bytes: RawSpan, at offset: Int) throws(SystemError) {
            try file.write(bytes, at: offset)
        }

        func truncate(to bytes: Int) throws(SystemError) { try file.truncate(to: bytes) }
        func synchronize() throws(SystemError) { try file.synchronize() }

        func prefetch(_ range: Range<Int>) {
            asked.withLock { $0.insert(contentsOf: range) }
            file.prefetch(range)
        }

        func bypassPageCache() {
            storage.bypasses.add(1, ordering: .relaxed)
            file.bypassPageCache()
        }
    }

    func list(_ directory: String) throws(SystemError) -> [String] { try disk.list(directory) }
    func makeDirectory(_ path: String) throws(SystemError) { try disk.makeDirectory(path) }

    func create(_ path: String) throws(SystemError) -> any LogFile {
        CountingFile(try disk.create(path), at: path, self)
    }

    func open(_ path: String, forWriting: Bool) throws(SystemError) -> any LogFile {
        CountingFile(try disk.open(path, forWriting: forWriting), at: path, self)
    }

    func rename(_ path: String, to newPath: String) throws(SystemError) {
        try disk.rename(path, to: newPath)
    }

    func remove(_ path: String) throws(SystemError) { try disk.remove(path) }

    func synchronizeDirectory(_ path: String) throws(SystemError) {
        try disk.synchronizeDirectory(path)
    }

    func room(_ path: String) throws(SystemError) -> StorageRoom { try disk.room(path) }
}
