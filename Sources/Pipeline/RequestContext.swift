public import Telemetry

/// What is known of the request that a batch came in, beside the telemetry itself.
public struct RequestContext: Sendable {
    /// The peer's IP address without its port; nil for a Unix socket.
    public var clientAddress: String?
    /// Request headers in lower case, with their values in order; empty unless the receiver has
    /// `include_metadata`.
    public var metadata: [String: [String]]
    /// Of the request's `traceparent`, where it had a valid one.
    public var trace: TraceContext?
    /// Nanoseconds since 1970.
    public var receivedAt: UInt64

    public init(
        clientAddress: String? = nil, metadata: [String: [String]] = [:],
        trace: TraceContext? = nil, receivedAt: UInt64
    ) {
        self.clientAddress = clientAddress
        self.metadata = metadata
        self.trace = trace
        self.receivedAt = receivedAt
    }
}
