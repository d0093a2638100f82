internal import Glibc

/// What is done with paths.
///
// SAFETY: of each call below: Swift passes a path as a C string for the length of the call.
public enum FileSystem {
    /// The whole file. Also for `/proc` and `/sys`, whose files say that they are empty.
    /// - Throws: `EFBIG` when it is longer than `bytesMax`.
    public static func read(_ path: String, bytesMax: Int) throws(SystemError) -> [UInt8] {
        let file = try FileDescriptor(opening: path, .read)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(try file.size(), bytesMax) + 1)
        while try file.read(upTo: 64 << 10, appendingTo: &bytes) > 0 {
            guard bytes.count <= bytesMax else { throw SystemError(call: "read", errno: EFBIG) }
        }
        return bytes
    }

    /// Replaces a file so that a reader, also one after a crash, sees the old or the new content:
    /// writes beside it, syncs, renames, syncs the directory.
    public static func replace(
        _ path: String, with bytes: [UInt8], mode: UInt32 = 0o600
    ) throws(SystemError) {
        let temporary = path + ".new"
        let file = try FileDescriptor(
            opening: temporary, .readWrite, creating: .orTruncate, mode: mode)
        // SAFETY: a view of bytes as bytes, which the array outlives.
        try unsafe file.writeAll(bytes.span.bytes)
        try file.synchronize()
        try file.close()
        try rename(temporary, to: path)
        try synchronizeDirectory(parent(of: path))
    }

    public static func rename(_ path: String, to newPath: String) throws(SystemError) {
        try systemCall("rename") { unsafe Glibc.rename(path, newPath) }
    }

    /// A second name for a file.
    static func link(_ path: String, to newPath: String) throws(SystemError) {
        try systemCall("link") { unsafe Glibc.link(path, newPath) }
    }

    /// Removes a file; one that isn't there is an `ENOENT`.
    public static func remove(_ path: String) throws(SystemError) {
        try systemCall("unlink") { unsafe unlink(path) }
    }

    public static func removeDirectory(_ path: String) throws(SystemError) {
        try systemCall("rmdir") { unsafe rmdir(path) }
    }

    /// Makes the directory and those above it; one that is there already is fine.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
        do throws(SystemError) {
            try systemCall("mkdir") { unsafe mkdir(path, mode) }
        } catch {
            if error.errno == EEXIST, isDirectory(path) { return }
            let above = parent(of: path)
            guard error.errno == ENOENT, above != path, above != "." else { throw error }
            try makeDirectory(above, mode: mode)
            try systemCall("mkdir") { unsafe mkdir(path, mode) }
        }
    }

    /// Makes creations, renames and removals in the directory durable.
    public static func synchronizeDirectory(_ path: String) throws(SystemError) {
        try FileDescriptor(opening: path, .read).synchronize()
    }

    /// What the file system of `path` has, and what a user without privileges may still take of it:
    /// bytes, and whether one more file.
    public static func room(
        _ path: String
    ) throws(SystemError) -> (freeBytes: Int, totalBytes: Int, hasInodes: Bool) {
        var status = statvfs()
        try systemCall("statvfs") { unsafe statvfs(path, &status) }
        func bytes(_ blocks: UInt) -> Int {
            let (bytes, isOver) = UInt64(blocks).multipliedReportingOverflow(
                by: UInt64(status.f_frsize))
            return isOver ? .max : Int(clamping: bytes)
        }
        // A file system without a table of inodes, such as Btrfs, says 0 of 0.
        return (
            bytes(status.f_bavail), bytes(status.f_blocks),
            status.f_files == 0 || status.f_favail > 0
        )
    }

    public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    public static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func isSocket(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// The names in a directory, sorted, without `.` and `..`.
    public static func list(_ path: String) throws(SystemError) -> [String] {
        guard let directory = unsafe opendir(path) else {
            throw SystemError(call: "opendir", errno: errno)
        }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        // SAFETY: an entry is valid until the next readdir; its name ends in NUL.
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe String(
                    cString: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// `a/b` of `a/b/c`, `/` of `/c`, `.` of `c`.
    public static func parent(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
