import DurableLog

/// How much a queue may hold before new data is refused: `sending_queue`'s `queue_size`.
public struct QueueLimit: Sendable, Equatable {
    public var capacity: Int
    public var sizer: DeliverySettings.Sizer
    /// Of payload, whatever the sizer counts.
    public var bytesMax: Int

    public init(capacity: Int, sizer: DeliverySettings.Sizer, bytesMax: Int) {
        self.capacity = capacity
        self.sizer = sizer
        self.bytesMax = bytesMax
    }

    /// The log's limit is enough.
    static let none = QueueLimit(capacity: .max, sizer: .requests, bytesMax: .max)

    func measure(_ backlog: Backlog) -> Int {
        switch sizer {
        case .requests: backlog.records
        case .items: backlog.items
        case .bytes: backlog.bytes
        }
    }
}

/// How much room a batch takes.
public struct BatchSize: Sendable, Equatable {
    public var items: Int
    public var bytes: Int

    public init(items: Int, bytes: Int) {
        self.items = items
        self.bytes = bytes
    }
}

/// What a queue holds, under delivery included.
public struct QueueStatus: Sendable, Equatable {
    public var batches = 0
    public var items = 0
    public var bytes = 0
    /// Items per signal, in the order of `Signal`.
    public var itemsBySignal = [0, 0, 0]
    /// Wall time when the oldest batch came that is not delivered, nanoseconds since 1970; nil
    /// where there is none.
    public var oldestReceivedAt: UInt64?
    /// The size and the capacity in the unit of the queue's sizer; no capacity where the log's
    /// limit is the only one.
    public var size = 0
    public var capacity: Int?
    /// Whether even the smallest batch would be refused.
    public var isFull = false

    public init() {}
}

extension Backlog {
    mutating func add(_ size: BatchSize) {
        records += 1
        items += size.items
        bytes += size.bytes
    }

    mutating func subtract(_ size: BatchSize) {
        records -= 1
        items -= size.items
        bytes -= size.bytes
    }
}
