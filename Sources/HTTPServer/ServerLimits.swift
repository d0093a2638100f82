public import Platform

/// What the servers of a process share: its memory, its descriptors, and how slow a client may be.
public struct ServerLimits: Sendable {
    /// Request bodies, with what becomes of them.
    public var bodies: PeerShares
    /// What connections hold besides: large heads, requests that wait for earlier answers, answers
    /// that the client doesn't take.
    public var connectionMemory: PeerShares
    /// Connections of all these servers together.
    public var connections: ConnectionLimit
    /// Bytes a second that a body brings at least, on average over `bodyStallTimeout`.
    public var bodyRateMin = 1 << 10
    /// From the first byte of a body to its last, where no `readTimeout` says otherwise.
    public var bodyTimeout = Duration.seconds(600)

    public static let connectionMemoryMax = 64 << 20
    public static let connectionsMax = 16_384

    public init(
        bodies: PeerShares,
        connectionMemory: PeerShares = PeerShares(ByteBudget(limit: connectionMemoryMax)),
        connections: ConnectionLimit = ConnectionLimit(connectionsMax)
    ) {
        self.bodies = bodies
        self.connectionMemory = connectionMemory
        self.connections = connections
    }
}
