/// The five kinds of component, named as their sections of the file are, in the singular.
public enum ComponentKind: String, Sendable, CaseIterable {
    case receiver
    case processor
    case exporter
    case connector
    case `extension`

    /// The key at the top of the file: `receivers`.
    public var section: String { rawValue + "s" }
}

/// Names one component: `type` or `type/name`.
public struct ComponentID: Sendable {
    /// With aliases resolved: `otlp_http` where the file says `otlphttp`.
    public let type: String
    /// Empty where the id is the type alone.
    public let name: String
    /// As the file has it, without blanks around its parts; logs and metrics show this.
    public let written: String

    public init(type: String, name: String = "") {
        self.type = type
        self.name = name
        self.written = name.isEmpty ? type : "\(type)/\(name)"
    }

    struct ParseError: Error, Hashable {
        var message: String
    }

    /// By the Collector's rules: a type is a letter and up to 62 letters, digits or underscores;
    /// for names see ``NamedID``.
    init(_ text: String, aliases: [String: String]) throws(ParseError) {
        let id = NamedID(text)
        guard ComponentID.isType(id.kind) else {
            throw ParseError(
                message: "'\(text.shortened)' is no component id: it is a type such as otlp_http, "
                    + "or type/name")
        }
        if let problem = id.problem {
            throw ParseError(message: "'\(text.shortened)' is no component id: \(problem)")
        }
        self.type = aliases[id.kind] ?? id.kind
        self.name = id.name ?? ""
        self.written = id.name.map { "\(id.kind)/\($0)" } ?? id.kind
    }

    private static func isType(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLetter(first), text.utf8.count <= 63 else {
            return false
        }
        return text.utf8.allSatisfy {
            isLetter($0) || $0 == UInt8(ascii: "_")
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

extension ComponentID: Hashable, CustomStringConvertible {
    /// An alias and its type name the same component.
    public static func == (left: ComponentID, right: ComponentID) -> Bool {
        left.type == right.type && left.name == right.name
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(type)
        hasher.combine(name)
    }

    public var description: String { written }
}
