import Platform
import Testing

@testable import Gateway

@Suite struct TrimScheduleTests {
    private static let mebibyte = 1 << 20

    /// A process whose time and memory are said second by second.
    private struct Process {
        var schedule = TrimSchedule()
        var now = Instant(nanoseconds: 1_000_000_000)
        var processorTime = Duration.zero

        mutating func isDue(resident: Int, isBusy: Bool = false) -> Bool {
            now = now + .seconds(1)
            processorTime += isBusy ? .seconds(1) : .milliseconds(5)
            return schedule.isDue(
                after: .seconds(1), resident: resident * mebibyte, processorTime: processorTime,
                now: now)
        }

        mutating func trimmed(from before: Int, to after: Int) {
            schedule.trimmed(from: before * mebibyte, to: after * mebibyte, now: now)
        }
    }

    @Test func `What a load has left goes back when it is over`() {
        var process = Process()
        let early = (0..<20).filter { process.isDue(resident: $0 == 0 ? 10 : 50, isBusy: true) }
        let isDue = process.isDue(resident: 50)
        #expect(early.isEmpty && isDue)
    }

    @Test func `Much memory goes back amid a load, not all the time`() {
        var process = Process()
        let isDue = [10, 100].map { process.isDue(resident: $0, isBusy: true) }
        #expect(isDue == [false, true])
        process.trimmed(from: 100, to: 20)
        let due = (0..<20).filter { _ in process.isDue(resident: 100, isBusy: true) }
        #expect(due.first == 9)
    }

    @Test func `What becomes free without any growth goes back, too`() {
        var process = Process()
        let isDue = [10, 100].map { process.isDue(resident: $0) }
        #expect(isDue == [false, true])
        // All of it was in use.
        process.trimmed(from: 100, to: 100)
        let next = (1...10).first { _ in process.isDue(resident: 100) }
        #expect(next == 4)
    }

    @Test func `An idle process is walked seldom`() {
        var process = Process()
        var trims = 0
        for _ in 0..<3600 where process.isDue(resident: 30) {
            trims += 1
            process.trimmed(from: 30, to: 30)
        }
        #expect(trims <= 65)
    }
}
