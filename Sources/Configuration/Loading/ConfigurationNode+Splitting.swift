extension ConfigurationNode {
    /// The same tree with a key `a::b` as `b` inside `a`, as the Collector reads it. Of values that
    /// are given both ways the later one counts. What stands in lists is left alone.
    func splittingKeys() -> ConfigurationNode { splittingKeys(depth: 0, isJoined: false) }

    /// - Parameter isJoined: whether its entries come from several places, and a key may stand in
    ///   it twice.
    private func splittingKeys(depth: Int, isJoined: Bool) -> ConfigurationNode {
        guard let entries else { return self }
        let groups =
            isJoined || entries.contains { $0.key.isSplit(atDepth: depth) }
            ? ConfigurationNode.grouped(entries, depth: depth) : nil
        var result = self
        if let groups {
            result.content = .mapping(
                groups.map { group in
                    let value = ConfigurationNode.joined(group.values)
                        .splittingKeys(depth: depth + 1, isJoined: group.values.count > 1)
                    return Entry(key: group.key, keyPosition: group.keyPosition, value: value)
                })
        } else {
            result.content = .mapping(
                entries.map { entry in
                    var entry = entry
                    entry.value = entry.value.splittingKeys(depth: depth + 1, isJoined: false)
                    return entry
                })
        }
        return result
    }

    private struct Group {
        let key: String
        let keyPosition: SourcePosition
        var values: [ConfigurationNode]
    }

    /// One step of the split: a key keeps the marks after its first one, for the next level.
    private static func grouped(_ entries: [Entry], depth: Int) -> [Group] {
        var groups: [Group] = []
        var indexes: [String: Int] = [:]
        for entry in entries {
            var (key, value) = (entry.key, entry.value)
            if key.isSplit(atDepth: depth), let mark = key.firstRange(of: "::") {
                let inner = Entry(
                    key: String(key[mark.upperBound...]), keyPosition: entry.keyPosition,
                    value: value)
                value = ConfigurationNode(.mapping([inner]), at: value.position)
                key = String(key[..<mark.lowerBound])
            }
            if let index = indexes[key] {
                groups[index].values.append(value)
            } else {
                indexes[key] = groups.count
                groups.append(Group(key: key, keyPosition: entry.keyPosition, values: [value]))
            }
        }
        return groups
    }

    /// The entries of all, doubled keys among them, or the last of all that is no mapping with
    /// what comes after it.
    private static func joined(_ values: [ConfigurationNode]) -> ConfigurationNode {
        var result = values[0]
        guard values.count > 1 else { return result }
        var entries: [Entry] = []
        for value in values {
            if let own = value.entries {
                entries += own
                result.content = .mapping([])
            } else {
                entries = []
                result = value
            }
        }
        if result.entries != nil { result.content = .mapping(entries) }
        return result
    }
}

extension String {
    /// Whether the key holds `::`, and the levels that it stands for are no more than a file may
    /// have. Beyond, it is left as it is, and is an unknown key then.
    fileprivate func isSplit(atDepth depth: Int) -> Bool {
        var markCount = 0
        var wasColon = false
        for byte in utf8 {
            let isColon = byte == UInt8(ascii: ":")
            if isColon, wasColon { markCount += 1 }
            wasColon = isColon
        }
        return markCount > 0 && depth + markCount < YAMLComposer.depthMax
    }
}
