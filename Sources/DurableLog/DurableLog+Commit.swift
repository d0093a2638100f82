import Compression
import Platform
import Synchronization

/// The writing side of a log, for its thread.
struct Committer: ~Copyable {
    var writer: SegmentWriter?
    /// For the segment that is written.
    let buffer: BlockBuffer
    var lastNumber: UInt64
    var compressor: Compressor?
    /// Written since the disk's free space was last looked at; nil before the first look.
    var bytesSinceLook: Int?
    /// What is left free, as of the last look.
    var reserveBytes = 0
    /// When the segment was begun that is written.
    var begunAt = Instant(nanoseconds: 0)

    init(lastNumber: UInt64, _ settings: LogSettings) {
        writer = nil
        self.lastNumber = lastNumber
        buffer = BlockBuffer(capacityMax: settings.bufferBytesMax)
        compressor = settings.compresses ? Compressor(.zstd) : nil
    }

    mutating func close() {
        // Without its seal a segment is scanned at the next start: no more than that.
        if let writer, (try? writer.seal()) != nil, (try? writer.flush()) != nil {
            try? writer.synchronize()
        }
        writer = nil
    }

    /// So much may be written before the free space is looked at again: within the second between
    /// two rounds of maintenance a fast disk takes more than the reserve.
    private static let lookBytes = 64 << 10...16 << 20

    var isLookDue: Bool {
        guard let bytesSinceLook else { return true }
        let due = reserveBytes / 4
        return bytesSinceLook >= min(max(due, Self.lookBytes.lowerBound), Self.lookBytes.upperBound)
    }
}

extension DurableLog {
    /// Writes records as one, syncs once, and acknowledges them.
    func commit(_ batch: [Pending]) {
        let bytes = batch.reduce(0) { $0 + $1.record.bytesOnDisk }
        if batch.isEmpty || state.withLock({ $0.wantsRoom }) { makeRoom() }
        if committer.withLock({ $0.isLookDue }) { checkDisk() }
        let records = batch.map(\.record)
        let size = Backlog(
            records: records.count, items: records.reduce(0) { $0 + $1.itemCount },
            bytes: records.reduce(0) { $0 + $1.payload.count })
        // What the state says of the segment that is written is as of the same moment.
        let (isWritten, cursors) = committer.withLock { committer in
            let segment = records.isEmpty ? nil : write(records, &committer)
            let isOpen = committer.writer != nil
            return state.withLock { state in
                state.pendingBytes -= bytes
                guard let segment else { return (false, [LogCursor]()) }
                note(segment, isOpen: isOpen, &state)
                advance(to: segment.endPosition - UInt64(records.count), &state)
                // What all have passed nobody reads again, and memory that is used again soon is
                // in the processor's cache.
                state.forgetRecent(before: state.base)
                publish(records, size, &state)
                return (true, state.cursors)
            }
        }
        for pending in batch { pending.whenKept(isWritten) }
        guard isWritten else { return }
        for cursor in cursors { cursor.onAdvance(size.items, size.bytes) }
    }

    /// Returns the segment as it is with the records in it, nil where they could not be written.
    private func write(_ records: [LogRecord], _ committer: inout Committer) -> Segment? {
        let (isRefusing, hasNewCursors) = state.withLock { ($0.refusal != nil, $0.hasNewCursors) }
        if isRefusing { return nil }
        if hasNewCursors, let error = saveCursors() {
            refuse(after: error)
            return nil
        }
        // Once more after an error, in another segment: the disk may have one bad place. What a
        // failed sync has left on the disk nobody knows, so that nothing is ever synced again.
        for attempt in 0..<2 {
            do throws(SystemError) {
                return try tryWriting(records, &committer)
            } catch {
                counters.commitFailures.add(1, ordering: .relaxed)
                noteFailure(.write, "\(error)")
                if error.isDiskFull || attempt == 1 {
                    refuse(after: error)
                    break
                }
            }
        }
        return nil
    }

    private func tryWriting(
        _ records: [LogRecord], _ committer: inout Committer
    ) throws(SystemError) -> Segment {
        if committer.writer == nil { committer.writer = try begin(&committer) }
        guard let writer = committer.writer else { preconditionFailure("BUG: no writer") }
        let durable = writer.segment
        let isFull: Bool
        do throws(SystemError) {
            try writer.append(records, compressor: &committer.compressor)
            // Before the sync, which so makes the seal durable at no cost.
            isFull = writer.segment.bytes >= segmentBytesMax
            if isFull { try writer.seal() }
            try writer.flush()
            if settings.durability == .fsync { try writer.synchronize() }
        } catch {
            onEvent(.segmentAbandoned(segment: durable.path, error: "\(error)"))
            writer.abandon(at: durable)
            committer.writer = nil
            state.withLock { state in
                note(durable, isOpen: false, &state)
                state.firstUnused = durable.endPosition + UInt64(records.count)
            }
            throw error
        }
        counters.commits.add(1, ordering: .relaxed)
        let bytes = writer.segment.bytes - durable.bytes
        counters.writtenBytes.add(bytes, ordering: .relaxed)
        committer.bytesSinceLook? += bytes
        if isFull { committer.writer = nil }
        return writer.segment
    }

    private func begin(_ committer: inout Committer) throws(SystemError) -> SegmentWriter {
        let (end, first, items) = state.withLock {
            ($0.end, max($0.end, $0.firstUnused), $0.itemsEnd)
        }
        committer.lastNumber += 1
        committer.begunAt = clock.now
        let writer = try SegmentWriter(
            SegmentHeader(
                epoch: epoch, number: committer.lastNumber, firstPosition: first,
                previousEnd: end,
                createdAt: clock.unixNanoseconds, boot: clock.bootTime, itemsBefore: items,
                name: name),
            in: directory, storage, bypassesPageCache: settings.bypassesPageCache,
            buffer: committer.buffer, clock: clock)
        guard settings.durability == .fsync else { return writer }
        do throws(SystemError) {
            try storage.synchronizeDirectory(directory)
        } catch {
            try? storage.remove(writer.segment.path)
            throw error
        }
        return writer
    }

    /// Passes over numbers that were given to records that could not be written.
    private func advance(to number: UInt64, _ state: inout State) {
        guard number > state.end else { return }
        for cursor in state.cursors { cursor.noteUnused(Int(number - state.end)) }
        state.end = number
        // What is in memory is without holes.
        state.recent = FIFO()
        state.recentBytes = 0
    }

    /// Takes over what a segment has become.
    func note(_ segment: Segment, isOpen: Bool, _ state: inout State) {
        if let last = state.segments.last, last.header.number == segment.header.number {
            state.segmentsBytes += segment.bytes - last.bytes
            state.segments[state.segments.count - 1] = segment
        } else {
            state.segmentsBytes += segment.bytes
            state.segments.append(segment)
        }
        state.active = isOpen ? segment.header.number : nil
    }

    private func refuse(after error: SystemError) {
        guard error.isDiskFull else { return refuse(.failing("\(error)")) }
        let room = try? storage.room(directory)
        guard room?.hasInodes != false else { return refuse(.noInodes) }
        refuse(.diskFull(freeBytes: room?.freeBytes ?? 0))
    }

    func refuse(_ refusal: LogRefusal) {
        let isNew = state.withLock { state in
            defer { state.refusal = refusal }
            return state.refusal == nil
        }
        if isNew { onEvent(.refusing(refusal)) }
    }
}
