import Compression
import Testing

@Suite struct `Content encodings` {
    @Test(arguments: [
        ("", ContentEncoding.identity), ("identity", .identity), ("none", .identity),
        ("gzip", .gzip), ("GZip", .gzip), ("x-gzip", .gzip), (" \tgzip ", .gzip),
        ("deflate", .deflate), ("zstd", .zstd), ("ZSTD", .zstd),
        ("zlib", .zlib), ("snappy", .snappy), ("X-Snappy-Framed", .snappyFramed), ("lz4", .lz4),
    ])
    func `A known name is read in any case`(value: String, expected: ContentEncoding) {
        #expect(ContentEncoding(value) == expected)
    }

    @Test(arguments: [
        "br", "compress", "lz4-raw", "gzip, gzip", "gzip;q=1", "gz ip",
        "gzip\0", "ｇｚｉｐ", String(repeating: "g", count: 100_000),
    ])
    func `What Sluice does not read has no encoding`(value: String) {
        #expect(ContentEncoding(value) == nil)
    }

    @Test(arguments: ContentEncoding.allCases)
    func `An encoding is read from its own name`(encoding: ContentEncoding) {
        #expect(ContentEncoding(encoding.name) == encoding)
    }
}
