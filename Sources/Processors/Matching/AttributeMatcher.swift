import Bytes
import OTLP

/// One entry of `attributes` or `resources` in `include` and `exclude`.
struct AttributeMatcher: Sendable {
    enum Expectation: Sendable {
        /// The attribute is there.
        case exists
        /// Type and value are the same.
        case equals(ValueEquality)
        /// A string, number or bool whose text matches.
        case matches(RegularExpression)
    }

    let key: [UInt8]
    let expectation: Expectation

    /// - Parameters:
    ///   - range: where the attributes stand, as fields with this number.
    func matches(
        _ bytes: RawSpan, _ range: ByteRange, field number: Int, _ memory: MatchMemory?
    ) -> Bool {
        var reader = AttributeReader(range, field: number)
        while let attribute = reader.next(in: bytes) {
            if bytes.equals(key, in: attribute.key) { return meets(attribute, bytes, memory) }
        }
        return false
    }

    private func meets(
        _ attribute: Attribute, _ bytes: RawSpan, _ memory: MatchMemory?
    ) -> Bool {
        switch expectation {
        case .exists: return true
        case .equals(let expected): return expected.matches(attribute.valueMessage, in: bytes)
        case .matches(let pattern):
            guard let memory else { preconditionFailure("BUG: a pattern without memory") }
            switch attribute.value(in: bytes) {
            case .string(let text): return pattern.matches(bytes, text, memory)
            case .double(let number):
                return matches(pattern, DecimalText.positional(number), memory)
            case .bool, .int:
                return matches(pattern, attribute.value(in: bytes).text(in: bytes), memory)
            case .array, .map, .bytes, .empty: return false
            }
        }
    }

    private func matches(
        _ pattern: RegularExpression, _ text: String, _ memory: MatchMemory
    ) -> Bool {
        let bytes = Array(text.utf8)
        return pattern.matches(bytes.rawSpan, ByteRange(start: 0, end: bytes.count), memory)
    }
}
