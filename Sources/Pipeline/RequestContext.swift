public import Platform
public import Telemetry

/// What is known of the request that a batch came in, beside the telemetry itself.
public struct RequestContext: Sendable {
    /// Who sent the request.
    public var peer: SocketAddress?
    /// Request headers in lower case, with their values in order; empty unless the receiver has
    /// `include_metadata`.
    public var metadata: [String: [String]]
    /// Of the request's `traceparent`, where it had a valid one.
    public var trace: TraceContext?
    /// Nanoseconds since 1970.
    public var receivedAt: UInt64

    public init(
        peer: SocketAddress? = nil, metadata: [String: [String]] = [:],
        trace: TraceContext? = nil, receivedAt: UInt64
    ) {
        self.peer = peer
        self.metadata = metadata
        self.trace = trace
        self.receivedAt = receivedAt
    }

    /// The peer's IP address without its port; nil for a Unix socket. Made when it is asked for:
    /// few configurations do.
    public var clientAddress: String? {
        switch peer {
        case .ipv4, .ipv6: peer?.host
        case .unix, nil: nil
        }
    }
}
