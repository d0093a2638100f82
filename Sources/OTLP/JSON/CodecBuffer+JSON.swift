import Bytes

// JSON's texts for strings, bytes and numbers.
extension CodecBuffer {
    private static let quote = UInt8(ascii: "\"")

    /// Appends `source[start..<end]` as a string; what is not UTF-8 becomes U+FFFD, counted.
    @inline(__always)
    mutating func append(
        jsonString source: RawSpan, from start: Int, to end: Int, _ replaced: inout Int
    ) throws(CodecFault) {
        try append(CodecBuffer.quote)
        let plain = JSONScan.plainEnd(source, from: start, to: end)
        try append(source, from: start, to: plain)
        if plain < end { try appendEscaped(source, from: plain, to: end, &replaced) }
        try append(CodecBuffer.quote)
    }

    @inline(never)
    private mutating func appendEscaped(
        _ source: RawSpan, from start: Int, to end: Int, _ replaced: inout Int
    ) throws(CodecFault) {
        var offset = start
        while offset < end {
            let byte = source.byte(at: offset)
            if byte >= 0x80 {
                offset = try appendUTF8(source, from: offset, to: end, &replaced)
            } else {
                try append(escape: byte)
                offset += 1
            }
            let plain = JSONScan.plainEnd(source, from: offset, to: end)
            try append(source, from: offset, to: plain)
            offset = plain
        }
    }

    private mutating func append(escape byte: UInt8) throws(CodecFault) {
        switch byte {
        case UInt8(ascii: "\""): try append(#"\""#)
        case UInt8(ascii: "\\"): try append(#"\\"#)
        case 0x08: try append(#"\b"#)
        case 0x09: try append(#"\t"#)
        case 0x0A: try append(#"\n"#)
        case 0x0C: try append(#"\f"#)
        case 0x0D: try append(#"\r"#)
        default:
            try append(#"\u00"#)
            try append(word: CodecBuffer.hexPair(byte), bytes: 2)
        }
    }

    /// A byte as two lower-case digits, the first lowest.
    @inline(__always)
    private static func hexPair(_ byte: UInt8) -> UInt64 {
        let nibbles = UInt64(byte >> 4) | UInt64(byte & 0x0F) << 8
        // Digits past 9 are letters: 0x27 further on in ASCII.
        let letters = ((nibbles + 0x0606) >> 4) & 0x0101
        return nibbles + 0x3030 + letters * 0x27
    }

    /// Four bytes as eight lower-case digits.
    @inline(__always)
    private static func hexDigits(_ bytes: UInt32) -> UInt64 {
        var spread = UInt64(bytes)
        spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
        spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
        let nibbles = (spread >> 4 & 0x000F_000F_000F_000F) | (spread & 0x000F_000F_000F_000F) << 8
        let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return nibbles + 0x3030_3030_3030_3030 + letters * 0x27
    }

    mutating func append(
        hexString source: RawSpan, from start: Int, to end: Int
    ) throws(CodecFault) {
        try append(CodecBuffer.quote)
        var offset = start
        while offset &+ 4 <= end {
            try append(
                word: CodecBuffer.hexDigits(source.littleEndian32(at: offset)), bytes: 8)
            offset &+= 4
        }
        while offset < end {
            try append(word: CodecBuffer.hexPair(source.byte(at: offset)), bytes: 2)
            offset &+= 1
        }
        try append(CodecBuffer.quote)
    }

    /// Standard base64, padded (RFC 4648, section 4).
    mutating func append(
        base64String source: RawSpan, from start: Int, to end: Int
    ) throws(CodecFault) {
        try append(CodecBuffer.quote)
        var offset = start
        while offset < end {
            let taken = min(3, end - offset)
            var group: UInt32 = 0
            for index in 0..<3 {
                group = group << 8 | (index < taken ? UInt32(source.byte(at: offset + index)) : 0)
            }
            for index in 0..<4 {
                let letter = UInt8(truncatingIfNeeded: group >> UInt32(18 - 6 * index)) & 0x3F
                try append(
                    index <= taken ? CodecBuffer.base64Letter(letter) : UInt8(ascii: "="))
            }
            offset += taken
        }
        try append(CodecBuffer.quote)
    }

    private static func base64Letter(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: value + UInt8(ascii: "A")
        case 26..<52: value - 26 + UInt8(ascii: "a")
        case 52..<62: value - 52 + UInt8(ascii: "0")
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    mutating func append(signed value: Int64) throws(CodecFault) {
        if value < 0 { try append(UInt8(ascii: "-")) }
        try append(decimal: value.magnitude)
    }

    @inline(__always)
    mutating func append(quoted magnitude: UInt64, isNegative: Bool) throws(CodecFault) {
        try append(CodecBuffer.quote)
        if isNegative { try append(UInt8(ascii: "-")) }
        try append(decimal: magnitude)
        try append(CodecBuffer.quote)
    }

    mutating func append(decimal value: UInt64) throws(CodecFault) {
        let base: UInt64 = 100_000_000
        if value >= base {
            try append(decimal: value / base)
            let digits = CodecBuffer.eightDigits(UInt32(truncatingIfNeeded: value % base))
            return try append(word: digits | 0x3030_3030_3030_3030, bytes: 8)
        }
        let digits = CodecBuffer.eightDigits(UInt32(truncatingIfNeeded: value))
        let zeros = min(digits.trailingZeroBitCount >> 3, 7)
        let text = (digits | 0x3030_3030_3030_3030) >> UInt64(zeros * 8)
        try append(word: text, bytes: 8 - zeros)
    }

    /// The eight digits of a number below 10^8, one a byte, the first lowest. Divisions by 100 and
    /// 10 are multiplications, exact in these ranges (10486 / 2^20 and 103 / 2^10).
    private static func eightDigits(_ value: UInt32) -> UInt64 {
        let fours = UInt64(value / 10_000) | UInt64(value % 10_000) << 32
        let hundreds = ((fours &* 10_486) >> 20) & 0x0000_007F_0000_007F
        let pairs = hundreds | (fours &- hundreds &* 100) << 16
        let tens = ((pairs &* 103) >> 10) & 0x000F_000F_000F_000F
        return tens | (pairs &- tens &* 10) << 8
    }

    /// The shortest text that reads back as the same double.
    mutating func append(jsonDouble value: Double) throws(CodecFault) {
        guard value.isFinite else {
            return try append(
                value.isNaN ? "\"NaN\"" : value < 0 ? "\"-Infinity\"" : "\"Infinity\"")
        }
        // Read as a whole number, "-0" would lose its sign.
        guard value != 0 || value.sign == .plus else { return try append("-0.0") }
        let magnitude = value.magnitude
        // Up to 15 digits no two decimals are the same double: one that divides back to the value
        // exactly is the shortest once its trailing zeros are gone.
        if magnitude < 1e12 {
            let thousandths = UInt64(magnitude * 1000 + 0.5)
            if Double(thousandths) / 1000 == magnitude {
                return try append(thousandths: thousandths, isNegative: value.sign == .minus)
            }
        }
        // At most 24 bytes, as in -1.7976931348623157e+308.
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        var bytes = 0
        for byte in value.description.utf8 {
            let shifted = UInt64(byte) << UInt64(bytes % 8 * 8)
            switch bytes / 8 {
            case 0: words.0 |= shifted
            case 1: words.1 |= shifted
            case 2: words.2 |= shifted
            default: preconditionFailure("BUG: a double's description is longer than 24 bytes")
            }
            bytes += 1
        }
        try append(words: words, bytes: bytes)
    }

    private mutating func append(thousandths: UInt64, isNegative: Bool) throws(CodecFault) {
        if isNegative { try append(UInt8(ascii: "-")) }
        try append(decimal: thousandths / 1000)
        var fraction = thousandths % 1000
        guard fraction > 0 else { return }
        try append(UInt8(ascii: "."))
        while fraction > 0 {
            try append(UInt8(truncatingIfNeeded: fraction / 100) + UInt8(ascii: "0"))
            fraction = fraction % 100 * 10
        }
    }
}
