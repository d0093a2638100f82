import Bytes

/// Escapes as JSON does (RFC 8259, section 7), and more: whatever could move a terminal's cursor,
/// start a control sequence, or reorder what a person reads is written as `\uXXXX`.
enum EscapedText {
    private static let ellipsis = Array("…".utf8)
    /// The longest that one scalar becomes: `\u001b`.
    private static let scalarBytesMax = 6

    /// Appends at most `bytesMax` bytes, and `…` where `text` was longer.
    static func append(_ text: String, bytesMax: Int, to output: inout [UInt8]) {
        let end = output.count + bytesMax - ellipsis.count - scalarBytesMax
        for scalar in text.unicodeScalars {
            guard output.count <= end else {
                output += ellipsis
                return
            }
            append(scalar, to: &output)
        }
    }

    static func needsQuotes(_ text: String) -> Bool {
        text.isEmpty
            || text.unicodeScalars.contains {
                $0 == " " || $0 == "=" || $0 == "\"" || $0 == "\\" || isUnprintable($0)
            }
    }

    private static func append(_ scalar: Unicode.Scalar, to output: inout [UInt8]) {
        switch scalar {
        case "\"": output += [UInt8(ascii: "\\"), UInt8(ascii: "\"")]
        case "\\": output += [UInt8(ascii: "\\"), UInt8(ascii: "\\")]
        case "\n": output += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
        case "\r": output += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
        case "\t": output += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
        case _ where isUnprintable(scalar):
            output += [UInt8(ascii: "\\"), UInt8(ascii: "u")]
            for shift in [12, 8, 4, 0] {
                output.append(Hexadecimal.digit(UInt8(scalar.value >> UInt32(shift) & 0xf)))
            }
        default: output.append(contentsOf: UTF8.encode(scalar)!)
        }
    }

    /// Control characters C0 and C1, line separators, and the controls of text direction: all
    /// below U+10000, so that four hexadecimal digits are enough.
    private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1f, 0x7f...0x9f, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff:
            true
        default: false
        }
    }
}
