internal import Glibc

/// A descriptor that this value owns: closed when the value ends, once, by nobody else.
public struct FileDescriptor: ~Copyable, Sendable {
    /// For system calls only; closing it behind the owner's back is a bug.
    public let rawValue: CInt

    /// Takes over `rawValue`, which must be open and belong to nobody else.
    public init(owning rawValue: CInt) {
        precondition(rawValue >= 0, "BUG: a negative number is not an open descriptor")
        self.rawValue = rawValue
    }

    deinit {
        // Errors of close are not retried: on Linux the descriptor is gone whatever it says.
        _ = Glibc.close(rawValue)
    }

    /// Closes now and reports what close had to say, which for files may be a late write error.
    public consuming func close() throws(SystemError) {
        let raw = rawValue
        discard self
        // EINTR is not retried either: the number may already belong to another thread's file.
        if Glibc.close(raw) == -1, errno != EINTR {
            throw SystemError(call: "close", errno: errno)
        }
    }

    /// Hands the descriptor to the caller, who must close it.
    public consuming func release() -> CInt {
        let raw = rawValue
        discard self
        return raw
    }

    /// Reads and writes return at once instead of waiting.
    public borrowing func setNonblocking(_ nonblocking: Bool) throws(SystemError) {
        let raw = rawValue
        let flags = try systemCall("fcntl") { fcntl(raw, F_GETFL) }
        let wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
        if wanted != flags { try systemCall("fcntl") { fcntl(raw, F_SETFL, wanted) } }
    }

    /// Waits until the descriptor is ready for `events` (`POLLIN`, `POLLOUT`), has failed, or the
    /// deadline has passed (then `false`).
    public borrowing func wait(
        for events: CInt, until deadline: Instant?
    ) throws(SystemError) -> Bool {
        var request = pollfd(fd: rawValue, events: Int16(events), revents: 0)
        while true {
            let timeout = deadline.map { $0.pollTimeout(from: .now) } ?? -1
            // SAFETY: one pollfd, which outlives the call.
            let ready = unsafe poll(&request, 1, timeout)
            if ready > 0 { return true }
            if ready == 0 {
                if let deadline, deadline <= .now { return false }
                continue
            }
            if errno != EINTR { throw SystemError(call: "poll", errno: errno) }
        }
    }
}
