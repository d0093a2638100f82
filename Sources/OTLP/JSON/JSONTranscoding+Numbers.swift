import Bytes

// Fields whose value is a number on the wire. All pass through 64 bits: what a varint or a fixed
// field holds, and 0 exactly for the default value.
extension JSONTranscoding {
    /// The bits of the number, name or literal that starts at the position with the byte `first`.
    @inline(__always)
    mutating func number(_ field: Schema.Field, _ first: UInt8) throws(CodecFault) -> UInt64 {
        if field.kind == .bool { return try bool(first) }
        let start = position
        switch first {
        case UInt8(ascii: "\""):
            if let bits = try quotedNumber(field.kind) { return bits }
            if let text = try text() {
                return try JSONTranscoding.bits(field, json, text, at: start)
            }
            let text = 0..<unescaped.count
            return try JSONTranscoding.bits(field, unescaped.written, text, at: start)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let number = try JSONNumber(json, at: start, before: json.byteCount)
            position = number.end
            return try JSONTranscoding.bits(field.kind, number, json, at: start)
        default:
            throw CodecFault(
                wrongType: field.kind == .enumeration ? .enumeration : .number, at: start)
        }
    }

    /// The digits in the string at the position, when there is nothing else in it.
    @inline(__always)
    private mutating func quotedNumber(_ kind: FieldKind) throws(CodecFault) -> UInt64? {
        let start = position &+ 1
        guard start < json.byteCount, json.jsonByte(at: start) &- 0x30 < 10 else { return nil }
        let number = try JSONNumber(json, at: start, before: json.byteCount)
        guard number.end < json.byteCount, json.jsonByte(at: number.end) == UInt8(ascii: "\"")
        else { return nil }
        position = number.end &+ 1
        return try JSONTranscoding.bits(kind, number, json, at: start &- 1)
    }

    /// Appends what `number(_:_:)` returned.
    @inline(__always)
    mutating func append(_ bits: UInt64, as kind: FieldKind) throws(CodecFault) {
        switch kind {
        case .fixed64, .sfixed64, .double: try output.append(word: bits, bytes: 8)
        case .fixed32: try output.append(word: bits, bytes: 4)
        default: try output.append(varint: bits)
        }
    }

    private mutating func bool(_ first: UInt8) throws(CodecFault) -> UInt64 {
        switch first {
        case UInt8(ascii: "t"):
            try literal("true")
            return 1
        case UInt8(ascii: "f"):
            try literal("false")
            return 0
        default: throw CodecFault(wrongType: .bool, at: position)
        }
    }

    /// A number in a string, or a name for one.
    @inline(__always)
    private static func bits(
        _ field: Schema.Field, _ source: RawSpan, _ text: Range<Int>, at start: Int
    ) throws(CodecFault) -> UInt64 {
        guard !text.isEmpty else { throw CodecFault(.badNumber, at: start) }
        let first = source.byte(at: text.lowerBound)
        guard first &- 0x30 < 10 || first == UInt8(ascii: "-") else {
            return try named(field, source, text, at: start)
        }
        if field.kind == .double, first == UInt8(ascii: "-"),
            source.equals("-Infinity", in: ByteRange(start: text.lowerBound, end: text.upperBound))
        {
            return (-Double.infinity).bitPattern
        }
        let number: JSONNumber
        do {
            number = try JSONNumber(source, at: text.lowerBound, before: text.upperBound)
        } catch {
            throw error.moved(to: start)
        }
        guard number.end == text.upperBound else { throw CodecFault(.badNumber, at: start) }
        return try bits(field.kind, number, source, at: start)
    }

    @inline(never)
    private static func named(
        _ field: Schema.Field, _ source: RawSpan, _ text: Range<Int>, at start: Int
    ) throws(CodecFault) -> UInt64 {
        let range = ByteRange(start: text.lowerBound, end: text.upperBound)
        switch field.kind {
        case .double:
            if source.equals("NaN", in: range) { return Double.nan.bitPattern }
            if source.equals("Infinity", in: range) { return Double.infinity.bitPattern }
        case .enumeration:
            let names = EnumType(rawValue: field.type)?.names ?? []
            for (value, name) in names.enumerated() where source.equals(name, in: range) {
                return UInt64(value)
            }
            throw CodecFault(.unknownEnumName, at: start)
        default: break
        }
        throw CodecFault(.badNumber, at: start)
    }

    /// The encoding of a number, or why the field can't hold it.
    @inline(__always)
    static func bits(
        _ kind: FieldKind, _ number: JSONNumber, _ source: RawSpan, at start: Int
    ) throws(CodecFault) -> UInt64 {
        if kind == .double { return try number.double(source, at: start).bitPattern }
        let magnitude = try number.wholeMagnitude(at: start)
        switch kind {
        case .uint64, .fixed64:
            guard !number.isNegative || magnitude == 0 else { break }
            return magnitude
        case .uint32, .fixed32:
            guard !number.isNegative || magnitude == 0, magnitude <= UInt32.max else { break }
            return magnitude
        case .int64, .sfixed64:
            guard magnitude <= UInt64(Int64.max) + (number.isNegative ? 1 : 0) else { break }
            return number.isNegative ? 0 &- magnitude : magnitude
        default:
            guard magnitude <= UInt64(Int32.max) + (number.isNegative ? 1 : 0) else { break }
            let value = number.isNegative ? 0 &- magnitude : magnitude
            guard kind == .sint32 else { return value }
            // ZigZag: the sign goes to the lowest bit.
            let signed = Int32(truncatingIfNeeded: value)
            return UInt64(UInt32(bitPattern: signed << 1 ^ signed >> 31))
        }
        throw CodecFault(.numberOutOfRange, at: start)
    }
}
