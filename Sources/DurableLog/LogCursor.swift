import Bytes
import Platform
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
        /// Items in the log before the next record that is handed out. Where that one has more
        /// before it, the rest is lost.
        var itemsOut: UInt64
        var settled: [UInt64: CursorTotals] = [:]
        /// Items of records that were skipped while they were handed out. They count as skipped
        /// until somebody settles them after all.
        var skippedItems: [UInt64: Int] = [:]
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
                // What was there at the start was guessed from the segments.
                pending.bytes = max(0, pending.bytes - first.payloadBytes)
                let base = max(place.base, first.position.number + 1)
                pending.records -= Int(base - place.base)
                if pending.records <= 0 { pending.bytes = 0 }
                place.base = base
                place.after = first.position
                place.totals = place.totals + totals
                hasMoved = true
            }
            return hasMoved
        }

        /// A record that was skipped while it was under way counts as what became of it, and no
        /// longer as skipped.
        mutating func settleSkipped(_ position: LogPosition, as totals: CursorTotals) {
            guard let items = skippedItems.removeValue(forKey: position.number) else { return }
            place.totals.skipped -= items
            place.totals = place.totals + totals
            place.totals.skipped += items - totals.sum
        }

        /// There were more items than the log knows of: a place that a start could not read can be
        /// read again. The cursor has begun by so many earlier.
        mutating func correct(surplus items: Int) {
            itemsOut &-= UInt64(items)
            place.itemsBefore &-= UInt64(items)
            pending.items += items
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
    /// Of the cursor's and the log's name, in every run the same: tells it from all other cursors.
    public let identity: UInt64
    /// Whether the log skips records of this cursor when it is full, rather than refuse new ones.
    let isSkippable: Bool
    /// The log did not know it before.
    public let isNew: Bool
    let onAdvance: @Sendable (_ items: Int, _ bytes: Int) -> Void
    private let log: DurableLog
    // SAFETY: the reader in it is used under the lock alone.
    private let reading: Mutex<Reading>
    private let progress: Mutex<Progress>

    init(
        _ name: String, of log: DurableLog, place: Place, pending: Backlog, isNew: Bool,
        isSkippable: Bool,
        onAdvance: @escaping @Sendable (_ items: Int, _ bytes: Int) -> Void
    ) {
        self.name = name
        identity = FNV1a(Array(name.utf8) + [0] + Array(log.name.utf8)).value
        self.log = log
        self.isSkippable = isSkippable
        self.isNew = isNew
        self.onAdvance = onAdvance
        reading = Mutex(Reading(next: place.base, reader: nil))
        progress = Mutex(
            Progress(itemsOut: place.itemsPassed, place: place, pending: pending))
    }

    /// The next records, at least one where there is one, and no more than about `bytesMax` of
    /// them. Reads from the disk what is no longer in memory, so it may block.
    ///
    /// A read that fails is known to the log, and to be tried again after a pause.
    public func read(bytesMax: Int) throws(LogReadError) -> [PlacedRecord] {
        do throws(LogReadError) {
            let records = try readOn(bytesMax)
            log.noteSuccess(.read, of: name)
            return records
        } catch {
            log.noteFailure(.read, of: name, "\(error)")
            throw error
        }
    }

    private func readOn(_ bytesMax: Int) throws(LogReadError) -> [PlacedRecord] {
        try reading.withLock { reading throws(LogReadError) in
            while progress.withLock({ $0.out.count }) < Self.outMax {
                reading.next = max(reading.next, place.base)
                var records: [PlacedRecord] = []
                switch log.records(from: reading.next, bytesMax: bytesMax) {
                case .end(let last, let items):
                    // What is damaged may be the last that there is.
                    pass(to: last.number + 1, of: last.epoch, itemsBefore: items, &reading)
                    return []
                case .inMemory(let found):
                    reading.reader = nil
                    records = found
                    pass(
                        to: found[0].position.number, of: found[0].position.epoch,
                        itemsBefore: found[0].itemsBefore, &reading)
                    reading.next += UInt64(found.count)
                case .inSegment(let segment):
                    records = try read(segment, &reading, bytesMax)
                }
                records = handOut(records)
                if !records.isEmpty { return records }
            }
            return []
        }
    }

    /// Handed out and not settled, with those behind them. Where one destination holds up a record
    /// for long, this bounds what is remembered, and repeated after the next start.
    private static let outMax = 16_384

    private func read(
        _ segment: Segment, _ reading: inout Reading, _ bytesMax: Int
    ) throws(LogReadError) -> [PlacedRecord] {
        guard let reader = try reader(of: segment, &reading) else { return [] }
        if reading.next <= segment.header.firstPosition {
            pass(
                to: segment.header.firstPosition, of: segment.header.epoch,
                itemsBefore: segment.header.itemsBefore, &reading)
        }
        let first = max(reading.next, segment.header.firstPosition)
        let wanted = first..<max(first, segment.endPosition)
        var records: [PlacedRecord] = []
        var bytes = 0
        do throws(LogReadError) {
            while records.isEmpty || bytes < bytesMax {
                // The segment may have grown since the reader was made.
                switch try step(reader, before: segment.dataEnd, wanted: wanted.contains) {
                case .record(let header, let record?):
                    let epoch = segment.header.epoch
                    let placed = PlacedRecord(
                        position: LogPosition(epoch: epoch, number: header.position),
                        record: record)
                    reading.next = header.position + 1
                    records.append(placed)
                    bytes += record.payload.count
                case .record(_, nil): continue
                case .damaged(let range, _): log.noteDamage(range, in: reader)
                case .newer(let error): throw error
                case .end:
                    // What was read goes out before what is missing behind it is counted.
                    if !records.isEmpty { return records }
                    pass(
                        to: segment.endPosition, of: segment.header.epoch,
                        itemsBefore: segment.itemsAfter, &reading)
                    if log.isComplete(segment) { reading.reader = nil }
                    return []
                }
            }
        } catch {
            reading.reader = nil
            // They were taken off the segment; the error comes again with the next call.
            if records.isEmpty { throw error }
        }
        return records
    }

    private func step(
        _ reader: SegmentReader, before end: Int, wanted: (UInt64) -> Bool
    ) throws(LogReadError) -> SegmentReader.Step {
        do throws(SystemError) {
            return try reader.next(before: end, wanted: wanted)
        } catch {
            throw .system(error, path: reader.segment.path)
        }
    }

    /// Nil where the segment's file is gone.
    private func reader(
        of segment: Segment, _ reading: inout Reading
    ) throws(LogReadError) -> SegmentReader? {
        if let reader = reading.reader, reader.segment.header.number == segment.header.number {
            return reader
        }
        do throws(SystemError) {
            reading.reader = try log.reader(of: segment)
        } catch {
            guard error.isNotFound else { throw .system(error, path: segment.path) }
            // It was deleted since it was looked up, and this cursor has been moved behind it; or
            // somebody else has deleted it, and there is nothing to wait for.
            if log.has(segment) {
                log.noteMissing(segment)
                pass(
                    to: segment.endPosition, of: segment.header.epoch,
                    itemsBefore: segment.itemsAfter, &reading)
            }
            return nil
        }
        return reading.reader
    }

    /// Goes on at `number`. Of the items that the log has before it, those are lost that were
    /// neither handed out nor skipped. What was read before must have been handed out.
    private func pass(
        to number: UInt64, of epoch: LogEpoch, itemsBefore: UInt64, _ reading: inout Reading
    ) {
        let isHole = number > reading.next
        reading.next = max(reading.next, number)
        let hasMoved = progress.withLock { progress in
            let missing = Int(truncatingIfNeeded: itemsBefore &- progress.itemsOut)
            if missing < 0 { progress.correct(surplus: -missing) }
            let lost = max(0, missing)
            guard isHole || lost > 0, number >= progress.place.base else { return false }
            progress.itemsOut &+= UInt64(lost)
            progress.out.append(
                Handed(
                    position: LogPosition(epoch: epoch, number: number - 1), itemCount: lost,
                    payloadBytes: 0, receivedAt: 0, isGap: true))
            return progress.advance()
        }
        if hasMoved { log.cursorMoved() }
    }

    /// Returns those that the log has not skipped meanwhile.
    private func handOut(_ records: [PlacedRecord]) -> [PlacedRecord] {
        progress.withLock { progress in
            let base = progress.place.base
            let records = records.filter { $0.position.number >= base }
            for record in records {
                progress.itemsOut &+= UInt64(record.record.itemCount)
                progress.out.append(
                    Handed(
                        position: record.position, itemCount: record.record.itemCount,
                        payloadBytes: record.record.payload.count,
                        receivedAt: record.record.receivedAt))
            }
            return records
        }
    }

    /// A record is done with. Says what became of its items, all of them.
    public func settle(_ position: LogPosition, as totals: CursorTotals) {
        let (hasMoved, wasFull) = progress.withLock { progress in
            guard position.number >= progress.place.base else {
                progress.settleSkipped(position, as: totals)
                return (false, false)
            }
            let wasFull = progress.out.count >= Self.outMax
            progress.settled[position.number] = totals
            return (progress.advance(), wasFull)
        }
        guard hasMoved else { return }
        log.cursorMoved()
        if wasFull { onAdvance(1, 0) }
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
                } else {
                    progress.skippedItems[out.position.number] = out.itemCount
                }
            }
            let items = max(
                0, Int(truncatingIfNeeded: itemsAtEnd &- progress.place.itemsPassed))
            progress.place.totals.skipped += items
            if Int(truncatingIfNeeded: itemsAtEnd &- progress.itemsOut) > 0 {
                progress.itemsOut = itemsAtEnd
            }
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

    func noteAppended(_ size: Backlog) { progress.withLock { $0.pending = $0.pending + size } }

    /// Numbers that no record has.
    func noteUnused(_ count: Int) { progress.withLock { $0.pending.records += count } }

    func correct(pending: Backlog) { progress.withLock { $0.pending = pending } }

    var place: Place { progress.withLock { $0.place } }

    /// The number of the first record that is not done with.
    public var base: UInt64 { place.base }

    /// Whether everything before `end` is done with.
    public func isPast(_ end: UInt64) -> Bool { place.base >= end }

    /// Why the log cannot be read for it now.
    public var readTrouble: StorageTrouble? {
        log.troubles.first { $0.operation == .read && $0.subject == name }
    }

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
