/// A request target (RFC 9112, 3.2) taken apart.
public struct HTTPTarget: Hashable, Sendable {
    /// Still percent-encoded, so that an encoded slash stays distinct from a real one.
    public let path: Substring
    /// What follows the first `?`, still percent-encoded.
    public let query: Substring?

    public init(_ target: String) {
        var rest = target[...]
        if !rest.utf8.starts(with: "/".utf8), let scheme = rest.firstRange(ofASCII: "://") {
            rest = rest[scheme.upperBound...]
            let end = rest.utf8.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
            rest = rest[(end ?? rest.endIndex)...]
        }
        let mark = rest.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = rest[..<(mark ?? rest.endIndex)]
        self.path = path.isEmpty ? "/" : path
        query = mark.map { rest[rest.utf8.index(after: $0)...] }
    }

    /// The query's `name=value` pairs, decoded (`+` is a space). A pair whose escapes are wrong is
    /// left as it was sent.
    public var queryItems: [(name: String, value: String)] {
        guard let query else { return [] }
        return query.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1] : ""
            return (HTTPTarget.decodeForm(parts[0]), HTTPTarget.decodeForm(value))
        }
    }

    /// Percent-decodes (RFC 3986, 2.1); `nil` when an escape is not two hex digits or the result
    /// isn't UTF-8.
    public static func percentDecoded(_ text: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(hexDigit),
                let low = iterator.next().flatMap(hexDigit)
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func decodeForm(_ text: Substring) -> String {
        let spaced = String(decoding: text.utf8.map { $0 == 0x2b ? 0x20 : $0 }, as: UTF8.self)
        return percentDecoded(spaced) ?? String(text)
    }
}

func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}

extension Substring {
    fileprivate func firstRange(ofASCII needle: StaticString) -> Range<Index>? {
        let needle = Array(needle.description.utf8)
        var start = utf8.startIndex
        while start != utf8.endIndex {
            let tail = utf8[start...]
            if tail.starts(with: needle) {
                return start..<utf8.index(start, offsetBy: needle.count)
            }
            start = utf8.index(after: start)
        }
        return nil
    }
}
