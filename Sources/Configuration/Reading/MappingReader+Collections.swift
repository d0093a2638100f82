extension MappingReader {
    /// What a key says that has nothing, or `null`, after it.
    public enum Null {
        /// The section is there with its defaults, as `http:` under `protocols` is.
        case defaults
        /// The section is not there, as `tls: null` over an earlier `tls:` says.
        case absent
    }

    /// Reads a nested mapping; nil if the key is absent. Keys that `read` doesn't ask for are
    /// reported.
    ///
    /// - Parameter canBeDisabled: whether the section takes `enabled`, and is nil with `false`;
    ///   every section does that the Collector's code calls optional.
    public mutating func mapping<Value>(
        _ key: String, null: Null = .defaults, canBeDisabled: Bool = false,
        read: (inout MappingReader) -> Value
    ) -> Value? {
        guard let node = nodeOrNull(key), null == .defaults || !node.isNull else { return nil }
        return MappingReader.read(node, path: path.appending(key), diagnostics: diagnostics) {
            section in
            let isEnabled = canBeDisabled ? section.bool("enabled", default: true) : true
            let value = read(&section)
            return isEnabled ? value : nil
        }
    }

    /// Reads a list of mappings; empty if the key is absent.
    public mutating func list<Value>(
        _ key: String, read: (inout MappingReader) -> Value
    ) -> [Value] {
        let path = self.path.appending(key)
        return nodes(key).enumerated().map { index, node in
            MappingReader.read(
                node, path: path.appending(index: index), diagnostics: diagnostics, read)
        }
    }

    /// The elements of a list, whatever they are; empty if the key is absent.
    public mutating func nodes(_ key: String) -> [ConfigurationNode] {
        guard let node = typedNode(key) else { return [] }
        guard let list = node.list else {
            error(at: key, "expected a list, found \(describe(node, key))")
            return []
        }
        return list
    }

    /// A list of strings; nil if the key is absent.
    ///
    /// One string is a list with its parts between commas, as in the Collector.
    public mutating func strings(_ key: String) -> [String]? {
        guard let node = node(key) else { return nil }
        if node.list == nil, let string = node.string {
            return string.isEmpty ? [] : string.split(separator: ",").map(String.init)
        }
        return nodes(key).enumerated().compactMap { index, element in
            if let string = element.string { return string }
            diagnostics.error(
                at: element.position, path: path.appending(key).appending(index: index),
                "expected a string, found \(describe(element, key))")
            return nil
        }
    }

    public mutating func strings(_ key: String, default standard: [String]) -> [String] {
        strings(key) ?? standard
    }

    /// The keys and values of a mapping in the file's order, whatever the values are; empty if the
    /// key is absent.
    public mutating func entries(_ key: String) -> [ConfigurationNode.Entry] {
        guard let node = typedNode(key) else { return [] }
        guard let entries = node.entries else {
            error(at: key, "expected a mapping, found \(describe(node, key))")
            return []
        }
        return entries
    }

    /// A mapping of names to strings, in the file's order; empty if the key is absent. A name whose
    /// value is null is left out.
    public mutating func stringMap(_ key: String) -> [(name: String, value: String)] {
        entries(key).compactMap { entry in
            if entry.value.isUnset { return nil }
            if let string = entry.value.string { return (entry.key, string) }
            diagnostics.error(
                at: entry.value.position, path: path.appending(key).appending(entry.key),
                "expected a string, found \(describe(entry.value, entry.key)): put it in quotes")
            return nil
        }
    }

    /// A mapping of names to secrets, such as `headers`; empty if the key is absent.
    ///
    /// The Collector also knows the form of a list of `name` and `value`; both are read.
    public mutating func secretMap(_ key: String) -> [(name: String, value: Secret)] {
        diagnostics.markSecret(path.appending(key))
        guard let node = typedNode(key) else { return [] }
        if node.list != nil {
            return list(key) { reader in
                (reader.requiredString("name"), reader.secret("value") ?? Secret(""))
            }
        }
        return entries(key).compactMap { entry in
            if entry.value.isUnset { return nil }
            if let string = entry.value.string { return (entry.key, Secret(string)) }
            diagnostics.error(
                at: entry.value.position, path: path.appending(key).appending(entry.key),
                "expected a string: put it in quotes")
            return nil
        }
    }
}
