import Glibc
import Platform

/// One connection to the server. It carries one exchange at a time.
final class Connection: Sendable {
    struct Failure: Error {
        let phase: HTTPClientError.Phase
        let reason: HTTPClientError.Reason
        /// The connection ended before a byte of the response came: what happens when a server
        /// gives up an idle connection just as it is used again.
        var wasClosedUnanswered = false
    }

    let socket: Socket
    private let cancellation: Cancellation

    init(
        to address: SocketAddress, _ cancellation: Cancellation, until deadline: Instant
    ) throws(Failure) {
        do throws(SystemError) {
            self.socket = try Socket(connectingTo: address)
        } catch {
            throw Failure(phase: .connect, reason: .system(error))
        }
        self.cancellation = cancellation
        try wait(for: POLLOUT, .connect, until: deadline)
        do throws(SystemError) {
            try socket.finishConnecting()
        } catch {
            throw Failure(phase: .connect, reason: .system(error))
        }
    }

    func wait(
        for events: Int32, _ phase: HTTPClientError.Phase, until deadline: Instant
    ) throws(Failure) {
        do throws(SystemError) {
            let outcome = try cancellation.wait(
                for: events, on: socket.rawDescriptor, until: deadline)
            switch outcome {
            case .ready: return
            case .timedOut: throw SystemError.timedOut("poll")
            case .cancelled: break
            }
        } catch {
            throw Failure(phase: phase, reason: error.isTimeout ? .timedOut : .system(error))
        }
        throw Failure(phase: phase, reason: .cancelled)
    }
}
