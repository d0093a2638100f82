import OTLP

/// A span of Sluice's own: what it did with one request. Begun and ended by a `SpanRecorder`.
public struct IngestSpan: Sendable {
    /// `SpanKind` of OTLP's `trace.proto`.
    public enum Kind: UInt64, Sendable {
        case `internal` = 1
        case server = 2
        case client = 3
    }

    /// Attributes of one span.
    public static let attributesMax = 32

    /// What outgoing requests carry, so that they become children of this span.
    public let context: TraceContext
    let parentSpanID: SpanID
    let name: String
    let kind: Kind
    let startUnixNanoseconds: UInt64
    private(set) var attributes: [(key: String, value: LogValue)] = []
    private(set) var droppedAttributes = 0

    init(
        context: TraceContext, parentSpanID: SpanID, name: String, kind: Kind,
        startUnixNanoseconds: UInt64
    ) {
        self.context = context
        self.parentSpanID = parentSpanID
        self.name = name
        self.kind = kind
        self.startUnixNanoseconds = startUnixNanoseconds
    }

    /// Adds an attribute; keys are the program's own, and each is given once.
    public mutating func set(_ key: StaticString, _ value: LogValue) {
        guard attributes.count < Self.attributesMax else {
            droppedAttributes += 1
            return
        }
        attributes.append((key.description, value))
    }
}
