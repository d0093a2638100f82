/// Which records of one run of a log were delivered: few ranges, as most come in order.
public struct PositionRanges: Equatable, Sendable {
    /// In order, with gaps between them.
    public private(set) var ranges: [ClosedRange<UInt64>] = []

    public init() {}

    public func contains(_ number: UInt64) -> Bool {
        let index = firstIndex(endingAtOrAfter: number)
        return index < ranges.count && ranges[index].contains(number)
    }

    /// Adds a range, and returns the one it has become with its neighbours.
    @discardableResult
    public mutating func insert(_ range: ClosedRange<UInt64>) -> ClosedRange<UInt64> {
        let first = firstIndex(endingAtOrAfter: range.lowerBound - min(1, range.lowerBound))
        var merged = range
        var end = first
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound &+ 1 {
            merged =
                min(
                    merged.lowerBound, ranges[end].lowerBound)...max(
                    merged.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(first..<end, with: [merged])
        return merged
    }

    private func firstIndex(endingAtOrAfter number: UInt64) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
