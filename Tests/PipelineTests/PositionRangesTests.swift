import Pipeline
import Testing

@Suite struct PositionRangesTests {
    @Test func `Ranges that touch become one`() {
        var ranges = PositionRanges()
        #expect(ranges.insert(5...7) == 5...7)
        #expect(ranges.insert(1...2) == 1...2)
        #expect(ranges.insert(10...12) == 10...12)
        #expect(ranges.ranges == [1...2, 5...7, 10...12])
        #expect(ranges.insert(8...9) == 5...12)
        #expect(ranges.insert(3...3) == 1...3)
        #expect(ranges.insert(4...4) == 1...12)
        #expect(ranges.ranges == [1...12])
    }

    @Test func `Inserting in any order says what is contained`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var ranges = PositionRanges()
            var all: Set<UInt64> = []
            for _ in 0..<20 {
                let first = UInt64.random(in: 0...40, using: &random)
                let last = first + .random(in: 0...4, using: &random)
                ranges.insert(first...last)
                all.formUnion(first...last)
            }
            #expect((0...50).filter(ranges.contains) == all.sorted())
            let gaps = zip(ranges.ranges, ranges.ranges.dropFirst())
            let areApart = gaps.allSatisfy { $0.upperBound + 1 < $1.lowerBound }
            #expect(areApart)
        }
    }
}
