import Synchronization

/// Which rows of the dictionaries are in the database, for all threads of an exporter.
///
/// An id goes in only after the commit of its row, and its row is written again, for a new
/// `last_seen`, when that is an hour old: purging goes by it.
final class KnownRows: Sendable {
    /// Some 13 MB. Past that the cache starts again empty, and rows are written once more.
    private static let entriesMax = 500_000

    private let cache = Mutex(DictionaryCache(entriesMax: entriesMax))
    private let resets = Atomic(0)

    /// Goes up when ids that were known are no longer.
    var generation: Int { resets.load(ordering: .acquiring) }

    /// Whether the row has to be written. `now` is in Unix nanoseconds.
    func lacks(_ id: Int64, now: Int64) -> Bool { cache.withLock { $0.lacks(id, now: now) } }

    /// After the rows' commit.
    func add(_ ids: [Int64], now: Int64) {
        cache.withLock { cache in
            for id in ids { cache.add(id, now: now) }
            cache.commit()
        }
    }

    /// For a database that may not be the one it was: each row is written once more.
    func removeAll() {
        cache.withLock { $0.removeAll() }
        resets.add(1, ordering: .releasing)
    }
}

/// Hashes that a thread has met before, to be found without a lock. Where two fall on the same slot
/// the later one stays: whoever misses one asks what is behind it.
struct RecentHashes {
    private var slots: [UInt64]
    private let mask: UInt64

    /// - Parameter slotCount: a power of two; 8 bytes each.
    init(slotCount: Int) {
        precondition(slotCount & (slotCount - 1) == 0, "BUG: slots that no mask can choose")
        slots = Array(repeating: 0, count: slotCount)
        mask = UInt64(slotCount - 1)
    }

    /// 0, which stands for an empty slot, is never found.
    @inline(__always)
    func contains(_ hash: UInt64) -> Bool {
        hash != 0 && slots[Int(truncatingIfNeeded: hash & mask)] == hash
    }

    mutating func insert(_ hash: UInt64) { slots[Int(truncatingIfNeeded: hash & mask)] = hash }

    mutating func removeAll() {
        for index in slots.indices { slots[index] = 0 }
    }
}
