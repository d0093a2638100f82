import Platform

/// Records that were acknowledged, that some cursor has yet to pass, and that no segment has any
/// more. Cursors and later segments know of them.
public struct MissingRecords: Equatable, Sendable {
    public enum Place: String, Sendable {
        /// The oldest segments that a cursor needs are gone.
        case oldest
        /// One between others is gone, or has lost its end.
        case middle
        /// The newest segments are gone, or the last one has lost its end.
        case newest
    }

    public var place: Place
    public var numbers: Range<UInt64>
    /// As far as the counts around them tell.
    public var items: Int
}

extension DurableLog.State {
    /// The segments of a log with its cursors, and what they prove to be missing.
    ///
    /// Numbers of one log only rise, and a cursor passes records that were acknowledged. So a
    /// cursor that stands past the last segment proves that more was there: the log goes on behind
    /// it, and whoever has not passed that far counts the difference as lost.
    static func opened(
        _ segments: [Segment], _ file: CursorFile?
    ) -> (state: DurableLog.State, missing: [MissingRecords]) {
        var state = DurableLog.State(end: 1, itemsEnd: 0)
        state.segments = segments
        state.segmentsBytes = segments.reduce(0) { $0 + $1.bytes }
        let cursors = file?.cursors ?? [:]
        state.areCursorsLost = file == nil && !segments.isEmpty
        if let last = segments.last {
            state.end = last.endPosition
            state.itemsEnd = last.itemsAfter
        }
        var gaps = state.gaps()
        let (end, items) = (state.end, state.itemsEnd)
        for cursor in cursors.values {
            state.end = max(state.end, cursor.after.number + 1)
            guard cursor.itemsPassed < LogFormat.numberEnd else { continue }
            state.itemsEnd = max(state.itemsEnd, cursor.itemsPassed)
        }
        gaps.append(Gap(place: .newest, numbers: end..<state.end, items: items..<state.itemsEnd))
        // From here on all numbers are those of the segments that are there.
        let known = state
        state.orphans = cursors.mapValues { known.place($0).saved }
        let slowest = cursors.values.min { $0.after.number < $1.after.number }
        return (
            state, slowest.map { slowest in gaps.compactMap { $0.missing(for: slowest) } } ?? []
        )
    }

    /// Numbers, and items, that stand in no segment.
    private struct Gap {
        var place: MissingRecords.Place
        var numbers: Range<UInt64>
        var items: Range<UInt64>

        /// What of it the cursor that is least far has not passed; nil for nothing.
        func missing(for cursor: SavedCursor) -> MissingRecords? {
            let first = max(numbers.lowerBound, cursor.after.number + 1)
            guard first < numbers.upperBound else { return nil }
            let passed = cursor.itemsPassed < LogFormat.numberEnd ? cursor.itemsPassed : 0
            let before = min(max(items.lowerBound, passed), items.upperBound)
            return MissingRecords(
                place: place, numbers: first..<numbers.upperBound,
                items: Int(items.upperBound - before))
        }
    }

    /// Before the first segment, and between two of them.
    private func gaps() -> [Gap] {
        var gaps: [Gap] = []
        var end: UInt64 = 0
        var items: UInt64 = 0
        for segment in segments {
            let header = segment.header
            if header.previousEnd > end {
                gaps.append(
                    Gap(
                        place: gaps.isEmpty && end == 0 ? .oldest : .middle,
                        numbers: end..<header.previousEnd,
                        items: min(items, header.itemsBefore)..<header.itemsBefore))
            }
            end = segment.endPosition
            items = segment.itemsAfter
        }
        return gaps
    }
}
