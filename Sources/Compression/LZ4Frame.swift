import Bytes

/// The outline of one LZ4 frame, version 1.6.1 of its format: what its headers say, no block
/// decoded. The header's checksum is the library's to check.
///
///     frame = magic (4) FLG (1) BD (1) [content size (8)] [dictionary (4)] checksum (1)
///             block* 0 (4) [content's checksum (4)]
///     block = size (4; the highest bit: not compressed) data [checksum (4)]
struct LZ4Frame {
    /// Of the whole frame, its magic number included.
    let bytes: Int
    let content: Content
    /// The most that a block of it may hold; 0 where it has none.
    let blockBytesMax: Int

    enum Content: Equatable {
        /// Bytes of the frame's user, which decode to nothing.
        case skippable
        case declared(UInt64)
        case undeclared
    }

    /// Reads the frame that `rest` begins with.
    ///
    /// - Throws: `truncated` where `rest` ends inside the frame, `corrupt` where its headers break
    ///   the format, `unsupported` where it needs a dictionary.
    init(beginning rest: RawSpan) throws(DecompressionError) {
        var reader = HeaderReader(bytes: rest)
        let magic = try Self.magic(&reader)
        guard magic == Self.frameMagic else {
            let size = try reader.integer(bytes: 4)
            try reader.skip(size)
            bytes = reader.offset
            content = .skippable
            blockBytesMax = 0
            return
        }
        let flags = try reader.integer(bytes: 1)
        let block = try reader.integer(bytes: 1)
        // Version 1; reserved bits are zero; block sizes are named 4 to 7.
        guard flags >> 6 == 1, flags & 2 == 0, block & 0x8F == 0, block >> 4 >= 4 else {
            throw .corrupt
        }
        content = flags & 8 == 0 ? .undeclared : .declared(try reader.integer(bytes: 8))
        guard flags & 1 == 0 else { throw .unsupported }
        _ = try reader.integer(bytes: 1)
        // 64 KiB, 256 KiB, 1 MiB, 4 MiB.
        blockBytesMax = 1 << (8 + 2 * Int(block >> 4))
        while true {
            let size = try reader.integer(bytes: 4) & 0x7FFF_FFFF
            if size == 0 { break }
            guard size <= UInt64(blockBytesMax) else { throw .corrupt }
            try reader.skip(size + (flags & 16 == 0 ? 0 : 4))
        }
        if flags & 4 != 0 { try reader.skip(4) }
        bytes = reader.offset
    }

    private static func magic(_ reader: inout HeaderReader) throws(DecompressionError) -> UInt64 {
        let (magic, known) = reader.beginning(bytes: 4)
        guard magic == frameMagic & known || magic & 0xFFFF_FFF0 == skippableMagic & known else {
            throw .corrupt
        }
        return try reader.integer(bytes: 4)
    }

    private static let frameMagic: UInt64 = 0x184D_2204
    private static let skippableMagic: UInt64 = 0x184D_2A50
}
