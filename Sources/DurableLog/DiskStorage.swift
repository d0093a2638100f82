public import Platform
import Synchronization

/// The machine's file systems.
public struct DiskStorage: LogStorage {
    public init() {}

    public func list(_ directory: String) throws(SystemError) -> [String] {
        try FileSystem.list(directory)
    }

    public func makeDirectory(_ path: String) throws(SystemError) {
        let above = FileSystem.parent(of: path)
        guard !FileSystem.isDirectory(path) else {
            // Who made it may have ended before this; who may not, has not made it.
            try? synchronizeDirectory(above)
            return
        }
        if !FileSystem.isDirectory(above) { try makeDirectory(above) }
        try FileSystem.makeDirectory(path)
        try synchronizeDirectory(above)
    }

    public func create(_ path: String) throws(SystemError) -> any LogFile {
        DiskFile(try FileDescriptor(opening: path, .readWrite, creating: .always))
    }

    public func open(_ path: String, forWriting: Bool) throws(SystemError) -> any LogFile {
        DiskFile(try FileDescriptor(opening: path, forWriting ? .readWrite : .read))
    }

    public func rename(_ path: String, to newPath: String) throws(SystemError) {
        try FileSystem.rename(path, to: newPath)
    }

    public func remove(_ path: String) throws(SystemError) { try FileSystem.remove(path) }

    public func synchronizeDirectory(_ path: String) throws(SystemError) {
        try FileSystem.synchronizeDirectory(path)
    }

    public func room(_ path: String) throws(SystemError) -> StorageRoom {
        let room = try FileSystem.room(path)
        return StorageRoom(
            freeBytes: room.freeBytes, totalBytes: room.totalBytes, hasInodes: room.hasInodes)
    }
}

private final class DiskFile: LogFile {
    private struct Reading {
        var bypassesPageCache = false
        /// What is read goes through it then; made with the first of it.
        var blocks: BlockBuffer?
    }

    private let descriptor: FileDescriptor
    private let reading = Mutex(Reading())

    /// Read at once, at most: a disk that is waited for at each read gives the less the smaller
    /// they are.
    private static let readBytesMax = 512 << 10

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    func size() throws(SystemError) -> Int { try descriptor.size() }

    func read(
        at offset: Int, upTo count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Int {
        try reading.withLock { reading throws(SystemError) in
            guard reading.bypassesPageCache else {
                return try descriptor.read(at: offset, upTo: count, appendingTo: &buffer)
            }
            let blocks = reading.blocks ?? BlockBuffer(capacityMax: Self.readBytesMax)
            reading.blocks = blocks
            return try takingAny { () throws(SystemError) in
                try blocks.read(descriptor, at: offset, upTo: count, appendingTo: &buffer)
            }
        }
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(SystemError) {
        try takingAny { () throws(SystemError) in try descriptor.writeAll(bytes, at: offset) }
    }

    /// Where the disk wants larger blocks, or the file system allowed what it cannot do, once more
    /// through the page cache, which takes any: nothing else is invalid in a read or a write.
    private func takingAny<Result>(
        _ call: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        do throws(SystemError) {
            return try call()
        } catch {
            guard error.isInvalidArgument, (try? descriptor.setBypassingPageCache(false)) != nil
            else { throw error }
            return try call()
        }
    }

    func truncate(to bytes: Int) throws(SystemError) { try descriptor.truncate(to: bytes) }

    func synchronize() throws(SystemError) { try descriptor.synchronizeData() }

    func prefetch(_ range: Range<Int>) {
        descriptor.prefetch(at: range.lowerBound, range.count)
    }

    func bypassPageCache() {
        guard (try? descriptor.setBypassingPageCache(true)) != nil else { return }
        reading.withLock { $0.bypassesPageCache = true }
    }
}
