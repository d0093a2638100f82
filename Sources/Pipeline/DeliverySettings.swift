/// What stands between a pipeline and an exporter: `sending_queue` and `retry_on_failure`, with the
/// Collector's keys and, unless said otherwise, its defaults.
public struct DeliverySettings: Sendable, Equatable {
    public enum Sizer: String, Sendable, CaseIterable {
        case requests, items, bytes
    }

    /// Lots under way at once: one thread each.
    public var consumerCount = 10
    /// The queue's capacity, in the sizer's unit.
    public var queueSize = 1000
    public var sizer = Sizer.requests
    /// The queue's bytes have a ceiling of their own, whatever the sizer counts.
    public var queueBytesMax = DeliverySettings.queueBytesMaxStandard
    public var lots = LotLimits.oneBatch
    public var retry = RetrySettings()

    public static let queueBytesMaxStandard = 64 << 20
    public static let consumerCountMax = 256

    public init() {}
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

    public init() {}
}
