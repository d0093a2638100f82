public import OTLP
public import Platform
public import Telemetry

/// A batch that waits for an exporter: bytes alone, as a log on disk would hold it.
/// The bytes are validated OTLP, and shared between the queues that hold them.
public struct QueuedBatch: Sendable {
    public let signal: Signal
    /// An `Export…ServiceRequest`.
    public let payload: [UInt8]
    public let itemCount: Int
    public let enqueuedAt: Instant
    /// Of the request that brought it: an outgoing request continues this trace.
    public let trace: TraceContext?

    public init(
        signal: Signal, payload: [UInt8], itemCount: Int, enqueuedAt: Instant,
        trace: TraceContext? = nil
    ) {
        self.signal = signal
        self.payload = payload
        self.itemCount = itemCount
        self.enqueuedAt = enqueuedAt
        self.trace = trace
    }
}
