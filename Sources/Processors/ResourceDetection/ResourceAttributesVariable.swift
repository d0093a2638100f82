/// `OTEL_RESOURCE_ATTRIBUTES`: `key1=value1,key2=value2`, percent-encoded as W3C Baggage, without
/// its properties (OpenTelemetry, "Resource SDK: Specifying resource information via an environment
/// variable").
enum ResourceAttributesVariable {
    /// Pairs are kept in order. nil where any of it is wrong: then nothing of it is to be used.
    static func parse(_ text: String) -> [(key: String, value: String)]? {
        var pairs: [(String, String)] = []
        for member in text.split(separator: ",") {
            let member = trimmed(member)
            if member.isEmpty { continue }
            let parts = member.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let key = decoded(trimmed(parts[0])), !key.isEmpty,
                let value = decoded(trimmed(parts[1]))
            else { return nil }
            pairs.append((key, value))
        }
        return pairs
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text.drop { $0 == " " || $0 == "\t" }
    }

    /// nil where a `%` has no two digits behind it, or the bytes are not UTF-8.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2,
                let high = Character(Unicode.Scalar(rest.removeFirst())).hexDigitValue,
                let low = Character(Unicode.Scalar(rest.removeFirst())).hexDigitValue
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
