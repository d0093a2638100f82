import OTLP
public import Platform
import Synchronization

/// Records spans for requests whose caller sampled them, until somebody takes them.
///
/// It never begins a trace: no incoming sampled `traceparent`, no span. So its own export, which
/// carries none, cannot feed it.
public final class SpanRecorder: Sendable {
    /// Spans that wait to be taken.
    public static let spansMax = 2_048
    /// Their encoded size.
    public static let bytesMax = 1 << 20

    /// Spans as an OTLP request.
    public struct Batch: Sendable {
        /// `ExportTraceServiceRequest` as protobuf.
        public let request: [UInt8]
        public let spanCount: Int
    }

    private struct Buffer {
        /// Encoded `spans` fields of `ScopeSpans`.
        var spans: [[UInt8]] = []
        var bytes = 0
    }

    private let encoder: IngestSpanEncoder
    private let clock: any Clock
    private let random: @Sendable () -> UInt64
    private let buffer = Mutex(Buffer())
    /// Spans that were recorded.
    public let recorded: Counter
    /// Spans that found the buffer full.
    public let dropped: Counter

    /// - Parameters:
    ///   - resource: attributes of the process, `service.name` among them.
    ///   - version: Sluice's, as the version of the scope.
    ///   - random: 64 random bits a call, for span ids.
    public init(
        registry: MetricRegistry, resource: TelemetryResource, version: String,
        clock: any Clock, random: @escaping @Sendable () -> UInt64
    ) {
        encoder = IngestSpanEncoder(resource: resource, version: version)
        self.clock = clock
        self.random = random
        recorded = registry.counter(
            "sluice_own_spans_recorded", help: "Spans of Sluice itself that were recorded.")
        dropped = registry.counter(
            "sluice_own_spans_dropped",
            help: "Spans of Sluice itself that were dropped because their buffer was full.")
    }

    /// Begins a span below the caller's; `nil` when the caller did not sample its trace.
    /// - Parameter name: low in cardinality, such as `POST /v1/traces`.
    public func start(
        _ name: String, kind: IngestSpan.Kind = .server, parent: TraceContext?
    ) -> IngestSpan? {
        guard let parent, parent.isSampled else { return nil }
        // An id of zero would be invalid; one draw in 2^64 gives it.
        let spanID = SpanID(max(random(), 1))
        return IngestSpan(
            context: parent.at(spanID: spanID), parentSpanID: parent.spanID, name: name,
            kind: kind, startUnixNanoseconds: clock.unixNanoseconds)
    }

    /// Ends a span.
    /// - Parameter failure: what went wrong, in words; the span's status is an error then.
    public func end(_ span: IngestSpan, failure: String? = nil) {
        // The wall clock may have been set back meanwhile.
        let end = max(clock.unixNanoseconds, span.startUnixNanoseconds)
        let encoded = encoder.encode(span, endUnixNanoseconds: end, failure: failure)
        let isKept = buffer.withLock { buffer in
            guard buffer.spans.count < Self.spansMax,
                buffer.bytes + encoded.count <= Self.bytesMax
            else { return false }
            buffer.spans.append(encoded)
            buffer.bytes += encoded.count
            return true
        }
        (isKept ? recorded : dropped).add()
    }

    /// Takes the oldest spans; `nil` when there are none. A batch that is taken is the caller's
    /// to deliver, or to count as lost.
    public func takeBatch(spansMax: Int = 512) -> Batch? {
        let spans = buffer.withLock { buffer in
            let taken = Array(buffer.spans.prefix(spansMax))
            buffer.spans.removeFirst(taken.count)
            buffer.bytes -= taken.reduce(0) { $0 + $1.count }
            return taken
        }
        if spans.isEmpty { return nil }
        return Batch(request: encoder.request(spans), spanCount: spans.count)
    }
}
