import Testing

@testable import Pipeline

private func point(_ record: UInt64, _ item: Int = 0) -> ItemPoint {
    ItemPoint(record: record, item: item)
}

@Suite struct ItemRangesTests {
    @Test func `Whole records in a row are one range`() {
        var ranges = ItemRanges()
        ranges.insert(point(3)..<point(4))
        ranges.insert(point(5)..<point(6))
        ranges.insert(point(4)..<point(5))
        #expect(ranges.ranges == [point(3)..<point(6)])
    }

    @Test func `What is missing of a record lies between its ranges`() {
        var ranges = ItemRanges()
        ranges.insert(point(1)..<point(2))
        ranges.insert(point(2, 3)..<point(2, 5))
        ranges.insert(point(2, 8)..<point(2, 9))
        ranges.insert(point(4)..<point(9))
        #expect(ranges.missing(0..<10, of: 1).isEmpty)
        #expect(ranges.missing(0..<10, of: 2) == [0..<3, 5..<8, 9..<10])
        #expect(ranges.missing(4..<9, of: 2) == [5..<8])
        #expect(ranges.missing(0..<10, of: 3) == [0..<10])
        #expect(ranges.missing(2..<10, of: 8).isEmpty)
        #expect(ranges.missing(0..<1, of: 9) == [0..<1])
    }

    /// Against a set of single items.
    @Test(arguments: 0..<50) func `It is a set of items`(seed: UInt64) {
        var random = SplitMix(state: seed)
        var ranges = ItemRanges()
        var items: Set<ItemPoint> = []
        for _ in 0..<20 {
            let record = UInt64.random(in: 0..<6, using: &random)
            let first = Int.random(in: 0..<8, using: &random)
            let end = Int.random(in: first...8, using: &random)
            if first == 0, end == 8 {
                ranges.insert(point(record)..<point(record + 1))
            } else {
                ranges.insert(point(record, first)..<point(record, end))
            }
            for item in first..<end { items.insert(point(record, item)) }
            for record in UInt64(0)..<6 {
                let missing = ranges.missing(0..<8, of: record).flatMap { Array($0) }
                #expect(missing == (0..<8).filter { !items.contains(point(record, $0)) })
            }
        }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
