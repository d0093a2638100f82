public import HTTP
public import Platform

/// What a server does with requests. Its methods run on the event loops' threads, several at a
/// time, and must not block.
public protocol HTTPHandler: Sendable {
    /// The head is in, the body isn't: accept it, or answer now without reading the body.
    func admit(_ head: HTTPRequestHead, from peer: SocketAddress) -> HTTPAdmission

    /// The request is whole. Answer through `exchange`, now or later, from any thread, once.
    func handle(_ request: consuming HTTPRequest, _ exchange: HTTPExchange)

    /// The answer that HTTP itself must give.
    /// - Parameter head: the request's, where it could be read.
    func failure(
        _ failure: HTTPFailure, answering head: HTTPRequestHead?, from peer: SocketAddress
    ) -> HTTPResponse
}

/// What HTTP itself has to say: to malformed, too large, too slow requests (400, 408, 413, 414,
/// 417, 431, 501, 505), when there is no room (503), and when `handle` let its exchange go without
/// an answer (500).
public struct HTTPFailure: Hashable, Sendable {
    public var status: HTTPStatus
    /// For the client; holds nothing of what it sent.
    public var message: String
    /// What the client speaks in place of HTTP/1.1, where that is known.
    public var foreign: ForeignProtocol?

    public init(_ status: HTTPStatus, _ message: String, foreign: ForeignProtocol? = nil) {
        self.status = status
        self.message = message
        self.foreign = foreign
    }
}

extension HTTPHandler {
    public func failure(
        _ failure: HTTPFailure, answering head: HTTPRequestHead?, from peer: SocketAddress
    ) -> HTTPResponse {
        .text(failure.status, failure.message + "\n")
    }
}

public enum HTTPAdmission: Sendable {
    /// - `bodyBytesMax`: 413 beyond it.
    /// - `route`: names the request in metrics; one of few, never the path as it was sent.
    /// - `note`: what the handler found out, in its own terms; `HTTPExchange.note` gives it back.
    case accept(bodyBytesMax: Int, route: String = "", note: Int = 0)
    case refuse(HTTPResponse)
}
