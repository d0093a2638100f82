import Bytes

/// One character beyond ASCII, or what stands in its place.
///
/// Bytes that are no UTF-8 become one U+FFFD for each maximal subpart, as the Unicode Standard
/// recommends (chapter 3.9, table 3-11) and as `String(decoding:as:)` does.
struct UTF8Sequence {
    /// U+FFFD in UTF-8, first byte lowest.
    static let replacement: UInt64 = 0xBD_BFEF

    /// How many bytes of the input it takes: 1 to 4.
    let bytes: Int
    let isValid: Bool

    /// The sequence at `offset`, which is before `end` and holds a byte over 0x7F.
    init(_ source: RawSpan, at offset: Int, before end: Int) {
        let first = source.byte(at: offset)
        // The second byte's range excludes overlong forms, surrogates and what is past U+10FFFF.
        let (length, second): (Int, ClosedRange<UInt8>) =
            switch first {
            case 0xC2...0xDF: (2, 0x80...0xBF)
            case 0xE0: (3, 0xA0...0xBF)
            case 0xE1...0xEC, 0xEE...0xEF: (3, 0x80...0xBF)
            case 0xED: (3, 0x80...0x9F)
            case 0xF0: (4, 0x90...0xBF)
            case 0xF1...0xF3: (4, 0x80...0xBF)
            case 0xF4: (4, 0x80...0x8F)
            default: (1, 0x80...0xBF)
            }
        var taken = 1
        while taken < length, offset + taken < end {
            let byte = source.byte(at: offset + taken)
            guard taken == 1 ? second.contains(byte) : byte & 0xC0 == 0x80 else { break }
            taken += 1
        }
        bytes = taken
        isValid = length > 1 && taken == length
    }
}
