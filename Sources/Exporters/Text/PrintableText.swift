import Bytes

/// What a peer sent, made fit for one line of a log or a terminal.
enum PrintableText {
    /// What a destination has to say is cut at this length.
    static let messageBytesMax = 1024

    /// The text in `range`: bytes that are not UTF-8 become U+FFFD, control characters are escaped,
    /// and beyond `bytesMax` there is only a note of how much is missing.
    static func text(_ bytes: RawSpan, _ range: ByteRange, bytesMax: Int) -> String {
        cut(bytes, range, bytesMax: bytesMax) { escaped($0.string($1)) }
    }

    static func cut(
        _ bytes: RawSpan, _ range: ByteRange, bytesMax: Int,
        _ show: (RawSpan, ByteRange) -> String
    ) -> String {
        guard range.count > bytesMax else { return show(bytes, range) }
        var end = range.lowerBound + bytesMax
        // Not within a character: UTF-8's continuation bytes are 10xxxxxx.
        while end > range.lowerBound, bytes.byte(at: end) & 0xC0 == 0x80 { end -= 1 }
        let start = show(bytes, ByteRange(start: range.lowerBound, end: end))
        return "\(start)… (\(range.upperBound - end) bytes more)"
    }

    private static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnprintable) else { return text }
        var output = ""
        for scalar in text.unicodeScalars {
            output += isUnprintable(scalar) ? scalar.escaped(asASCII: true) : String(scalar)
        }
        return output
    }

    /// Control characters, line separators, and the controls of text direction.
    private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7f...0x9f, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
        default: false
        }
    }
}

extension PrintableText {
    /// A short text, such as a header's value.
    static func text(_ string: String, bytesMax: Int = 256) -> String {
        let bytes = Array(string.utf8)
        return text(bytes.rawSpan, ByteRange(start: 0, end: bytes.count), bytesMax: bytesMax)
    }
}
