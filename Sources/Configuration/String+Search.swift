/// Searching for text in text, byte by byte: the standard library does it in a module for regular
/// expressions, which the product does without.
extension StringProtocol {
    func firstRange(of text: String) -> Range<Index>? {
        guard let first = text.utf8.first else { return nil }
        var rest = utf8[...]
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.starts(with: text.utf8) {
                return start..<rest.index(start, offsetBy: text.utf8.count)
            }
            rest.removeFirst()
        }
        return nil
    }

    func contains(_ text: String) -> Bool { text.isEmpty || firstRange(of: text) != nil }

    func replacing(_ text: String, with replacement: String) -> String {
        split(at: text).joined(separator: replacement)
    }

    /// The parts between the occurrences of `text`, empty ones included.
    func split(at text: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: text) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
