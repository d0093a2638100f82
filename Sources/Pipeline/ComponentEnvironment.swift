public import Platform
public import Telemetry

/// What a component is given when it is made.
public struct ComponentEnvironment: Sendable {
    /// `type[/name]`.
    public var id: String
    /// Carries the component's id already.
    public var log: Logger
    public var metrics: MetricRegistry
    public var clock: any Clock

    public init(id: String, log: Logger, metrics: MetricRegistry, clock: any Clock) {
        self.id = id
        self.log = log
        self.metrics = metrics
        self.clock = clock
    }
}

/// Why a component cannot be made though its settings are well-formed: a file that does not open, a
/// port that is taken. Says what to do.
public struct ComponentError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
