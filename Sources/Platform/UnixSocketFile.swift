internal import Glibc

/// The file of a listening Unix socket. It outlives the socket, so its listener has to remove it.
///
/// A listener may take over the path of another one of this process, whose file is then kept as
/// `<path>.previous`, and goes back to its place if the successor is the first to end.
public struct UnixSocketFile: Sendable {
    private let path: String
    private let identity: FileIdentity?

    /// Of the socket that listens at `path`.
    public init(at path: String) {
        self.path = path
        identity = FileIdentity(path)
    }

    private static func previous(_ path: String) -> String { path + ".previous" }

    /// Listens at a path at which this process listens already. There is never a moment in which
    /// nobody does.
    public static func takeOver(_ path: String, mode: UInt32?) throws(SystemError) -> Socket {
        let next = path + ".next"
        try? FileSystem.remove(next)
        try? FileSystem.remove(previous(path))
        let socket = try Socket(listeningOn: .unix(next), sharingPort: false, mode: mode)
        do throws(SystemError) {
            try FileSystem.link(path, to: previous(path))
            try FileSystem.rename(next, to: path)
        } catch {
            try? FileSystem.remove(previous(path))
            try? FileSystem.remove(next)
            throw error
        }
        return socket
    }

    /// Removes the file, wherever it is by now, and no other listener's.
    public func remove() {
        let previous = Self.previous(path)
        if FileIdentity(path) == identity {
            do throws(SystemError) {
                try FileSystem.rename(previous, to: path)
            } catch {
                try? FileSystem.remove(path)
            }
        } else if FileIdentity(previous) == identity {
            try? FileSystem.remove(previous)
        }
    }

    /// Removes what a listener that has ended left behind. `EADDRINUSE` where one listens.
    static func removeStale(_ path: String) throws(SystemError) {
        guard FileSystem.isSocket(path) else { return }
        do throws(SystemError) {
            _ = try Socket(connectedTo: .unix(path), until: .now + .seconds(1))
        } catch {
            if error.errno == ECONNREFUSED {
                try? FileSystem.remove(previous(path))
                return try FileSystem.remove(path)
            }
        }
        throw SystemError(call: "bind", errno: EADDRINUSE)
    }
}

/// Which file a path names, for as long as that file is there.
private struct FileIdentity: Equatable, Sendable {
    private let device: UInt64
    private let inode: UInt64

    init?(_ path: String) {
        var status = stat()
        // SAFETY: Swift passes the path as a C string for the length of the call.
        guard unsafe lstat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}
