import Bytes
import Platform
import Synchronization

extension DurableLog {
    /// Whether the log's limit allows so many bytes more. What every cursor has passed counts as
    /// free, and is freed by the writing thread where it is needed.
    func room(for bytes: Int, _ state: inout State) -> LogRefusal? {
        let used = state.segmentsBytes + state.pendingBytes + state.reservedBytes + bytes
        guard used > settings.bytesMax else { return nil }
        state.wantsRoom = true
        let blocking = state.cursors.filter { !$0.isSkippable }
            .min { $0.place.base < $1.place.base }
        let base = min(blocking?.place.base ?? .max, state.orphanBase)
        let free = state.segments.reduce(0) { sum, segment in
            sum + (segment.endPosition <= base ? segment.bytes : 0)
        }
        guard used - free > settings.bytesMax else { return nil }
        let orphan = state.orphans.min { $0.value.after.number < $1.value.after.number }
        let isOrphan = state.orphanBase < blocking?.place.base ?? .max
        return .full(
            bytesMax: settings.bytesMax,
            cursor: (isOrphan ? orphan?.key : blocking?.name) ?? "")
    }

    /// Deletes what every cursor has passed, and has cursors that may be skipped skip, until the
    /// log is within its limit.
    func makeRoom() {
        let excess = state.withLock { state in
            state.wantsRoom = false
            return state.segmentsBytes + state.pendingBytes + state.reservedBytes
                - settings.bytesMax
        }
        guard excess > 0 else { return }
        var freed = 0
        // Behind it nothing can go, so that nothing need be skipped.
        let kept = state.withLock { state in
            min(
                state.cursors.filter { !$0.isSkippable }.map(\.place.base).min() ?? .max,
                state.orphanBase)
        }
        closeActiveSegment(before: kept, ifMissing: excess)
        let (segments, cursors, active) = state.withLock { ($0.segments, $0.cursors, $0.active) }
        for segment in segments
        where segment.header.number != active && freed < excess && segment.endPosition <= kept {
            for cursor in cursors where cursor.isSkippable {
                skip(cursor, past: segment, isExpired: false)
            }
            freed += segment.bytes
        }
        saveCursors()
        deleteSegments { freed, _ in freed < excess }
    }

    /// Where a large record needs the room of the segment that is written, and nobody needs what is
    /// in it, another one is begun.
    private func closeActiveSegment(before kept: UInt64, ifMissing excess: Int) {
        committer.withLock { committer in
            guard let writer = committer.writer, writer.segment.endPosition <= kept else { return }
            let others = state.withLock { state in
                state.segments.reduce(0) { sum, segment in
                    let isOther = segment.header.number != state.active
                    return sum + (isOther && segment.endPosition <= kept ? segment.bytes : 0)
                }
            }
            guard others < excess else { return }
            committer.close()
            state.withLock { note(writer.segment, isOpen: false, &$0) }
        }
    }

    private func skip(_ cursor: LogCursor, past segment: Segment, isExpired: Bool) {
        // At once, so that nobody who adds up sees one without the other.
        let skipped = state.withLock { state in
            let skipped = cursor.skip(
                to: segment.endPosition, epoch: segment.header.epoch,
                itemsAtEnd: segment.itemsAfter)
            if skipped != nil { cursor.correct(pending: state.backlog(from: cursor.place)) }
            return skipped
        }
        guard let skipped else { return }
        onEvent(
            .skipped(
                cursor: cursor.name, first: skipped.numbers.lowerBound,
                last: skipped.numbers.upperBound - 1, items: skipped.items, isExpired: isExpired))
    }

    /// What is done from time to time, about each second: cursors saved, old segments deleted,
    /// free space looked at, writing tried again after it had failed.
    public func maintain() {
        guard settings.durability != .memory else { return }
        closeOldSegment()
        if settings.ageMax > .zero { expire() }
        saveCursors()
        deleteSegments { _, age in age >= settings.retain }
        checkDisk()
    }

    /// Ages are those of segments, from their last record on: where there is little to write, one
    /// would never get old.
    private func closeOldSegment() {
        let ageMax = settings.ageMax > .zero ? settings.ageMax / 4 : .seconds(3600)
        committer.withLock { committer in
            guard let writer = committer.writer,
                clock.now - committer.begunAt >= min(ageMax, .seconds(3600))
            else { return }
            committer.close()
            state.withLock { note(writer.segment, isOpen: false, &$0) }
        }
    }

    private func expire() {
        let (segments, cursors, active) = state.withLock { ($0.segments, $0.cursors, $0.active) }
        for segment in segments
        where segment.header.number != active && ages.age(of: segment) >= settings.ageMax {
            for cursor in cursors { skip(cursor, past: segment, isExpired: true) }
        }
    }

    /// Deletes the oldest segments while `isWanted` says so and every cursor is durably past them.
    private func deleteSegments(while isWanted: (_ freedBytes: Int, _ age: Duration) -> Bool) {
        let saved = savedCursors.withLock { $0.base }
        let base = state.withLock { state in
            // A cursor that was never saved is nowhere durably.
            let own = state.cursors.map(\.place.base).min() ?? .max
            return state.hasNewCursors ? 0 : min(saved, own, state.orphanBase)
        }
        var freed = 0
        while let oldest = state.withLock({ $0.deletable(before: base) }),
            isWanted(freed, ages.age(of: oldest))
        {
            do throws(SystemError) {
                try discard(oldest)
            } catch {
                guard error.isNotFound else {
                    return noteFailure(.delete, "\(oldest.path): \(error)")
                }
            }
            ages.forget(oldest)
            freed += oldest.bytes
            state.withLock { state in
                // Another thread may have been at the same one.
                guard state.segments.first?.header.number == oldest.header.number else { return }
                state.segmentsBytes -= oldest.bytes
                state.segments.removeFirst()
            }
        }
        guard freed > 0 else { return }
        do throws(SystemError) {
            try storage.synchronizeDirectory(directory)
            noteSuccess(.delete)
        } catch {
            // After a power loss some may be there again, and are delivered twice or deleted again.
            noteFailure(.delete, "\(directory): \(error)")
        }
    }

    /// Deletes a segment; one with damage that nobody has a copy of goes aside as it is.
    private func discard(_ segment: Segment) throws(SystemError) {
        guard state.withLock({ $0.uncopied.contains(segment.header.number) })
        else { return try storage.remove(segment.path) }
        try storage.makeDirectory("\(directory)/damaged")
        let name = Segment.fileName(segment.header.number)
        let epoch = segment.header.epoch.description.prefix(8)
        try storage.rename(segment.path, to: "\(directory)/damaged/\(name).\(epoch)")
    }

    func checkDisk() {
        do throws(SystemError) {
            var room = try storage.room(directory)
            let reserve = reserveBytes(room)
            committer.withLock { committer in
                committer.bytesSinceLook = 0
                committer.reserveBytes = reserve
            }
            if room.freeBytes < reserve {
                // What is only retained goes first.
                let missing = reserve - room.freeBytes
                deleteSegments { freed, _ in freed < missing }
                room = try storage.room(directory)
            }
            guard room.freeBytes >= reserve
            else { return refuse(.diskFull(freeBytes: room.freeBytes)) }
        } catch {
            committer.withLock { $0.bytesSinceLook = 0 }
            noteFailure(.write, "\(directory): \(error)")
            return refuse(.failing("\(error)"))
        }
        keepSpare()
        guard state.withLock({ $0.refusal }) != nil else { return noteSuccess(.write) }
        guard canWrite() else { return }
        noteSuccess(.write)
        state.withLock { $0.refusal = nil }
        onEvent(.accepting)
    }

    /// Whatever `disk_reserve` says, the log leaves a part of the file system free: what drains it,
    /// such as SQLite on the same disk, has to write a segment's data twice, into its write-ahead
    /// log and into its file, before the segment can go.
    private func reserveBytes(_ room: StorageRoom) -> Int {
        let (floor, isOver) = segmentBytesMax.multipliedReportingOverflow(by: 3)
        return max(settings.diskReserveBytes, min(isOver ? .max : floor, room.totalBytes / 4))
    }

    /// Whether a file can be written where the log is.
    private func canWrite() -> Bool {
        let path = "\(directory)/probe"
        defer { try? storage.remove(path) }
        do throws(SystemError) {
            try? storage.remove(path)
            let file = try storage.create(path)
            try file.write([UInt8](repeating: 0xFF, count: 4096).rawSpan, at: 0)
            try file.synchronize()
            return true
        } catch {
            return false
        }
    }
}

extension DurableLog.State {
    /// The first number that no cursor without an exporter has passed.
    var orphanBase: UInt64 {
        orphans.values.map { $0.after.number + 1 }.min() ?? .max
    }

    fileprivate func deletable(before base: UInt64) -> Segment? {
        guard let oldest = segments.first, oldest.endPosition <= base,
            oldest.header.number != active
        else { return nil }
        return oldest
    }
}

/// How long ago each segment got its last record, by clocks that no change of the wall clock moves.
///
/// Of a segment that was written before the machine's start only the wall clock knows more than
/// what passes from now on, and it may be wrong by years: it is believed up to `downtimeMax`.
final class SegmentAges: Sendable {
    private struct Sight {
        var age: Duration
        var at: Instant
    }

    private let clock: any Clock
    private let downtimeMax: Duration
    private let sights = Mutex<[UInt64: Sight]>([:])

    init(clock: any Clock, downtimeMax: Duration) {
        self.clock = clock
        self.downtimeMax = downtimeMax
    }

    func age(of segment: Segment) -> Duration {
        let now = clock.now
        return sights.withLock { sights in
            let sight =
                sights[segment.header.number]
                ?? Sight(age: firstAge(of: segment), at: now)
            sights[segment.header.number] = sight
            return sight.age + (now - sight.at)
        }
    }

    func forget(_ segment: Segment) {
        sights.withLock { _ = $0.removeValue(forKey: segment.header.number) }
    }

    private func firstAge(of segment: Segment) -> Duration {
        let header = segment.header
        let boot = clock.bootTime
        if boot.id != 0, boot.id == header.boot.id, boot.nanoseconds >= header.boot.nanoseconds {
            return .nanoseconds(
                Int64(clamping: boot.nanoseconds - min(segment.lastWritten, boot.nanoseconds)))
        }
        let now = clock.unixNanoseconds
        return min(
            downtimeMax, .nanoseconds(Int64(clamping: now - min(segment.lastReceivedAt, now))))
    }
}
