/// Neighbouring records of one log, as those that look for a record at fault name them.
public struct RecordRange: Hashable, Sendable {
    /// Whatever tells logs, and those who read them, apart: a hash of their names.
    public var log: UInt64
    /// 128 bits.
    public var epochHigh: UInt64
    public var epochLow: UInt64
    /// Positions; both are in the range.
    public var first: UInt64
    public var last: UInt64

    public init(log: UInt64, epoch: (high: UInt64, low: UInt64), first: UInt64, last: UInt64) {
        precondition(first <= last, "BUG: a range of records ends before it begins")
        self.log = log
        epochHigh = epoch.high
        epochLow = epoch.low
        self.first = first
        self.last = last
    }

    public var isSingle: Bool { first == last }

    public func contains(_ other: RecordRange) -> Bool {
        log == other.log && epochHigh == other.epochHigh && epochLow == other.epochLow
            && first <= other.first && other.last <= last
    }
}
