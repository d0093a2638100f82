extension ServiceConfiguration {
    /// Reads the top level of a loaded configuration and checks that what it refers to exists.
    public init(
        _ root: ConfigurationNode, catalogue: ComponentCatalogue, diagnostics: Diagnostics
    ) {
        telemetry = ConfigurationNode(.null, at: root.position)
        limits = ConfigurationNode(.null, at: root.position)
        log = ConfigurationNode(.null, at: root.position)
        // What seems to be missing may stand where it could not be read.
        if diagnostics.isIncomplete { return }
        var reader = MappingReader(root, path: ConfigurationPath(), diagnostics: diagnostics)
        var declared = Declarations(catalogue: catalogue, diagnostics: diagnostics)
        for kind in ComponentKind.allCases {
            components += declared.components(kind, in: &reader)
        }
        if reader.require("service") {
            _ = reader.mapping("service") { reader in
                read(service: &reader, &declared)
            }
        }
        reader.finish()
        declared.warnOfUnused(components)
    }

    private mutating func read(service reader: inout MappingReader, _ declared: inout Declarations)
    {
        extensions = declared.references(.extension, in: &reader)
        if let telemetry = reader.node("telemetry") { self.telemetry = telemetry }
        if let limits = reader.node("limits") { self.limits = limits }
        if let log = reader.node("log") { self.log = log }
        let path = reader.path.appending("pipelines")
        let entries = reader.entries("pipelines")
        if entries.isEmpty {
            reader.error(
                at: "pipelines",
                "at least one pipeline is needed, for example traces with its "
                    + "receivers and exporters")
        }
        for entry in entries {
            let path = path.appending(entry.key)
            guard let id = pipelineID(entry, path, reader.diagnostics) else { continue }
            if pipelines.contains(where: { $0.id == id }) {
                reader.diagnostics.error(
                    at: entry.keyPosition, path: path,
                    "is another spelling of '\(id)', which is already defined")
            }
            let pipeline = MappingReader.read(
                entry.value, path: path, diagnostics: reader.diagnostics
            ) { reader in
                Pipeline(
                    id: id, position: entry.keyPosition,
                    receivers: declared.references(.receiver, in: &reader, isRequired: true),
                    processors: declared.references(.processor, in: &reader),
                    exporters: declared.references(.exporter, in: &reader, isRequired: true))
            }
            pipelines.append(pipeline)
        }
    }

    private func pipelineID(
        _ entry: ConfigurationNode.Entry, _ path: ConfigurationPath, _ diagnostics: Diagnostics
    ) -> PipelineID? {
        let named = NamedID(entry.key)
        let signals = PipelineSignal.allCases.map(\.rawValue)
        guard let signal = PipelineSignal(rawValue: named.kind) else {
            let message =
                named.kind == "profiles"
                ? "profiles aren't built yet; remove the pipeline"
                : unknownMessage("signal", name: named.kind, among: signals)
            diagnostics.error(at: entry.keyPosition, path: path, message)
            return nil
        }
        if let problem = named.problem {
            diagnostics.error(at: entry.keyPosition, path: path, problem)
        }
        return PipelineID(signal: signal, name: named.name ?? "")
    }
}

/// The ids that the sections define, and which of them something refers to.
private struct Declarations {
    let catalogue: ComponentCatalogue
    let diagnostics: Diagnostics
    /// Also those of components that are themselves at fault: references to them are not.
    var ids: [ComponentKind: Set<ComponentID>] = [:]
    /// The same as written and in the file's order, for hints.
    var names: [ComponentKind: [String]] = [:]
    /// Where the components stand that are accepted and do nothing.
    var ignored: [ConfigurationPath: (position: SourcePosition, reason: String)] = [:]
    var used: Set<ConfigurationPath> = []

    init(catalogue: ComponentCatalogue, diagnostics: Diagnostics) {
        self.catalogue = catalogue
        self.diagnostics = diagnostics
    }

    mutating func components(
        _ kind: ComponentKind, in reader: inout MappingReader
    ) -> [ServiceConfiguration.Component] {
        var components: [ServiceConfiguration.Component] = []
        for entry in reader.entries(kind.section) {
            let path = ConfigurationPath(kind.section, entry.key)
            guard let id = id(entry.key, kind, at: entry.keyPosition, path) else { continue }
            let (isNew, earlier) = ids[kind, default: []].insert(id)
            guard isNew else {
                diagnostics.error(
                    at: entry.keyPosition, path: path,
                    "is another name of '\(earlier)', which is already defined")
                continue
            }
            names[kind, default: []].append(id.written)
            if let reason = catalogue[kind].ignored[id.type] {
                ignored[ConfigurationPath(kind.section, id.written)] = (entry.keyPosition, reason)
                continue
            }
            guard isBuilt(id, kind, at: entry.keyPosition, path) else { continue }
            let type = NamedID(entry.key).kind
            if catalogue[kind].outdated.contains(type) {
                diagnostics.warning(
                    at: entry.keyPosition, path: path,
                    "the Collector has dropped the type '\(type)'; '\(id.type)' is its name")
            }
            components.append(
                ServiceConfiguration.Component(
                    kind: kind, id: id, path: path, position: entry.keyPosition,
                    settings: entry.value))
        }
        return components
    }

    private func id(
        _ text: String, _ kind: ComponentKind, at position: SourcePosition,
        _ path: ConfigurationPath
    ) -> ComponentID? {
        do throws(ComponentID.ParseError) {
            return try ComponentID(text, aliases: catalogue[kind].aliases)
        } catch {
            diagnostics.error(at: position, path: path, error.message)
            return nil
        }
    }

    private func isBuilt(
        _ id: ComponentID, _ kind: ComponentKind, at position: SourcePosition,
        _ path: ConfigurationPath
    ) -> Bool {
        let types = catalogue[kind]
        if types.built.contains(id.type) { return true }
        let message =
            types.notBuilt[id.type]
            ?? (kind == .connector
                ? "connectors aren't built yet"
                : unknownTypeMessage(id.type, kind, types))
        diagnostics.error(at: position, path: path, message)
        return false
    }

    private func unknownTypeMessage(
        _ type: String, _ kind: ComponentKind, _ types: ComponentCatalogue.Types
    ) -> String {
        let known = (Array(types.built) + types.aliases.keys + types.ignored.keys).sorted()
        let nearest = nearestName(to: type, in: known).map { "; did you mean '\($0)'?" }
        return "there is no \(kind.rawValue) of this type here"
            + (nearest ?? "; 'sluice components' lists what there is")
    }

    /// The ids in a list of a pipeline or in `service.extensions`, each as its section writes it.
    mutating func references(
        _ kind: ComponentKind, in reader: inout MappingReader, isRequired: Bool = false
    ) -> [ServiceConfiguration.Reference] {
        let key = kind.section
        let path = reader.path.appending(key)
        var references: [ServiceConfiguration.Reference] = []
        var seen: Set<ComponentID> = []
        let elements = elements(key, in: &reader)
        if isRequired, elements.isEmpty {
            diagnostics.error(
                at: reader.position(of: key), path: path,
                "a pipeline needs at least one \(kind.rawValue)")
        }
        for (index, element) in elements.enumerated() {
            let elementPath = path.appending(index: index)
            guard let text = element.string else {
                diagnostics.error(
                    at: element.position, path: elementPath,
                    "expected the id of a component, found \(element.summary)")
                continue
            }
            guard let id = id(text, kind, at: element.position, elementPath) else { continue }
            guard seen.insert(id).inserted else {
                diagnostics.error(
                    at: element.position, path: elementPath, "'\(id)' is listed twice")
                continue
            }
            references.append(
                ServiceConfiguration.Reference(
                    id: resolve(id, kind, at: element.position, elementPath),
                    position: element.position, path: elementPath))
        }
        return references
    }

    /// A list, or as in the Collector one string with commas.
    private func elements(_ key: String, in reader: inout MappingReader) -> [ConfigurationNode] {
        guard let node = reader.node(key), node.list == nil, let string = node.string else {
            return reader.nodes(key)
        }
        return string.split(separator: ",").map {
            ConfigurationNode(.string(String($0)), at: node.position, origin: node.origin)
        }
    }

    /// The id as its section writes it, which may be by another alias; itself, reported, where
    /// there is none.
    private mutating func resolve(
        _ id: ComponentID, _ kind: ComponentKind, at position: SourcePosition,
        _ path: ConfigurationPath
    ) -> ComponentID {
        let declared = ids[kind, default: []]
        if let index = declared.firstIndex(of: id) {
            use(ConfigurationPath(kind.section, declared[index].written))
            return declared[index]
        }
        // A connector is an exporter of one pipeline and a receiver of another.
        if kind == .receiver || kind == .exporter, ids[.connector, default: []].contains(id) {
            used.insert(ConfigurationPath(ComponentKind.connector.section, id.written))
            return id
        }
        // To search is the dearest part of an error, so it isn't done for one that nobody sees.
        let nearest =
            diagnostics.isFull ? nil : nearestName(to: id.written, in: names[kind, default: []])
        let hint = nearest.map { "; did you mean '\($0)'?" } ?? ""
        diagnostics.error(
            at: position, path: path, "'\(id)' is not defined under \(kind.section)\(hint)")
        return id
    }

    private mutating func use(_ path: ConfigurationPath) {
        guard used.insert(path).inserted, let (position, reason) = ignored[path] else { return }
        diagnostics.warning(at: position, path: path, "is accepted and does nothing: \(reason)")
    }

    /// Silent while there are errors: a mistyped reference leaves its target unused.
    func warnOfUnused(_ components: [ServiceConfiguration.Component]) {
        if diagnostics.hasErrors { return }
        for component in components
        where !used.contains(ConfigurationPath(component.kind.section, component.id.written)) {
            let place = component.kind == .extension ? "service.extensions" : "any pipeline"
            diagnostics.warning(
                at: component.position, path: component.path,
                "is not used in \(place), and is not started")
        }
    }
}
