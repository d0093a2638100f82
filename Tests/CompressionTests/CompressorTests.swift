import Compression
import Testing

private func compress(_ input: [UInt8], _ compressor: inout Compressor) -> [UInt8] {
    unsafe compressor.compress(input.span.bytes)
}

@Suite struct `Compressing whole bodies` {
    static let encodings = ContentEncoding.allCases.filter { $0 != .identity }

    @Test(arguments: encodings, [0, 1, 5_000, 700_000])
    func `What is written is read back`(encoding: ContentEncoding, count: Int) throws {
        var compressor = Compressor(encoding)
        var decompressor = Decompressor()
        for body in [Sample.telemetry(bytes: count), Sample.noise(bytes: count)] {
            let encoded = compress(body, &compressor)
            #expect(try decompressor.decompress(encoded, encoding, limit: count) == body)
            #expect(encoded.capacity <= encoded.count + 4096)
        }
    }

    @Test func `Other decoders read every level`() throws {
        let body = Sample.telemetry(bytes: 50_000)
        for level in Compressor.levels(of: .gzip) {
            var gzip = Compressor(.gzip, level: level)
            #expect(try Tool.gunzip(compress(body, &gzip)) == body)
            var zlib = Compressor(.deflate, level: level)
            #expect(try Tool.inflate(compress(body, &zlib)) == body)
            var zstd = Compressor(.zstd, level: level)
            #expect(try Tool.unzstd(compress(body, &zstd)) == body)
        }
        var lz4 = Compressor(.lz4)
        #expect(try Tool.unlz4(compress(body, &lz4)) == body)
    }

    @Test func `A zstd frame declares its size`() throws {
        var compressor = Compressor(.zstd)
        let encoded = compress(Sample.telemetry(bytes: 70_000), &compressor)
        var asked: [Int] = []
        var decompressor = Decompressor()
        _ = try decompressor.decompress(
            encoded, .zstd, limit: 1 << 20,
            reserve: {
                asked.append($0)
                return true
            })
        #expect(asked == [70_000])
        #expect(throws: DecompressionError.tooLarge(limit: 69_999)) {
            try decompressor.decompress(encoded, .zstd, limit: 69_999)
        }
    }

    @Test(arguments: [ContentEncoding.gzip, .deflate, .zstd, .zlib])
    func `Telemetry becomes at least five times smaller`(encoding: ContentEncoding) {
        let body = Sample.telemetry(bytes: 50_000)
        var compressor = Compressor(encoding)
        #expect(compress(body, &compressor).count < body.count / 5)
    }

    @Test(arguments: encodings)
    func `The memory after a large body is what it was`(encoding: ContentEncoding) {
        var compressor = Compressor(encoding)
        _ = compress(Sample.noise(bytes: 100_000), &compressor)
        _ = compress([UInt8](repeating: 7, count: 20_000_000), &compressor)
        #expect(compressor.memoryBytes < 3 << 20)
    }

    @Test func `Identity is a copy`() {
        var compressor = Compressor(.identity)
        #expect(compress([1, 2, 3], &compressor) == [1, 2, 3])
    }
}
