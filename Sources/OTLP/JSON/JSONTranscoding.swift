import Bytes

/// One pass over OTLP/JSON that writes protobuf as it goes.
///
/// A field is encoded where it stands in the text, in the text's order: protobuf allows any order,
/// lets the last of a singular field's values win, merges messages and appends to repeated fields,
/// which is what JSON's duplicate keys mean here. A nested message leaves room for its length and
/// moves its body only if the guess was wrong, once in some hundred messages.
struct JSONTranscoding: ~Copyable, ~Escapable {
    let json: RawSpan
    let fields: Span<Schema.Field>
    let names: Span<Schema.Name>
    let messages: Span<Schema.Message>
    let byName: Span<UInt8>
    /// Bytes that the length of a request's outer messages will take, guessed from the text's.
    let outerLengthBytes: Int

    var position = 0
    var output: CodecBuffer
    /// Text whose escapes had to be resolved before it could be read: rare, short.
    var unescaped: CodecBuffer
    /// How many sequences were not UTF-8, or lone surrogates, and became U+FFFD.
    var replacedCount = 0

    @_lifetime(copy json, copy fields, copy names, copy messages, copy byName)
    init(
        _ json: RawSpan, fields: Span<Schema.Field>, names: Span<Schema.Name>,
        messages: Span<Schema.Message>,
        byName: Span<UInt8>, output: consuming CodecBuffer, scratchBytesMax: Int
    ) {
        self.json = json
        self.fields = fields
        self.names = names
        self.messages = messages
        self.byName = byName
        // Protobuf takes about half of what JSON does.
        outerLengthBytes = Varint.size(UInt64(json.byteCount / 2))
        unescaped = CodecBuffer(limit: scratchBytesMax)
        self.output = output
    }

    /// The whole text: one object, and nothing after it but white space.
    mutating func document(_ type: MessageType) throws(CodecFault) {
        guard try token() == UInt8(ascii: "{") else {
            throw CodecFault(expected: .object, at: position)
        }
        try object(type.rawValue, depth: 0)
        while position < json.byteCount {
            guard JSONTranscoding.isSpace(json.byte(at: position)) else {
                throw CodecFault(.textAfterValue, at: position)
            }
            position += 1
        }
    }

    /// The object at the position, as the fields of a message of `type`.
    ///
    /// - Parameter depth: lists and maps around it, which is all that can nest without end: each
    ///   of OTLP's other messages has its place.
    mutating func object(_ type: UInt8, depth: Int) throws(CodecFault) {
        position &+= 1
        let message = messages[Int(type)]
        var seen: UInt32 = 0
        guard try token() != UInt8(ascii: "}") else {
            position &+= 1
            return
        }
        while true {
            guard try token() == UInt8(ascii: "\"") else {
                throw CodecFault(expected: .name, at: position)
            }
            let index = try name(of: message, type)
            if index == Schema.none {
                // Unknown fields have to be ignored (OTLP specification, JSON encoding).
                try skipValue()
            } else {
                let field = fields[Int(message.firstField) &+ Int(index)]
                try member(field, seen: &seen, depth: depth)
            }
            switch try token() {
            case UInt8(ascii: ","): position &+= 1
            case UInt8(ascii: "}"):
                position &+= 1
                return
            default: throw CodecFault(expected: .commaOrBrace, at: position)
            }
        }
    }

    /// The value of a known key.
    @inline(__always)
    private mutating func member(
        _ field: Schema.Field, seen: inout UInt32, depth: Int
    ) throws(CodecFault) {
        let first = try token()
        guard first != UInt8(ascii: "n") else { return try literal("null") }
        if field.rule == .repeated {
            guard first == UInt8(ascii: "[") else {
                throw CodecFault(wrongType: .array, at: position)
            }
            position &+= 1
            if field.kind.isPackable {
                try packedArray(field)
            } else {
                try array(field, depth: depth)
            }
        } else {
            // A zero is absence, unless it has to displace an earlier value.
            let keepsZero = field.rule != .singular || seen & field.bit != 0
            if try value(field, first, keepsZero: keepsZero, depth: depth) { seen |= field.bit }
        }
    }

    /// Appends the field whose value starts at the position with the byte `first`. Returns false
    /// when it was a zero and left out.
    private mutating func value(
        _ field: Schema.Field, _ first: UInt8, keepsZero: Bool, depth: Int
    ) throws(CodecFault) -> Bool {
        switch field.kind {
        case .message:
            try message(field, first, depth: depth)
            return true
        case .string: return try string(field, first, keepsZero: keepsZero)
        case .id: return try id(field, first, keepsZero: keepsZero)
        case .bytes: return try base64(field, first, keepsZero: keepsZero)
        default:
            let bits = try number(field, first)
            guard bits != 0 || keepsZero else { return false }
            try tag(field)
            try append(bits, as: field.kind)
            return true
        }
    }

    private mutating func message(
        _ field: Schema.Field, _ first: UInt8, depth: Int
    ) throws(CodecFault) {
        guard first == UInt8(ascii: "{") else {
            throw CodecFault(wrongType: .object, at: position)
        }
        var depth = depth
        if field.isNesting {
            guard depth < TelemetryIndex.valueDepthMax else {
                throw CodecFault(.tooDeep, at: position)
            }
            depth &+= 1
        }
        let usual = Int(messages[Int(field.type)].usualLengthBytes)
        let width = usual < 3 ? usual : outerLengthBytes
        let start = try output.openLength(
            tag: field.tag, tagBytes: field.tagBytes, width: width)
        try object(field.type, depth: depth)
        try output.closeLength(from: start, width: width)
    }

    /// The rest of an array of messages or strings, past its bracket.
    private mutating func array(_ field: Schema.Field, depth: Int) throws(CodecFault) {
        guard try token() != UInt8(ascii: "]") else {
            position &+= 1
            return
        }
        let isAttributes = field.type == MessageType.keyValue.rawValue && field.kind == .message
        repeat {
            let first = try token()
            if isAttributes, try usualAttribute(field) { continue }
            if first == UInt8(ascii: "n") {
                try nullElement(field)
            } else {
                _ = try value(field, first, keepsZero: true, depth: depth)
            }
        } while try continuesArray()
    }

    /// A null in an array of values is OTLP's empty value; elsewhere it is an error.
    private mutating func nullElement(_ field: Schema.Field) throws(CodecFault) {
        let start = position
        try literal("null")
        guard field.kind == .message, field.type == MessageType.anyValue.rawValue else {
            throw CodecFault(.nullElement, at: start)
        }
        try tag(field)
        try output.append(0)
    }

    /// The rest of an array of numbers, past its bracket.
    private mutating func packedArray(_ field: Schema.Field) throws(CodecFault) {
        guard try token() != UInt8(ascii: "]") else {
            position &+= 1
            return
        }
        try tag(field)
        let start = try output.openLength(width: 1)
        repeat {
            let first = try token()
            guard first != UInt8(ascii: "n") else { throw CodecFault(.nullElement, at: position) }
            try append(number(field, first), as: field.kind)
        } while try continuesArray()
        try output.closeLength(from: start, width: 1)
    }

    /// Passes the comma, or the bracket that ends the array.
    @inline(__always)
    private mutating func continuesArray() throws(CodecFault) -> Bool {
        switch try token() {
        case UInt8(ascii: ","):
            position &+= 1
            return true
        case UInt8(ascii: "]"):
            position &+= 1
            return false
        default: throw CodecFault(expected: .commaOrBracket, at: position)
        }
    }

    @inline(__always)
    mutating func tag(_ field: Schema.Field) throws(CodecFault) {
        try output.append(word: UInt64(field.tag), bytes: field.tagBytes)
    }
}
