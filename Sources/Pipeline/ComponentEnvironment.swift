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
    /// 32 hexadecimal digits that name the data directory: the same over restarts, different for
    /// two gateways.
    public var directoryID: String

    public init(
        id: String, log: Logger, metrics: MetricRegistry, clock: any Clock,
        directoryID: String = String(repeating: "0", count: 32)
    ) {
        self.id = id
        self.log = log
        self.metrics = metrics
        self.clock = clock
        self.directoryID = directoryID
    }
}

/// Why a component cannot be made though its settings are well-formed: a file that does not open, a
/// port that is taken. Says what to do.
public struct ComponentError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
