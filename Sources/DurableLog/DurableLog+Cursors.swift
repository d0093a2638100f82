import Bytes
import Platform
import Synchronization

extension DurableLog {
    /// Where a cursor begins that the log does not know.
    public enum CursorStart: String, Sendable, CaseIterable {
        /// With what comes from now on.
        case end
        /// With the oldest record that is still there.
        case oldest
    }

    /// Forgets the place of a cursor that no exporter has any more; how many items that gives up,
    /// nil where there is no such cursor.
    public func abandonOrphan(_ cursorName: String) -> Int? {
        state.withLock { state -> Int? in
            state.orphans.removeValue(forKey: cursorName).map { state.itemsAfter($0) }
        }
    }

    /// Whether somebody has the cursor of that name, or it was left with something to deliver.
    public func hasRest(of cursorName: String) -> Bool {
        state.withLock { state in
            if state.claims.isHeld(cursorName) { return true }
            guard let saved = state.orphans[cursorName] else { return false }
            return state.itemsAfter(saved) > 0
        }
    }

    /// Items that some cursor has before it, for each cursor.
    public var pendingItems: Int {
        let open = state.withLock { $0.cursors }.reduce(0) { $0 + $1.pending.items }
        return orphanedCursors.values.reduce(open, +)
    }

    /// Cursors of earlier configurations, with the items that they hold.
    public var orphanedCursors: [String: Int] {
        state.withLock { state in
            state.orphans.mapValues { state.itemsAfter($0) }
        }
    }

    /// What the cursors' file says; nil where there is none, or none that can be read.
    static func readCursors(
        _ directory: String, _ storage: any LogStorage, repairs: Bool = true,
        _ onEvent: (LogEvent) -> Void
    ) throws(LogOpenError) -> CursorFile? {
        let path = cursorsPath(directory)
        var reason = "\(path) is damaged"
        do {
            return try CursorFile(
                decoding: try storage.read(path, bytesMax: CursorFile.bytesMax))
        } catch CursorFile.Fault.newerVersion(let version) {
            throw LogOpenError(
                "\(path) has version \(version), this Sluice knows 1; start the newer Sluice again "
                    + "until the log is delivered, or move the file away to deliver all again")
        } catch let error as SystemError {
            if error.isNotFound { return nil }
            reason = "\(path): \(error)"
        } catch {}
        // It would be replaced soon, and somebody may want to look at it.
        if repairs { try? storage.rename(path, to: path + ".unreadable") }
        onEvent(.cursorsUnreadable(reason))
        return nil
    }

    static func cursorsPath(_ directory: String) -> String { "\(directory)/cursors" }
    private var sparePath: String { "\(directory)/spare" }

    /// Makes the cursors' places durable, where one has moved. Returns the error where it can't.
    @discardableResult
    func saveCursors() -> SystemError? {
        guard settings.durability != .memory else { return nil }
        return savedCursors.withLock { saved in
            var file = CursorFile()
            let cursors = state.withLock { state in
                file.cursors = state.orphans
                return state.cursors
            }
            for cursor in cursors { file.cursors[cursor.name] = cursor.place.saved }
            // A file without any would say that there were none.
            if file.cursors.isEmpty, state.withLock({ $0.areCursorsLost }) { return nil }
            guard file != saved.file || !saved.isOnDisk else { return nil }
            do throws(SystemError) {
                try replaceCursors(file.encoded(), &saved)
            } catch {
                noteFailure(.saveCursors, "\(Self.cursorsPath(directory)): \(error)")
                return error
            }
            noteSuccess(.saveCursors)
            saved.file = file
            saved.isOnDisk = true
            state.withLock { state in
                state.areCursorsLost = false
                state.hasNewCursors = !state.cursors.allSatisfy { file.cursors[$0.name] != nil }
            }
            return nil
        }
    }

    /// On a full disk the spare makes room: without it no cursor could move, and no segment go.
    private func replaceCursors(
        _ bytes: [UInt8], _ saved: inout SavedCursors
    ) throws(SystemError) {
        do throws(SystemError) {
            try storage.replace(Self.cursorsPath(directory), with: bytes)
        } catch {
            guard error.isDiskFull, saved.hasSpare else { throw error }
            saved.hasSpare = false
            try storage.remove(sparePath)
            try storage.replace(Self.cursorsPath(directory), with: bytes)
        }
    }

    /// Takes the room that ``saveCursors()`` needs when there is no other.
    func keepSpare() {
        savedCursors.withLock { saved in
            guard !saved.hasSpare else { return }
            do throws(SystemError) {
                try? storage.remove(sparePath)
                let file = try storage.create(sparePath)
                // Not zeros: a file system may store those without taking room.
                let bytes = [UInt8](repeating: 0xFF, count: SavedCursors.spareBytes)
                try file.write(bytes.rawSpan, at: 0)
                try file.synchronize()
                saved.hasSpare = true
            } catch {
                try? storage.remove(sparePath)
            }
        }
    }
}

/// The cursors as the disk has them.
struct SavedCursors {
    var file = CursorFile()
    /// False where `file` is how this run reads what an earlier one has written.
    var isOnDisk = false
    var hasSpare = false

    static let spareBytes = 64 << 10

    /// The first number that some cursor would go on with after a crash.
    var base: UInt64 { file.cursors.values.map { $0.after.number + 1 }.min() ?? .max }
}

extension DurableLog.State {
    /// Items that a cursor has yet to pass.
    fileprivate func itemsAfter(_ saved: SavedCursor) -> Int {
        Int(truncatingIfNeeded: itemsEnd &- place(saved).itemsPassed)
    }

    func backlog(from place: LogCursor.Place) -> Backlog {
        var bytes = 0
        for segment in segments where segment.endPosition > place.base {
            let all = segment.positions
            let left = all.upperBound - max(place.base, all.lowerBound)
            bytes += Int(Double(segment.bytes) * Double(left) / Double(max(1, all.count)))
        }
        if segments.isEmpty, let first = recent.first {
            let skipped = Int(max(place.base, first.position.number) - first.position.number)
            bytes = (min(skipped, recent.count)..<recent.count)
                .reduce(0) { $0 + recent[$1].record.payload.count }
        }
        return Backlog(
            records: Int(end - min(place.base, end)),
            items: Int(clamping: itemsEnd) - Int(clamping: place.itemsPassed), bytes: bytes)
    }

    /// Where a new cursor begins. A log whose cursors are lost is read again from its beginning:
    /// what is sent twice is better than what is not sent.
    func place(for start: DurableLog.CursorStart) -> LogCursor.Place {
        guard start == .oldest || areCursorsLost, let oldest = segments.first else {
            return LogCursor.Place(
                base: end, after: position(before: end), itemsBefore: itemsEnd,
                totals: CursorTotals())
        }
        let first = oldest.header.firstPosition
        return LogCursor.Place(
            base: first, after: position(before: first), itemsBefore: oldest.header.itemsBefore,
            totals: CursorTotals())
    }

    /// The place of a saved cursor in what is there. The log may have lost its end since, or be
    /// another's copy; then the cursor goes to the nearest record that it may not have seen.
    func place(_ saved: SavedCursor) -> LogCursor.Place {
        var place = LogCursor.Place(
            base: saved.after.number + 1, after: saved.after, itemsBefore: saved.itemsBefore,
            totals: saved.totals)
        let own = segments.filter { $0.header.epoch == saved.after.epoch }
        let isInMemory = recent.first.map { $0.position.number <= place.base } ?? false
        let isThere = own.contains {
            $0.header.firstPosition <= place.base && place.base <= $0.endPosition
        }
        // Past all that is there it has passed all of it, whichever run that was.
        if !isThere, !isInMemory, place.base < end || segments.isEmpty {
            let known = own.last.map(\.endPosition) ?? .max
            let base = place.base > known ? known : segments.first?.header.firstPosition ?? end
            if base != place.base {
                place.base = base
                place.after = position(before: base)
            }
        }
        fit(&place)
        return place
    }

    /// Has the items that a place has behind it agree with the log.
    private func fit(_ place: inout LogCursor.Place) {
        var most = itemsEnd
        if place.base < end, let segment = segments.first(where: { $0.endPosition > place.base }) {
            let isAtStart = place.base <= segment.header.firstPosition
            most = isAtStart ? segment.header.itemsBefore : segment.itemsAfter
        }
        // May go below zero for a log that is shorter than its cursor remembers: it wraps, and
        // wraps back when the totals are added.
        let excess = Int(truncatingIfNeeded: place.itemsPassed &- most)
        if excess > 0 { place.itemsBefore &-= UInt64(excess) }
        // Elsewhere the reader comes upon the records that are missing.
        if excess < 0, place.base >= end { place.totals.lost -= excess }
    }

    func position(before number: UInt64) -> LogPosition {
        let epoch = segments.last { $0.header.firstPosition < number }?.header.epoch
        return LogPosition(epoch: epoch ?? LogEpoch(0), number: number - 1)
    }
}
