import Testing

@testable import Compression

/// What a decompressor was asked to grant.
private struct Budget {
    var bytes = 0
    var requests = 0

    mutating func grant(_ bytes: Int) -> Bool {
        self.bytes += bytes
        requests += 1
        return true
    }
}

@Suite struct `Bodies that expand` {
    /// 16 MiB of zeros in 16 KiB or far less.
    static let bombs: [Sender: [UInt8]] = {
        let zeros = [UInt8](repeating: 0, count: 16 << 20)
        return Dictionary(
            uniqueKeysWithValues: Sender.allCases.compactMap { sender in
                (try? sender.encode(zeros)).map { (sender, $0) }
            })
    }()

    @Test(arguments: Sender.allCases)
    func `A bomb is refused before anything is allocated for it`(sender: Sender) throws {
        let bomb = try #require(Self.bombs[sender])
        // LZ4 expands 255 times at most, snappy 22 times.
        #expect(bomb.count < (16 << 20) / 20)
        var budget = Budget()
        var decompressor = Decompressor()
        for limit in [0, 1, 65_536, 1 << 20, (16 << 20) - 1] {
            #expect(throws: DecompressionError.tooLarge(limit: limit)) {
                try decompressor.decompress(
                    bomb, sender.encoding, limit: limit, reserve: { budget.grant($0) })
            }
        }
        #expect(budget.requests == 0)
    }

    @Test(
        arguments: [
            // Blocks that claim 4 GiB and 64 MiB, chunks 64 KiB and 1 MiB, a frame 1 EiB.
            ([0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 1], .snappy, .truncated),
            ([0x80, 0x80, 0x80, 0x20, 0x04, 1, 2], .snappy, .truncated),
            ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], .snappy, .corrupt),
            (
                SnappyChunks.identifier + [0, 8, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 4, 0], .snappyFramed,
                .truncated
            ),
            (
                SnappyChunks.identifier + [0, 8, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 0x40, 0],
                .snappyFramed, .truncated
            ),
            (SnappyChunks.identifier + [2, 0, 0, 0], .snappyFramed, .corrupt),
            (SnappyChunks.identifier + [1, 3, 0, 0, 1, 2, 3], .snappyFramed, .corrupt),
            ([1, 4, 0, 0, 0, 0, 0, 0], .snappyFramed, .corrupt),
            (
                [0x04, 0x22, 0x4D, 0x18, 0x68, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0],
                .lz4,
                .tooLarge(limit: 1 << 20)
            ),
            ([0x04, 0x22, 0x4D, 0x18, 0x61, 0x40, 0, 0, 0, 0, 0], .lz4, .unsupported),
            ([0x02, 0x21, 0x4C, 0x18, 0, 0, 0, 0], .lz4, .corrupt),
        ] as [([UInt8], ContentEncoding, DecompressionError)])
    func `A body that lies about its size reserves nothing`(
        body: [UInt8], encoding: ContentEncoding, expected: DecompressionError
    ) {
        var budget = Budget()
        var decompressor = Decompressor()
        #expect(throws: expected) {
            try decompressor.decompress(
                body, encoding, limit: 1 << 20, reserve: { budget.grant($0) })
        }
        #expect(budget.requests == 0)
    }

    @Test(
        arguments: [
            (SnappyChunks.identifier, [0xFE, 0, 0, 0], .snappyFramed),
            (SnappyChunks.identifier, [0, 6, 0, 0, 0xD8, 0xEA, 0x82, 0xA2, 0, 0], .snappyFramed),
            ([], [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0], .lz4),
        ] as [([UInt8], [UInt8], ContentEncoding)])
    func `200,000 pieces without content are an empty body or an error`(
        start: [UInt8], piece: [UInt8], encoding: ContentEncoding
    ) {
        let body = start + repeatElement(piece, count: 200_000).joined()
        let output = try? decompress(body, encoding, limit: 10)
        #expect(output == nil || output == [])
    }

    @Test(arguments: Sender.allCases)
    func `What expands and stays within the limit is read at its exact size`(
        sender: Sender
    ) throws {
        let bomb = try #require(Self.bombs[sender])
        var budget = Budget()
        var decompressor = Decompressor()
        let output = try decompressor.decompress(
            bomb, sender.encoding, limit: 16 << 20, reserve: { budget.grant($0) })
        #expect(output.count == 16 << 20)
        #expect(budget.bytes == 16 << 20)
        #expect(output.capacity < (16 << 20) + 4096)
    }

    @Test func `A gzip body cannot reserve more than 64 times its length by a lie`() throws {
        var encoded = try Tool.gzip(Sample.telemetry(bytes: 5_000))
        var budget = Budget()
        var decompressor = Decompressor()
        for claim: [UInt8] in [[0, 0, 0, 0x7F], [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 1, 0]] {
            encoded.replaceSubrange((encoded.count - 4)..., with: claim)
            #expect(throws: DecompressionError.corrupt) {
                try decompressor.decompress(
                    encoded, .gzip, limit: 64 << 20, reserve: { budget.grant($0) })
            }
        }
        #expect(budget.bytes <= 3 * (encoded.count + 1) * Decompressor.plausibleRatio)
    }

    @Test func `A gzip body that claims too little is corrupt`() throws {
        var encoded = try Tool.gzip(Sample.telemetry(bytes: 5_000))
        encoded.replaceSubrange((encoded.count - 4)..., with: [1, 0, 0, 0])
        #expect(throws: DecompressionError.corrupt) { try decompress(encoded, .gzip) }
    }

    @Test func `Thousands of empty members are an empty body`() throws {
        let member = try Tool.gzip([])
        let encoded = Array(repeatElement(member, count: 5_000).joined())
        #expect(try decompress(encoded, .gzip, limit: 10) == [])
    }

    @Test func `A zstd window over the limit is unsupported where it would be needed`() throws {
        // Declares no size, so that it is measured; a window of 16 MiB.
        let encoded = try Tool.zstdStream(
            Sample.noise(bytes: 300_000) + Sample.zeros, options: ["--zstd=windowLog=24"])
        #expect(throws: DecompressionError.unsupported) { try decompress(encoded, .zstd) }
        let within = try Tool.zstdStream(
            Sample.noise(bytes: 300_000) + Sample.zeros, options: ["--zstd=windowLog=23"])
        #expect(try decompress(within, .zstd).count == 300_000 + (4 << 20))
    }

    /// What measuring would refuse, and decoding does not: a Zstandard window of 192 MiB, and a
    /// length code that DEFLATE reserves, which libdeflate reads and zlib doesn't.
    @Test(
        arguments: [
            ([0x28, 0xB5, 0x2F, 0xFD, 0, 0x8C, 0x0B, 0x0B, 0, 0x04], .zstd),
            ([0xB3, 0x3A, 0xB2, 0x2F, 0xFD, 0xFB, 0x18, 0x10, 0x0B, 0x04, 0x18], .deflate),
        ] as [([UInt8], ContentEncoding)])
    func `A small body is too large or read, whatever the limit`(
        body: [UInt8], encoding: ContentEncoding
    ) throws {
        let output = try decompress(body, encoding, limit: 4 << 20)
        #expect(try decompress(body, encoding, limit: output.count) == output)
        for limit in [output.count - 1, 0] {
            #expect(throws: DecompressionError.tooLarge(limit: limit)) {
                try decompress(body, encoding, limit: limit)
            }
        }
    }

    @Test(arguments: Sender.allCases)
    func `A budget that refuses ends the call, with the size it was asked for`(
        sender: Sender
    ) throws {
        for count in [2_000, 500_000] {
            let encoded = try sender.encode(Sample.telemetry(bytes: count))
            var decompressor = Decompressor()
            #expect(throws: DecompressionError.overBudget(bytes: count)) {
                try decompressor.decompress(
                    encoded, sender.encoding, limit: 1 << 20, reserve: { _ in false })
            }
        }
    }

    @Test(arguments: Sender.allCases)
    func `The budget is asked for what is returned`(sender: Sender) throws {
        for count in [0, 2_000, 500_000] {
            var budget = Budget()
            var decompressor = Decompressor()
            let output = try decompressor.decompress(
                try sender.encode(Sample.telemetry(bytes: count)), sender.encoding,
                limit: 1 << 20, reserve: { budget.grant($0) })
            #expect(budget.bytes == output.count)
        }
    }
}
