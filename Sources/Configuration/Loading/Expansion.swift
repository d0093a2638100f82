/// Replaces `${…}` in the strings of a configuration.
///
/// The rules are the Collector's: `${env:NAME}`, `${NAME}`, `${env:NAME:-default}`,
/// `${file:path}`, `${yaml:text}`, one inside another, and `$$` for a dollar. A string that is one
/// whole reference takes the type of what was fetched, and may become a list or mapping; beside
/// other text what was fetched is text. Keys are not expanded, and a lone `$` is left alone.
/// One rule differs: a scalar that was fetched is taken as it is, where the Collector expands it
/// again and so spoils every password with `$$` in it.
/// Source: https://github.com/open-telemetry/opentelemetry-collector/tree/main/confmap
struct Expansion {
    /// Of references inside each other's names, and of fragments that fetch fragments.
    static let depthMax = 16
    /// Of references in one configuration; a file that includes itself twice doubles at each depth.
    static let referenceCountMax = 2_000
    /// Of all that is fetched for one configuration.
    static let fetchedBytesMax = 16 << 20

    private let sources: ConfigurationSources
    private let diagnostics: Diagnostics
    private var referenceCount = 0
    private var fetchedByteCount = 0
    /// Names after a lone dollar that were warned of.
    private var namesHinted: Set<String> = []

    init(sources: ConfigurationSources, diagnostics: Diagnostics) {
        self.sources = sources
        self.diagnostics = diagnostics
    }

    /// Where a reference stands, for messages, and how many others it stands in.
    private struct Place {
        var position: SourcePosition
        var path: ConfigurationPath
        var depth: Int
    }

    mutating func expand(_ root: ConfigurationNode) -> ConfigurationNode {
        expand(root, path: ConfigurationPath(), depth: 0)
    }

    private mutating func expand(
        _ node: ConfigurationNode, path: ConfigurationPath, depth: Int
    ) -> ConfigurationNode {
        var expanded = node
        switch node.content {
        case .string(let text):
            guard text.utf8.contains(UInt8(ascii: "$")) else { return node }
            return expand(text, of: node, Place(position: node.position, path: path, depth: depth))
        case .list(let elements):
            var expandedElements: [ConfigurationNode] = []
            for (index, element) in elements.enumerated() {
                expandedElements.append(
                    expand(element, path: path.appending(index: index), depth: depth))
            }
            expanded.content = .list(expandedElements)
        case .mapping(var entries):
            for index in entries.indices {
                entries[index].value = expand(
                    entries[index].value, path: path.appending(entries[index].key), depth: depth)
            }
            expanded.content = .mapping(entries)
        case .null, .bool, .int, .double: break
        }
        return expanded
    }

    private mutating func expand(
        _ text: String, of node: ConfigurationNode, _ place: Place
    ) -> ConfigurationNode {
        let pieces = pieces(of: text, place)
        if pieces.count == 1, case .reference(let inner) = pieces[0] {
            guard let reference = reference(inner, place) else { return nothing(at: node.position) }
            return fetchNode(reference, place) ?? nothing(at: node.position)
        }
        let isFetched = pieces.contains { if case .reference = $0 { true } else { false } }
        let joined = join(pieces, place)
        return ConfigurationNode(
            .string(joined), at: node.position, origin: isFetched ? .expansion : node.origin,
            text: joined)
    }

    private func nothing(at position: SourcePosition) -> ConfigurationNode {
        ConfigurationNode(.null, at: position, origin: .expansion, text: "")
    }

    // MARK: Text

    private enum Piece {
        case text(String)
        /// What stands between `${` and its `}`.
        case reference(String)
    }

    /// Splits `a${b}c$$` into text, reference, and text with its `$$` replaced.
    private mutating func pieces(of text: String, _ place: Place) -> [Piece] {
        let bytes = Array(text.utf8)
        let ends = Expansion.referenceEnds(in: bytes)
        var pieces: [Piece] = []
        var plain: [UInt8] = []
        func endPlain() {
            if !plain.isEmpty { pieces.append(.text(String(decoding: plain, as: UTF8.self))) }
            plain = []
        }
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "$"), index < bytes.count else {
                plain.append(byte)
                continue
            }
            if bytes[index] == UInt8(ascii: "$") {
                index += 1
                plain.append(byte)
            } else if let end = ends[index] {
                endPlain()
                pieces.append(.reference(String(decoding: bytes[(index + 1)..<end], as: UTF8.self)))
                index = end + 1
            } else {
                if bytes[index] == UInt8(ascii: "{") {
                    diagnostics.warning(
                        at: place.position, path: place.path,
                        "a '${' has no '}', and is left as it is")
                }
                hint(atName: bytes[index...], place)
                plain.append(byte)
            }
        }
        endPlain()
        return pieces
    }

    /// `$NAME` is text, as in the Collector, where it is rarely meant.
    private mutating func hint(atName rest: ArraySlice<UInt8>, _ place: Place) {
        let name = String(
            decoding: rest.prefix { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }, as: UTF8.self)
        guard let first = name.utf8.first, !(0x30...0x39).contains(first), name.utf8.count < 128
        else { return }
        // Only the name of a variable that there is may be shown: it may be part of a secret.
        let isVariable = sources.environment(name) != nil
        guard isVariable || name.utf8.count > 1 && name == name.uppercased(),
            namesHinted.count < Expansion.referenceCountMax, namesHinted.insert(name).inserted
        else { return }
        let shown = isVariable ? name : "NAME"
        diagnostics.warning(
            at: place.position, path: place.path,
            "$\(shown) is text, as in the Collector: ${env:\(shown)} is the variable, and $$ "
                + "says that a dollar is meant")
    }

    /// Where the `}` of each `${` stands, by where its `{` does; one that is never closed is not
    /// there. All in one pass: to search from each `${` takes the square of a long row of them.
    private static func referenceEnds(in bytes: [UInt8]) -> [Int: Int] {
        var ends: [Int: Int] = [:]
        var openIndexes: [Int] = []
        for (index, byte) in bytes.enumerated() {
            // Braces count only after a dollar.
            if byte == UInt8(ascii: "{"), index > 0, bytes[index - 1] == UInt8(ascii: "$") {
                openIndexes.append(index)
            } else if byte == UInt8(ascii: "}"), let open = openIndexes.popLast() {
                ends[open] = index
            }
        }
        return ends
    }

    private mutating func join(_ pieces: [Piece], _ place: Place) -> String {
        var joined = ""
        for piece in pieces {
            switch piece {
            case .text(let text): joined += text
            case .reference(let inner):
                guard let reference = reference(inner, place) else { continue }
                joined += fetch(reference, place) ?? ""
            }
        }
        return joined
    }

    // MARK: References

    /// Parses a reference after expanding what is inside it; nil after reporting an error.
    private mutating func reference(_ inner: String, _ place: Place) -> ExpansionReference? {
        guard place.depth < Expansion.depthMax else {
            diagnostics.error(
                at: place.position, path: place.path,
                "${…} inside ${…} goes deeper than \(Expansion.depthMax)")
            return nil
        }
        referenceCount += 1
        guard referenceCount <= Expansion.referenceCountMax else {
            if referenceCount == Expansion.referenceCountMax + 1 {
                diagnostics.error(
                    at: place.position, path: place.path,
                    "more than \(Expansion.referenceCountMax) ${…} in one configuration")
            }
            return nil
        }
        var deeper = place
        deeper.depth += 1
        let text = join(pieces(of: inner, deeper), deeper)
        do throws(ExpansionReference.ParseError) {
            return try ExpansionReference(text)
        } catch {
            diagnostics.error(at: place.position, path: place.path, error.message)
            return nil
        }
    }

    private mutating func fetchNode(
        _ reference: ExpansionReference, _ place: Place
    ) -> ConfigurationNode? {
        guard let text = fetch(reference, place) else { return nil }
        let fixedPosition: SourcePosition?
        let file: String
        if case .file(let path) = reference {
            (file, fixedPosition) = (path, nil)
        } else {
            (file, fixedPosition) = (place.position.file, place.position)
        }
        // What isn't YAML is a string, as a password of `@home` must be.
        let composed = try? YAMLComposer.compose(
            Array(text.utf8), file: file, fixedPosition: fixedPosition)
        guard let composed, composed.errors.isEmpty else {
            return ConfigurationNode(
                .string(text), at: place.position, origin: .expansion, text: text)
        }
        var node = composed.root
        if node.list != nil || node.entries != nil {
            // A fragment of configuration, with references of its own. A secret that happens to
            // look like one is read as `text`.
            let depth = place.depth + 1
            node = expand(
                fixedPosition == nil ? node : node.fetched, path: place.path, depth: depth)
        }
        node.position = place.position
        node.origin = .expansion
        node.text = text
        return node
    }

    private mutating func fetch(_ reference: ExpansionReference, _ place: Place) -> String? {
        let text: String
        switch reference {
        case .environment(let name, let standard):
            if let value = sources.environment(name) ?? standard {
                text = value
            } else {
                diagnostics.warning(
                    at: place.position, path: place.path,
                    "the environment variable \(name) is not set, and gives an empty string; "
                        + "${env:\(name):-} says that this is meant")
                return ""
            }
        case .file(let path):
            do throws(ConfigurationSources.ReadError) {
                // Editors end a file with a newline; a token never does.
                let bytes = try sources.readFile(path)
                text = String(decoding: bytes, as: UTF8.self).withoutLastNewline
            } catch {
                diagnostics.error(
                    at: place.position, path: place.path,
                    "can't read \(path.shortened): \(error.reason)")
                return nil
            }
        case .yaml(let yaml): text = yaml
        }
        fetchedByteCount += text.utf8.count
        guard fetchedByteCount <= Expansion.fetchedBytesMax else {
            diagnostics.error(
                at: place.position, path: place.path,
                "more than \(ByteSize.format(Expansion.fetchedBytesMax)) are fetched by ${…}")
            return nil
        }
        return text
    }
}

extension String {
    fileprivate var withoutLastNewline: String {
        // "\r\n" is one Character.
        last == "\n" || last == "\r\n" ? String(dropLast()) : self
    }
}

extension ConfigurationNode {
    /// The same tree with every value marked as fetched. Only the whole has a verbatim text.
    fileprivate var fetched: ConfigurationNode {
        var node = self
        node.origin = .expansion
        switch content {
        case .list(let elements): node.content = .list(elements.map(\.fetched))
        case .mapping(let entries):
            node.content = .mapping(
                entries.map { entry in
                    var entry = entry
                    entry.value = entry.value.fetched
                    return entry
                })
        case .string: break
        case .null, .bool, .int, .double: node.text = nil
        }
        return node
    }
}
