internal import Glibc

/// Ends the waits of other threads for descriptors, now and from now on.
public final class Cancellation: Sendable {
    public enum Outcome {
        case ready
        case timedOut
        case cancelled
    }

    /// One message, never taken: the descriptor stays readable for every waiter.
    private let signal: Mailbox<Bool>

    public init() throws(SystemError) {
        signal = try Mailbox(messagesMax: 1)
    }

    public func cancel() {
        // Refused when it was called before, which is just as well.
        signal.post(true)
    }

    /// Waits until the descriptor is ready for `events` or has failed.
    public func wait(
        for events: CInt, on descriptor: CInt, until deadline: Instant
    ) throws(SystemError) -> Outcome {
        var requests = [
            pollfd(fd: signal.rawDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(events), revents: 0),
        ]
        while true {
            let now = Instant.now
            let timeout = deadline.pollTimeout(from: now)
            // SAFETY: the array has the two elements that it is said to have.
            let count = try unsafe requests.withUnsafeMutableBufferPointer {
                requests throws(SystemError) in
                try systemCall("poll") { unsafe poll(requests.baseAddress, 2, timeout) }
            }
            if requests[0].revents != 0 { return .cancelled }
            // First: a peer that always has another byte would be waited for without end.
            if deadline <= now { return .timedOut }
            if count > 0 { return .ready }
        }
    }
}
