/// A span's tags: names with strings, in the order in which they were first set.
struct ZipkinTags {
    private(set) var entries: [(name: String, value: String)] = []
    private var positions: [String: Int] = [:]

    /// `nil` where there is none; setting replaces the value.
    subscript(name: String) -> String? {
        get { positions[name].map { entries[$0].value } }
        set {
            if let newValue { set(name, newValue) } else { remove(name) }
        }
    }

    /// Takes tags away, the last first, until the others have so many bytes at most. How many went
    /// is a tag then.
    ///
    /// - Returns: how many went.
    mutating func cut(to bytesMax: Int) -> Int {
        var bytes = 0
        let kept = entries.prefix { entry in
            bytes += entry.name.utf8.count + entry.value.utf8.count
            return bytes <= bytesMax
        }.count
        let omitted = entries.count - kept
        guard omitted > 0 else { return 0 }
        for entry in entries[kept...] { positions[entry.name] = nil }
        entries.removeLast(omitted)
        set("otel.dropped_resource_attributes_count", "\(omitted)")
        return omitted
    }

    private mutating func set(_ name: String, _ value: String) {
        if let position = positions[name] {
            entries[position].value = value
        } else {
            positions[name] = entries.count
            entries.append((name, value))
        }
    }

    private mutating func remove(_ name: String) {
        guard let position = positions[name] else { return }
        entries.remove(at: position)
        positions = [:]
        for (position, entry) in entries.enumerated() { positions[entry.name] = position }
    }
}
