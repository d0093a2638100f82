import Bytes

/// Escapes in JSON strings (RFC 8259, section 7).
enum JSONEscape {
    /// A lone surrogate, which UTF-8 can't hold.
    static let lone: UInt32 = .max

    /// The scalar that the escape at `position` stands for, or `lone`; passes it, and both halves
    /// of a surrogate pair.
    static func read(_ json: RawSpan, _ position: inout Int) throws(CodecFault) -> UInt32 {
        let start = position
        guard start + 1 < json.byteCount else {
            throw CodecFault(.unexpectedEnd, at: json.byteCount)
        }
        let letter = json.byte(at: start + 1)
        position = start + 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt32(letter)
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"):
            let unit = try hexUnit(json, at: position, of: start)
            position += 4
            switch unit {
            case 0xD800..<0xDC00: return try pair(high: unit, json, &position)
            case 0xDC00..<0xE000: return lone
            default: return unit
            }
        default: throw CodecFault(.badEscape, at: start)
        }
    }

    /// Joins a high surrogate with the low one that has to follow.
    private static func pair(
        high: UInt32, _ json: RawSpan, _ position: inout Int
    ) throws(CodecFault) -> UInt32 {
        guard position + 1 < json.byteCount, json.byte(at: position) == UInt8(ascii: "\\"),
            json.byte(at: position + 1) == UInt8(ascii: "u")
        else { return lone }
        let low = try hexUnit(json, at: position + 2, of: position)
        // Another escape follows: it stands for itself, and is read next.
        guard (0xDC00..<0xE000).contains(low) else { return lone }
        position += 6
        return 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
    }

    private static func hexUnit(
        _ json: RawSpan, at start: Int, of escape: Int
    ) throws(CodecFault) -> UInt32 {
        guard start + 4 <= json.byteCount else {
            throw CodecFault(.unexpectedEnd, at: json.byteCount)
        }
        var unit: UInt32 = 0
        for offset in start..<start + 4 {
            guard let digit = JSONScan.hexDigit(json.byte(at: offset)) else {
                throw CodecFault(.badEscape, at: escape)
            }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    /// A scalar in UTF-8, first byte lowest, and how many bytes that is.
    static func utf8(_ scalar: UInt32) -> (word: UInt64, bytes: Int) {
        let value = UInt64(scalar)
        switch scalar {
        case 0..<0x80: return (value, 1)
        case 0x80..<0x800: return (0x80C0 | value >> 6 | (value & 0x3F) << 8, 2)
        case 0x800..<0x10000:
            return (0x8080E0 | value >> 12 | (value >> 6 & 0x3F) << 8 | (value & 0x3F) << 16, 3)
        default:
            let head = 0x8080_80F0 | value >> 18 | (value >> 12 & 0x3F) << 8
            return (head | (value >> 6 & 0x3F) << 16 | (value & 0x3F) << 24, 4)
        }
    }
}
