/// What stands between `${` and `}`: where to fetch a value.
enum ExpansionReference: Equatable {
    /// `env:NAME`, `env:NAME:-default`, or either without `env:`.
    case environment(name: String, standard: String?)
    /// `file:path`, relative to the working directory.
    case file(path: String)
    /// `yaml:text`.
    case yaml(text: String)

    struct ParseError: Error, Hashable {
        var message: String
    }

    init(_ text: String) throws(ParseError) {
        guard let colon = text.firstIndex(of: ":") else {
            self = try ExpansionReference.environment(text)
            return
        }
        let (scheme, rest) = (text[..<colon], text[text.index(after: colon)...])
        switch scheme {
        case "env": self = try ExpansionReference.environment(String(rest))
        case "file": self = .file(path: String(rest))
        case "yaml": self = .yaml(text: String(rest))
        case "http", "https":
            throw ParseError(
                message: "configuration isn't fetched over HTTP; download it and use ${file:…}")
        default:
            // The Collector wants `env:` before a default; a shell doesn't.
            guard rest.hasPrefix("-") else {
                throw ParseError(
                    message: "unknown scheme '\(scheme)' in ${…}; known are env, file and yaml, "
                        + "and $$ gives a dollar sign")
            }
            self = try ExpansionReference.environment(text)
        }
    }

    private static func environment(_ text: String) throws(ParseError) -> ExpansionReference {
        let mark = text.firstRange(of: ":-")
        let name = String(text[..<(mark?.lowerBound ?? text.endIndex)])
        let isName = name.utf8.enumerated().allSatisfy { index, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "_"):
                true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): index > 0
            default: false
            }
        }
        guard isName, !name.isEmpty else {
            throw ParseError(
                message: "'\(name.shortened)' in ${…} is no name of an environment variable; $$ "
                    + "gives a dollar sign")
        }
        return .environment(name: name, standard: mark.map { String(text[$0.upperBound...]) })
    }
}
