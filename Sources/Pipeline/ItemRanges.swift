/// A place between two items of one run of a log: before the item of this index in this record.
public struct ItemPoint: Hashable, Comparable, Sendable {
    public var record: UInt64
    public var item: Int

    public init(record: UInt64, item: Int = 0) {
        self.record = record
        self.item = item
    }

    public static func < (left: ItemPoint, right: ItemPoint) -> Bool {
        (left.record, left.item) < (right.record, right.item)
    }
}

/// Which items of one run of a log were delivered: few ranges, as most come in order.
///
/// A whole record reaches to the begin of the next one, so that it touches its successor. A part of
/// a record ends where its last item does.
public struct ItemRanges: Equatable, Sendable {
    /// In order, not empty, with gaps between them.
    public private(set) var ranges: [Range<ItemPoint>] = []

    public init() {}

    /// Adds a range, and returns the one it has become with its neighbours.
    @discardableResult
    public mutating func insert(_ range: Range<ItemPoint>) -> Range<ItemPoint> {
        guard !range.isEmpty else { return range }
        let first = firstIndex(endingAtOrAfter: range.lowerBound)
        var merged = range
        var end = first
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            merged =
                min(
                    merged.lowerBound, ranges[end].lowerBound)..<max(
                    merged.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(first..<end, with: [merged])
        return merged
    }

    /// The items of one record, of those in `items`, that are in no range.
    public func missing(_ items: Range<Int>, of record: UInt64) -> [Range<Int>] {
        var missing: [Range<Int>] = []
        var next = items.lowerBound
        var index = firstIndex(endingAtOrAfter: ItemPoint(record: record, item: next))
        while index < ranges.count, next < items.upperBound {
            let range = ranges[index]
            let begin = range.lowerBound.record < record ? 0 : range.lowerBound.item
            guard range.lowerBound.record <= record, begin < items.upperBound else { break }
            let end =
                range.upperBound.record > record ? items.upperBound : range.upperBound.item
            // It may end where this record begins.
            if range.upperBound.record >= record {
                if begin > next { missing.append(next..<begin) }
                next = max(next, end)
            }
            index += 1
        }
        if next < items.upperBound { missing.append(next..<items.upperBound) }
        return missing
    }

    private func firstIndex(endingAtOrAfter point: ItemPoint) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < point { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
