import Bytes

// Values, as the proto3 JSON mapping and OTLP write them.
extension JSONWriting {
    @inline(__always)
    mutating func value(
        _ field: Schema.Field, _ wire: WireField, _ bytes: RawSpan, depth: Int
    ) throws(CodecFault) {
        switch field.kind {
        case .message: try object(field.type, bytes, wire.value, depth: depth &+ 1)
        case .string:
            try output.append(
                jsonString: bytes, from: wire.valueStart, to: wire.end, &replacedCount)
        case .id: try output.append(hexString: bytes, from: wire.valueStart, to: wire.end)
        case .bytes: try output.append(base64String: bytes, from: wire.valueStart, to: wire.end)
        default: try number(field.kind, wire.bits)
        }
    }

    /// The number that `bits` encode: 64-bit integers in quotes, since JavaScript has only doubles.
    @inline(__always)
    mutating func number(_ kind: FieldKind, _ bits: UInt64) throws(CodecFault) {
        switch kind {
        case .bool: try output.append(bits != 0 ? "true" : "false")
        case .uint64, .fixed64: try output.append(quoted: bits, isNegative: false)
        case .int64, .sfixed64:
            let value = Int64(bitPattern: bits)
            try output.append(quoted: value.magnitude, isNegative: value < 0)
        case .uint32, .fixed32:
            try output.append(decimal: UInt64(UInt32(truncatingIfNeeded: bits)))
        case .sint32:
            let zigzag = UInt32(truncatingIfNeeded: bits)
            try output.append(
                signed: Int64(Int32(bitPattern: zigzag >> 1) ^ -Int32(bitPattern: zigzag & 1)))
        case .double: try output.append(jsonDouble: Double(bitPattern: bits))
        default: try output.append(signed: Int64(Int32(truncatingIfNeeded: bits)))
        }
    }
}
