import Bytes

/// The outline of one Zstandard frame (RFC 8878, section 3.1): what its headers say, no block
/// decoded.
///
/// libzstd can walk frames too, but lets blocks pass that are larger than the frame allows, and
/// then decodes them or not depending on the buffers it has at hand.
struct ZstdFrame {
    /// Of the whole frame, its magic number included.
    let bytes: Int
    let content: Content

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
            return
        }
        let descriptor = try reader.integer(bytes: 1)
        let isSingleSegment = descriptor & 0x20 != 0
        let hasChecksum = descriptor & 0x04 != 0
        // A reserved bit, "must be zero".
        guard descriptor & 0x08 == 0 else { throw .corrupt }
        var windowBytes = isSingleSegment ? 0 : try Self.windowBytes(&reader)
        let dictionary = try reader.integer(bytes: [0, 1, 2, 4][Int(descriptor & 3)])
        guard dictionary == 0 else { throw .unsupported }
        let sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
        var size = try reader.integer(bytes: sizeBytes)
        // Two bytes begin where one byte ends.
        if sizeBytes == 2 { size += 256 }
        if isSingleSegment { windowBytes = size }

        try Self.skipBlocks(&reader, bytesMax: min(windowBytes, Self.blockBytesMax))
        if hasChecksum { try reader.skip(4) }
        bytes = reader.offset
        content = sizeBytes == 0 ? .undeclared : .declared(size)
    }

    /// A frame begins with one of two magic numbers. libzstd would read the formats of its youth
    /// too, which no current client sends.
    private static func magic(_ reader: inout HeaderReader) throws(DecompressionError) -> UInt64 {
        let (magic, known) = reader.beginning(bytes: 4)
        guard magic == frameMagic & known || magic & 0xFFFF_FFF0 == skippableMagic & known else {
            throw .corrupt
        }
        return try reader.integer(bytes: 4)
    }

    private static func windowBytes(
        _ reader: inout HeaderReader
    ) throws(DecompressionError) -> UInt64 {
        let descriptor = try reader.integer(bytes: 1)
        let base: UInt64 = 1 << (10 + descriptor >> 3)
        return base + base / 8 * (descriptor & 7)
    }

    private static func skipBlocks(
        _ reader: inout HeaderReader, bytesMax: UInt64
    ) throws(DecompressionError) {
        var isLast = false
        while !isLast {
            let header = try reader.integer(bytes: 3)
            isLast = header & 1 != 0
            let size = header >> 3
            guard size <= bytesMax else { throw .corrupt }
            switch header >> 1 & 3 {
            case 0, 2: try reader.skip(size)
            case 1: try reader.skip(1)
            default: throw .corrupt
            }
        }
    }

    private static let frameMagic: UInt64 = 0xFD2F_B528
    private static let skippableMagic: UInt64 = 0x184D_2A50
    private static let blockBytesMax: UInt64 = 128 << 10
}
