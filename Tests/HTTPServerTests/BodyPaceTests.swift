import Platform
import Testing

@testable import HTTPServer

@Suite struct BodyPaceTests {
    private static let limits = BodyPace.Limits(
        time: .seconds(600), stretch: .seconds(30), rateMin: 1024)

    /// Of a body that brings so many bytes each second: when it is found too slow, if it is.
    private static func end(
        _ bytes: Int, every seconds: Int = 1, isScarce: Bool = false, limits: BodyPace.Limits
    ) -> Int? {
        var pace = BodyPace(from: Instant(nanoseconds: 0))
        for second in 1...1000 {
            let now = Instant(nanoseconds: UInt64(second) * 1_000_000_000)
            if now >= pace.nextLook(limits), pace.isTooSlow(at: now, limits, isScarce: isScarce) {
                return second
            }
            if second % seconds == 0 { pace.received(bytes) }
        }
        return nil
    }

    @Test(arguments: [
        (0, 1, false, 30), (1, 20, false, 30), (1000, 1, false, 30), (1100, 1, false, 600),
        (2200, 1, true, 600), (1000, 1, true, 2), (0, 1, true, 2), (100_000, 1, true, 600),
    ])
    func `A body ends that is late, or slower than the least rate`(
        bytes: Int, every: Int, isScarce: Bool, expected: Int
    ) throws {
        let end = try #require(
            Self.end(bytes, every: every, isScarce: isScarce, limits: Self.limits))
        // A short stretch that began before the bytes did may be looked at once more.
        #expect(end >= expected && end <= expected + 2)
    }

    @Test func `A limit of zero is none`() {
        let none = BodyPace.Limits(time: .zero, stretch: .zero, rateMin: 0)
        #expect(Self.end(0, limits: none) == nil)
        #expect(Self.end(1, isScarce: true, limits: none) == nil)
    }

    @Test func `Time in which nothing was read does not count`() {
        var pace = BodyPace(from: Instant(nanoseconds: 0))
        let later = Instant(nanoseconds: 1_000_000_000_000)
        pace.skip(from: Instant(nanoseconds: 0), to: later)
        let isTooSlow = pace.isTooSlow(at: later, Self.limits, isScarce: true)
        #expect(!isTooSlow)
        #expect(pace.nextLook(Self.limits) == later + BodyPace.shortStretch)
    }
}
