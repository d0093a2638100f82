extension ConfigurationNode {
    /// This with another laid over it, as the Collector does it: mappings merge key by key,
    /// anything else (lists too, and null) is replaced as a whole.
    public func merging(_ other: ConfigurationNode) -> ConfigurationNode {
        guard var entries, let others = other.entries else { return other }
        var indexes = Dictionary(
            uniqueKeysWithValues: entries.enumerated().map { ($1.key, $0) })
        for entry in others {
            if let index = indexes[entry.key] {
                entries[index].value = entries[index].value.merging(entry.value)
                entries[index].keyPosition = entry.keyPosition
            } else {
                indexes[entry.key] = entries.count
                entries.append(entry)
            }
        }
        var merged = self
        merged.content = .mapping(entries)
        return merged
    }
}
