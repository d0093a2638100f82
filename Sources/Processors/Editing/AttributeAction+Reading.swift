import Configuration
import OTLP

extension AttributeAction {
    private enum Name: String, CaseIterable {
        case insert, update, upsert, delete, hash, extract, convert
    }

    /// Reads one action; nil where it is wrong, which the diagnostics then say. A text that is
    /// empty counts as not given, as in the Collector.
    static func read(_ reader: inout MappingReader) -> AttributeAction? {
        let key = reader.string("key") ?? ""
        let source = readSource(&reader)
        let pattern = readPattern(&reader)
        let conversion =
            reader.isGiven("converted_type")
            ? reader.oneOf("converted_type", as: ValueConversion.self) : nil
        guard let name = readName(&reader) else { return nil }
        checkKeys(of: name, &reader)
        switch name {
        case .delete, .hash:
            if key.isEmpty, !reader.isGiven("pattern") {
                reader.miss(
                    nil, "the action \(name.rawValue) needs a key, a pattern for keys, or both")
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
            if !reader.isGiven("converted_type") {
                reader.miss("converted_type", "is required: int, double or string")
            }
            return conversion.map { .convert($0) }
        case .extract:
            if !reader.isGiven("pattern") { reader.miss("pattern", "is required") }
            guard let pattern else { return nil }
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

    /// A key that its action does not use is a mistake, and says something else than is meant. The
    /// Collector refuses some of them, and passes over others: these are a warning here.
    private static func checkKeys(of name: Name, _ reader: inout MappingReader) {
        let places = ["value", "from_attribute", "from_context"]
        let sources = places.filter { $0 == "value" ? reader.node($0) != nil : reader.isGiven($0) }
        let hasStandard = reader.node("default_value") != nil
        var refused = ["converted_type"]
        var ignored = ["default_value"]
        switch name {
        case .insert, .update, .upsert:
            let needs =
                "the action \(name.rawValue) needs one of value, from_attribute, from_context"
            if sources.count > 1 {
                reader.error("\(needs), found \(sources.joined(separator: " and "))")
            } else if sources.isEmpty, !hasStandard {
                reader.miss(nil, needs)
            }
            refused.append("pattern")
            if sources != ["value"] { ignored = [] }
        case .delete, .hash:
            refused += ["value", "from_attribute"]
            ignored.append("from_context")
        case .extract: refused += places
        case .convert: refused = places + ["pattern"]
        }
        for key in refused where key == "value" ? sources.contains(key) : reader.isGiven(key) {
            reader.error(at: key, "is not used by the action \(name.rawValue)")
        }
        for key in ignored where reader.isGiven(key) {
            reader.warning(at: key, "is not used by the action \(name.rawValue) as it stands here")
        }
    }

    private static func readSource(_ reader: inout MappingReader) -> ValueSource? {
        let standard = readValue("default_value", &reader)
        let constant = readValue("value", &reader)
        let attribute = reader.string("from_attribute") ?? ""
        let context = reader.string("from_context") ?? ""
        if let constant { return .constant(constant) }
        if !attribute.isEmpty {
            return ValueSource(place: .attribute(Array(attribute.utf8)), standard: standard)
        }
        if !context.isEmpty {
            return ValueSource(
                place: .context(readContext(context, reader)), standard: standard)
        }
        return standard.map { .constant($0) }
    }

    private static func readValue(_ key: String, _ reader: inout MappingReader) -> [UInt8]? {
        reader.node(key).flatMap { EncodedValue.read($0, at: key, reader) }
    }

    private static func readContext(_ name: String, _ reader: MappingReader) -> ContextSource {
        if name == "client.address" { return .clientAddress }
        if name.hasPrefix("auth.") {
            reader.warning(
                at: "from_context",
                "finds nothing: there are no authenticators yet; take what a proxy passes on from "
                    + "metadata.<header>, with include_metadata at the receiver")
            return .authentication
        }
        let header = name.hasPrefix("metadata.") ? String(name.dropFirst(9)) : name
        return .metadata(header.lowercased())
    }

    private static func readPattern(_ reader: inout MappingReader) -> RegularExpression? {
        guard let pattern = reader.string("pattern"), !pattern.isEmpty else { return nil }
        return RegularExpression.read(pattern, at: "pattern", reader)
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
            return list(values)
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
