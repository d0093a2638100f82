import Platform
import Synchronization

/// What cursors read.
extension DurableLog {
    enum Found {
        /// Nothing up to the end; so many items are before that.
        case end(LogPosition, itemsBefore: UInt64)
        case inMemory([PlacedRecord])
        case inSegment(Segment)
    }

    func records(from number: UInt64, bytesMax: Int) -> Found {
        state.withLock { state in
            guard number < state.end else {
                return .end(state.position(before: state.end), itemsBefore: state.itemsEnd)
            }
            guard let first = state.recent.first, first.position.number <= number else {
                // The last one at the latest ends where the log does.
                let segment = state.segments.first { $0.endPosition > number }
                // Where the newest records are gone, nothing comes before the end.
                return segment.map(Found.inSegment)
                    ?? .end(state.position(before: state.end), itemsBefore: state.itemsEnd)
            }
            var found: [PlacedRecord] = []
            var bytes = 0
            var index = Int(number - first.position.number)
            while index < state.recent.count, found.isEmpty || bytes < bytesMax {
                let record = state.recent[index]
                found.append(record)
                bytes += record.record.payload.count
                index += 1
            }
            return .inMemory(found)
        }
    }

    func reader(of segment: Segment) throws(SystemError) -> sending SegmentReader {
        try SegmentReader(segment, in: storage, bypassesPageCache: settings.bypassesPageCache)
    }

    /// Whether nothing more will be written to a segment.
    func isComplete(_ segment: Segment) -> Bool {
        state.withLock { $0.active != segment.header.number }
    }

    /// Whether the log still has a segment.
    func has(_ segment: Segment) -> Bool {
        state.withLock { state in
            state.segments.contains { $0.header.number == segment.header.number }
        }
    }

    /// Puts bytes aside that are no record, and reports them, once.
    func noteDamage(_ range: Range<Int>, in reader: SegmentReader) {
        let segment = reader.segment
        let epoch = segment.header.epoch.description.prefix(8)
        let name = "\(Segment.fileName(segment.header.number)).\(epoch).\(range.lowerBound)"
        guard damages.withLock({ $0.insert(name).inserted }) else { return }
        counters.damagedBytes.add(range.count, ordering: .relaxed)
        let path = "\(directory)/damaged/\(name)"
        var isSaved = false
        do throws(SystemError) {
            try storage.makeDirectory("\(directory)/damaged")
            // From an earlier run, which may have ended before it was whole.
            try? storage.remove(path)
            try reader.copy(range, to: try storage.create(path))
            try storage.synchronizeDirectory("\(directory)/damaged")
            isSaved = true
            noteSuccess(.copyDamage, of: name)
        } catch {
            noteFailure(.copyDamage, of: name, "\(path): \(error)")
            try? storage.remove(path)
            state.withLock { _ = $0.uncopied.insert(segment.header.number) }
        }
        onEvent(
            .damaged(
                segment: segment.path, offset: range.lowerBound, bytes: range.count,
                savedTo: isSaved ? path : nil))
    }

    /// Reports a segment whose file is gone although nobody here has deleted it.
    func noteMissing(_ segment: Segment) {
        guard damages.withLock({ $0.insert(segment.path).inserted }) else { return }
        onEvent(.unreadable(segment: segment.path, movedTo: nil))
    }
}
