public import Bytes

/// The fields of one log record of a validated payload.
public struct LogRecordView: Sendable {
    /// The record's bytes; its OTLP `body` field is `content`.
    public let body: ByteRange
    /// Nanoseconds since 1970; 0 where unknown.
    public var time: UInt64 = 0
    public var observedTime: UInt64 = 0
    /// 1 to 24; 0 where unspecified.
    public var severityNumber: Int32 = 0
    public var severityText: ByteRange = .none
    public var content: AnyValue = .empty
    public var droppedAttributesCount: UInt32 = 0
    public var flags: UInt32 = 0
    /// Zero where absent.
    public var traceID = TraceID(high: 0, low: 0)
    public var spanID = SpanID(0)
    public var eventName: ByteRange = .none
    public var attributeCount = 0
    /// From the first attribute's tag to the last one's end.
    public var attributeRange: ByteRange = .none

    public init(_ body: ByteRange, in bytes: RawSpan) {
        self.body = body
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1: time = field.bits
            case 2: severityNumber = Int32(truncatingIfNeeded: field.bits)
            case 3: severityText = field.value
            case 5: content = AnyValue(field.value, in: bytes)
            case 6:
                attributeCount += reader.passAttributes(from: field, in: bytes, &attributeRange)
            case 7: droppedAttributesCount = UInt32(truncatingIfNeeded: field.bits)
            case 8: flags = UInt32(truncatingIfNeeded: field.bits)
            case 9: traceID = TraceID(optional: field, in: bytes)
            case 10: spanID = SpanID(optional: field, in: bytes)
            case 11: observedTime = field.bits
            case 12: eventName = field.value
            default: continue
            }
        }
    }

    public var attributes: AttributeReader {
        AttributeReader(attributeRange, field: Self.attributesField)
    }
    public static let attributesField = 6
}
