import Testing

@testable import Bytes

@Suite struct CRC32CTests {
    private func checksum(_ bytes: [UInt8]) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes)
        return checksum.value
    }

    @Test(
        arguments: [
            (Array("123456789".utf8), 0xE306_9283),
            // RFC 3720, appendix B.4.
            ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            (Array(0..<32), 0x46DD_794E),
        ] as [([UInt8], UInt32)])
    func `The checksum is the one that others compute`(bytes: [UInt8], expected: UInt32) {
        #expect(checksum(bytes) == expected)
    }

    @Test func `Lanes, words and bytes give what the table gives`() {
        // Around the blocks of three lanes, of 256 and of 4,096 bytes.
        let lengths = Array(0..<40) + [767, 768, 769, 1543, 12_287, 12_288, 12_289, 13_057, 40_001]
        let bytes = (0..<40_001).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        for length in lengths {
            let part = Array(bytes[..<length])
            let slow = ~CRC32C.slow(.max, part.rawSpan)
            #expect(checksum(part) == slow, "\(length) bytes")
        }
    }

    @Test func `Bytes in pieces have the checksum of the whole`() {
        let bytes = (0..<30_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        var pieces = CRC32C()
        for start in stride(from: 0, to: bytes.count, by: 1_301) {
            pieces.update(Array(bytes[start..<min(start + 1_301, bytes.count)]))
        }
        #expect(pieces.value == checksum(bytes))
    }
}
