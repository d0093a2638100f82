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
    /// About how many bytes it would add to the batch. An event loop does not wait for many.
    func growth(of batch: Batch, _ context: RequestContext) -> Int
}

extension Processor {
    public var refusesData: Bool { false }
    public var isSampling: Bool { false }
    public func growth(of batch: Batch, _ context: RequestContext) -> Int { 0 }
}

/// A request is not taken: not now, so that the client is asked to send the same data again, or
/// never.
public struct Refusal: Error, Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// There may be room later: 503.
        case later
        /// There never will be: 413.
        case tooLarge
    }

    public var kind = Kind.later
    /// How long the client should wait, for `Retry-After`.
    public var retryAfter: Duration
    /// Why, in words for the client.
    public var reason: String

    public init(retryAfter: Duration = .seconds(1), reason: String) {
        self.retryAfter = retryAfter
        self.reason = reason
    }

    public static func tooLarge(_ reason: String) -> Refusal {
        var refusal = Refusal(retryAfter: .zero, reason: reason)
        refusal.kind = .tooLarge
        return refusal
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
    /// What is wrong with settings in a pipeline of a signal: asked for each that names the
    /// processor.
    static func faults(in settings: Settings, for signal: Signal) -> [Diagnostics.Diagnostic]
    static func make(
        _ settings: Settings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Processor
}

extension ProcessorFactory {
    public static var aliases: [String] { [] }
    public static var signals: Set<Signal> { Set(Signal.allCases) }
    public static func faults(
        in settings: Settings, for signal: Signal
    ) -> [Diagnostics.Diagnostic] { [] }
}
