import Bytes

/// The chunks of snappy's framing format, one after the other.
///
///     stream = identifier chunk*
///     chunk  = type (1 byte), length (3 bytes, little-endian), data
///
///     0x00   checksum (4), a block              0x01   checksum (4), bytes as they are
///     0xFF   the identifier, again              0x80 to 0xFE   to be skipped
///     others may not be skipped: a later version's
struct SnappyChunks: ~Escapable {
    /// Data that decodes to something.
    struct Chunk: ~Escapable {
        /// Of the decoded bytes.
        let checksum: UInt32
        let isCompressed: Bool
        let data: RawSpan

        @_lifetime(copy data)
        init(checksum: UInt32, isCompressed: Bool, data: RawSpan) {
            self.checksum = checksum
            self.isCompressed = isCompressed
            self.data = data
        }

        /// Once it is decoded.
        func bytes() throws(DecompressionError) -> Int {
            let size = isCompressed ? try SnappyBlock(data).bytes : data.byteCount
            guard size <= SnappyChunks.chunkBytesMax else { throw .corrupt }
            return size
        }
    }

    /// A chunk holds at most so much, decoded.
    static let chunkBytesMax = 64 << 10
    /// `0xFF`, the length 6, and `sNaPpY`.
    static let identifier: [UInt8] = [0xFF, 6, 0, 0, 0x73, 0x4E, 0x61, 0x50, 0x70, 0x59]

    /// What a stream of so many bytes may take: each chunk has a header of 8, and holds the data as
    /// it is where compressing doesn't pay.
    static func bytesMax(inputBytes: Int) -> Int {
        identifier.count + inputBytes + (inputBytes / chunkBytesMax + 1) * 8
    }

    private let bytes: RawSpan
    private var reader: HeaderReader
    private var isAtStart = true

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) {
        self.bytes = bytes
        reader = HeaderReader(bytes: bytes)
    }

    /// Whether `input` begins as a stream does, as far as it goes.
    static func isStart(of input: RawSpan) -> Bool {
        let count = min(input.byteCount, identifier.count)
        return (0..<count).allSatisfy { input.byte(at: $0) == identifier[$0] }
    }

    /// `nil` at the end.
    @_lifetime(copy self)
    mutating func next() throws(DecompressionError) -> Chunk? {
        while isAtStart || !reader.isAtEnd {
            let type = try reader.integer(bytes: 1)
            let length = Int(try reader.integer(bytes: 3))
            if isAtStart, type != 0xFF { throw .corrupt }
            isAtStart = false
            let start = reader.offset
            try reader.skip(UInt64(length))
            let data = bytes.extracting(start..<reader.offset)
            switch type {
            case 0, 1:
                guard length >= 4 else { throw .corrupt }
                return Chunk(
                    checksum: data.littleEndian32(at: 0), isCompressed: type == 0,
                    data: data.extracting(4..<length))
            case 0xFF:
                guard length == Self.identifier.count - 4,
                    (0..<length).allSatisfy({ data.byte(at: $0) == Self.identifier[4 + $0] })
                else { throw .corrupt }
            case 0x80...0xFE: continue
            default: throw .corrupt
            }
        }
        return nil
    }

    /// The checksum as the format has it: rotated and moved, so that one of data that holds
    /// checksums isn't trivial.
    static func checksum(of bytes: RawSpan) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes)
        return (crc.value >> 15 | crc.value << 17) &+ 0xA282_EAD8
    }
}
