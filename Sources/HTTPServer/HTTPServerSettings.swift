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
    /// Shared with other servers of the process.
    public var shared: ServerLimits
    /// Of the heads and the framing.
    public var limits = HTTPLimits()
    /// Of this server. Beyond it, and beyond the shared limit, a connection that waits for its
    /// client makes room for the next, or that one is answered 503 and closed. An idle one costs
    /// about 1 KiB and a descriptor.
    public var connectionsMax = ServerLimits.connectionsMax
    /// A connection makes room only when nothing has happened on it for so long.
    public var evictionQuietMin = Duration.seconds(5)
    /// What a connection may hold that is not charged: the head of a usual request.
    public var connectionBytesFree = 4 << 10
    /// Requests of one connection that wait for their answers; what is pipelined beyond it waits
    /// unread.
    public var pipelinedMax = 16
    /// From a request's first byte (or the connection's start) to the end of its head.
    public var readHeaderTimeout = Duration.seconds(60)
    /// From a request's first byte to the end of its body. Zero: `ServerLimits.bodyTimeout` alone.
    public var readTimeout = Duration.zero
    /// The time over which a body has to come at the least rate: a slow client must not hold its
    /// share of the budget for ever.
    public var bodyStallTimeout = Duration.seconds(30)
    /// While a client doesn't take its answer.
    public var writeTimeout = Duration.seconds(30)
    /// Between requests.
    public var idleTimeout = Duration.seconds(60)
    /// Whether a connection may carry more than one request.
    public var keepsAlive = true
    /// Whether answers carry `Date`.
    public var sendsDate = true

    public init(endpoints: [Endpoint], shared: ServerLimits) {
        self.endpoints = endpoints
        self.shared = shared
    }

    var bodyPace: BodyPace.Limits {
        BodyPace.Limits(
            time: readTimeout > .zero ? .zero : shared.bodyTimeout, stretch: bodyStallTimeout,
            rateMin: shared.bodyRateMin)
    }
}
