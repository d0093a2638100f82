import Bytes
public import Platform

/// The file system as the log needs it. The real one is ``DiskStorage``; tests put a model in its
/// place that loses, tears and refuses.
public protocol LogStorage: Sendable {
    /// The names in a directory, sorted; `ENOENT` where there is none.
    func list(_ directory: String) throws(SystemError) -> [String]
    /// Makes the directory and those above it, durably; one that is there is fine.
    func makeDirectory(_ path: String) throws(SystemError)
    /// A new file, for its owner alone; `EEXIST` where there is one.
    func create(_ path: String) throws(SystemError) -> any LogFile
    func open(_ path: String, forWriting: Bool) throws(SystemError) -> any LogFile
    func rename(_ path: String, to newPath: String) throws(SystemError)
    func remove(_ path: String) throws(SystemError)
    /// Makes creations, renames and removals in the directory durable.
    func synchronizeDirectory(_ path: String) throws(SystemError)
    /// What the file system that holds `path` can still take.
    func room(_ path: String) throws(SystemError) -> StorageRoom
}

/// What a file system can still take from a user without privileges.
public struct StorageRoom: Sendable, Equatable {
    public var freeBytes: Int
    /// Of the file system; 0 where that is not known.
    public var totalBytes: Int
    /// Whether it can hold one more file.
    public var hasInodes: Bool

    public init(freeBytes: Int, totalBytes: Int = 0, hasInodes: Bool = true) {
        self.freeBytes = freeBytes
        self.totalBytes = totalBytes
        self.hasInodes = hasInodes
    }
}

/// An open file. Closed when the last reference goes.
public protocol LogFile: AnyObject, Sendable {
    func size() throws(SystemError) -> Int
    /// Appends at most `count` bytes from `offset` on to `buffer`; returns how many, 0 at the end.
    func read(
        at offset: Int, upTo count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Int
    /// Writes all of `bytes`; after an error any part of them may have been written.
    func write(_ bytes: RawSpan, at offset: Int) throws(SystemError)
    func truncate(to bytes: Int) throws(SystemError)
    /// The data is on the disk when this returns. After an error nobody knows which part is.
    func synchronize() throws(SystemError)
    /// From now on what is read and written goes from the disk and to it directly, where the file
    /// system can do that. Writes are of whole blocks at multiples of a block, as ``BlockBuffer``
    /// has them; reads are of any bytes.
    func bypassPageCache()
    /// The range will be read soon: the disk may begin now. A hint.
    func prefetch(_ range: Range<Int>)
}

extension LogFile {
    public func bypassPageCache() {}
    public func prefetch(_ range: Range<Int>) {}
}

extension LogStorage {
    /// The whole file. `EFBIG` where it is longer than `bytesMax`.
    func read(_ path: String, bytesMax: Int) throws(SystemError) -> [UInt8] {
        let file = try open(path, forWriting: false)
        let size = try file.size()
        guard size <= bytesMax else { throw .tooLarge("read") }
        var bytes: [UInt8] = []
        while try file.read(at: bytes.count, upTo: size + 1, appendingTo: &bytes) > 0 {}
        return bytes
    }

    /// Replaces a file so that a reader, also one after a crash, sees the old or the new content.
    func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        let temporary = path + ".new"
        do throws(SystemError) {
            try remove(temporary)
        } catch {
            guard error.isNotFound else { throw error }
        }
        let file = try create(temporary)
        try file.write(bytes.rawSpan, at: 0)
        try file.synchronize()
        try rename(temporary, to: path)
        try synchronizeDirectory(FileSystem.parent(of: path))
    }
}
