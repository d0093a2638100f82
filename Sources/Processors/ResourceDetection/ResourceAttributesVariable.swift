import Bytes

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
            guard parts.count == 2,
                let key = PercentEncoding.decode(trimmed(parts[0])), !key.isEmpty,
                let value = PercentEncoding.decode(trimmed(parts[1]))
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
}
