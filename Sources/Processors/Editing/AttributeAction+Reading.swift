import Configuration
import OTLP

extension AttributeAction {
    private enum Name: String, CaseIterable {
        case insert, update, upsert, delete, hash, extract, convert
    }

    /// Reads one action; nil where it is wrong, which the diagnostics then say.
    static func read(_ reader: inout MappingReader) -> AttributeAction? {
        let key = reader.string("key") ?? ""
        let source = readSource(&reader)
        let pattern = readPattern(&reader)
        let conversion = reader.oneOf("converted_type", as: ValueConversion.self)
        guard let name = readName(&reader) else { return nil }
        checkKeys(of: name, &reader)
        switch name {
        case .delete, .hash:
            if key.isEmpty, pattern == nil {
                reader.error("the action \(name.rawValue) needs a key, a pattern for keys, or both")
            }
        default: if key.isEmpty { _ = reader.requiredString("key") }
        }
        return kind(name, source, pattern, conversion, &reader).map {
            AttributeAction(key: Array(key.utf8), kind: $0)
        }
    }

    private static func kind(
        _ name: Name, _ source: ValueSource?, _ pattern: RegularExpression?,
        _ conversion: ValueConversion?, _ reader: inout MappingReader
    ) -> Kind? {
        switch name {
        case .insert: return source.map { .insert($0) }
        case .update: return source.map { .update($0) }
        case .upsert: return source.map { .upsert($0) }
        case .delete: return .delete(pattern)
        case .hash: return .hash(pattern)
        case .convert:
            _ = reader.require("converted_type")
            return conversion.map { .convert($0) }
        case .extract:
            guard reader.require("pattern"), let pattern else { return nil }
            if pattern.groupNames.count < 2 || pattern.groupNames.dropFirst().contains(nil) {
                reader.error(
                    at: "pattern",
                    "every group of an extract pattern needs a name, which becomes the key: "
                        + "(?P<name>…); write (?:…) for a group that is none")
                return nil
            }
            return .extract(pattern)
        }
    }

    /// Upper case is as good, as in the Collector.
    private static func readName(_ reader: inout MappingReader) -> Name? {
        guard reader.require("action"), let text = reader.string("action") else { return nil }
        if let name = Name(rawValue: text.lowercased()) { return name }
        return reader.oneOf("action", as: Name.self)
    }

    /// A key that its action does not use is a mistake, and says something else than is meant.
    private static func checkKeys(of name: Name, _ reader: inout MappingReader) {
        let sources = ["value", "from_attribute", "from_context"].filter {
            reader.node($0) != nil
        }
        let unused: [String]
        switch name {
        case .insert, .update, .upsert:
            if sources.count != 1 {
                reader.error(
                    "the action \(name.rawValue) needs one of value, from_attribute, from_context"
                        + (sources.isEmpty ? "" : ", found \(sources.joined(separator: " and "))"))
            }
            unused = ["pattern", "converted_type"]
        case .delete, .hash: unused = sources + ["converted_type"]
        case .extract: unused = sources + ["converted_type"]
        case .convert: unused = sources + ["pattern"]
        }
        for key in unused where reader.contains(key) {
            reader.error(at: key, "is not used by the action \(name.rawValue)")
        }
    }

    private static func readSource(_ reader: inout MappingReader) -> ValueSource? {
        let constant = reader.node("value").map { EncodedValue.read($0, at: "value", reader) }
        let attribute = reader.string("from_attribute")
        let context = reader.string("from_context").flatMap { readContext($0, reader) }
        if let constant { return constant.map { .constant($0) } }
        if let attribute { return .attribute(Array(attribute.utf8)) }
        return context.map { .context($0) }
    }

    private static func readContext(_ name: String, _ reader: MappingReader) -> ContextSource? {
        if name == "client.address" { return .clientAddress }
        if name.hasPrefix("auth.") {
            reader.error(
                at: "from_context",
                "auth.* is not built, as there are no authenticators yet; take what a proxy "
                    + "passes on from metadata.<header>, with include_metadata at the receiver")
            return nil
        }
        let header = name.hasPrefix("metadata.") ? String(name.dropFirst(9)) : name
        return .metadata(header.lowercased())
    }

    private static func readPattern(_ reader: inout MappingReader) -> RegularExpression? {
        reader.string("pattern").flatMap { RegularExpression.read($0, at: "pattern", reader) }
    }
}

extension RegularExpression {
    /// Compiles a pattern of the configuration, or reports why it is none.
    static func read(
        _ pattern: String, at key: String, _ reader: MappingReader
    ) -> RegularExpression? {
        do {
            return try RegularExpression(pattern)
        } catch {
            reader.error(at: key, error.description)
            return nil
        }
    }
}

extension EncodedValue {
    /// A value as YAML types it; lists and mappings too. nil, reported, for one that is nothing.
    static func read(
        _ node: ConfigurationNode, at key: String, _ reader: MappingReader
    ) -> [UInt8]? {
        switch node.content {
        case .string(let text): return string(text)
        case .bool(let flag): return bool(flag)
        case .int(let number): return int(number)
        case .double(let number): return double(number)
        case .null:
            // An expansion to nothing is an empty text.
            if node.origin == .expansion { return string("") }
            reader.error(at: key, "must not hold nothing: put \"\" for an empty text")
            return nil
        case .list(let nodes):
            let values = nodes.compactMap { read($0, at: key, reader) }
            guard values.count == nodes.count else { return nil }
            var writer = ProtobufWriter()
            writer.message(5) { list in
                for value in values { list.bytes(1, value) }
            }
            return writer.bytes
        case .mapping(let entries):
            let values = entries.compactMap { read($0.value, at: key, reader) }
            guard values.count == entries.count else { return nil }
            var writer = ProtobufWriter()
            writer.message(6) { map in
                for (entry, value) in zip(entries, values) {
                    map.message(1) { pair in
                        pair.string(1, entry.key)
                        pair.bytes(2, value)
                    }
                }
            }
            return writer.bytes
        }
    }
}
