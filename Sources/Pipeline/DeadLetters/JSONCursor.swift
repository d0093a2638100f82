import Bytes

/// Reads the few values beside the telemetry of a dead letter, and passes over all others without
/// looking into them. Source: RFC 8259. It is a cursor alone; each call is handed the text.
struct JSONCursor {
    /// What stands at `offset` is not what the caller wants, or the text ends.
    struct Fault: Error {}

    private var offset = 0

    /// Calls `member` for each member of the object; it reads the value, or skips it.
    mutating func object(
        in text: RawSpan, _ member: (inout JSONCursor, String) throws(Fault) -> Void
    ) throws(Fault) {
        try expect(UInt8(ascii: "{"), in: text)
        guard !take(UInt8(ascii: "}"), in: text) else { return }
        repeat {
            let name = try string(in: text)
            try expect(UInt8(ascii: ":"), in: text)
            try member(&self, name)
        } while take(UInt8(ascii: ","), in: text)
        try expect(UInt8(ascii: "}"), in: text)
    }

    mutating func array(
        in text: RawSpan, _ element: (inout JSONCursor) throws(Fault) -> Void
    ) throws(Fault) {
        try expect(UInt8(ascii: "["), in: text)
        guard !take(UInt8(ascii: "]"), in: text) else { return }
        repeat { try element(&self) } while take(UInt8(ascii: ","), in: text)
        try expect(UInt8(ascii: "]"), in: text)
    }

    /// A whole number of at most 64 bits.
    mutating func number(in text: RawSpan) throws(Fault) -> UInt64 {
        skipBlanks(in: text)
        let start = offset
        var number: UInt64 = 0
        while let byte = peek(in: text), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, isStillTooLarge) = product.addingReportingOverflow(UInt64(byte & 15))
            guard !isTooLarge, !isStillTooLarge else { throw Fault() }
            number = sum
            offset += 1
        }
        guard offset > start else { throw Fault() }
        return number
    }

    mutating func string(in text: RawSpan) throws(Fault) -> String {
        let range = try stringContent(in: text)
        var inside = JSONCursor(offset: range.lowerBound)
        var bytes: [UInt8] = []
        while inside.offset < range.upperBound {
            let byte = text.byte(at: inside.offset)
            inside.offset += 1
            if byte == UInt8(ascii: "\\") {
                bytes += String(try inside.escaped(in: text, until: range.upperBound)).utf8
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What stands between the quotes, escapes as they are.
    mutating func stringContent(in text: RawSpan) throws(Fault) -> ByteRange {
        try expect(UInt8(ascii: "\""), in: text)
        let start = offset
        while let byte = peek(in: text) {
            if byte == UInt8(ascii: "\"") {
                offset += 1
                return ByteRange(start: start, end: offset - 1)
            }
            offset += byte == UInt8(ascii: "\\") ? 2 : 1
        }
        throw Fault()
    }

    /// Passes over any value. Of an object or an array only the brackets are counted: whoever reads
    /// it checks it.
    mutating func skipValue(in text: RawSpan) throws(Fault) -> ByteRange {
        skipBlanks(in: text)
        let start = offset
        var depth = 0
        repeat {
            guard let byte = peek(in: text) else { throw Fault() }
            switch byte {
            case UInt8(ascii: "\""): _ = try stringContent(in: text)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                offset += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                offset += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"): offset += 1
            default: skipWord(in: text)
            }
            skipBlanks(in: text)
        } while depth > 0
        guard depth == 0 else { throw Fault() }
        return ByteRange(start: start, end: offset)
    }

    func isAtEnd(of text: RawSpan) -> Bool {
        var rest = self
        rest.skipBlanks(in: text)
        return rest.offset == text.byteCount
    }
}

extension JSONCursor {
    private func peek(in text: RawSpan) -> UInt8? {
        offset < text.byteCount ? text.byte(at: offset) : nil
    }

    private mutating func skipBlanks(in text: RawSpan) {
        while let byte = peek(in: text), byte == 0x20 || (0x09...0x0D).contains(byte) {
            offset += 1
        }
    }

    /// A number, `true`, `false` or `null`: up to what can follow one.
    private mutating func skipWord(in text: RawSpan) {
        repeat { offset += 1 } while peek(in: text).map(Self.isWord) ?? false
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "\""), UInt8(ascii: "{"),
            UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"):
            false
        default: byte > 0x20
        }
    }

    private mutating func take(_ wanted: UInt8, in text: RawSpan) -> Bool {
        skipBlanks(in: text)
        guard peek(in: text) == wanted else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ wanted: UInt8, in text: RawSpan) throws(Fault) {
        guard take(wanted, in: text) else { throw Fault() }
    }

    /// What follows a backslash. A lone surrogate becomes U+FFFD.
    private mutating func escaped(
        in text: RawSpan, until end: Int
    ) throws(Fault) -> Unicode.Scalar {
        guard offset < end else { throw Fault() }
        let letter = text.byte(at: offset)
        offset += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let unit = try codeUnit(in: text, until: end)
            guard (0xD800..<0xDC00).contains(unit), offset + 1 < end,
                text.byte(at: offset) == UInt8(ascii: "\\"),
                text.byte(at: offset + 1) == UInt8(ascii: "u")
            else { return Unicode.Scalar(unit) ?? "\u{FFFD}" }
            var ahead = self
            ahead.offset += 2
            let low = try ahead.codeUnit(in: text, until: end)
            guard (0xDC00..<0xE000).contains(low) else { return "\u{FFFD}" }
            self = ahead
            return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)) ?? "\u{FFFD}"
        default: throw Fault()
        }
    }

    private mutating func codeUnit(in text: RawSpan, until end: Int) throws(Fault) -> UInt32 {
        guard offset + 4 <= end else { throw Fault() }
        let digits = text.string(ByteRange(start: offset, end: offset + 4))
        guard let unit = UInt32(digits, radix: 16), digits.utf8.first != UInt8(ascii: "+") else {
            throw Fault()
        }
        offset += 4
        return unit
    }
}
