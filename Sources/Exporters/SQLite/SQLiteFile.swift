internal import Glibc
import Platform

/// The database's file and directories, as the file system sees them.
struct SQLiteFile: Equatable {
    private let device: UInt
    private let inode: UInt

    /// Which file stands at `path`; nil for none.
    init?(at path: String) {
        var status = stat()
        // SAFETY: both arguments outlive the call.
        guard unsafe stat(path, &status) == 0 else { return nil }
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }

    /// Makes what is missing: directories only their owner can enter, a file only its owner can
    /// read. SQLite gives its other files (`-wal`, `-shm`) the same mode.
    static func create(_ path: String) throws(SystemError) {
        for (offset, byte) in path.utf8.enumerated() where byte == UInt8(ascii: "/") && offset > 0 {
            let directory = String(decoding: path.utf8.prefix(offset), as: UTF8.self)
            if SQLiteFile(at: directory) != nil { continue }
            do throws(SystemError) {
                try systemCall("mkdir") { unsafe mkdir(directory, 0o700) }
            } catch {
                // Somebody else may have made it meanwhile.
                if error.errno != EEXIST { throw error }
            }
        }
        // O_EXCL: closing a descriptor of a file that is open elsewhere in this process would drop
        // SQLite's locks on it.
        let flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC
        do throws(SystemError) {
            let raw = try systemCall("open") { unsafe open(path, flags, 0o600) }
            try FileDescriptor(owning: raw).close()
        } catch {
            if error.errno != EEXIST { throw error }
        }
    }
}
