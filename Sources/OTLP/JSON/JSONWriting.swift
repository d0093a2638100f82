import Bytes

/// One pass over protobuf that writes OTLP/JSON as it goes.
///
/// Fields are written in the order in which they come, which works as long as each stands in one
/// place: what every encoder does. Protobuf also allows a singular field to come twice and a
/// repeated one in several places; the first such field throws `.scattered`, and the document is
/// written again with `isCareful`, which looks over each message before it writes it.
struct JSONWriting: ~Copyable, ~Escapable {
    let fields: Span<Schema.Field>
    let names: Span<Schema.Name>
    let messages: Span<Schema.Message>
    let byNumber: Span<UInt8>
    let isCareful: Bool

    var output: CodecBuffer
    /// Why the input is not protobuf, once `.wire` was thrown.
    var wireError: WireError?
    /// How many sequences in strings were not UTF-8 and became U+FFFD.
    var replacedCount = 0
    /// Bytes in copies of messages that came in several parts, all levels together.
    var mergedBytes = 0

    @_lifetime(copy fields, copy names, copy messages, copy byNumber)
    init(
        fields: Span<Schema.Field>, names: Span<Schema.Name>, messages: Span<Schema.Message>,
        byNumber: Span<UInt8>, isCareful: Bool, output: consuming CodecBuffer
    ) {
        self.fields = fields
        self.names = names
        self.messages = messages
        self.byNumber = byNumber
        self.isCareful = isCareful
        self.output = output
    }

    /// The message of `type` in `range`, as an object.
    mutating func object(
        _ type: UInt8, _ bytes: RawSpan, _ range: ByteRange, depth: Int
    ) throws(CodecFault) {
        guard depth <= OTLPJSON.messageDepthMax else {
            throw fail(WireError(.tooDeep(limit: OTLPJSON.messageDepthMax), at: range.lowerBound))
        }
        let message = messages[Int(type)]
        try output.append(UInt8(ascii: "{"))
        if isCareful, try isScattered(message, type, bytes, range) {
            try gather(message, type, bytes, range, depth: depth)
        } else {
            try stream(message, type, bytes, range, depth: depth)
        }
        try output.append(UInt8(ascii: "}"))
    }

    private mutating func stream(
        _ message: Schema.Message, _ type: UInt8, _ bytes: RawSpan, _ range: ByteRange, depth: Int
    ) throws(CodecFault) {
        var reader = WireReader(range)
        var seen: UInt32 = 0
        var isFirst = true
        var openArray = Schema.none
        while let wire = try next(&reader, bytes) {
            guard let field = field(wire, of: message, type) else { continue }
            try check(wire, field)
            if field.index == openArray {
                if field.kind.isPackable, wire.type == .bytes, wire.value.isEmpty { continue }
                try output.append(UInt8(ascii: ","))
                try element(field, wire, bytes, depth: depth)
                continue
            }
            if openArray != Schema.none {
                try output.append(UInt8(ascii: "]"))
                openArray = Schema.none
            }
            let displaced = field.rule == .oneof ? message.oneof : field.bit
            guard seen & displaced == 0 else { throw CodecFault(.scattered, at: wire.start) }
            // What says nothing displaces nothing: an empty packed run may stand before the array.
            guard !isDefault(field, wire) else { continue }
            seen |= field.bit
            try name(field, of: message, isFirst: isFirst)
            isFirst = false
            if field.rule == .repeated {
                try output.append(UInt8(ascii: "["))
                openArray = field.index
                try element(field, wire, bytes, depth: depth)
            } else {
                try value(field, wire, bytes, depth: depth)
            }
        }
        if openArray != Schema.none { try output.append(UInt8(ascii: "]")) }
    }

    /// Whether the field says no more than its absence would.
    @inline(__always)
    func isDefault(_ field: Schema.Field, _ wire: WireField) -> Bool {
        switch field.rule {
        case .optional, .oneof: false
        case .repeated: field.kind.isPackable && wire.type == .bytes && wire.value.isEmpty
        case .singular:
            field.kind != .message && (wire.type == .bytes ? wire.value.isEmpty : wire.bits == 0)
        }
    }

    /// `"name":`, after a comma unless it is the object's first.
    @inline(__always)
    mutating func name(
        _ field: Schema.Field, of message: Schema.Message, isFirst: Bool
    ) throws(CodecFault) {
        if isFirst {
            try output.append(UInt8(ascii: "\""))
        } else {
            try output.append(word: 0x222C, bytes: 2)  // ,"
        }
        let name = names[Int(message.firstField) + Int(field.index)]
        try output.append(words: name.words, bytes: name.bytes)
        try output.append(word: 0x3A22, bytes: 2)  // ":
    }

    /// One occurrence of a repeated field: an element, or all of a packed run.
    @inline(__always)
    mutating func element(
        _ field: Schema.Field, _ wire: WireField, _ bytes: RawSpan, depth: Int
    ) throws(CodecFault) {
        guard field.kind.isPackable, wire.type == .bytes else {
            return try value(field, wire, bytes, depth: depth)
        }
        var offset = wire.valueStart
        while offset < wire.end {
            if offset > wire.valueStart { try output.append(UInt8(ascii: ",")) }
            let bits = try packed(field.kind, bytes, &offset, before: wire.end)
            try number(field.kind, bits)
        }
    }

    private mutating func packed(
        _ kind: FieldKind, _ bytes: RawSpan, _ offset: inout Int, before end: Int
    ) throws(CodecFault) -> UInt64 {
        let start = offset
        switch kind.wireType {
        case .fixed64 where end - start >= 8:
            offset += 8
            return bytes.littleEndian64(at: start)
        case .fixed32 where end - start >= 4:
            offset += 4
            return UInt64(bytes.littleEndian32(at: start))
        case .varint:
            var reader = WireReader(ByteRange(start: start, end: end))
            do {
                let bits = try reader.varint(in: bytes)
                offset = reader.offset
                return bits
            } catch {
                throw fail(error)
            }
        default: throw fail(WireError(.truncated, at: start))
        }
    }

    /// The next field, the reader's error kept.
    @inline(__always)
    mutating func next(
        _ reader: inout WireReader, _ bytes: RawSpan
    ) throws(CodecFault) -> WireField? {
        do {
            return try reader.next(in: bytes)
        } catch {
            throw fail(error)
        }
    }

    /// The schema's field for what was read; nil when it has none, which is legal and not written.
    @inline(__always)
    func field(
        _ wire: WireField, of message: Schema.Message, _ type: UInt8
    ) -> Schema.Field? {
        guard wire.number < Schema.numberSlots else { return nil }
        let index = byNumber[Int(type) &* Schema.numberSlots &+ wire.number]
        guard index != Schema.none else { return nil }
        return fields[Int(message.firstField) &+ Int(index)]
    }

    @inline(__always)
    mutating func check(_ wire: WireField, _ field: Schema.Field) throws(CodecFault) {
        if wire.type == field.kind.wireType { return }
        guard field.rule == .repeated, wire.type == .bytes else {
            throw fail(WireError(.wrongWireType(field: wire.number), at: wire.start))
        }
    }

    @inline(never)
    mutating func fail(_ error: WireError) -> CodecFault {
        wireError = error
        return CodecFault(.wire, at: error.offset)
    }
}
