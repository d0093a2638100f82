import Bytes
import OTLP
import Testing

@testable import Exporters

@Suite struct ContentHashTests {
    private static let key = HashKey((0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210))

    /// A resource of these attributes, as the wire has them.
    private static func id(_ attributes: [(String, String)], _ key: HashKey) -> Int64 {
        var testing = RowTesting()
        testing.encoder.removeAll(now: RowTesting.now, key: key)
        testing.encoder.append(
            Payload.batch(
                .traces,
                resource: { resource in
                    for (key, value) in attributes {
                        resource.message(1) { $0.attribute(key) { $0.string(1, value) } }
                    }
                }
            ) { $0.message(2) { $0.string(5, "span") } })
        return Int64(testing.dictionary(.resource)[0].int("resource_id") ?? 0)
    }

    @Test func `Another key makes other ids of the same content`() {
        let content = [("service.name", "payments"), ("service.instance.id", "pod-1")]
        let keys = (0..<100 as Range<UInt64>).map { HashKey(($0, $0 &* 7)) } + [.fixed, Self.key]
        #expect(Set(keys.map { Self.id(content, $0) }).count == keys.count)
        #expect(Self.id(content, Self.key) == Self.id(content, Self.key))
    }

    @Test func `The order of attributes makes no difference`() {
        let content = (0..<20).map { ("key\($0)", "value\($0)") }
        #expect(Self.id(content, Self.key) == Self.id(content.reversed(), Self.key))
    }

    /// Whoever can compute the hashes finds sixteen attributes whose sum is that of two others in
    /// less than a second. Of a key that they don't know they would have to find the same sum.
    @Test func `Differences of hashes are others with another key`() {
        let texts = (0..<1000).map { Array("attribute \($0)".utf8) }
        func differences(_ key: HashKey) -> Set<UInt64> {
            let hashes = texts.map {
                ContentHash.of($0.rawSpan, ByteRange(start: 0, end: $0.count), key)
            }
            return Set(zip(hashes, hashes.dropFirst()).map { $0 &- $1 })
        }
        #expect(differences(.fixed).isDisjoint(with: differences(Self.key)))
        #expect(differences(Self.key).count == texts.count - 1)
    }

    @Test(arguments: [
        ("0123456789abcdeffedcba9876543210", true), ("0123456789ABCDEFFEDCBA9876543210", true),
        ("", false), ("0123", false), ("0123456789abcdeffedcba987654321g", false),
        ("01234567-89ab-cdef-fedc-ba9876543210", false),
        ("+123456789abcdeffedcba9876543210", false),
    ])
    func `A key is 32 hexadecimal digits`(text: String, isOne: Bool) {
        #expect((HashKey(hexadecimal: text) != nil) == isOne)
        if isOne { #expect(HashKey(hexadecimal: text) == Self.key) }
    }
}
