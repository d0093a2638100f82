import Testing

@testable import Platform

@Suite struct AgeClockTests {
    private let clock = ManualClock()

    @Test func `It goes on by what passed, whatever the wall clock says`() {
        var age = AgeClock(clock)
        let start = age.time
        for ahead in [Duration.zero, .seconds(400 * 86_400), .seconds(-400 * 86_400), .zero] {
            clock.setWall(ahead: ahead)
            clock.advance(by: .seconds(10))
            _ = age.advance(by: clock, downtimeMax: .seconds(5))
        }
        #expect(age.time - start == 40_000_000_000)
    }

    @Test func `A jump is told once, with its size`() {
        var age = AgeClock(clock)
        clock.setWall(ahead: .seconds(3600))
        clock.advance(by: .seconds(10))
        #expect(age.advance(by: clock, downtimeMax: .zero) == .seconds(3600))
        #expect(age.advance(by: clock, downtimeMax: .zero) == nil)
        clock.setWall(ahead: .zero)
        #expect(age.advance(by: clock, downtimeMax: .zero) == .seconds(-3600))
    }

    @Test(arguments: [(1800, 1800), (7200, 3600), (-1800, 0)])
    func `Over a start of the machine the wall clock counts, up to a limit`(
        downtime: Int, counted: Int
    ) {
        var age = AgeClock(clock)
        let start = age.time
        clock.restartMachine()
        clock.setWall(ahead: .seconds(downtime))
        _ = age.advance(by: clock, downtimeMax: .seconds(3600))
        #expect(age.time - start == UInt64(counted) * 1_000_000_000)
    }

    @Test func `No reading can end the process`() {
        let extremes: [UInt64] = [0, 1, .max - 1, .max]
        for time in extremes {
            for wall in extremes {
                var age = AgeClock(
                    time: time, wall: wall, boot: BootTime(id: 1, nanoseconds: wall))
                _ = age.advance(by: clock, downtimeMax: .seconds(1 << 40))
            }
        }
    }
}
