import DurableLog
import Pipeline
import Synchronization

/// Which items of which log have their rows in the database, as far as this process knows: what it
/// read there, and what it has committed since. Shared by an exporter's threads.
///
/// The table `ingested` has the same, written in the transaction of the rows. So a retry with other
/// lot boundaries, after a crash or a lost connection, subtracts what is there, whatever it was cut
/// into.
final class PostgresLedger: Sendable {
    /// One run of one log.
    struct Key: Hashable, Comparable {
        var log: String
        var epoch: LogEpoch

        static func < (left: Key, right: Key) -> Bool {
            (left.log, left.epoch.value) < (right.log, right.epoch.value)
        }
    }

    /// A range to be written.
    struct Entry: Equatable {
        var key: Key
        var range: Range<ItemPoint>
    }

    fileprivate struct State {
        var delivered: [Key: ItemRanges] = [:]
        /// Committed since the reading of the table began that is under way.
        var sinceReading: [Entry]?
        var generation = 0
    }

    private let state = Mutex(State())

    /// Grows with each reading of the table: what was planned before may be there already.
    var generation: Int { state.withLock { $0.generation } }

    /// What is to be written of a lot, as of now.
    func plan(_ lot: Lot) -> LotPlan {
        state.withLock { state in
            var plan = LotPlan(generation: state.generation)
            for (index, batch) in lot.batches.enumerated() {
                let items = batch.itemsOfRecord ?? 0..<batch.itemCount
                guard let place = batch.place, let delivered = state.delivered[Key(place)]
                else {
                    plan.append(index, 0..<batch.itemCount)
                    continue
                }
                for missing in delivered.missing(items, of: place.position.number) {
                    let first = items.lowerBound
                    plan.append(
                        index, missing.lowerBound - first..<missing.upperBound - first)
                }
            }
            return plan
        }
    }

    /// Ranges that make these pieces known, joined with what they touch.
    func entries(_ pieces: some Sequence<LotPlan.Piece>, of lot: Lot) -> [Entry] {
        var added: [Key: ItemRanges] = [:]
        for piece in pieces {
            let batch = lot.batches[piece.batch]
            guard let place = batch.place else { continue }
            added[Key(place), default: ItemRanges()].insert(batch.points(piece.items))
        }
        return state.withLock { state in
            added.sorted { $0.key < $1.key }.flatMap { key, ranges in
                var all = state.delivered[key] ?? ItemRanges()
                for range in ranges.ranges { all.insert(range) }
                return all.ranges.filter { range in
                    ranges.ranges.contains { range.overlaps($0) }
                }.map { Entry(key: key, range: $0) }
            }
        }
    }

    /// After their transaction was committed.
    func note(_ entries: [Entry]) {
        state.withLock { $0.add(entries) }
    }

    /// Takes what the table has in place of what was known: the database may be another than it
    /// was, restored or failed over. What other sessions commit meanwhile is kept. One at a time.
    func load(
        _ read: () throws(PostgresError) -> [Entry]
    ) throws(PostgresError) {
        state.withLock { $0.sinceReading = [] }
        defer { state.withLock { $0.sinceReading = nil } }
        let entries = try read()
        state.withLock { state in
            state.delivered = [:]
            state.add(entries + (state.sinceReading ?? []))
            state.generation += 1
        }
    }
}

extension PostgresLedger.State {
    fileprivate mutating func add(_ entries: [PostgresLedger.Entry]) {
        for entry in entries {
            delivered[entry.key, default: ItemRanges()].insert(entry.range)
        }
        sinceReading?.append(contentsOf: entries)
    }
}

extension PostgresLedger.Key {
    init(_ place: BatchPlace) {
        self.init(log: place.log, epoch: place.position.epoch)
    }
}

extension QueuedBatch {
    /// Where items of this batch stand in their log, or what is in its place.
    ///
    /// - Precondition: it has one.
    fileprivate func points(_ items: Range<Int>) -> Range<ItemPoint> {
        guard let record = place?.position.number else {
            preconditionFailure("BUG: a batch without a place has no items in a ledger")
        }
        let first = itemsOfRecord?.lowerBound ?? 0
        let begin = ItemPoint(record: record, item: first + items.lowerBound)
        let isEnd = itemsOfRecord == nil && items.upperBound == itemCount
        return
            begin..<(isEnd
            ? ItemPoint(record: record + 1)
            : ItemPoint(record: record, item: first + items.upperBound))
    }
}
