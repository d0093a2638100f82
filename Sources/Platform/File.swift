internal import Bytes
internal import CShims
internal import Glibc

/// Files: the few calls that this project needs, with owned descriptors and typed errors.
extension FileDescriptor {
    public enum Access: Sendable {
        case read
        case readWrite
        /// Every write goes to the end.
        case append
    }

    public enum Creation: Sendable {
        /// The file must be there.
        case never
        /// Made when it is missing.
        case ifMissing
        /// An error when it is there.
        case always
        /// Made when it is missing, emptied when it isn't.
        case orTruncate
    }

    /// - Parameter mode: permissions of a new file, before the umask; what we store is private.
    public init(
        opening path: String, _ access: Access, creating creation: Creation = .never,
        mode: UInt32 = 0o600
    ) throws(SystemError) {
        var flags =
            switch access {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .append: O_RDWR | O_APPEND
            }
        switch creation {
        case .never: break
        case .ifMissing: flags |= O_CREAT
        case .always: flags |= O_CREAT | O_EXCL
        case .orTruncate: flags |= O_CREAT | O_TRUNC
        }
        // SAFETY: Swift passes the path as a C string for the length of the call.
        let raw = try systemCall("open") { unsafe open(path, flags | O_CLOEXEC, mode) }
        self.init(owning: raw)
    }

    /// Appends at most `count` bytes to `buffer`; 0 at the end of the file.
    public borrowing func read(
        upTo count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Int {
        let raw = rawValue
        var result = 0
        try buffer.append(addingCapacity: count) { output throws(SystemError) in
            // SAFETY: read writes at most `count` bytes into the room that was added.
            try unsafe output.withUnsafeMutableBufferPointer { room, used throws(SystemError) in
                let start = unsafe room.baseAddress.map { unsafe $0 + used }
                result = try systemCall("read") { unsafe Glibc.read(raw, start, count) }
                used += result
            }
        }
        return result
    }

    /// Appends at most `count` bytes from `offset` on to `buffer`; 0 at the end of the file. The
    /// file's own position neither counts nor moves: threads may share the descriptor.
    public borrowing func read(
        at offset: Int, upTo count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Int {
        let raw = rawValue
        var result = 0
        try buffer.append(addingCapacity: count) { output throws(SystemError) in
            // SAFETY: pread writes at most `count` bytes into the room that was added.
            try unsafe output.withUnsafeMutableBufferPointer { room, used throws(SystemError) in
                let start = unsafe room.baseAddress.map { unsafe $0 + used }
                result = try systemCall("pread") { unsafe pread(raw, start, count, offset) }
                used += result
            }
        }
        return result
    }

    /// Writes all of `bytes` from `offset` on, going on after short writes.
    public borrowing func writeAll(_ bytes: RawSpan, at offset: Int) throws(SystemError) {
        let raw = rawValue
        // SAFETY: the span is valid during the call, and `done` stays within it.
        try unsafe bytes.withUnsafeBytes { buffer throws(SystemError) in
            var done = 0
            while done < buffer.count {
                done += try systemCall("pwrite") {
                    unsafe pwrite(
                        raw, buffer.baseAddress! + done, buffer.count - done, offset + done)
                }
            }
        }
    }

    /// Writes all of `bytes`, going on after short writes.
    public borrowing func writeAll(_ bytes: RawSpan) throws(SystemError) {
        let raw = rawValue
        // SAFETY: the span is valid during the call, and `offset` stays within it.
        try unsafe bytes.withUnsafeBytes { buffer throws(SystemError) in
            var offset = 0
            while offset < buffer.count {
                offset += try systemCall("write") {
                    unsafe write(raw, buffer.baseAddress! + offset, buffer.count - offset)
                }
            }
        }
    }

    /// Has the kernel read bytes from `offset` on into the page cache meanwhile: a hint.
    public borrowing func prefetch(at offset: Int, _ count: Int) {
        _ = posix_fadvise(rawValue, offset, count, POSIX_FADV_WILLNEED)
    }

    /// Data and metadata are on the disk when this returns.
    public borrowing func synchronize() throws(SystemError) {
        let raw = rawValue
        try systemCall("fsync") { fsync(raw) }
    }

    /// Data, and the metadata that is needed to read it back.
    public borrowing func synchronizeData() throws(SystemError) {
        let raw = rawValue
        try systemCall("fdatasync") { fdatasync(raw) }
    }

    /// Whether reads and writes go from the disk and to it without a copy in the page cache
    /// (`O_DIRECT`); then they must be whole blocks, in memory that begins at a block. Fails where
    /// the file system cannot do that.
    public borrowing func setBypassingPageCache(_ isBypassing: Bool) throws(SystemError) {
        let raw = rawValue
        let flags = try systemCall("fcntl") { fcntl(raw, F_GETFL) }
        let direct = sluice_direct_flag()
        let wanted = isBypassing ? flags | direct : flags & ~direct
        try systemCall("fcntl") { fcntl(raw, F_SETFL, wanted) }
    }

    public borrowing func truncate(to bytes: Int) throws(SystemError) {
        let raw = rawValue
        try systemCall("ftruncate") { ftruncate(raw, bytes) }
    }

    /// In bytes.
    public borrowing func size() throws(SystemError) -> Int {
        let raw = rawValue
        var status = stat()
        try systemCall("fstat") { unsafe fstat(raw, &status) }
        return Int(status.st_size)
    }

    /// Takes the file's exclusive lock until the descriptor closes; `false` when it is taken.
    public borrowing func tryLock() throws(SystemError) -> Bool {
        let raw = rawValue
        return try nonblockingCall("flock") { flock(raw, LOCK_EX | LOCK_NB) } != nil
    }
}
