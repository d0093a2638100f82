public import OTLP

/// Telemetry that a destination will never take, and why.
public struct DeadLetter: Sendable, Equatable {
    /// Where the items stood in a log.
    public struct Position: Sendable, Hashable {
        /// 128 bits.
        public var epochHigh: UInt64
        public var epochLow: UInt64
        /// The record's.
        public var number: UInt64
        /// Indices of the items within the record.
        public var items: [Int]

        public init(epoch: (high: UInt64, low: UInt64), number: UInt64, items: [Int]) {
            epochHigh = epoch.high
            epochLow = epoch.low
            self.number = number
            self.items = items
        }
    }

    /// `type[/name]`.
    public var exporter: String
    /// `signal[/name]`.
    public var pipeline: String
    public var signal: Signal
    /// In the destination's words. Longer ones than `reasonBytesMax` are cut.
    public var reason: String
    public var itemCount: Int
    /// Nil for what was in no log.
    public var position: Position?
    /// An `Export…ServiceRequest` of these items alone.
    public var payload: [UInt8]
    /// Whether nothing may look into the payload, because that has ended the process before. It is
    /// then kept as hexadecimal digits.
    public var isOpaque: Bool

    public static let reasonBytesMax = 4096

    public init(
        exporter: String, pipeline: String, signal: Signal, reason: String, itemCount: Int,
        position: Position?, payload: [UInt8], isOpaque: Bool = false
    ) {
        self.exporter = exporter
        self.pipeline = pipeline
        self.signal = signal
        self.reason = reason
        self.itemCount = itemCount
        self.position = position
        self.payload = payload
        self.isOpaque = isOpaque
    }
}
