import Bytes
public import DurableLog
public import OTLP
public import Platform
public import Telemetry

/// A batch that waits for an exporter: bytes alone, as the log holds it. The bytes are validated
/// OTLP, and shared between the queues that hold them.
public struct QueuedBatch: Sendable {
    public let signal: Signal
    /// An `Export…ServiceRequest`.
    public let payload: [UInt8]
    public let itemCount: Int
    public let enqueuedAt: Instant
    /// Wall time, nanoseconds since 1970.
    public let receivedAt: UInt64
    /// Of the request that brought it: an outgoing request continues this trace.
    public let trace: TraceContext?
    /// The record that it is in its log.
    public let origin: BatchOrigin?

    public init(
        signal: Signal, payload: [UInt8], itemCount: Int, enqueuedAt: Instant,
        receivedAt: UInt64 = 0, trace: TraceContext? = nil, origin: BatchOrigin? = nil
    ) {
        self.signal = signal
        self.payload = payload
        self.itemCount = itemCount
        self.enqueuedAt = enqueuedAt
        self.receivedAt = receivedAt
        self.trace = trace
        self.origin = origin
    }
}

/// Where in which log a batch comes from: its name for ever.
public struct BatchOrigin: Sendable {
    public let log: DurableLog
    public let position: LogPosition
    let cursor: LogCursor

    func settle(as totals: CursorTotals) { cursor.settle(position, as: totals) }
}

extension QueuedBatch {
    init(_ placed: PlacedRecord, from log: DurableLog, _ cursor: LogCursor) {
        let record = placed.record
        guard let signal = Signal(rawValue: record.signal) else {
            preconditionFailure("BUG: a record of a signal that this version does not write")
        }
        let now = SystemClock().unixNanoseconds
        let age = now - min(now, record.receivedAt)
        self.init(
            signal: signal, payload: record.payload, itemCount: record.itemCount,
            enqueuedAt: Instant(nanoseconds: Instant.now.nanoseconds - min(age, Instant.now.nanoseconds)),
            receivedAt: record.receivedAt, trace: TraceContext(attachment: record.attachment),
            origin: BatchOrigin(log: log, position: placed.position, cursor: cursor))
    }
}

extension TraceContext {
    /// Type 1 of a record's attachment: trace id, span id, flags; each item of it is a type, a
    /// length and as many bytes.
    private static let attachmentType: UInt8 = 1
    private static let attachmentBytes = 25

    var attachment: [UInt8] {
        var bytes = [Self.attachmentType, UInt8(Self.attachmentBytes)]
        for word in [traceID.high, traceID.low, spanID.word] {
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
        bytes.append(flags.rawValue)
        return bytes
    }

    init?(attachment: [UInt8]) {
        let bytes = attachment.rawSpan
        var offset = 0
        while offset + 2 <= attachment.count {
            let length = Int(attachment[offset + 1])
            if attachment[offset] == Self.attachmentType, length == Self.attachmentBytes,
                offset + 2 + length <= attachment.count
            {
                self.init(
                    traceID: TraceID(in: bytes, at: offset + 2),
                    spanID: SpanID(in: bytes, at: offset + 18),
                    flags: Flags(rawValue: attachment[offset + 26]))
                return
            }
            offset += 2 + length
        }
        return nil
    }
}
