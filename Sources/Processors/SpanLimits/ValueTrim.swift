import Bytes
import OTLP

/// Cuts values to a length. Every function gives nil where nothing is too long.
///
/// Recursion ends: the index has refused values nested deeper than `TelemetryIndex.valueDepthMax`.
struct ValueTrim {
    /// Unicode scalars of a string, bytes of a byte array.
    let limit: Int

    // message KeyValue { string key = 1; AnyValue value = 2; }
    func keyValue(_ body: ByteRange, _ bytes: RawSpan) -> [UInt8]? {
        rewrite(body, bytes) { $0.number == 2 ? value($0.value, bytes) : nil }
    }

    // message AnyValue { oneof value { string string_value = 1; …; ArrayValue array_value = 5;
    //   KeyValueList kvlist_value = 6; bytes bytes_value = 7; } }
    func value(_ body: ByteRange, _ bytes: RawSpan) -> [UInt8]? {
        // A scalar has a byte at least.
        guard body.count > limit else { return nil }
        return rewrite(body, bytes) { field in
            switch field.number {
            case 1: string(field.value, bytes)
            case 5: rewrite(field.value, bytes) { $0.number == 1 ? value($0.value, bytes) : nil }
            case 6: rewrite(field.value, bytes) { $0.number == 1 ? keyValue($0.value, bytes) : nil }
            case 7 where field.value.count > limit:
                bytes.array(
                    ByteRange(start: field.valueStart, end: field.valueStart + limit))
            default: nil
            }
        }
    }

    /// A copy of a message with new values in the place of fields for which `change` has one.
    private func rewrite(
        _ body: ByteRange, _ bytes: RawSpan, _ change: (WireField) -> [UInt8]?
    ) -> [UInt8]? {
        var writer = ProtobufWriter()
        var isChanged = false
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            if let value = change(field) {
                isChanged = true
                writer.bytes(field.number, value)
            } else {
                writer.raw(bytes, field.field)
            }
        }
        return isChanged ? writer.bytes : nil
    }

    /// The first scalars of a UTF-8 text: cut before a byte that starts one, so never within one.
    private func string(_ text: ByteRange, _ bytes: RawSpan) -> [UInt8]? {
        guard text.count > limit else { return nil }
        var count = 0
        for offset in text.lowerBound..<text.upperBound {
            if bytes.byte(at: offset) & 0xC0 == 0x80 { continue }
            if count == limit {
                return bytes.array(ByteRange(start: text.lowerBound, end: offset))
            }
            count += 1
        }
        return nil
    }
}
