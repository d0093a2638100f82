/// Reads the settings of one mapping by key, and remembers everything that is wrong with them.
///
/// A component's configuration is a struct filled by one function:
///
///     init(_ reader: inout MappingReader) {
///         endpoint = reader.requiredString("endpoint")
///         timeout = reader.duration("timeout", default: .seconds(30))
///         headers = reader.secretMap("headers")
///         retry = reader.mapping("retry_on_failure") { RetryConfiguration(&$0) } ?? .standard
///         reader.ignored("read_buffer_size", because: "the kernel's buffers are used")
///     }
///
/// No reading function throws: a wrong value is reported to the shared ``Diagnostics`` with its
/// position and key path, the default stands in, and reading goes on, so that one run reports
/// all errors. Nothing may be started from a configuration whose diagnostics have errors.
/// A key whose value is null (`endpoint:` and nothing after it) counts as absent, except for
/// ``mapping(_:read:)``. Keys that were never asked for are errors, reported by ``finish()``.
public struct MappingReader {
    public let path: ConfigurationPath
    /// Of the mapping itself: where a missing key is reported.
    public let position: SourcePosition
    public let diagnostics: Diagnostics

    private let entries: [ConfigurationNode.Entry]
    private var knownKeys: [String] = []
    /// What is missing, by the key that would say it, or by none where one of several would.
    private var missing: [(key: String?, message: String)] = []

    /// A null node reads as an empty mapping: `otlp:` alone means all defaults. Anything else
    /// that isn't a mapping is an error, and then reads as empty.
    public init(_ node: ConfigurationNode, path: ConfigurationPath, diagnostics: Diagnostics) {
        self.path = path
        self.position = node.position
        self.diagnostics = diagnostics
        self.entries = node.entries ?? []
        if node.entries == nil, !node.isNull {
            diagnostics.error(
                at: node.position, path: path, "expected a mapping, found \(node.summary)")
        }
    }

    /// Reads a whole mapping and reports the keys that `read` didn't ask for.
    public static func read<Value>(
        _ node: ConfigurationNode, path: ConfigurationPath, diagnostics: Diagnostics,
        _ read: (inout MappingReader) -> Value
    ) -> Value {
        var reader = MappingReader(node, path: path, diagnostics: diagnostics)
        let value = read(&reader)
        reader.finish()
        return value
    }

    /// Every key present, in the order of the file. Doesn't count as reading them.
    public var keys: [String] { entries.map(\.key) }

    /// Whether the key is there, be its value null. Doesn't count as reading it.
    public func contains(_ key: String) -> Bool { entries.contains { $0.key == key } }

    /// Of the key's value; of the mapping, where the key is absent.
    public func position(of key: String) -> SourcePosition {
        entry(key)?.value.position ?? position
    }

    /// The raw value, for settings whose type varies; nil if absent or null.
    public mutating func node(_ key: String) -> ConfigurationNode? {
        guard let node = nodeOrNull(key), !node.isUnset else { return nil }
        return node
    }

    /// Whether the key has a value that says something: none that is null, and no empty list,
    /// mapping or string. Counts as reading it.
    public mutating func isGiven(_ key: String) -> Bool {
        guard let node = nodeOrNull(key) else { return false }
        switch node.content {
        case .null: return false
        case .string(let text): return !text.isEmpty
        case .list(let elements): return !elements.isEmpty
        case .mapping(let entries): return !entries.isEmpty
        case .bool, .int, .double: return true
        }
    }

    /// Reports each key that nobody asked for, with the nearest that somebody did.
    ///
    /// ``mapping(_:read:)``, ``list(_:read:)`` and ``read(_:path:diagnostics:_:)`` call it for
    /// the readers that they make.
    public mutating func finish() {
        let unknown = entries.filter { !knownKeys.contains($0.key) }
        for entry in unknown {
            diagnostics.error(
                at: entry.keyPosition, path: path.appending(entry.key),
                unknownMessage("key", name: entry.key, among: knownKeys))
        }
        reportMissing(unknown.map(\.key))
        knownKeys += keys
    }

    /// Reports that something is missing, when the mapping is read: unless a key that is unknown
    /// may be meant for it, which is said already.
    ///
    /// - Parameter key: the key to give; nil where one of several would do.
    public mutating func miss(_ key: String? = nil, _ message: String) {
        missing.append((key, message))
    }

    private mutating func reportMissing(_ unknown: [String]) {
        for (key, message) in missing {
            let isExplained =
                key.map { key in unknown.contains { nearestName(to: $0, in: knownKeys) == key } }
                ?? !unknown.isEmpty
            if isExplained { continue }
            if let key { error(atKey: key, message) } else { error(message) }
        }
        missing = []
    }

    /// An error about a key, where its value may be lines below it or nowhere.
    public func error(atKey key: String, _ message: String) {
        diagnostics.error(at: keyPosition(of: key), path: path.appending(key), message)
    }

    /// An error about a key's value or, without a key, about the mapping as a whole.
    public func error(at key: String? = nil, _ message: String) {
        diagnostics.error(
            at: key.map(position(of:)) ?? position, path: key.map(path.appending) ?? path, message)
    }

    /// A warning about a key's value or, without a key, about the mapping as a whole.
    public func warning(at key: String? = nil, _ message: String) {
        diagnostics.warning(
            at: key.map(position(of:)) ?? position, path: key.map(path.appending) ?? path, message)
    }

    /// Accepts keys of the Collector that change nothing here, with a warning for each that is not
    /// null.
    public mutating func ignored(_ keys: String..., because reason: String) {
        for key in keys where nodeOrNull(key)?.isNull == false {
            warning(at: key, "is ignored: \(reason)")
        }
    }

    /// Refuses a key of the Collector that isn't built; `message` says what to do instead. What
    /// turns the feature off (null, an empty list, `enabled: false`) is accepted.
    public mutating func unsupported(_ key: String, _ message: String) {
        guard let node = nodeOrNull(key), !node.isNull, node.list?.isEmpty != true,
            node["enabled"]?.bool != false
        else { return }
        error(atKey: key, message)
    }

    /// Takes every key that nobody asked for as known: for a section that is refused as a whole.
    public mutating func skipRest() { knownKeys += keys }

    /// As ``node(_:)``, but with nulls. Every other reading function comes through here.
    mutating func nodeOrNull(_ key: String) -> ConfigurationNode? {
        if !knownKeys.contains(key) { knownKeys.append(key) }
        return entry(key)?.value
    }

    /// The position is the key's, as the value of `tls:` may be lines below or nowhere.
    func keyPosition(of key: String) -> SourcePosition {
        entry(key)?.keyPosition ?? position
    }

    func entry(_ key: String) -> ConfigurationNode.Entry? { entries.first { $0.key == key } }
}

/// `unknown key; did you mean 'endpoint'?`, or all that there are, when they are few.
func unknownMessage(_ what: String, name: String, among known: [String]) -> String {
    let listedCountMax = 12
    if let nearest = nearestName(to: name, in: known) {
        return "unknown \(what); did you mean '\(nearest)'?"
    }
    if known.isEmpty { return "unknown \(what); none is expected here" }
    if known.count > listedCountMax { return "unknown \(what)" }
    return "unknown \(what); known here: \(known.sorted().joined(separator: ", "))"
}
