import Bytes

/// The outline of a block of snappy: what it says of its size, and what is wrong with one that the
/// library refuses.
///
///     block   = size element*          size: a varint of 32 bits, the bytes when decoded
///     element = tag literal | tag copy  the tag's lowest two bits say which
struct SnappyBlock {
    /// As declared. It may lie, within ``expansionMax``.
    let bytes: Int
    private let elementsStart: Int

    /// Three bytes can stand for 64, and none for more of them.
    private static let expansionMax = 22
    private static let sizeBytesMax = 5

    /// Reads the size.
    ///
    /// - Throws: `truncated` or `corrupt` where there is none, or the elements that follow cannot
    ///   make so much.
    init(_ block: RawSpan) throws(DecompressionError) {
        var size: UInt64 = 0
        var offset = 0
        while true {
            guard offset < block.byteCount else { throw .truncated }
            guard offset < Self.sizeBytesMax else { throw .corrupt }
            let byte = block.byte(at: offset)
            size |= UInt64(byte & 0x7F) << UInt64(7 * offset)
            offset += 1
            if byte < 0x80 { break }
        }
        guard size <= UInt64(UInt32.max) else { throw .corrupt }
        bytes = Int(size)
        elementsStart = offset
        if bytes / Self.expansionMax > block.byteCount { throw fault(in: block) }
    }

    /// Why the block does not decode: it ends too early, or it is corrupt. One pass over the
    /// elements, which decodes nothing.
    func fault(in block: RawSpan) -> DecompressionError {
        var offset = elementsStart
        var produced = 0
        while offset < block.byteCount {
            let tag = Int(block.byte(at: offset))
            offset += 1
            let isLiteral = tag & 3 == 0
            let lengthCode = tag >> 2
            // How many bytes follow the tag: a long literal's length, or a copy's offset.
            let more = isLiteral ? max(0, lengthCode - 59) : [0, 1, 2, 4][tag & 3]
            guard more <= block.byteCount - offset else { return .truncated }
            let number = (0..<more).reduce(0) { $0 | Int(block.byte(at: offset + $1)) << (8 * $1) }
            offset += more
            if isLiteral {
                let length = more == 0 ? lengthCode + 1 : number + 1
                guard length <= bytes - produced else { return .corrupt }
                guard length <= block.byteCount - offset else { return .truncated }
                offset += length
                produced += length
            } else {
                let isShort = tag & 3 == 1
                let length = isShort ? 4 + lengthCode & 7 : 1 + lengthCode
                let distance = isShort ? number | (tag >> 5) << 8 : number
                guard distance > 0, distance <= produced, length <= bytes - produced else {
                    return .corrupt
                }
                produced += length
            }
        }
        return produced < bytes ? .truncated : .corrupt
    }
}
