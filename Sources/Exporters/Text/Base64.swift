import Bytes

/// RFC 4648, section 4: the standard alphabet, with padding.
enum Base64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: RawSpan, _ range: ByteRange) -> String {
        var output: [UInt8] = []
        output.reserveCapacity((range.count + 2) / 3 * 4)
        encode(bytes, range) { output.append($0) }
        return String(decoding: output, as: UTF8.self)
    }

    @inline(__always)
    static func encode(_ bytes: RawSpan, _ range: ByteRange, append: (UInt8) -> Void) {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 3) {
            let count = min(3, range.upperBound - start)
            var group: UInt32 = 0
            for offset in 0..<3 {
                group = group << 8 | (offset < count ? UInt32(bytes.byte(at: start + offset)) : 0)
            }
            for digit in 0..<4 {
                let index = Int(group >> UInt32(18 - 6 * digit)) & 63
                append(digit <= count ? alphabet[index] : UInt8(ascii: "="))
            }
        }
    }
}
