internal import EventLoop
public import HTTP
public import Platform
internal import Synchronization

/// The right, and the duty, to answer one request. It may be kept and passed between threads.
///
/// An exchange that is let go without an answer answers 500, so that no client and no pipelined
/// neighbour waits for ever.
public final class HTTPExchange: Sendable {
    public let peer: SocketAddress
    /// As the handler's `admit` gave it.
    public let note: Int
    /// What the request may take of the memory for bodies, beside the body itself.
    public let share: PeerShare
    /// Whose turn it is where requests are worked on elsewhere.
    public var sender: Peer { share.peer }
    private let connection: HTTPServerConnection
    private let number: Int
    private let isAnswered = Atomic<Bool>(false)
    private let bodyBytes: Int

    init(
        _ connection: HTTPServerConnection, number: Int, peer: SocketAddress, note: Int,
        bodyBytes: Int
    ) {
        self.connection = connection
        self.number = number
        self.peer = peer
        self.note = note
        self.bodyBytes = bodyBytes
        share = connection.share
    }

    deinit {
        if !isAnswered.load(ordering: .acquiring) { finish(nil) }
    }

    /// Sends the answer, in its turn; from any thread. An answer whose connection has gone is
    /// dropped and counted.
    public func respond(_ response: HTTPResponse) {
        let wasAnswered = isAnswered.exchange(true, ordering: .acquiringAndReleasing)
        precondition(!wasAnswered, "BUG: a request was answered twice")
        finish(response)
    }

    private func finish(_ response: HTTPResponse?) {
        let (connection, number, bodyBytes) = (connection, number, bodyBytes)
        if connection.loop.isCurrent {
            connection.answer(number, response, bodyBytes: bodyBytes)
        } else {
            connection.loop.execute {
                connection.answer(number, response, bodyBytes: bodyBytes)
            }
        }
    }
}
