public import Platform

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

    public func freeBytes(_ path: String) throws(SystemError) -> Int {
        try FileSystem.freeBytes(path)
    }
}

private final class DiskFile: LogFile {
    private let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    func size() throws(SystemError) -> Int { try descriptor.size() }

    func read(
        at offset: Int, upTo count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Int {
        try descriptor.read(at: offset, upTo: count, appendingTo: &buffer)
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(SystemError) {
        try descriptor.writeAll(bytes, at: offset)
    }

    func write(_ pieces: [[UInt8]], at offset: Int) throws(SystemError) {
        try descriptor.writeAll(pieces, at: offset)
    }

    func truncate(to bytes: Int) throws(SystemError) { try descriptor.truncate(to: bytes) }

    func synchronize() throws(SystemError) { try descriptor.synchronizeData() }

    func releasePages(_ range: Range<Int>) { descriptor.releasePages(range) }
}
