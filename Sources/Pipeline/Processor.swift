public import Configuration
public import OTLP

/// Changes batches between a receiver and the exporters' queues.
public protocol Processor: Sendable {
    /// Changes the batch in place, or refuses it. Runs on an event loop's thread, on several at
    /// once: it must not block, and keeps no state that is not safe to share.
    func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal)
    /// Whether it would refuse any data that came now; `/ready` asks.
    var refusesData: Bool { get }
    /// Whether what it takes out is sampled away, rather than dropped.
    var isSampling: Bool { get }
}

extension Processor {
    public var refusesData: Bool { false }
    public var isSampling: Bool { false }
}

/// Not now: the client is asked to send the same data again.
public struct Refusal: Error, Sendable, Equatable {
    /// How long the client should wait, for `Retry-After`.
    public var retryAfter: Duration
    /// Why, in words for the client.
    public var reason: String

    public init(retryAfter: Duration = .seconds(1), reason: String) {
        self.retryAfter = retryAfter
        self.reason = reason
    }
}

/// Makes one type of processor from its configuration.
///
/// Reading and making are apart: `sluice validate` reads everything and makes nothing.
public protocol ProcessorFactory: Sendable {
    associatedtype Settings: Sendable
    /// As in `type[/name]`.
    static var type: String { get }
    static var aliases: [String] { get }
    /// The signals whose pipelines may name it.
    static var signals: Set<Signal> { get }
    /// Reports everything that is wrong to the reader's diagnostics, and returns something anyway.
    static func read(_ reader: inout MappingReader) -> Settings
    static func make(
        _ settings: Settings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Processor
}

extension ProcessorFactory {
    public static var aliases: [String] { [] }
    public static var signals: Set<Signal> { Set(Signal.allCases) }
}
