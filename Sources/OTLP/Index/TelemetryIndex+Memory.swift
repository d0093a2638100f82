extension TelemetryIndex {
    /// So many messages need not be counted before they are indexed: what an index that is used
    /// again and again has room for.
    public static let messagesKept = 8192
    /// What an index keeps for the next payload: twice the room for `messagesKept`, as its arrays
    /// grow by doubling.
    public static let keptBytesMax = 2 << 20

    /// What its arrays take.
    public var capacityBytes: Int {
        frames.capacity * MemoryLayout<Frame>.stride
            + resources.capacity * MemoryLayout<ResourceEntry>.stride
            + scopes.capacity * MemoryLayout<ScopeEntry>.stride
            + metrics.capacity * MemoryLayout<MetricEntry>.stride
            + items.capacity * MemoryLayout<ItemEntry>.stride
    }

    /// Makes room for exactly so many, in place of what it has: an array that grows by itself has
    /// its old memory and twice as much for a moment.
    public mutating func reserve(_ counts: MessageCounts) {
        self = TelemetryIndex()
        frames.reserveCapacity(counts.frames)
        resources.reserveCapacity(counts.resources)
        scopes.reserveCapacity(counts.scopes)
        metrics.reserveCapacity(counts.metrics)
        items.reserveCapacity(counts.items)
    }

    /// Gives back what only a large payload has needed.
    public mutating func trim() {
        if capacityBytes > Self.keptBytesMax { self = TelemetryIndex() }
    }
}
