import Bytes
import OTLP

/// Values as text, as the Collector's `AsString` gives them: what `convert` to string writes, and
/// what patterns and hashes see of values that are no strings.
extension AnyValue {
    /// Strings as they are; numbers in their shortest form; lists and maps as JSON with sorted
    /// keys; bytes in base64; nothing for no value.
    func text(in bytes: RawSpan) -> String {
        switch self {
        case .empty: return ""
        case .string(let text): return bytes.string(text)
        case .bool(let flag): return flag ? "true" : "false"
        case .int(let number): return String(number)
        case .double(let number): return DecimalText.shortest(number)
        case .bytes, .array, .map:
            // Everything is appended to one text: joining at each depth would cost depth times
            // size.
            var text: [UInt8] = []
            if case .bytes(let range) = self {
                Self.appendBase64(bytes, range, to: &text)
            } else {
                appendJSON(in: bytes, to: &text)
            }
            return String(decoding: text, as: UTF8.self)
        }
    }

    // The index has refused values that are nested deeper than `TelemetryIndex.valueDepthMax`.
    private func appendJSON(in bytes: RawSpan, to text: inout [UInt8]) {
        switch self {
        case .empty: text += "null".utf8
        case .string(let range): Self.appendQuoted(bytes.string(range), to: &text)
        case .bytes(let range):
            text.append(Self.quote)
            Self.appendBase64(bytes, range, to: &text)
            text.append(Self.quote)
        case .bool, .int: text += self.text(in: bytes).utf8
        case .double(let number):
            let digits = DecimalText.shortest(number)
            if number.isFinite { text += digits.utf8 } else { Self.appendQuoted(digits, to: &text) }
        case .array(let range):
            text.append(UInt8(ascii: "["))
            var reader = ValueReader(array: range)
            var isFirst = true
            while let element = reader.next(in: bytes) {
                if !isFirst { text.append(UInt8(ascii: ",")) }
                isFirst = false
                element.appendJSON(in: bytes, to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .map(let range): Self.appendObject(range, in: bytes, to: &text)
        }
    }

    private static func appendObject(
        _ map: ByteRange, in bytes: RawSpan, to text: inout [UInt8]
    ) {
        var members: [(key: [UInt8], value: AnyValue)] = []
        var reader = AttributeReader(map: map)
        while let entry = reader.next(in: bytes) {
            members.append((bytes.array(entry.key), entry.value(in: bytes)))
        }
        let order = members.indices.sorted {
            members[$0].key == members[$1].key
                ? $0 < $1 : members[$0].key.lexicographicallyPrecedes(members[$1].key)
        }
        text.append(UInt8(ascii: "{"))
        var isFirst = true
        for (place, index) in order.enumerated() {
            // Of a key that stands twice the last value counts.
            if place + 1 < order.count, members[order[place + 1]].key == members[index].key {
                continue
            }
            if !isFirst { text.append(UInt8(ascii: ",")) }
            isFirst = false
            appendQuoted(String(decoding: members[index].key, as: UTF8.self), to: &text)
            text.append(UInt8(ascii: ":"))
            members[index].value.appendJSON(in: bytes, to: &text)
        }
        text.append(UInt8(ascii: "}"))
    }

    private static let quote = UInt8(ascii: "\"")

    // RFC 8259, section 7; the separators U+2028 and U+2029 are escaped as Go's encoder does it.
    private static func appendQuoted(_ content: String, to text: inout [UInt8]) {
        text.append(quote)
        for scalar in content.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\"".utf8
            case "\\": text += "\\\\".utf8
            case "\n": text += "\\n".utf8
            case "\r": text += "\\r".utf8
            case "\t": text += "\\t".utf8
            case "\u{8}": text += "\\b".utf8
            case "\u{c}": text += "\\f".utf8
            case "\u{2028}": text += "\\u2028".utf8
            case "\u{2029}": text += "\\u2029".utf8
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8
            default: text += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            }
        }
        text.append(quote)
    }

    /// RFC 4648, section 4.
    private static func appendBase64(
        _ bytes: RawSpan, _ range: ByteRange, to text: inout [UInt8]
    ) {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 3) {
            let count = min(3, range.upperBound - start)
            var group: UInt32 = 0
            for index in 0..<3 {
                group = group << 8 | (index < count ? UInt32(bytes.byte(at: start + index)) : 0)
            }
            for index in 0..<4 {
                let digit = base64Digits[Int(group >> UInt32(18 - 6 * index)) & 63]
                text.append(index <= count ? digit : UInt8(ascii: "="))
            }
        }
    }

    private static let base64Digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
