/// Which dictionary rows are in the file, so that their text is written once and not with each
/// item.
///
/// A row counts as written only after its transaction's commit. It is written again when its
/// `last_seen` is an hour old, which is how purging tells rows that nothing refers to any more.
struct DictionaryCache {
    /// Ids in memory at most: some 6 MB by default. Past that the cache starts again empty, and
    /// rows are written once more.
    let entriesMax: Int
    static let refreshInterval = Int64(3_600_000_000_000)

    private var seen: [Int64: Int64] = [:]
    private var uncommitted: [Int64] = []

    init(entriesMax: Int = 200_000) { self.entriesMax = entriesMax }

    /// Whether the row has to be written.
    func lacks(_ id: Int64, now: Int64) -> Bool {
        guard let last = seen[id] else { return true }
        // A clock that was set back must not stop the refreshing.
        return now < last || now - last >= Self.refreshInterval
    }

    mutating func add(_ id: Int64, now: Int64) {
        seen[id] = now
        uncommitted.append(id)
    }

    mutating func commit() {
        uncommitted.removeAll(keepingCapacity: true)
        if seen.count > entriesMax { seen.removeAll() }
    }

    mutating func rollBack() {
        for id in uncommitted { seen[id] = nil }
        uncommitted.removeAll(keepingCapacity: true)
    }

    mutating func removeAll() {
        seen.removeAll(keepingCapacity: true)
        uncommitted.removeAll(keepingCapacity: true)
    }
}
