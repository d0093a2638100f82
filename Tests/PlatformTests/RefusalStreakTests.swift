import Platform
import Testing

@Suite struct RefusalStreakTests {
    private static func at(_ milliseconds: UInt64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test func `Refusals last when they go on for longer than a moment, and end when quiet`() {
        var streak = RefusalStreak()
        #expect(!streak.isLasting(at: Self.at(0)))
        streak.note(at: Self.at(1000))
        #expect(!streak.isLasting(at: Self.at(1400)))
        streak.note(at: Self.at(1600))
        #expect(streak.isLasting(at: Self.at(1600)))
        #expect(!streak.isLasting(at: Self.at(2600)))
        streak.note(at: Self.at(9000))
        #expect(!streak.isLasting(at: Self.at(9000)))
    }
}
