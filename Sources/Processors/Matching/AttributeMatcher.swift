import Bytes
import OTLP

/// One entry of `attributes` or `resources` in `include` and `exclude`.
struct AttributeMatcher: Sendable {
    enum Expectation: Sendable {
        /// The attribute is there.
        case exists
        /// The body of an `AnyValue`: type and value are the same.
        case equals([UInt8])
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
        case .equals(let expected): return isEqual(attribute, expected, bytes)
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

    private func isEqual(_ attribute: Attribute, _ expected: [UInt8], _ bytes: RawSpan) -> Bool {
        let own = expected.rawSpan
        let wanted = AnyValue(ByteRange(start: 0, end: expected.count), in: own)
        switch (wanted, attribute.value(in: bytes)) {
        case (.string(let a), .string(let b)): return bytes.equals(own.array(a), in: b)
        case (.bool(let a), .bool(let b)): return a == b
        case (.int(let a), .int(let b)): return a == b
        case (.double(let a), .double(let b)): return a == b
        case (.array, .array(_)), (.map, .map(_)):
            // As every SDK encodes them; the order of a map's entries counts.
            return bytes.equals(expected, in: attribute.valueMessage)
        default: return false
        }
    }
}
