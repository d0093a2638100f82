import Bytes
import Testing

@testable import Compression

/// What another implementation wrote (cramjam 2.14 for Python, whose snappy is Rust's).
private let text = Array(
    repeatElement(#"{"name":"GET /items/42","kind":2},"#, count: 3).joined().utf8)
private let block: [UInt8] =
    [0x66, 0x88] + Array(#"{"name":"GET /items/42","kind":2},{"#.utf8)
    + [0xEE, 0x22, 0x00, 0x0D, 0x22]
private let framed: [UInt8] =
    SnappyChunks.identifier + [0x00, 0x2E, 0x00, 0x00, 0xD6, 0xD3, 0x88, 0x70] + block
private let lz4: [UInt8] =
    [
        0x04, 0x22, 0x4D, 0x18, 0x54, 0x40, 0xAE, 0x2D, 0x00, 0x00, 0x00, 0xFF, 0x13,
    ] + Array(#"{"name":"GET /items/42","kind":2},"#.utf8)
    + [
        0x22, 0x00, 0x2C, 0x50, 0x22, 0x3A, 0x32, 0x7D, 0x2C, 0x4F, 0x02, 0xAD, 0xE0, 0x00, 0x00,
        0x00, 0x00, 0xC6, 0xA0, 0xA8, 0x56,
    ]

@Suite struct `Snappy and LZ4` {
    @Test(
        arguments: [
            (block, .snappy), (framed, .snappy), (framed, .snappyFramed), (lz4, .lz4),
        ] as [([UInt8], ContentEncoding)])
    func `What another implementation wrote is read`(
        body: [UInt8], encoding: ContentEncoding
    ) throws {
        #expect(try decompress(body, encoding) == text)
    }

    @Test func `Frames are not found where a block was to be, nor a block among frames`() {
        #expect(throws: DecompressionError.corrupt) { try decompress(block, .snappyFramed) }
        // No block begins like a stream: its first copy would reach back before the beginning.
        #expect(throws: DecompressionError.self) {
            var decoder = SnappyDecoder()
            decoder.format = .block
            var window = Window()
            _ = try decoder.measure(framed.rawSpan, through: &window, limit: 1 << 20)
        }
    }

    @Test func `A stream that is cut inside a chunk is truncated`() {
        for count in 1..<framed.count where count != SnappyChunks.identifier.count {
            #expect(throws: DecompressionError.truncated, "cut after \(count) bytes") {
                try decompress(Array(framed.prefix(count)), .snappyFramed)
            }
        }
    }

    @Test func `Streams may follow one another, with what is to be skipped between them`() throws {
        let padding: [UInt8] = [0xFE, 3, 0, 0, 0, 0, 0]
        #expect(try decompress(framed + padding + framed, .snappyFramed) == text + text)
    }

    @Test func `A checksum that differs is corrupt`() {
        var damaged = framed
        damaged[14] ^= 1
        #expect(throws: DecompressionError.corrupt) { try decompress(damaged, .snappyFramed) }
    }
}
