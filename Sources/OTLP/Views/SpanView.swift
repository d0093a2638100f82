public import Bytes

/// The fields of one span of a validated payload, read in one pass over its bytes.
/// Attributes, events and links are walked by their readers.
public struct SpanView: Sendable {
    /// The span's body.
    public let body: ByteRange
    public var traceID = TraceID(high: 0, low: 0)
    public var spanID = SpanID(0)
    /// Zero where the span is a root.
    public var parentSpanID = SpanID(0)
    public var traceState: ByteRange = .none
    public var name: ByteRange = .none
    /// 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    public var kind: Int32 = 0
    /// Nanoseconds since 1970.
    public var startTime: UInt64 = 0
    public var endTime: UInt64 = 0
    public var droppedAttributesCount: UInt32 = 0
    public var droppedEventsCount: UInt32 = 0
    public var droppedLinksCount: UInt32 = 0
    public var statusMessage: ByteRange = .none
    /// 0 unset, 1 ok, 2 error.
    public var statusCode: Int32 = 0
    public var flags: UInt32 = 0
    public var attributeCount = 0
    /// From the first attribute's tag to the last one's end.
    public var attributeRange: ByteRange = .none
    public var eventCount = 0
    public var linkCount = 0

    public init(_ body: ByteRange, in bytes: RawSpan) {
        self.body = body
        var reader = WireReader(body)
        readPlainStart(&reader, bytes)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1 where field.value.count == 16:
                traceID = TraceID(in: bytes, at: field.valueStart)
            case 2 where field.value.count == 8: spanID = SpanID(in: bytes, at: field.valueStart)
            case 3: traceState = field.value
            case 4: parentSpanID = SpanID(optional: field, in: bytes)
            case 5: name = field.value
            case 6: kind = Int32(truncatingIfNeeded: field.bits)
            case 7: startTime = field.bits
            case 8: endTime = field.bits
            case 9:
                attributeCount += reader.passAttributes(from: field, in: bytes, &attributeRange)
            case 10: droppedAttributesCount = UInt32(truncatingIfNeeded: field.bits)
            case 11: eventCount += 1
            case 12: droppedEventsCount = UInt32(truncatingIfNeeded: field.bits)
            case 13: linkCount += 1
            case 14: droppedLinksCount = UInt32(truncatingIfNeeded: field.bits)
            case 15: readStatus(field.value, bytes)
            case 16: flags = UInt32(truncatingIfNeeded: field.bits)
            default: continue
            }
        }
    }

    /// Reads the fields that a span begins with, as far as they stand as encoders write them. What
    /// follows them is read the general way, and counts where it is one of them once more.
    @inline(__always)
    private mutating func readPlainStart(_ reader: inout WireReader, _ bytes: RawSpan) {
        guard let ids = reader.passPlainIDs(in: bytes) else { return }
        traceID = TraceID(in: bytes, at: ids.traceID.lowerBound)
        spanID = SpanID(in: bytes, at: ids.spanID.lowerBound)
        if let state = reader.passShortMessage(field: Self.traceStateField, in: bytes) {
            traceState = state
        }
        if let parent = reader.passShortMessage(field: 4, in: bytes), parent.count == 8 {
            parentSpanID = SpanID(in: bytes, at: parent.lowerBound)
        }
        if let name = reader.passShortMessage(field: 5, in: bytes) { self.name = name }
        if let kind = reader.passShortVarint(tagged: 0x30, in: bytes) { self.kind = Int32(kind) }
        if let start = reader.passFixed64(tagged: 0x39, in: bytes) {
            startTime = bytes.littleEndian64(at: start)
        }
        if let end = reader.passFixed64(tagged: 0x41, in: bytes) {
            endTime = bytes.littleEndian64(at: end)
        }
    }

    private mutating func readStatus(_ range: ByteRange, _ bytes: RawSpan) {
        var reader = WireReader(range)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 2: statusMessage = field.value
            case 3: statusCode = Int32(truncatingIfNeeded: field.bits)
            default: continue
            }
        }
    }

    public var attributes: AttributeReader {
        AttributeReader(attributeRange, field: Self.attributesField)
    }
    public var events: MessageReader { MessageReader(body, field: Self.eventsField) }
    public var links: MessageReader { MessageReader(body, field: Self.linksField) }

    public static let attributesField = 9
    public static let eventsField = 11
    public static let linksField = 13
    public static let traceStateField = 3
}

/// The fields of one event of a span.
public struct EventView: Sendable {
    public let body: ByteRange
    public var time: UInt64 = 0
    public var name: ByteRange = .none
    public var droppedAttributesCount: UInt32 = 0
    public var attributeCount = 0

    public init(_ body: ByteRange, in bytes: RawSpan) {
        self.body = body
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1: time = field.bits
            case 2: name = field.value
            case 3: attributeCount += 1
            case 4: droppedAttributesCount = UInt32(truncatingIfNeeded: field.bits)
            default: continue
            }
        }
    }

    public var attributes: AttributeReader { AttributeReader(body, field: 3) }
}

/// The fields of one link of a span.
public struct LinkView: Sendable {
    public let body: ByteRange
    public var traceID = TraceID(high: 0, low: 0)
    public var spanID = SpanID(0)
    public var traceState: ByteRange = .none
    public var droppedAttributesCount: UInt32 = 0
    public var flags: UInt32 = 0
    public var attributeCount = 0

    public init(_ body: ByteRange, in bytes: RawSpan) {
        self.body = body
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1 where field.value.count == 16:
                traceID = TraceID(in: bytes, at: field.valueStart)
            case 2 where field.value.count == 8: spanID = SpanID(in: bytes, at: field.valueStart)
            case 3: traceState = field.value
            case 4: attributeCount += 1
            case 5: droppedAttributesCount = UInt32(truncatingIfNeeded: field.bits)
            case 6: flags = UInt32(truncatingIfNeeded: field.bits)
            default: continue
            }
        }
    }

    public var attributes: AttributeReader { AttributeReader(body, field: 4) }
}
