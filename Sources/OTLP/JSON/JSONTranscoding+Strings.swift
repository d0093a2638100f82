import Bytes

// Keys, and fields whose value is text in JSON.
extension JSONTranscoding {
    /// The index of the field that the string at the position names, or `Schema.none`; passes it
    /// and the colon.
    ///
    /// Only the closing quote is looked for: a key with anything else that is special in it equals
    /// no name, and is read again with care.
    @inline(__always)
    mutating func name(of message: Schema.Message, _ type: UInt8) throws(CodecFault) -> UInt8 {
        let start = position &+ 1
        guard let words = json.threeWords(at: start) else {
            return try nameSlowly(of: message, type)
        }
        var name = Schema.Name(words: (words.0, 0, 0), bytes: 0)
        var quote = JSONScan.quote(words.0)
        if quote != 0 {
            name.bytes = quote.trailingZeroBitCount >> 3
            name.words.0 = JSONScan.prefix(words.0, bytes: name.bytes)
        } else {
            quote = JSONScan.quote(words.1)
            if quote != 0 {
                name.bytes = quote.trailingZeroBitCount >> 3
                name.words.1 = JSONScan.prefix(words.1, bytes: name.bytes)
                name.bytes &+= 8
            } else {
                name.words.1 = words.1
                quote = JSONScan.quote(words.2)
                guard quote != 0 else { return try nameSlowly(of: message, type) }
                name.bytes = quote.trailingZeroBitCount >> 3
                name.words.2 = JSONScan.prefix(words.2, bytes: name.bytes)
                name.bytes &+= 16
            }
        }
        let index = lookUp(name, of: message, type)
        guard index != Schema.none else { return try nameSlowly(of: message, type) }
        position = start &+ name.bytes &+ 1
        try colon()
        return index
    }

    @inline(__always)
    private mutating func colon() throws(CodecFault) {
        guard try token() == UInt8(ascii: ":") else {
            throw CodecFault(expected: .colon, at: position)
        }
        position &+= 1
    }

    @inline(__always)
    private func lookUp(
        _ name: Schema.Name, of message: Schema.Message, _ type: UInt8
    ) -> UInt8 {
        let slot = Schema.nameSlot(
            firstWord: name.words.0, bytes: name.bytes, multiplier: message.hashMultiplier)
        let index = byName[Int(type) &* Schema.nameSlots &+ slot]
        guard index != Schema.none else { return Schema.none }
        let known = names[Int(message.firstField) &+ Int(index)]
        let differs =
            (known.words.0 ^ name.words.0) | (known.words.1 ^ name.words.1)
            | (known.words.2 ^ name.words.2) | UInt64(bitPattern: Int64(known.bytes ^ name.bytes))
        return differs == 0 ? index : Schema.none
    }

    /// Unknown keys, keys with escapes or beyond ASCII, and those at the text's end.
    @inline(never)
    private mutating func nameSlowly(
        of message: Schema.Message, _ type: UInt8
    ) throws(CodecFault) -> UInt8 {
        let start = position
        try skipString()
        let end = position
        var index = Schema.none
        // An escape takes six bytes at most for one of the name's.
        if end - start <= Schema.nameBytesMax * 6 + 2 {
            position = start + 1
            unescaped.truncate(to: 0)
            var ignored = 0
            try JSONTranscoding.unescape(json, &position, into: &unescaped, replaced: &ignored)
            if unescaped.count <= Schema.nameBytesMax {
                index = lookUp(Schema.Name(unescaped.written), of: message, type)
            }
        }
        try colon()
        return index
    }

    /// Appends a string field. Nearly all strings are ASCII without escapes: found in one scan,
    /// copied in one go.
    @inline(__always)
    mutating func string(
        _ field: Schema.Field, _ first: UInt8, keepsZero: Bool
    ) throws(CodecFault) -> Bool {
        guard first == UInt8(ascii: "\"") else {
            throw CodecFault(wrongType: .string, at: position)
        }
        let start = position &+ 1
        let end = JSONScan.plainEnd(json, from: start, to: json.byteCount)
        guard end < json.byteCount, json.jsonByte(at: end) == UInt8(ascii: "\"") else {
            return try stringSlowly(field, keepsZero: keepsZero)
        }
        position = end &+ 1
        guard end > start || keepsZero else { return false }
        try output.append(
            tag: field.tag, tagBytes: field.tagBytes, length: end &- start)
        try output.append(json, from: start, to: end)
        return true
    }

    @inline(never)
    private mutating func stringSlowly(
        _ field: Schema.Field, keepsZero: Bool
    ) throws(CodecFault) -> Bool {
        position += 1
        try tag(field)
        let start = try output.openLength(width: 1)
        try JSONTranscoding.unescape(json, &position, into: &output, replaced: &replacedCount)
        try output.closeLength(from: start, width: 1)
        return true
    }

    /// Appends the text of a string from `position` on, passes its closing quote, and makes it
    /// UTF-8.
    static func unescape(
        _ json: RawSpan, _ position: inout Int, into output: inout CodecBuffer,
        replaced: inout Int
    ) throws(CodecFault) {
        let limit = json.byteCount
        while true {
            let plain = JSONScan.plainEnd(json, from: position, to: limit)
            try output.append(json, from: position, to: plain)
            position = plain
            guard plain < limit else { throw CodecFault(.unexpectedEnd, at: limit) }
            switch json.byte(at: plain) {
            case UInt8(ascii: "\""):
                position = plain + 1
                return
            case UInt8(ascii: "\\"):
                let scalar = try JSONEscape.read(json, &position)
                if scalar == JSONEscape.lone {
                    replaced += 1
                    try output.append(word: UTF8Sequence.replacement, bytes: 3)
                } else {
                    let (word, bytes) = JSONEscape.utf8(scalar)
                    try output.append(word: word, bytes: bytes)
                }
            case 0x80...:
                position = try output.appendUTF8(json, from: plain, to: limit, &replaced)
            default: throw CodecFault(.controlCharacter, at: plain)
            }
        }
    }

    /// The text of the string at the position, when that is all it takes to read it: `unescaped`
    /// holds it otherwise, and the range is nil.
    @inline(__always)
    mutating func text() throws(CodecFault) -> Range<Int>? {
        let start = position &+ 1
        let end = JSONScan.plainEnd(json, from: start, to: json.byteCount)
        if end < json.byteCount, json.jsonByte(at: end) == UInt8(ascii: "\"") {
            position = end &+ 1
            // SAFETY: `plainEnd` searches forward: `end` is not before `start`.
            return unsafe Range(uncheckedBounds: (start, end))
        }
        position = start
        unescaped.truncate(to: 0)
        try JSONTranscoding.unescape(json, &position, into: &unescaped, replaced: &replacedCount)
        return nil
    }

    /// Appends a trace or span id.
    @inline(__always)
    mutating func id(
        _ field: Schema.Field, _ first: UInt8, keepsZero: Bool
    ) throws(CodecFault) -> Bool {
        guard first == UInt8(ascii: "\"") else {
            throw CodecFault(wrongType: .id, at: position)
        }
        let quote = position
        if let word = json.hexID(at: quote &+ 1) {
            // As OTLP wants it: 16 or 32 digits.
            position = quote &+ 2 &+ word.digits
            try output.append(
                tag: field.tag, tagBytes: field.tagBytes, length: word.digits / 2)
            try output.append(words: (word.0, word.1, 0), bytes: word.digits / 2)
            return true
        }
        guard let text = try text() else {
            guard unescaped.count > 0 || keepsZero else { return false }
            try tag(field)
            try output.append(hexIn: unescaped, at: quote)
            return true
        }
        guard !text.isEmpty || keepsZero else { return false }
        try tag(field)
        try output.append(hex: json, text, at: quote)
        return true
    }

    mutating func base64(
        _ field: Schema.Field, _ first: UInt8, keepsZero: Bool
    ) throws(CodecFault) -> Bool {
        guard first == UInt8(ascii: "\"") else {
            throw CodecFault(wrongType: .base64, at: position)
        }
        let quote = position
        let text = try text()
        guard !(text?.isEmpty ?? (unescaped.count == 0)) || keepsZero else { return false }
        try tag(field)
        let start = try output.openLength(width: 1)
        if let text {
            try output.append(base64: json, text, at: quote)
        } else {
            try output.append(base64In: unescaped, at: quote)
        }
        try output.closeLength(from: start, width: 1)
        return true
    }
}
