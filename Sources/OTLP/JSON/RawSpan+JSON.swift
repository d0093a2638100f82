import Bytes

// Reads of the parser's hot path: one comparison for a whole group of loads.
extension RawSpan {
    /// The three words at `offset`, or nil within 32 bytes of the end: so a name of up to 24 bytes,
    /// its quote and the byte after it are inside.
    @inline(__always)
    func threeWords(at offset: Int) -> (UInt64, UInt64, UInt64)? {
        guard offset >= 0, offset &+ 32 <= byteCount else { return nil }
        // SAFETY: all 24 bytes are inside, as was just tested.
        return unsafe (
            uncheckedWord(at: offset), uncheckedWord(at: offset &+ 8),
            uncheckedWord(at: offset &+ 16)
        )
    }

    /// The eight bytes at `offset`, or nil when fewer are left.
    @inline(__always)
    func word(at offset: Int) -> UInt64? {
        guard offset >= 0, offset &+ 8 <= byteCount else { return nil }
        // SAFETY: all eight bytes are inside, as was just tested.
        return unsafe uncheckedWord(at: offset)
    }

    /// The byte at `offset`; traps outside the span. One comparison where `byte(at:)` makes two.
    @inline(__always)
    func jsonByte(at offset: Int) -> UInt8 {
        precondition(UInt(bitPattern: offset) < UInt(bitPattern: byteCount), "BUG: past the text")
        // SAFETY: inside, as was just tested.
        return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// The bytes that the hexadecimal digits at `offset` stand for, when there are exactly 32 or 16
    /// and a quote after them.
    @inline(__always)
    func hexID(at offset: Int) -> (UInt64, UInt64, digits: Int)? {
        guard offset >= 0, offset &+ 40 <= byteCount else { return nil }
        // SAFETY: all 33 bytes are inside, as was just tested.
        let words = unsafe (uncheckedWord(at: offset), uncheckedWord(at: offset &+ 8))
        guard let a = JSONScan.eightHexDigits(words.0), let b = JSONScan.eightHexDigits(words.1)
        else { return nil }
        let quote = UInt8(ascii: "\"")
        if jsonByte(at: offset &+ 16) == quote { return (a | b << 32, 0, 16) }
        // SAFETY: as above.
        let more = unsafe (uncheckedWord(at: offset &+ 16), uncheckedWord(at: offset &+ 24))
        guard let c = JSONScan.eightHexDigits(more.0), let d = JSONScan.eightHexDigits(more.1),
            jsonByte(at: offset &+ 32) == quote
        else { return nil }
        return (a | b << 32, c | d << 32, 32)
    }

    /// SAFETY: the caller has tested that eight bytes from `offset` are inside.
    @unsafe
    @inline(__always)
    func uncheckedWord(at offset: Int) -> UInt64 {
        UInt64(
            littleEndian: unsafe unsafeLoadUnaligned(
                fromUncheckedByteOffset: offset, as: UInt64.self))
    }
}

extension Schema.Name {
    /// The name whose bytes are `text`, at most 24.
    init(_ text: RawSpan) {
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        for offset in 0..<text.byteCount {
            let byte = UInt64(text.byte(at: offset)) << UInt64(offset % 8 * 8)
            switch offset / 8 {
            case 0: words.0 |= byte
            case 1: words.1 |= byte
            case 2: words.2 |= byte
            default: preconditionFailure("BUG: a name is longer than \(Schema.nameBytesMax) bytes")
            }
        }
        self.init(words: words, bytes: text.byteCount)
    }
}
