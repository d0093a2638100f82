public import HTTP
public import Platform

/// What happens in a server, for metrics and logs. Called on the loops' threads: be quick.
public protocol HTTPServerObserver: Sendable {
    func connectionOpened(_ peer: SocketAddress)
    func connectionClosed(_ peer: SocketAddress)
    /// Closed at once: there were too many connections, or no descriptor was left.
    func connectionRefused()
    /// Closed while it waited for its client, to make room for another.
    func connectionEvicted()
    /// An answer was handed to the socket.
    func requestFinished(_ record: HTTPRequestRecord)
    /// A request got no answer: its connection went away first.
    func requestLost()
}

extension HTTPServerObserver {
    public func connectionOpened(_ peer: SocketAddress) {}
    public func connectionClosed(_ peer: SocketAddress) {}
    public func connectionRefused() {}
    public func connectionEvicted() {}
    public func requestFinished(_ record: HTTPRequestRecord) {}
    public func requestLost() {}
}

/// For a server that nobody watches.
public struct NoHTTPServerObserver: HTTPServerObserver {
    public init() {}
}

/// One request and its answer, in figures.
public struct HTTPRequestRecord: Hashable, Sendable {
    /// `nil` where the request line could not be read.
    public var method: HTTPMethod?
    /// As `HTTPAdmission.accept` named it; empty for a request that was not accepted.
    public var route: String
    public var status: HTTPStatus
    /// Of the bodies, without framing.
    public var requestBytes: Int
    public var responseBytes: Int
    /// From the request's first byte to its answer.
    public var duration: Duration
    public var peer: SocketAddress
}
