internal import Glibc
import Platform

/// Which file it is: equal for two names of the same one.
struct FileStatus: Equatable {
    let device: UInt64
    let inode: UInt64
    /// Not a pipe, a terminal or another device, which know neither length nor sync.
    let isRegular: Bool

    /// Of the file that has this name now; `nil` where there is none.
    init?(of path: String) {
        var status = stat()
        // SAFETY: Swift passes the path as a C string for the length of the call, which fills
        // `status`.
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    init(of descriptor: borrowing FileDescriptor) throws(SystemError) {
        let raw = descriptor.rawValue
        var status = stat()
        // SAFETY: fstat fills `status`, which outlives the call.
        try systemCall("fstat") { unsafe fstat(raw, &status) }
        self.init(status)
    }

    private init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        isRegular = status.st_mode & S_IFMT == S_IFREG
    }
}
