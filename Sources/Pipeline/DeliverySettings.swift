public import DurableLog

/// What stands between a pipeline and an exporter: `sending_queue` and `retry_on_failure`, with the
/// Collector's keys and, unless said otherwise, its defaults.
public struct DeliverySettings: Sendable, Equatable {
    public enum Sizer: String, Sendable, CaseIterable {
        case requests, items, bytes
    }

    /// Lots under way at once: one thread each.
    public var consumerCount = 10
    /// The queue's capacity, in the sizer's unit; nil leaves it to the log's limit.
    public var queueSize: Int?
    public var sizer = Sizer.requests
    /// The queue's bytes have a ceiling of their own, whatever the sizer counts.
    public var queueBytesMax: Int?
    public var lots = LotLimits.whatIsThere
    public var retry = RetrySettings()
    /// What the log does with this exporter's oldest data when it is full.
    public var whenFull = WhenFull.refuse
    /// The name of the exporter's cursors; the exporter's id, unless it was renamed.
    public var cursor: String?
    /// Where the exporter begins in a log that it has not read before.
    public var start = DurableLog.CursorStart.end

    public enum WhenFull: String, Sendable, CaseIterable {
        /// New data is refused until this exporter has caught up.
        case refuse
        /// The oldest data is given up, counted.
        case skip
    }

    /// For a log in memory, whose limit is the sum of these.
    public static let queueSizeInMemory = 1000
    public static let queueBytesMaxInMemory = 64 << 20
    public static let consumerCountMax = 256

    public init() {}

    /// With the limits that hold where the log is in memory.
    public func inMemory() -> DeliverySettings {
        var settings = self
        settings.queueSize = queueSize ?? (sizer == .requests ? Self.queueSizeInMemory : .max)
        settings.queueBytesMax = queueBytesMax ?? Self.queueBytesMaxInMemory
        return settings
    }

    var limit: QueueLimit {
        QueueLimit(capacity: queueSize ?? .max, sizer: sizer, bytesMax: queueBytesMax ?? .max)
    }
}

/// `retry_on_failure`.
public struct RetrySettings: Sendable, Equatable {
    public var isEnabled = true
    public var initialInterval = Duration.seconds(5)
    public var maxInterval = Duration.seconds(30)
    /// Zero never gives up, which is our default: what was acknowledged is kept. The Collector's is
    /// 300 s. An explicit value is honoured, and what it drops is counted.
    public var maxElapsedTime = Duration.zero
    public var multiplier = 1.5
    public var randomizationFactor = 0.5
    /// No pause is shorter, whatever the intervals say and chance adds.
    public var pauseMin = Self.pauseFloor

    /// A destination that is down is asked ten times a second by each consumer at most.
    public static let pauseFloor = Duration.milliseconds(100)

    public init() {}
}
