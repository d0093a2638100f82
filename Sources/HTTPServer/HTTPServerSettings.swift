public import HTTP
public import Platform

/// A server's limits. A timeout of zero means none, as in the Collector and in Go.
public struct HTTPServerSettings: Sendable {
    public var endpoints: [Endpoint]
    /// Addresses that another server of this process listens on and is about to leave: they are
    /// shared until it does, so that no client is turned away in between. A Unix socket's path is
    /// taken over at once.
    public var inheritedAddresses: [SocketAddress] = []
    /// Who may connect to the Unix sockets among the endpoints; nil is up to the umask.
    public var unixMode: UInt32?
    /// Shared by all servers of the process: what all request bodies may take together.
    public var bodyBudget: ByteBudget
    /// Of the heads and the framing.
    public var limits = HTTPLimits()
    /// Beyond it a connection is answered 503 and closed. An idle one costs about 1 KiB and a
    /// descriptor.
    public var connectionsMax = 16_384
    /// Requests of one connection that wait for their answers; what is pipelined beyond it waits
    /// unread.
    public var pipelinedMax = 16
    /// From a request's first byte (or the connection's start) to the end of its head.
    public var readHeaderTimeout = Duration.seconds(60)
    /// From a request's first byte to the end of its body.
    public var readTimeout = Duration.zero
    /// Without a byte of a body that is being sent: a stalled client must not hold its share of
    /// the budget for ever.
    public var bodyStallTimeout = Duration.seconds(30)
    /// While a client doesn't take its answer.
    public var writeTimeout = Duration.seconds(30)
    /// Between requests.
    public var idleTimeout = Duration.seconds(60)
    /// Whether a connection may carry more than one request.
    public var keepsAlive = true
    /// Whether answers carry `Date`.
    public var sendsDate = true

    public init(endpoints: [Endpoint], bodyBudget: ByteBudget) {
        self.endpoints = endpoints
        self.bodyBudget = bodyBudget
    }
}
