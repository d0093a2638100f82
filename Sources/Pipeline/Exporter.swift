public import Configuration
public import OTLP

/// Delivers telemetry to one destination.
public protocol Exporter: AnyObject, Sendable {
    /// Delivers one lot, all of it or none. Blocks its consumer's thread, up to a deadline of its
    /// own. With several consumers it runs on several threads at once.
    func export(_ lot: Lot) -> ExportOutcome
    /// Ends calls of `export` that wait, from another thread: they answer `.retry`. Called when the
    /// time to drain is over.
    func abort()
    /// Closes files and connections, after the last `export` has returned.
    func close()
    /// Whether it makes anything of a lot, which takes memory, but sends the bytes as they are.
    var encodes: Bool { get }
    /// Gives back memory that is kept between lots, without waiting for one that is under way:
    /// there is little to do.
    func trim()
}

extension Exporter {
    public func trim() {}
    public var encodes: Bool { true }
}

/// What came of delivering a lot.
public enum ExportOutcome: Sendable, Equatable {
    /// Delivered. A destination may take a lot and reject items of it, which never come again.
    case accepted(rejectedItemCount: Int = 0, message: String? = nil)
    /// The same bytes may yet succeed. `after` is the destination's wish, where it had one.
    case retry(after: Duration?, because: String)
    /// The same bytes never will.
    case reject(because: String)
    /// It is too large to be delivered at once: its parts may succeed.
    case tooLarge(because: String)
    /// The lot takes more than its `workBytesMax`. It comes again with more, and in pieces where
    /// there is no more.
    case needsMemory(because: String)
    /// Nothing was delivered, because of these items alone. They are set aside, and the lot comes
    /// again at once, with them among its batches' `excludedItems`.
    case exclude([RejectedItem])
}

/// One item of a lot that a destination never takes.
public struct RejectedItem: Sendable, Equatable {
    /// Index of its batch in the lot.
    public var batch: Int
    /// Index of the item in the batch's payload.
    public var item: Int
    /// In the destination's words.
    public var reason: String

    public init(batch: Int, item: Int, reason: String) {
        self.batch = batch
        self.item = item
        self.reason = reason
    }
}

/// The batches that one call of an exporter delivers together.
public struct Lot: Sendable {
    public var batches: [QueuedBatch]
    /// What an exporter may take for an index over a batch, and again for what it makes of the lot.
    public var workBytesMax = DeliveryMemory.lotBytesMax / 2

    public init(_ batches: [QueuedBatch]) { self.batches = batches }

    public var itemCount: Int { batches.reduce(0) { $0 + $1.itemCount } }
    public var byteCount: Int { batches.reduce(0) { $0 + $1.payload.count } }
}

/// How an exporter's lots are made from its queue.
public struct LotLimits: Sendable, Equatable {
    /// A lot is handed over when it has this many items and bytes…
    public var itemsMin: Int
    public var bytesMin: Int
    /// …or its first batch has waited this long.
    public var waitMax: Duration
    /// A lot ends before the batch that would take it over these; one batch is always taken.
    public var itemsMax: Int
    public var bytesMax: Int
    public var batchesMax: Int
    /// Whether traces, metrics and logs may share a lot.
    public var mixesSignals: Bool

    public init(
        itemsMin: Int = 0, bytesMin: Int = 0, waitMax: Duration = .zero, itemsMax: Int = .max,
        bytesMax: Int = .max, batchesMax: Int = .max, mixesSignals: Bool = false
    ) {
        self.itemsMin = itemsMin
        self.bytesMin = bytesMin
        self.waitMax = waitMax
        self.itemsMax = itemsMax
        self.bytesMax = bytesMax
        self.batchesMax = batchesMax
        self.mixesSignals = mixesSignals
    }

    /// What is there, without waiting for more: large enough that a busy exporter has few round
    /// trips, and below what any destination takes.
    public static let whatIsThere = LotLimits(itemsMax: 8192, bytesMax: 512 << 10)
    /// For a destination that gets JSON, two to three times as long as the payloads.
    public static let whatIsThereForJSON = LotLimits(itemsMax: 8192, bytesMax: 192 << 10)
}

/// Makes one type of exporter from its configuration.
public protocol ExporterFactory: Sendable {
    associatedtype Settings: Sendable
    static var type: String { get }
    static var aliases: [String] { get }
    static var signals: Set<Signal> { get }
    /// Reports everything that is wrong to the reader's diagnostics, and returns something anyway.
    static func read(_ reader: inout MappingReader) -> Settings
    /// The signals that these settings can deliver, where that depends on them: a pipeline of
    /// another must be refused before anything starts.
    static func signals(_ settings: Settings) -> Set<Signal>
    /// The queue, the consumers and the retries before the exporter: usually
    /// `DeliverySettings(&reader)`, read by `read`.
    static func delivery(_ settings: Settings) -> DeliverySettings
    static func make(
        _ settings: Settings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Exporter
}

extension ExporterFactory {
    public static var aliases: [String] { [] }
    public static var signals: Set<Signal> { Set(Signal.allCases) }
    public static func signals(_ settings: Settings) -> Set<Signal> { signals }
}
