import Bytes

// Bytes that JSON holds as text, in both directions.
extension CodecBuffer {
    /// Appends the characters beyond ASCII that stand together at `start`, and returns where they
    /// end; what is not UTF-8 becomes U+FFFD and is counted.
    mutating func appendUTF8(
        _ source: RawSpan, from start: Int, to end: Int, _ replaced: inout Int
    ) throws(CodecFault) -> Int {
        var offset = start
        while offset < end, source.byte(at: offset) >= 0x80 {
            let sequence = UTF8Sequence(source, at: offset, before: end)
            if sequence.isValid {
                try append(source, from: offset, to: offset + sequence.bytes)
            } else {
                replaced += 1
                try append(word: UTF8Sequence.replacement, bytes: 3)
            }
            offset += sequence.bytes
        }
        return offset
    }

    /// Appends a length and the bytes that hexadecimal digits stand for.
    ///
    /// An id of the wrong length passes, for the validator to reject that item alone. An odd number
    /// of digits becomes an odd number of bytes, so that it can't come out at 8 or 16.
    @inline(__always)
    mutating func append(
        hex source: RawSpan, _ digits: Range<Int>, at quote: Int
    ) throws(CodecFault) {
        guard digits.count == 32 || digits.count == 16 else {
            return try append(oddHex: source, digits, at: quote)
        }
        try append(UInt8(truncatingIfNeeded: digits.count / 2))
        var offset = digits.lowerBound
        while offset < digits.upperBound {
            guard let word = JSONScan.eightHexDigits(source.littleEndian64(at: offset)) else {
                throw CodecFault(.badHexDigit, at: quote)
            }
            try append(word: word, bytes: 4)
            offset &+= 8
        }
    }

    @inline(never)
    private mutating func append(
        oddHex source: RawSpan, _ digits: Range<Int>, at quote: Int
    ) throws(CodecFault) {
        let whole = digits.count / 2
        let keepsLast = digits.count % 2 == 1 && whole % 2 == 0
        try append(varint: UInt64(keepsLast ? whole + 1 : whole))
        var high: UInt8?
        for offset in digits {
            guard let digit = JSONScan.hexDigit(source.byte(at: offset)) else {
                throw CodecFault(.badHexDigit, at: quote)
            }
            if let first = high {
                try append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        if let high, keepsLast { try append(high << 4) }
    }

    mutating func append(hexIn text: borrowing CodecBuffer, at quote: Int) throws(CodecFault) {
        try append(hex: text.written, 0..<text.count, at: quote)
    }

    mutating func append(base64In text: borrowing CodecBuffer, at quote: Int) throws(CodecFault) {
        try append(base64: text.written, 0..<text.count, at: quote)
    }

    /// Appends the bytes that base64 stands for (RFC 4648): either alphabet, padded or not.
    mutating func append(
        base64 source: RawSpan, _ text: Range<Int>, at quote: Int
    ) throws(CodecFault) {
        var end = text.upperBound
        if text.count % 4 == 0 {
            let floor = max(text.lowerBound, end - 2)
            while end > floor, source.byte(at: end - 1) == UInt8(ascii: "=") { end -= 1 }
        }
        guard (end - text.lowerBound) % 4 != 1 else { throw CodecFault(.badBase64, at: quote) }
        var group: UInt32 = 0
        var letters = 0
        for offset in text.lowerBound..<end {
            guard let value = CodecBuffer.base64Value(source.byte(at: offset)) else {
                throw CodecFault(.badBase64, at: quote)
            }
            group = group << 6 | UInt32(value)
            letters += 1
            if letters == 4 {
                try append(word: UInt64(group.bigEndian >> 8), bytes: 3)
                group = 0
                letters = 0
            }
        }
        // Two letters hold one byte, three hold two; the rest of their bits is padding.
        switch letters {
        case 2: try append(UInt8(truncatingIfNeeded: group >> 4))
        case 3: try append(word: UInt64(UInt16(truncatingIfNeeded: group >> 2).bigEndian), bytes: 2)
        default: break
        }
    }

    private static func base64Value(_ letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): letter - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): letter - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): letter - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
