import Glibc  // Brings libm, which `Int64(exactly:)` needs at link time.

/// A value of the configuration, with the place where it was written.
public struct ConfigurationNode: Sendable {
    public enum Content: Sendable {
        case null
        case bool(Bool)
        case int(Int64)
        case double(Double)
        case string(String)
        case list([ConfigurationNode])
        /// In the order of the file; keys are unique.
        case mapping([Entry])
    }

    public struct Entry: Sendable {
        public var key: String
        public var keyPosition: SourcePosition
        public var value: ConfigurationNode

        public init(key: String, keyPosition: SourcePosition, value: ConfigurationNode) {
            self.key = key
            self.keyPosition = keyPosition
            self.value = value
        }
    }

    /// Whether the value stands in the configuration or was fetched by `${…}`.
    public enum Origin: Sendable, Hashable {
        case literal
        /// From an environment variable or a file: it may be a secret, so messages never quote it.
        case expansion
    }

    public var content: Content
    public var position: SourcePosition
    public var origin: Origin
    /// A scalar as written, before it was typed: `0x10` for 16. For a value that is one whole
    /// `${…}`, what that gave, verbatim, so that a key that wants a string gets exactly it.
    public var text: String?

    public init(
        _ content: Content, at position: SourcePosition, origin: Origin = .literal,
        text: String? = nil
    ) {
        self.content = content
        self.position = position
        self.origin = origin
        self.text = text
    }
}

extension ConfigurationNode {
    public var isNull: Bool {
        if case .null = content { true } else { false }
    }

    /// Whether the value says nothing: null, written as such. An expansion to nothing is an empty
    /// string where a string is wanted.
    public var isUnset: Bool { isNull && origin == .literal }

    /// The string, if this is one, or the verbatim text of an expansion whatever it looks like:
    /// a password of `12345` from the environment is a string where a string is wanted.
    public var string: String? {
        if origin == .expansion, let text { return text }
        if case .string(let string) = content { return string }
        return nil
    }

    public var bool: Bool? {
        if case .bool(let bool) = content { bool } else { nil }
    }

    /// An integer, also when it is written as `1e3`.
    public var int: Int64? {
        switch content {
        case .int(let int): int
        case .double(let double): Int64(exactly: double)
        default: nil
        }
    }

    public var double: Double? {
        switch content {
        case .int(let int): Double(int)
        case .double(let double): double
        default: nil
        }
    }

    public var list: [ConfigurationNode]? {
        if case .list(let list) = content { list } else { nil }
    }

    public var entries: [Entry]? {
        if case .mapping(let entries) = content { entries } else { nil }
    }

    public subscript(key: String) -> ConfigurationNode? {
        entries?.first { $0.key == key }?.value
    }

    /// What this is, for a message: `the string 'abc'`, `a list`. A fetched value, which may be
    /// a secret, is named by its type alone.
    public var summary: String {
        guard origin == .literal else { return "\(kind) from ${…}" }
        return switch content {
        case .bool(let bool): "the boolean \(bool)"
        case .int(let int): "the number \(text ?? "\(int)")"
        case .double(let value): "the number \(text ?? "\(value)")"
        case .string(let string): "the string '\(string.shortened)'"
        case .null, .list, .mapping: kind
        }
    }

    /// As ``summary`` without the value.
    public var kind: String {
        switch content {
        case .null: "nothing"
        case .bool: "a boolean"
        case .int, .double: "a number"
        case .string: "a string"
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }
}

extension String {
    /// Fit for a message of one line: control characters escaped, at most 64 characters.
    var shortened: String {
        var short = ""
        for scalar in unicodeScalars.prefix(64) {
            short +=
                scalar.properties.generalCategory == .control
                ? scalar.escaped(asASCII: false) : String(scalar)
        }
        return unicodeScalars.count > 64 ? short + "…" : short
    }
}
