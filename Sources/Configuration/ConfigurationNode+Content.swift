extension ConfigurationNode {
    /// Whether two trees say the same, wherever they stand and in whatever order their keys are:
    /// what a reload asks to know which components stay.
    public func hasSameContent(as other: ConfigurationNode) -> Bool {
        switch (content, other.content) {
        case (.mapping(let one), .mapping(let two)):
            one.count == two.count && ConfigurationNode.areSame(one, two)
        case (.list(let one), .list(let two)):
            one.count == two.count && zip(one, two).allSatisfy { $0.hasSameContent(as: $1) }
        case (.null, .null): true
        case (.bool(let one), .bool(let two)): one == two
        case (.int(let one), .int(let two)): one == two
        case (.double(let one), .double(let two)): one == two
        case (.string(let one), .string(let two)): one == two
        default: false
        }
    }

    /// With as many entries on both sides.
    private static func areSame(_ one: [Entry], _ two: [Entry]) -> Bool {
        // The first of a key counts, as in the subscript.
        let values = Dictionary(two.map { ($0.key, $0.value) }) { first, _ in first }
        return one.allSatisfy { entry in
            values[entry.key].map(entry.value.hasSameContent(as:)) ?? false
        }
    }
}
