public import Bytes

/// A message that encloses items: where its field, and its body, stand in the payload.
/// Edits rewrite the length between the two.
@frozen
public struct Frame: Sendable {
    /// Offset of the field's tag.
    public var fieldStart: UInt32
    public var bodyStart: UInt32
    public var bodyEnd: UInt32
    /// Index of the enclosing frame in `TelemetryIndex.frames`; -1 for the request itself.
    public var parent: Int32

    @inlinable
    init(_ field: WireField, parent: Int32) {
        fieldStart = UInt32(truncatingIfNeeded: field.start)
        bodyStart = UInt32(truncatingIfNeeded: field.valueStart)
        bodyEnd = UInt32(truncatingIfNeeded: field.end)
        self.parent = parent
    }

    @inlinable public var body: ByteRange {
        ByteRange(start: Int(bodyStart), end: Int(bodyEnd))
    }
    @inlinable public var field: ByteRange {
        ByteRange(start: Int(fieldStart), end: Int(bodyEnd))
    }
}

/// A `ResourceSpans`, `ResourceMetrics` or `ResourceLogs`.
@frozen
public struct ResourceEntry: Sendable {
    public var frame: Int32
    /// The frame of its `Resource` message; -1 where there is none.
    public var resourceFrame: Int32 = -1
    /// From the first attribute's tag to the last attribute's end, within the `Resource`.
    /// Other fields may stand between attributes.
    public var attributes: ByteRange = .none
    public var attributeCount: UInt32 = 0
    public var schemaURL: ByteRange = .none
    /// The items below it, as indices into `TelemetryIndex.items`.
    public var items: Range<Int> = 0..<0

    @inlinable
    init(frame: Int32) { self.frame = frame }
}

/// A `ScopeSpans`, `ScopeMetrics` or `ScopeLogs`.
@frozen
public struct ScopeEntry: Sendable {
    public var frame: Int32
    /// The frame of its `InstrumentationScope` message; -1 where there is none.
    public var scopeFrame: Int32 = -1
    /// Index of its resource in `TelemetryIndex.resources`.
    public var resource: Int32
    public var name: ByteRange = .none
    public var version: ByteRange = .none
    public var attributes: ByteRange = .none
    public var attributeCount: UInt32 = 0
    public var schemaURL: ByteRange = .none
    public var items: Range<Int> = 0..<0

    @inlinable
    init(frame: Int32, resource: Int32) {
        self.frame = frame
        self.resource = resource
    }
}

/// What a `Metric` holds; the raw value is the field number of its oneof `data`.
@frozen
public enum MetricKind: UInt8, Sendable, CaseIterable {
    case none = 0
    case gauge = 5
    case sum = 7
    case histogram = 9
    case exponentialHistogram = 10
    case summary = 11
}

/// A `Metric`, which encloses its data points.
@frozen
public struct MetricEntry: Sendable {
    public var frame: Int32
    /// The frame of its `Gauge`, `Sum`, `Histogram`, …; -1 where it has no data.
    public var dataFrame: Int32 = -1
    /// Index of its scope in `TelemetryIndex.scopes`.
    public var scope: Int32
    public var kind: MetricKind = .none
    public var isMonotonic = false
    /// 0 unspecified, 1 delta, 2 cumulative.
    public var temporality: UInt8 = 0
    public var name: ByteRange = .none
    public var description: ByteRange = .none
    public var unit: ByteRange = .none
    public var items: Range<Int> = 0..<0

    @inlinable
    init(frame: Int32, scope: Int32) {
        self.frame = frame
        self.scope = scope
    }
}

/// Why an item is not valid, though the message around it is.
@frozen
public enum ItemFault: UInt8, Sendable, CaseIterable {
    case none = 0
    case traceID = 1
    case spanID = 2
    case parentSpanID = 3
    case linkID = 4
    case exemplarID = 5

    public var explanation: String {
        switch self {
        case .none: "valid"
        case .traceID: "trace_id must be 16 bytes and, for a span, not all zero"
        case .spanID: "span_id must be 8 bytes and, for a span, not all zero"
        case .parentSpanID: "parent_span_id must be 8 bytes or absent"
        case .linkID: "a link's trace_id must be 16 bytes and its span_id 8 bytes"
        case .exemplarID: "an exemplar's trace_id must be 16 bytes and its span_id 8 bytes"
        }
    }
}

/// A span, a log record or a data point: where it stands, and what a hot path looks at.
@frozen
public struct ItemEntry: Sendable {
    /// Offset of the item's tag.
    public var fieldStart: UInt32
    public var bodyStart: UInt32
    public var bodyEnd: UInt32
    /// The frame that directly encloses it.
    public var frame: Int32
    /// Index of its scope in `scopes` or, for a data point, of its metric in `metrics`.
    public var parent: Int32
    /// Offset of the 16 bytes of the trace id; 0 where it is absent. Never set for data points.
    public var traceIDOffset: UInt32 = 0
    /// Offset of the 8 bytes of the span id; 0 where it is absent.
    public var spanIDOffset: UInt32 = 0
    public var traceState: ByteRange = .none
    /// From the first attribute's tag to the last attribute's end.
    public var attributes: ByteRange = .none
    public var attributeCount: UInt32 = 0
    public var fault: ItemFault = .none

    @inlinable
    init(_ field: WireField, frame: Int32, parent: Int32) {
        fieldStart = UInt32(truncatingIfNeeded: field.start)
        bodyStart = UInt32(truncatingIfNeeded: field.valueStart)
        bodyEnd = UInt32(truncatingIfNeeded: field.end)
        self.frame = frame
        self.parent = parent
    }

    @inlinable public var body: ByteRange {
        ByteRange(start: Int(bodyStart), end: Int(bodyEnd))
    }
    @inlinable public var field: ByteRange {
        ByteRange(start: Int(fieldStart), end: Int(bodyEnd))
    }

    /// Attributes from `first` to the offset `end`.
    @inlinable @inline(__always)
    mutating func addAttributes(_ count: UInt32, from first: WireField, to end: Int) {
        if attributeCount == 0 { attributes.start = UInt32(truncatingIfNeeded: first.start) }
        attributes.end = UInt32(truncatingIfNeeded: end)
        attributeCount &+= count
    }

    @inlinable @inline(__always)
    mutating func note(_ newFault: ItemFault) {
        if fault == .none { fault = newFault }
    }
}
