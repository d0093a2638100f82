public import Platform
import Synchronization

/// An exporter's place in a log: what it has been given, and up to where all of that is done with.
///
/// Records are handed out in order and settled in any. The place moves when the oldest one that is
/// out is settled.
public final class LogCursor: Sendable {
    private struct Reading {
        var next: UInt64
        var reader: SegmentReader?
    }

    private struct Progress {
        /// Handed out and, but for those in `settled`, under way; oldest first.
        var out = FIFO<Handed>()
        var settled: [UInt64: CursorTotals] = [:]
        var place: Place
        var pending: Backlog

        /// Moves the place past what is settled at the front; whether there was any.
        mutating func advance() -> Bool {
            var hasMoved = false
            while let first = out.first {
                var totals = CursorTotals()
                if first.isGap {
                    totals.lost = first.itemCount
                } else if let settled = settled.removeValue(forKey: first.position.number) {
                    totals = settled
                } else {
                    break
                }
                _ = out.popFirst()
                pending.items -= first.itemCount
                pending.bytes -= first.payloadBytes
                pending.records -= first.isGap ? 0 : 1
                place.base = max(place.base, first.position.number + 1)
                place.after = first.position
                place.totals = place.totals + totals
                hasMoved = true
            }
            return hasMoved
        }
    }

    private struct Handed {
        var position: LogPosition
        var itemCount: Int
        var payloadBytes: Int
        var receivedAt: UInt64
        /// Not a record, but `itemCount` items that could not be read, up to `position`.
        var isGap = false
    }

    struct Place: Equatable {
        /// The first number that is not done with.
        var base: UInt64
        var after: LogPosition
        /// Items in the log before the cursor's first.
        var itemsBefore: UInt64
        var totals: CursorTotals

        /// Items in the log before `base`.
        var itemsPassed: UInt64 { itemsBefore &+ UInt64(totals.sum) }
        var saved: SavedCursor {
            SavedCursor(after: after, itemsBefore: itemsBefore, totals: totals)
        }
    }

    public let name: String
    /// Whether the log skips records of this cursor when it is full, rather than refuse new ones.
    let isSkippable: Bool
    let onAdvance: @Sendable (_ items: Int, _ bytes: Int) -> Void
    private let log: DurableLog
    // SAFETY: the reader in it is used under the lock alone.
    private let reading: Mutex<Reading>
    private let progress: Mutex<Progress>

    init(
        _ name: String, of log: DurableLog, place: Place, pending: Backlog, isSkippable: Bool,
        onAdvance: @escaping @Sendable (_ items: Int, _ bytes: Int) -> Void
    ) {
        self.name = name
        self.log = log
        self.isSkippable = isSkippable
        self.onAdvance = onAdvance
        reading = Mutex(Reading(next: place.base, reader: nil))
        progress = Mutex(Progress(place: place, pending: pending))
    }

    /// The next records, at least one where there is one, and no more than about `bytesMax` of
    /// them. Reads from the disk what is no longer in memory, so it may block.
    public func read(bytesMax: Int) throws(SystemError) -> [PlacedRecord] {
        try reading.withLock { reading throws(SystemError) in
            reading.next = max(reading.next, place.base)
            var records: [PlacedRecord] = []
            while records.isEmpty {
                switch log.records(from: reading.next, bytesMax: bytesMax) {
                case .none: return []
                case .inMemory(let found):
                    reading.reader = nil
                    records = found
                    reading.next = found[found.count - 1].position.number + 1
                    handOut(records)
                case .inSegment(let segment):
                    records = try read(segment, &reading, bytesMax)
                }
            }
            return records
        }
    }

    private func read(
        _ segment: Segment, _ reading: inout Reading, _ bytesMax: Int
    ) throws(SystemError) -> [PlacedRecord] {
        if reading.reader?.segment.header.number != segment.header.number {
            reading.reader = try log.reader(of: segment)
        }
        let wanted = max(reading.next, segment.header.firstPosition)..<segment.endPosition
        var records: [PlacedRecord] = []
        var bytes = 0
        while bytes < bytesMax {
            // The segment may have grown since the reader was made.
            let step = try reading.reader!.next(before: segment.dataEnd, wanted: wanted.contains)
            switch step {
            case .record(let header, let record?):
                reading.next = header.position + 1
                bytes += record.payload.count
                records.append(
                    PlacedRecord(
                        position: LogPosition(
                            epoch: segment.header.epoch, number: header.position),
                        record: record))
            case .record(_, nil): continue
            case .damaged(let range, _):
                log.noteDamage(range, in: segment, try? reading.reader!.bytes(in: range))
            case .end:
                reading.next = max(reading.next, segment.endPosition)
                handOut(records)
                if log.isComplete(segment) {
                    handOut(
                        gapOf: segment.itemCount - reading.reader!.itemsPassed, at: segment)
                    reading.reader = nil
                }
                return records
            }
        }
        handOut(records)
        return records
    }

    private func handOut(_ records: [PlacedRecord]) {
        progress.withLock { progress in
            for record in records {
                progress.out.append(
                    Handed(
                        position: record.position, itemCount: record.record.itemCount,
                        payloadBytes: record.record.payload.count,
                        receivedAt: record.record.receivedAt))
            }
        }
    }

    /// Items that a segment should have had, and of which no record was left to read.
    private func handOut(gapOf itemCount: Int, at segment: Segment) {
        guard itemCount > 0 else { return }
        let last = LogPosition(epoch: segment.header.epoch, number: segment.endPosition - 1)
        let hasMoved = progress.withLock { progress in
            progress.out.append(
                Handed(
                    position: last, itemCount: itemCount, payloadBytes: 0, receivedAt: 0,
                    isGap: true))
            return progress.advance()
        }
        if hasMoved { log.cursorMoved() }
    }

    /// A record is done with. Says what became of its items, all of them.
    public func settle(_ position: LogPosition, as totals: CursorTotals) {
        let hasMoved = progress.withLock { progress in
            // The log may have skipped it meanwhile, and counted it.
            guard position.number >= progress.place.base else { return false }
            progress.settled[position.number] = totals
            return progress.advance()
        }
        if hasMoved { log.cursorMoved() }
    }

    /// Gives up everything before `end`; `itemsAtEnd` is how many items the log has before it.
    /// Returns the numbers that were skipped and how many items, nil where there were none.
    func skip(
        to end: UInt64, epoch: LogEpoch, itemsAtEnd: UInt64
    ) -> (numbers: Range<UInt64>, items: Int)? {
        progress.withLock { progress in
            let first = progress.place.base
            guard first < end else { return nil }
            while let out = progress.out.first, out.position.number < end {
                _ = progress.out.popFirst()
                if out.isGap { continue }
                if let settled = progress.settled.removeValue(forKey: out.position.number) {
                    progress.place.totals = progress.place.totals + settled
                }
            }
            let items = max(0, Int(itemsAtEnd) - Int(progress.place.itemsPassed))
            progress.place.totals.skipped += items
            progress.place.base = end
            progress.place.after = LogPosition(epoch: epoch, number: end - 1)
            return (first..<end, items)
        }
    }

    /// What is not done with.
    public var pending: Backlog { progress.withLock { $0.pending } }

    /// Its place, what is before it, and when the oldest of that was received, at one moment.
    var standing: (place: Place, pending: Backlog, oldestReceivedAt: UInt64?) {
        progress.withLock { ($0.place, $0.pending, $0.out.first?.receivedAt) }
    }

    func noteAppended(_ record: LogRecord) {
        progress.withLock { progress in
            progress.pending.records += 1
            progress.pending.items += record.itemCount
            progress.pending.bytes += record.payload.count
        }
    }

    func correct(pending: Backlog) { progress.withLock { $0.pending = pending } }

    var place: Place { progress.withLock { $0.place } }

    /// The number of the first record that is not done with.
    public var base: UInt64 { place.base }

    /// Whether everything before `end` is done with.
    public func isPast(_ end: UInt64) -> Bool { place.base >= end }

    /// When the oldest record was received that is not done with, as far as it was handed out.
    public var oldestReceivedAt: UInt64? { progress.withLock { $0.out.first?.receivedAt } }

    /// What became of all items it has passed since it was made, earlier runs included.
    public var totals: CursorTotals { place.totals }
}

extension Backlog {
    public static func + (left: Backlog, right: Backlog) -> Backlog {
        Backlog(
            records: left.records + right.records, items: left.items + right.items,
            bytes: left.bytes + right.bytes)
    }
}

/// So much of a log lies before a cursor.
public struct Backlog: Equatable, Sendable {
    public var records: Int
    public var items: Int
    /// Of payload. An estimate for what an earlier run has left.
    public var bytes: Int

    public init(records: Int = 0, items: Int = 0, bytes: Int = 0) {
        self.records = records
        self.items = items
        self.bytes = bytes
    }
}
