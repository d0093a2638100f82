/// What the file says about the gateway as a whole: its components and how they are connected.
///
/// Each component's own settings stay a node here; its factory reads them.
public struct ServiceConfiguration: Sendable {
    /// A component as defined in its section.
    public struct Component: Sendable {
        public var kind: ComponentKind
        public var id: ComponentID
        /// Where it stands, by its key: blanks that the id has lost are part of that.
        public var path: ConfigurationPath
        /// Where its id stands, for messages about the component as a whole.
        public var position: SourcePosition
        /// Null where the file has the id alone: all defaults.
        public var settings: ConfigurationNode

        /// Lets a factory read the settings; keys that it doesn't ask for are reported.
        public func read<Value>(
            _ diagnostics: Diagnostics, _ read: (inout MappingReader) -> Value
        ) -> Value {
            MappingReader.read(settings, path: path, diagnostics: diagnostics, read)
        }
    }

    /// The use of a component in a pipeline or in `service.extensions`.
    public struct Reference: Sendable {
        public var id: ComponentID
        public var position: SourcePosition
        public var path: ConfigurationPath
    }

    public struct Pipeline: Sendable {
        public var id: PipelineID
        public var position: SourcePosition
        public var receivers: [Reference]
        /// In the order in which data passes them.
        public var processors: [Reference]
        public var exporters: [Reference]
    }

    /// Of all kinds, in the file's order within each kind; also those that no pipeline uses.
    public var components: [Component] = []
    public var pipelines: [Pipeline] = []
    /// `service.extensions`.
    public var extensions: [Reference] = []
    /// `service.telemetry`, null if absent.
    public var telemetry: ConfigurationNode
    /// `service.limits`, null if absent.
    public var limits: ConfigurationNode
    /// `service.log`, null if absent.
    public var log: ConfigurationNode

    public func components(_ kind: ComponentKind) -> [Component] {
        components.filter { $0.kind == kind }
    }

    public func component(_ kind: ComponentKind, _ id: ComponentID) -> Component? {
        components.first { $0.kind == kind && $0.id == id }
    }
}

/// What a pipeline carries.
public enum PipelineSignal: String, Sendable, CaseIterable {
    case traces
    case metrics
    case logs
}

/// Names a pipeline: `traces` or `traces/name`.
public struct PipelineID: Sendable, Hashable, CustomStringConvertible {
    public var signal: PipelineSignal
    /// Empty where the id is the signal alone.
    public var name: String

    public init(signal: PipelineSignal, name: String = "") {
        self.signal = signal
        self.name = name
    }

    public var description: String {
        name.isEmpty ? signal.rawValue : "\(signal.rawValue)/\(name)"
    }
}
