import Bytes
import OTLP

/// A message of a span that has attributes of its own.
enum AttributedPart {
    // message Event { …; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
    case event
    // message Link { …; repeated KeyValue attributes = 4; uint32 dropped_attributes_count = 5; … }
    case link

    private var attributesField: Int { self == .event ? 3 : 4 }
    private var droppedCountField: Int { self == .event ? 4 : 5 }

    /// The body within the limits; nil where it is within them already.
    func trimmed(
        _ body: ByteRange, _ countLimit: Int, _ lengthLimit: Int?, _ payload: RawSpan,
        _ tally: inout SpanLimitsTally
    ) -> [UInt8]? {
        // Nearly all are within their limits: they are looked over, and not copied.
        guard exceeds(body, countLimit, lengthLimit, payload) else { return nil }
        var writer = ProtobufWriter(reserving: body.count)
        var (count, dropped, shortened) = (0, 0, 0)
        var droppedBefore: UInt32 = 0
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: payload) {
            if field.number == droppedCountField {
                droppedBefore = UInt32(truncatingIfNeeded: field.bits)
                continue
            }
            guard field.number == attributesField else {
                writer.raw(payload, field.field)
                continue
            }
            count += 1
            if count > countLimit {
                dropped += 1
            } else if let lengthLimit, field.value.count > lengthLimit,
                let attribute = ValueTrim(limit: lengthLimit).keyValue(field.value, payload)
            {
                shortened += 1
                writer.bytes(field.number, attribute)
            } else {
                writer.raw(payload, field.field)
            }
        }
        guard dropped > 0 || shortened > 0 else { return nil }
        tally.attributes += dropped
        tally.values += shortened
        let droppedNow = droppedBefore.adding(dropped)
        if droppedNow > 0 { writer.varint(droppedCountField, UInt64(droppedNow)) }
        return writer.bytes
    }

    /// Whether it may exceed a limit: it has too many attributes, or a large one.
    private func exceeds(
        _ body: ByteRange, _ countLimit: Int, _ lengthLimit: Int?, _ payload: RawSpan
    ) -> Bool {
        var count = 0
        var attributes = MessageReader(body, field: attributesField)
        while let attribute = attributes.next(in: payload) {
            count += 1
            if count > countLimit { return true }
            if let lengthLimit, attribute.value.count > lengthLimit { return true }
        }
        return false
    }
}
