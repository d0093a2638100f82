import Bytes

/// Eight bytes of text at a time, in a word whose lowest byte comes first.
enum JSONScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// A text of up to eight bytes as a word; a constant once compiled.
    @inline(__always)
    static func word(_ text: StaticString) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<text.utf8CodeUnitCount {
            // SAFETY: within the static string's own bytes.
            word |= UInt64(unsafe text.utf8Start[index]) << UInt64(index &* 8)
        }
        return word
    }

    /// The high bit of each byte that does not stand for itself in a string: a quote, a backslash,
    /// a control character, or not ASCII. Only the lowest set bit is exact: a borrow may set others
    /// above it.
    @inline(__always)
    static func special(_ word: UInt64) -> UInt64 {
        let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        return
            ((quote &- ones) & ~quote
            | (backslash &- ones) & ~backslash
            | (word &- ones &* 0x20)
            | word) & highs
    }

    /// The high bit of each byte that is a quote; only the lowest set bit is exact.
    @inline(__always)
    static func quote(_ word: UInt64) -> UInt64 {
        let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        return (quote &- ones) & ~quote & highs
    }

    /// The offset of the first special byte at or after `start`, or `end`.
    @inline(__always)
    static func plainEnd(_ bytes: RawSpan, from start: Int, to end: Int) -> Int {
        precondition(start >= 0 && end <= bytes.byteCount, "BUG: a scan past the text")
        var offset = start
        while offset &+ 8 <= end {
            // SAFETY: eight bytes are left before `end`, which is inside.
            let found = special(unsafe bytes.uncheckedWord(at: offset))
            if found != 0 { return offset &+ found.trailingZeroBitCount >> 3 }
            offset &+= 8
        }
        while offset < end, isPlain(bytes.jsonByte(at: offset)) { offset &+= 1 }
        return offset
    }

    @inline(__always)
    static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// The lowest `bytes` bytes of `word`; 0 to 7.
    @inline(__always)
    static func prefix(_ word: UInt64, bytes: Int) -> UInt64 {
        word & ((1 &<< UInt64(truncatingIfNeeded: bytes &* 8)) &- 1)
    }

    /// Eight ASCII digits as a number, or nil.
    @inline(__always)
    static func eightDigits(_ word: UInt64) -> UInt64? {
        let zeros = ones &* 0x30
        // Either test alone lets some other characters through: 0x3A to 0x3F, or 0xFA to 0xFF.
        guard word & (ones &* 0xF0) == zeros, (word &+ ones &* 6) & (ones &* 0xF0) == zeros else {
            return nil
        }
        // Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
        let pairs = ((word &- zeros) &* 10 &+ (word &- zeros) >> 8) & 0x00FF_00FF_00FF_00FF
        let fours = (pairs &* 100 &+ pairs >> 16) & 0x0000_FFFF_0000_FFFF
        return (fours &* 10_000 &+ fours >> 32) & 0xFFFF_FFFF
    }

    /// Eight hexadecimal digits as four bytes, the first lowest, or nil.
    @inline(__always)
    static func eightHexDigits(_ word: UInt64) -> UInt64? {
        guard word & highs == 0 else { return nil }
        // A byte below 0x80 plus at most 0x7F carries nothing into its neighbour.
        let digit = (word &+ ones &* 0x50) & ~(word &+ ones &* 0x46)
        let lower = word | ones &* 0x20
        let letter = (lower &+ ones &* 0x1F) & ~(lower &+ ones &* 0x19)
        guard (digit | letter) & highs == highs else { return nil }
        let nibbles = (word & (ones &* 0x0F)) &+ ((word >> 6) & ones) &* 9
        let spread = ((nibbles << 4) | (nibbles >> 8)) & 0x00FF_00FF_00FF_00FF
        let joined = (spread | spread >> 8) & 0x0000_FFFF_0000_FFFF
        return (joined | joined >> 16) & 0xFFFF_FFFF
    }

    /// The value of a hexadecimal digit, or nil.
    @inline(__always)
    static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }
}
