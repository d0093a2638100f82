import Bytes

// Messages whose fields don't stand in one place each. Protobuf says what they mean: the last of a
// singular field's values holds, repeated ones append, and messages merge, for which their bytes
// are joined, since the fields of joined messages are the fields of both.
extension JSONWriting {
    /// Bytes that copies of joined messages may take at a time. Of what the receivers have taken no
    /// message is in parts any more: `PayloadRepair` has merged them.
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
        let places = try places(message, type, bytes, range)
        var isFirst = true
        for index in 0..<Int(message.fieldCount) {
            let field = fields[Int(message.firstField) + index]
            let own = places.ofField(index)
            guard let last = own.last else { continue }
            if field.rule == .repeated {
                try array(field, of: message, own, bytes, range, isFirst: &isFirst, depth: depth)
                continue
            }
            let wire = try place(last, bytes, range)
            if isDefault(field, wire) { continue }
            try name(field, of: message, isFirst: isFirst)
            isFirst = false
            if field.kind == .message, own.count > 1 {
                try merged(field, own, bytes, range, depth: depth)
            } else {
                try value(field, wire, bytes, depth: depth)
            }
        }
    }

    /// Where each field of a message is set, as offsets of tags, those of a field together.
    private struct Places {
        var starts: [UInt32]
        /// For each field the place past its last one in `starts`.
        var ends: [Int]

        func ofField(_ index: Int) -> ArraySlice<UInt32> {
            starts[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
        }
    }

    /// Reads the message twice, however many fields it has: to count, and to note. Of a `oneof`
    /// only what comes after another of its fields was set counts.
    private mutating func places(
        _ message: Schema.Message, _ type: UInt8, _ bytes: RawSpan, _ range: ByteRange
    ) throws(CodecFault) -> Places {
        var counts = [Int](repeating: 0, count: Int(message.fieldCount))
        var ofOneof = Schema.none
        var oneofStart = 0
        var reader = WireReader(range)
        while let wire = try next(&reader, bytes) {
            guard let field = field(wire, of: message, type) else { continue }
            try check(wire, field)
            if field.rule == .oneof, field.index != ofOneof {
                if ofOneof != Schema.none { counts[Int(ofOneof)] = 0 }
                counts[Int(field.index)] = 0
                ofOneof = field.index
                oneofStart = wire.start
            }
            counts[Int(field.index)] += 1
        }
        var places = Places(starts: [], ends: [])
        for count in counts { places.ends.append((places.ends.last ?? 0) + count) }
        places.starts = Array(repeating: 0, count: places.ends.last ?? 0)
        // Where the next one goes; what is left of the counts says how far it is from the end.
        reader = WireReader(range)
        while let wire = try next(&reader, bytes) {
            guard let field = field(wire, of: message, type),
                field.rule != .oneof || wire.start >= oneofStart
            else { continue }
            let index = Int(field.index)
            places.starts[places.ends[index] - counts[index]] = UInt32(wire.start)
            counts[index] -= 1
        }
        return places
    }

    private mutating func place(
        _ start: UInt32, _ bytes: RawSpan, _ range: ByteRange
    ) throws(CodecFault) -> WireField {
        var reader = WireReader(ByteRange(start: Int(start), end: range.upperBound))
        guard let wire = try next(&reader, bytes) else {
            preconditionFailure("BUG: a field that was read is not there any more")
        }
        return wire
    }

    private mutating func array(
        _ field: Schema.Field, of message: Schema.Message, _ places: ArraySlice<UInt32>,
        _ bytes: RawSpan, _ range: ByteRange, isFirst: inout Bool, depth: Int
    ) throws(CodecFault) {
        var isOpen = false
        for start in places {
            let wire = try place(start, bytes, range)
            if isDefault(field, wire) { continue }
            if isOpen {
                try output.append(UInt8(ascii: ","))
            } else {
                try name(field, of: message, isFirst: isFirst)
                isFirst = false
                isOpen = true
                try output.append(UInt8(ascii: "["))
            }
            try element(field, wire, bytes, depth: depth)
        }
        if isOpen { try output.append(UInt8(ascii: "]")) }
    }

    private mutating func merged(
        _ field: Schema.Field, _ places: ArraySlice<UInt32>, _ bytes: RawSpan,
        _ range: ByteRange, depth: Int
    ) throws(CodecFault) {
        var joined = CodecBuffer(limit: JSONWriting.mergedBytesMax - mergedBytes)
        do throws(CodecFault) {
            for start in places {
                let wire = try place(start, bytes, range)
                try joined.append(bytes, from: wire.valueStart, to: wire.end)
            }
        } catch {
            throw fail(
                WireError(.tooLarge(limit: JSONWriting.mergedBytesMax), at: range.lowerBound))
        }
        mergedBytes += joined.count
        defer { mergedBytes -= joined.count }
        let whole = ByteRange(start: 0, end: joined.count)
        try object(field.type, joined.written, whole, depth: depth + 1)
    }
}
