import Bytes

/// Texts of which one has to match: exactly, or by patterns that may match anywhere in the text.
enum TextMatcher: Sendable {
    case strict([[UInt8]])
    case patterns([RegularExpression])

    /// - Parameter memory: needed for patterns alone.
    func matches(_ bytes: RawSpan, _ text: ByteRange, _ memory: MatchMemory?) -> Bool {
        switch self {
        case .strict(let texts): return texts.contains { bytes.equals($0, in: text) }
        case .patterns(let patterns):
            guard let memory else { preconditionFailure("BUG: patterns without memory") }
            return patterns.contains { $0.matches(bytes, text, memory) }
        }
    }

    func matches(_ text: String, _ memory: MatchMemory?) -> Bool {
        let bytes = Array(text.utf8)
        return matches(bytes.rawSpan, ByteRange(start: 0, end: bytes.count), memory)
    }

    var hasPatterns: Bool {
        if case .patterns = self { true } else { false }
    }
}
