/// Builds the tree of one YAML document from libyaml's events.
///
/// Anchors, aliases and merge keys are resolved here, so that readers never meet them.
/// Source: https://yaml.org/spec/1.2.2/ and https://yaml.org/type/merge.html
struct YAMLComposer: ~Copyable {
    /// A configuration with all its OTTL is some tens of KB; more is not meant for us.
    static let bytesMax = 4 << 20
    /// Of lists and mappings inside each other. Composing recurses, and the stack must hold it.
    static let depthMax = 64
    /// With aliases counted as often as they are used, which makes the "billion laughs" harmless.
    static let nodeCountMax = 200_000

    /// A value with a name, and how much each alias to it adds to the document.
    private struct Anchor {
        var node: ConfigurationNode
        var nodeCount: Int
        var height: Int
    }

    private var events: YAMLEvents
    /// Where everything is said to stand when the text has no lines that a user knows.
    private let fixedPosition: SourcePosition?
    private var anchors: [String: Anchor] = [:]
    private var nodeCount = 0
    /// The greatest depth reached in the list or mapping being composed.
    private var deepest = 0
    /// Faults that don't keep the rest from being read.
    private(set) var errors: [YAMLError] = []

    /// The document's root and the faults found on the way; null for an empty text.
    static func compose(
        _ bytes: [UInt8], file: String, fixedPosition: SourcePosition? = nil
    ) throws(YAMLError) -> (root: ConfigurationNode, errors: [YAMLError]) {
        let start = fixedPosition ?? SourcePosition(file: file, line: 1, column: 1)
        guard bytes.count <= bytesMax else {
            throw YAMLError(
                position: start,
                message: "is larger than \(ByteSize.format(bytesMax)), the limit for one file")
        }
        var composer = YAMLComposer(
            events: YAMLEvents(bytes, file: file), fixedPosition: fixedPosition)
        do throws(YAMLError) {
            let root = try composer.document() ?? ConfigurationNode(.null, at: start)
            return (root, composer.errors)
        } catch {
            throw YAMLError(position: fixedPosition ?? error.position, message: error.message)
        }
    }

    private init(events: consuming YAMLEvents, fixedPosition: SourcePosition?) {
        self.events = events
        self.fixedPosition = fixedPosition
    }

    private mutating func document() throws(YAMLError) -> ConfigurationNode? {
        guard case (.documentStart, _) = try events.next() else { return nil }
        let (event, position) = try events.next()
        let root = try node(event, at: position, depth: 0)
        _ = try events.next()
        if case (.documentStart, let position) = try events.next() {
            throw YAMLError(
                position: position,
                message: "a second YAML document starts here; a file holds one: give each its "
                    + "own --config")
        }
        return root
    }

    private mutating func node(
        _ event: YAMLEvent, at position: SourcePosition, depth: Int
    ) throws(YAMLError) -> ConfigurationNode {
        try count(1, depth: depth, at: position)
        let shown = fixedPosition ?? position
        switch event {
        case .alias(let name): return try alias(name, depth: depth, at: position)
        case .scalar(let scalar, let anchor):
            let node = ConfigurationNode(
                content(of: scalar, at: position), at: shown, text: scalar.value)
            if let anchor { anchors[anchor] = Anchor(node: node, nodeCount: 1, height: 0) }
            return node
        case .sequenceStart(let name):
            return try anchored(name, depth: depth) { composer throws(YAMLError) in
                ConfigurationNode(.list(try composer.elements(depth: depth)), at: shown)
            }
        case .mappingStart(let name):
            return try anchored(name, depth: depth) { composer throws(YAMLError) in
                ConfigurationNode(.mapping(try composer.entries(depth: depth)), at: shown)
            }
        case .documentStart, .end, .streamEnd:
            preconditionFailure("BUG: libyaml gives a node where its grammar has one")
        }
    }

    private mutating func content(
        of scalar: YAMLScalar, at position: SourcePosition
    ) -> ConfigurationNode.Content {
        if let content = scalar.content() { return content }
        let tag = scalar.tag?.replacing("tag:yaml.org,2002:", with: "!!") ?? ""
        errors.append(
            YAMLError(
                position: position,
                message: "the tag \(tag.shortened) is unknown or doesn't fit the value"))
        return .string(scalar.value)
    }

    private mutating func alias(
        _ name: String, depth: Int, at position: SourcePosition
    ) throws(YAMLError) -> ConfigurationNode {
        guard let anchor = anchors[name] else {
            throw YAMLError(
                position: position, message: "the alias *\(name) has no anchor &\(name) before it")
        }
        try count(anchor.nodeCount - 1, depth: depth + anchor.height, at: position)
        return anchor.node
    }

    /// Composes a list or mapping and, if it has an anchor, keeps it together with its measures.
    private mutating func anchored(
        _ name: String?, depth: Int,
        _ compose: (inout YAMLComposer) throws(YAMLError) -> ConfigurationNode
    ) throws(YAMLError) -> ConfigurationNode {
        let (countBefore, deepestBefore) = (nodeCount, deepest)
        deepest = depth
        let node = try compose(&self)
        if let name {
            anchors[name] = Anchor(
                node: node, nodeCount: nodeCount - countBefore + 1, height: deepest - depth)
        }
        deepest = max(deepest, deepestBefore)
        return node
    }

    private mutating func elements(depth: Int) throws(YAMLError) -> [ConfigurationNode] {
        var elements: [ConfigurationNode] = []
        while true {
            let (event, position) = try events.next()
            if case .end = event { return elements }
            elements.append(try node(event, at: position, depth: depth + 1))
        }
    }

    private mutating func entries(depth: Int) throws(YAMLError) -> [ConfigurationNode.Entry] {
        var entries: [ConfigurationNode.Entry] = []
        var linesByKey: [String: SourcePosition] = [:]
        var merged: [ConfigurationNode] = []
        while true {
            let (event, position) = try events.next()
            if case .end = event { break }
            guard case .scalar(let key, _) = event else {
                throw YAMLError(position: position, message: "a key must be a plain string")
            }
            let (valueEvent, valuePosition) = try events.next()
            let value = try node(valueEvent, at: valuePosition, depth: depth + 1)
            if key.isPlain, key.value == "<<" {
                merged += mergeSources(value, at: position)
            } else if let first = linesByKey.updateValue(position, forKey: key.value) {
                linesByKey[key.value] = first
                errors.append(
                    YAMLError(
                        position: position,
                        message: "the key '\(key.value.shortened)' was already given on "
                            + "line \(first.line)"))
            } else {
                entries.append(
                    ConfigurationNode.Entry(
                        key: key.value, keyPosition: fixedPosition ?? position, value: value))
            }
        }
        // A mapping's own keys win over merged ones, and earlier sources over later.
        for entry in merged.flatMap({ $0.entries ?? [] })
        where linesByKey.updateValue(entry.keyPosition, forKey: entry.key) == nil {
            entries.append(entry)
        }
        return entries
    }

    private mutating func mergeSources(
        _ value: ConfigurationNode, at position: SourcePosition
    ) -> [ConfigurationNode] {
        let sources = value.list ?? [value]
        if sources.allSatisfy({ $0.entries != nil }) { return sources }
        errors.append(
            YAMLError(position: position, message: "'<<' takes a mapping or a list of mappings"))
        return []
    }

    private mutating func count(
        _ more: Int, depth: Int, at position: SourcePosition
    ) throws(YAMLError) {
        // Both are at most the limit, so the sum can't overflow.
        nodeCount += more
        guard nodeCount <= YAMLComposer.nodeCountMax else {
            throw YAMLError(
                position: position,
                message: "the file has more than \(YAMLComposer.nodeCountMax) values, "
                    + "aliases counted as often as they are used")
        }
        deepest = max(deepest, depth)
        guard depth <= YAMLComposer.depthMax else {
            throw YAMLError(
                position: position,
                message: "lists and mappings are nested deeper than \(YAMLComposer.depthMax)")
        }
    }
}
