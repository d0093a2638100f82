import Bytes

// Messages whose fields don't stand in one place each. Protobuf says what they mean: the last of a
// singular field's values holds, repeated ones append, and messages merge, for which their bytes
// are joined, since the fields of joined messages are the fields of both.
extension JSONWriting {
    /// Bytes that copies of joined messages may take at a time. Only an encoder that means harm
    /// sends large messages in parts.
    static let mergedBytesMax = 16 << 20

    /// Whether a field of the message can't be written where it is read.
    mutating func isScattered(
        _ message: Schema.Message, _ type: UInt8, _ bytes: RawSpan, _ range: ByteRange
    ) throws(CodecFault) -> Bool {
        var reader = WireReader(range)
        var seen: UInt32 = 0
        var last = Schema.none
        while let wire = try next(&reader, bytes) {
            guard let field = field(wire, of: message, type) else { continue }
            let displaced = field.rule == .oneof ? message.oneof : field.bit
            let continues = field.rule == .repeated && field.index == last
            if seen & displaced != 0, !continues { return true }
            seen |= field.bit
            last = field.index
        }
        return false
    }

    /// Writes the message field by field, each from all of its places.
    mutating func gather(
        _ message: Schema.Message, _ type: UInt8, _ bytes: RawSpan, _ range: ByteRange, depth: Int
    ) throws(CodecFault) {
        var isFirst = true
        for index in 0..<Int(message.fieldCount) {
            let field = fields[Int(message.firstField) + index]
            var places = try places(of: field, message, type, bytes, range)
            if field.rule == .repeated {
                places.removeAll { isDefault(field, $0) }
            } else if let last = places.last, isDefault(field, last) {
                places = []
            }
            guard let last = places.last else { continue }
            try name(field, of: message, isFirst: isFirst)
            isFirst = false
            if field.rule == .repeated {
                try array(field, places, bytes, depth: depth)
            } else if field.kind == .message, places.count > 1 {
                try merged(field, places, bytes, depth: depth)
            } else {
                try value(field, last, bytes, depth: depth)
            }
        }
    }

    /// Where the field is set; for a `oneof`, since another of its fields was.
    private mutating func places(
        of field: Schema.Field, _ message: Schema.Message, _ type: UInt8, _ bytes: RawSpan,
        _ range: ByteRange
    ) throws(CodecFault) -> [WireField] {
        var places: [WireField] = []
        var reader = WireReader(range)
        while let wire = try next(&reader, bytes) {
            guard let other = self.field(wire, of: message, type) else { continue }
            if other.index == field.index {
                try check(wire, field)
                places.append(wire)
            } else if field.rule == .oneof, other.rule == .oneof {
                places.removeAll()
            }
        }
        return places
    }

    private mutating func array(
        _ field: Schema.Field, _ places: [WireField], _ bytes: RawSpan, depth: Int
    ) throws(CodecFault) {
        var separator = UInt8(ascii: "[")
        for place in places {
            try output.append(separator)
            try element(field, place, bytes, depth: depth)
            separator = UInt8(ascii: ",")
        }
        try output.append(UInt8(ascii: "]"))
    }

    private mutating func merged(
        _ field: Schema.Field, _ places: [WireField], _ bytes: RawSpan, depth: Int
    ) throws(CodecFault) {
        let count = places.reduce(0) { $0 + $1.value.count }
        guard mergedBytes + count <= JSONWriting.mergedBytesMax else {
            throw fail(
                WireError(.tooLarge(limit: JSONWriting.mergedBytesMax), at: places[0].start))
        }
        mergedBytes += count
        defer { mergedBytes -= count }
        var joined = CodecBuffer(capacity: count)
        for place in places {
            try joined.append(bytes, from: place.valueStart, to: place.end)
        }
        let whole = ByteRange(start: 0, end: count)
        try object(field.type, joined.written, whole, depth: depth + 1)
    }
}
