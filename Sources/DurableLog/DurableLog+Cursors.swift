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

    /// Opens the cursor of that name where it stood, or makes one.
    ///
    /// - Parameters:
    ///   - isSkippable: whether the log, when it is full, skips this cursor's oldest records. New
    ///     data is refused otherwise.
    ///   - onAdvance: is called on any thread when there is more to read, with how much more.
    public func openCursor(
        _ cursorName: String, start: CursorStart = .end, isSkippable: Bool = false,
        onAdvance: @escaping @Sendable (_ items: Int, _ bytes: Int) -> Void
    ) -> LogCursor {
        state.withLock { state in
            precondition(
                !state.cursors.contains { $0.name == cursorName }, "BUG: a cursor is open twice")
            let saved = state.orphans.removeValue(forKey: cursorName)
            let place = saved.map(state.place) ?? state.place(for: start)
            let cursor = LogCursor(
                cursorName, of: self, place: place, pending: state.backlog(from: place),
                isSkippable: isSkippable, onAdvance: onAdvance)
            state.cursors.append(cursor)
            return cursor
        }
    }

    /// Closes a cursor and keeps its place, for whoever opens it next.
    public func close(_ cursor: LogCursor) {
        state.withLock { state in
            state.cursors.removeAll { $0 === cursor }
            state.orphans[cursor.name] = cursor.place.saved
        }
    }

    /// Ends a cursor: its place is forgotten, and what it had not passed is no longer kept for it.
    public func remove(_ cursor: LogCursor) {
        state.withLock { state in state.cursors.removeAll { $0 === cursor } }
        cursorMoved()
    }

    /// Forgets the place of a cursor that no exporter has any more; how many items that gives up,
    /// nil where there is no such cursor.
    public func abandonOrphan(_ cursorName: String) -> Int? {
        let items = orphanedCursors[cursorName]
        state.withLock { _ = $0.orphans.removeValue(forKey: cursorName) }
        return items
    }

    /// Items that some cursor has before it, for each cursor.
    public var pendingItems: Int {
        let open = state.withLock { $0.cursors }.reduce(0) { $0 + $1.pending.items }
        return orphanedCursors.values.reduce(open, +)
    }

    /// Cursors of earlier configurations, with the items that they hold.
    public var orphanedCursors: [String: Int] {
        state.withLock { state in
            state.orphans.mapValues { saved in
                Int(clamping: state.itemsEnd) - Int(clamping: state.place(saved).itemsPassed)
            }
        }
    }

    static func readCursors(
        _ directory: String, _ storage: any LogStorage, _ onEvent: (LogEvent) -> Void
    ) -> CursorFile {
        do throws(SystemError) {
            let bytes = try storage.read(fileName(directory), bytesMax: CursorFile.bytesMax)
            if let file = CursorFile(decoding: bytes) { return file }
            onEvent(.cursorsUnreadable("\(fileName(directory)) is damaged"))
        } catch {
            if !error.isNotFound { onEvent(.cursorsUnreadable("\(fileName(directory)): \(error)")) }
        }
        return CursorFile()
    }

    private static func fileName(_ directory: String) -> String { "\(directory)/cursors" }

    /// Makes the cursors' places durable, where one has moved.
    func saveCursors() {
        guard settings.durability != .memory else { return }
        let (cursors, orphans) = state.withLock { ($0.cursors, $0.orphans) }
        savedCursors.withLock { saved in
            var file = CursorFile()
            file.cursors = orphans
            for cursor in cursors { file.cursors[cursor.name] = cursor.place.saved }
            guard file != saved else { return }
            do throws(SystemError) {
                try storage.replace(Self.fileName(directory), with: file.encoded())
                saved = file
            } catch {
                onEvent(.cursorsNotSaved(error: "\(error)"))
            }
        }
    }
}

extension DurableLog.State {
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
    fileprivate func place(for start: DurableLog.CursorStart) -> LogCursor.Place {
        let areCursorsLost = cursors.isEmpty && orphans.isEmpty && !segments.isEmpty
        guard start == .oldest || areCursorsLost, let oldest = segments.first else {
            return place(at: end, itemsPassed: itemsEnd, totals: CursorTotals())
        }
        return place(
            at: oldest.header.firstPosition, itemsPassed: oldest.header.itemsBefore,
            totals: CursorTotals())
    }

    /// The place of a saved cursor in what is there. The log may have lost its end since, or be
    /// another's copy; then the cursor goes to the nearest record that it may not have seen.
    func place(_ saved: SavedCursor) -> LogCursor.Place {
        let base = saved.after.number + 1
        let own = segments.filter { $0.header.epoch == saved.after.epoch }
        if own.contains(where: { $0.header.firstPosition <= base && base <= $0.endPosition }) {
            return LogCursor.Place(
                base: base, after: saved.after, itemsBefore: saved.itemsBefore,
                totals: saved.totals)
        }
        if let last = own.last, base > last.endPosition {
            return place(
                at: last.endPosition, itemsPassed: last.itemsAfter, totals: saved.totals)
        }
        guard let oldest = segments.first, oldest.header.firstPosition != base else {
            return LogCursor.Place(
                base: base, after: saved.after, itemsBefore: saved.itemsBefore,
                totals: saved.totals)
        }
        return place(
            at: oldest.header.firstPosition, itemsPassed: oldest.header.itemsBefore,
            totals: saved.totals)
    }

    private func place(
        at base: UInt64, itemsPassed: UInt64, totals: CursorTotals
    ) -> LogCursor.Place {
        let epoch = segments.last { $0.header.firstPosition < base }?.header.epoch
        // May be below zero for a log that is shorter than its cursor remembers: it wraps, and
        // wraps back when the totals are added.
        let itemsBefore = itemsPassed &- UInt64(totals.sum)
        return LogCursor.Place(
            base: base, after: LogPosition(epoch: epoch ?? LogEpoch(0), number: base - 1),
            itemsBefore: itemsBefore, totals: totals)
    }
}
