public import Configuration
public import EventLoop
public import HTTPServer
public import OTLP
public import Pipeline
public import Platform
public import Telemetry

/// Takes telemetry from clients and hands it to pipelines.
public protocol Receiver: AnyObject, Sendable {
    /// Binds and begins to answer. - Throws: what to tell the person who configured it.
    func start() throws(ComponentError)
    /// Where it listens, with the ports that the kernel chose.
    var boundAddresses: [SocketAddress] { get }
    /// Puts other pipelines in place of the present ones. Requests under way keep theirs, unless
    /// these have closed: then the new ones are asked.
    func feed(_ intakes: [Signal: Intake])
    func stopAccepting()
    /// Answers what it has taken. At the deadline what is left is cut; `false` then.
    func drain(until deadline: Instant) -> Bool
    /// Gives back memory that is kept between requests: there is little to do.
    func trim()
}

extension Receiver {
    public func trim() {}
}

/// What a receiver is given when it is made.
public struct ReceiverEnvironment: Sendable {
    public var component: ComponentEnvironment
    public var loops: EventLoopGroup
    /// For work that is too long for a loop.
    public var workers: WorkerPool
    /// What the servers of the process share.
    public var limits: ServerLimits
    public var requestLimits: RequestMemory.Limits
    public var spans: SpanRecorder
    public var httpMetrics: HTTPServerMetrics
    /// Where receivers listen that a reload is about to replace: the new ones may listen there
    /// before the old ones have gone.
    public var inheritedAddresses: [SocketAddress] = []

    public init(
        component: ComponentEnvironment, loops: EventLoopGroup, workers: WorkerPool,
        limits: ServerLimits, requestLimits: RequestMemory.Limits = .init(),
        spans: SpanRecorder, httpMetrics: HTTPServerMetrics
    ) {
        self.component = component
        self.loops = loops
        self.workers = workers
        self.limits = limits
        self.requestLimits = requestLimits
        self.spans = spans
        self.httpMetrics = httpMetrics
    }
}

/// Makes one type of receiver from its configuration.
public protocol ReceiverFactory: Sendable {
    associatedtype Settings: Sendable & Equatable
    static var type: String { get }
    static var aliases: [String] { get }
    static var signals: Set<Signal> { get }
    /// Reports everything that is wrong to the reader's diagnostics, and returns something anyway.
    static func read(_ reader: inout MappingReader) -> Settings
    /// The largest request body that these settings let in.
    static func bodyBytesMax(_ settings: Settings) -> Int
    static func make(
        _ settings: Settings, _ environment: ReceiverEnvironment
    ) throws(ComponentError) -> any Receiver
}

extension ReceiverFactory {
    public static var aliases: [String] { [] }
    public static var signals: Set<Signal> { Set(Signal.allCases) }
    public static func bodyBytesMax(_ settings: Settings) -> Int { 0 }
}

/// Every receiver that is built, one line each.
public enum Receivers {
    public static let all: [any ReceiverFactory.Type] = [
        NopReceiverFactory.self,
        OTLPReceiverFactory.self,
    ]
}
