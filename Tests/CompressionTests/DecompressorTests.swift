import Testing

@testable import Compression

/// How bodies are encoded for these tests: what a sender might do, with other people's encoders.
enum Sender: String, CaseIterable, Sendable {
    case gzip, gzipOfZlib, zlib, zlibByName, rawDeflate, zstd, zstdStream
    case lz4, lz4Linked, lz4Sized, snappy, snappyFramed

    var encoding: ContentEncoding {
        switch self {
        case .gzip, .gzipOfZlib: .gzip
        case .zlib, .rawDeflate: .deflate
        case .zlibByName: .zlib
        case .zstd, .zstdStream: .zstd
        case .lz4, .lz4Linked, .lz4Sized: .lz4
        case .snappy: .snappy
        case .snappyFramed: .snappyFramed
        }
    }

    func encode(_ body: [UInt8]) throws -> [UInt8] {
        switch self {
        case .gzip: return try Tool.gzip(body)
        case .gzipOfZlib: return try Tool.zlib(body, windowBits: 31)
        case .zlib, .zlibByName: return try Tool.zlib(body, windowBits: 15)
        case .rawDeflate: return try Tool.zlib(body, windowBits: -15)
        case .zstdStream: return try Tool.zstdStream(body)
        case .zstd:
            // Declares its size, which the tool can't do for a stream.
            return try Tool.zstdStream(body, options: ["--stream-size=\(body.count)"])
        case .lz4: return try Tool.lz4(body)
        case .lz4Linked: return try Tool.lz4(body, options: ["-BD", "-B4", "-BX"])
        case .lz4Sized, .snappy, .snappyFramed:
            // libsnappy has no program of its own; `SnappyTests` has what another library writes.
            var compressor = Compressor(encoding)
            return unsafe compressor.compress(body.span.bytes)
        }
    }

    /// Whether the format says where a body ends. Snappy's frames just stop coming.
    var hasEnd: Bool { self != .snappyFramed }

    /// Whether what was decoded is checked. A flipped bit can also make a chunk of snappy's one to
    /// be skipped.
    var isChecked: Bool { ![.rawDeflate, .snappy, .snappyFramed].contains(self) }
}

func decompress(
    _ input: [UInt8], _ encoding: ContentEncoding, limit: Int = 64 << 20
) throws(DecompressionError) -> [UInt8] {
    var decompressor = Decompressor()
    return try decompressor.decompress(input, encoding, limit: limit)
}

@Suite struct `Decompressing whole bodies` {
    @Test(arguments: Sender.allCases, [0, 1, 5_000, 700_000])
    func `What other encoders write is read`(sender: Sender, count: Int) throws {
        for body in [Sample.telemetry(bytes: count), Sample.noise(bytes: count)] {
            let encoded = try sender.encode(body)
            #expect(try decompress(encoded, sender.encoding) == body)
        }
    }

    @Test(arguments: Sender.allCases)
    func `The limit is the last size that passes`(sender: Sender) throws {
        for count in [1_000, 400_000] {
            let body = Sample.telemetry(bytes: count)
            let encoded = try sender.encode(body)
            #expect(try decompress(encoded, sender.encoding, limit: count) == body)
            #expect(throws: DecompressionError.tooLarge(limit: count - 1)) {
                try decompress(encoded, sender.encoding, limit: count - 1)
            }
            #expect(throws: DecompressionError.tooLarge(limit: 0)) {
                try decompress(encoded, sender.encoding, limit: 0)
            }
        }
    }

    @Test(arguments: Sender.allCases.filter(\.hasEnd))
    func `A body cut at any offset is truncated`(sender: Sender) throws {
        let encoded = try sender.encode(Sample.telemetry(bytes: 4_000))
        var decompressor = Decompressor()
        for count in 0..<encoded.count {
            #expect(throws: DecompressionError.truncated, "cut after \(count) bytes") {
                try decompressor.decompress(
                    Array(encoded.prefix(count)), sender.encoding, limit: 1 << 20)
            }
        }
        #expect(throws: Never.self) {
            try decompressor.decompress(encoded, sender.encoding, limit: 1 << 20)
        }
    }

    @Test(arguments: Sender.allCases.filter(\.hasEnd))
    func `A large body cut short is truncated`(sender: Sender) throws {
        let encoded = try sender.encode(Sample.noise(bytes: 700_000))
        for count in stride(from: 1, to: encoded.count, by: 99_991) {
            #expect(throws: DecompressionError.truncated, "cut after \(count) bytes") {
                try decompress(Array(encoded.prefix(count)), sender.encoding)
            }
        }
    }

    @Test(arguments: Sender.allCases)
    func `A flipped bit is an error or changes nothing that counts`(sender: Sender) throws {
        let body = Sample.telemetry(bytes: 2_000)
        let encoded = try sender.encode(body)
        var decompressor = Decompressor()
        var refused = 0
        for bit in 0..<(encoded.count * 8) {
            var damaged = encoded
            damaged[bit / 8] ^= 1 << (bit % 8)
            do throws(DecompressionError) {
                let output = try decompressor.decompress(damaged, sender.encoding, limit: 1 << 16)
                #expect(output.count <= 1 << 16)
                if sender.isChecked { #expect(output == body, "bit \(bit)") }
            } catch {
                refused += 1
            }
        }
        #expect(refused > encoded.count || !sender.isChecked)
    }

    @Test(arguments: Sender.allCases.filter(\.hasEnd))
    func `Bytes after the end are corrupt`(sender: Sender) throws {
        let encoded = try sender.encode(Sample.telemetry(bytes: 900))
        for garbage: [UInt8] in [[0], [1, 2, 3, 4], Sample.noise(bytes: 5_000)] {
            #expect(throws: DecompressionError.corrupt) {
                try decompress(encoded + garbage, sender.encoding)
            }
        }
    }

    @Test(arguments: ContentEncoding.allCases.filter { $0 != .identity })
    func `An empty body is truncated, but for a stream without chunks`(
        encoding: ContentEncoding
    ) throws {
        if encoding == .snappyFramed { return #expect(try decompress([], encoding) == []) }
        #expect(throws: DecompressionError.truncated) { try decompress([], encoding) }
    }

    @Test(arguments: ContentEncoding.allCases.filter { $0 != .identity })
    func `Noise is an error`(encoding: ContentEncoding) {
        var decompressor = Decompressor()
        for seed in 0..<500 as Range<UInt64> {
            let noise = Sample.noise(bytes: 64 + Int(seed), seed: seed)
            #expect(throws: DecompressionError.self) {
                try decompressor.decompress(noise, encoding, limit: 1 << 20)
            }
        }
    }

    @Test(arguments: [Sender.gzip, .zstd, .zstdStream, .lz4, .lz4Sized])
    func `Several members or frames are one body`(sender: Sender) throws {
        for counts in [[10, 20], [0, 5_000, 0], [400_000, 3, 200_000], [3, 400_000]] {
            let parts = counts.map { Sample.telemetry(bytes: $0, seed: UInt64($0)) }
            let encoded = try parts.flatMap(sender.encode)
            let whole = parts.flatMap { $0 }
            #expect(try decompress(encoded, sender.encoding) == whole)
            #expect(throws: DecompressionError.truncated) {
                try decompress(Array(encoded.dropLast()), sender.encoding)
            }
            #expect(throws: DecompressionError.tooLarge(limit: whole.count - 1)) {
                try decompress(encoded, sender.encoding, limit: whole.count - 1)
            }
        }
    }

    @Test func `A second zlib stream is corrupt`() throws {
        let encoded = try Sender.zlib.encode(Sample.telemetry(bytes: 100))
        #expect(throws: DecompressionError.corrupt) { try decompress(encoded + encoded, .deflate) }
    }

    @Test func `A zlib stream that needs a dictionary is unsupported`() {
        // CMF 0x78, FLG with FDICT and a right check value, then the dictionary's Adler-32.
        let encoded: [UInt8] = [0x78, 0xBB, 0, 0, 0, 1, 0x03, 0x00, 0, 0, 0, 1]
        #expect(throws: DecompressionError.unsupported) { try decompress(encoded, .deflate) }
    }

    @Test func `Skippable frames are skipped`() throws {
        let body = Sample.telemetry(bytes: 2_000)
        let skippable: [UInt8] = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 0xFF, 0xFF, 0xFF]
        for sender in [Sender.zstd, .zstdStream] {
            let frame = try sender.encode(body)
            #expect(try decompress(skippable + frame + skippable, .zstd) == body)
            #expect(throws: DecompressionError.truncated) {
                try decompress(frame + skippable.dropLast(), .zstd)
            }
        }
        #expect(try decompress(skippable, .zstd) == [])
    }

    @Test func `A frame of zstd's early formats is corrupt`() {
        let early: [UInt8] = [0x27, 0xB5, 0x2F, 0xFD, 0, 0, 0, 0, 0xC0, 0, 0]
        #expect(throws: DecompressionError.corrupt) { try decompress(early, .zstd) }
    }

    @Test func `A zstd block larger than its frame allows is corrupt, whatever came before`() throws
    {
        // A window of 8 KiB, then one block that repeats a byte 34,369 times.
        let oversized: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0, 0x18, 0x0B, 0x32, 0x04, 0x18]
        var decompressor = Decompressor()
        for limit in [4 << 20, 34_369, 34_368] {
            #expect(throws: DecompressionError.corrupt) {
                try decompressor.decompress(oversized, .zstd, limit: limit)
            }
        }
        // Measured: the context has larger buffers from then on.
        _ = try decompressor.decompress(
            try Sender.zstdStream.encode(Sample.zeros), .zstd, limit: 4 << 20)
        #expect(throws: DecompressionError.corrupt) {
            try decompressor.decompress(oversized, .zstd, limit: 4 << 20)
        }
        // The same with a block as large as the window is a good body.
        let allowed = Array(oversized[..<6]) + [0x03, 0x00, 0x01, 0x18]
        #expect(
            try decompressor.decompress(allowed, .zstd, limit: 4 << 20)
                == [UInt8](repeating: 0x18, count: 8_192))
    }

    @Test func `An identity body is returned itself within the limit`() throws {
        let body = Sample.noise(bytes: 100)
        #expect(try decompress(body, .identity, limit: 100) == body)
        #expect(throws: DecompressionError.tooLarge(limit: 99)) {
            try decompress(body, .identity, limit: 99)
        }
        var decompressor = Decompressor()
        let copy = try unsafe decompressor.decompress(body.span.bytes, .identity, limit: 100)
        #expect(copy == body)
    }
}
