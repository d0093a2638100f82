import Testing

@testable import Pipeline

@Suite struct LearnedSizeTests {
    @Test func `What was too large is halved until it fits, and stays so`() {
        var size = LearnedSize()
        #expect(size.limit == nil)
        size.wasAccepted(1_000_000)
        #expect(size.limit == nil)
        size.wasTooLarge(1_000_000)
        size.wasTooLarge(500_000)
        #expect(size.limit == 250_000)
        // Small requests say nothing.
        for _ in 0..<1_000 { size.wasAccepted(1_000) }
        #expect(size.limit == 250_000)
    }

    @Test func `It grows again slowly, and falls back to what was accepted`() {
        var size = LearnedSize()
        size.wasTooLarge(200_000)
        for _ in 0..<LearnedSize.successesBeforeGrowth { size.wasAccepted(100_000) }
        #expect(size.limit == 112_500)
        size.wasTooLarge(112_000)
        #expect(size.limit == 100_000)
        // Other telemetry, which compresses worse.
        size.wasTooLarge(90_000)
        #expect(size.limit == 45_000)
        for _ in 0..<10_000 { size.wasAccepted(size.limit ?? 0) }
        #expect(size.limit ?? .max > 1_000_000_000)
    }

    @Test func `It ends at one byte`() {
        var size = LearnedSize()
        size.wasTooLarge(1)
        size.wasTooLarge(0)
        #expect(size.limit == 1)
    }
}
