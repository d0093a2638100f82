/// Time for ages that outlive the process: it goes on by what really passed, and by the wall clock
/// only as far as that can be trusted.
///
/// While the machine runs, its boot clock tells what passed, over restarts of the process as well.
/// Over a restart of the machine only the wall clock knows, and that may be wrong by years: a board
/// without a battery starts in 1970, a bad answer of a time server lies a year ahead. So downtime
/// counts as the wall clock says, but never below zero and never above a limit; ages are then too
/// small by the rest, and what retention would delete stays that much longer.
public struct AgeClock: Equatable, Sendable {
    /// Nanoseconds: wall time as of the first reading, and what has passed since.
    public private(set) var time: UInt64
    /// The wall clock and the boot clock at the last reading.
    public private(set) var wall: UInt64
    public private(set) var boot: BootTime

    /// More than this between the two clocks is a jump worth a word.
    private static let jumpMin: UInt64 = 60_000_000_000

    public init(time: UInt64, wall: UInt64, boot: BootTime) {
        self.time = time
        self.wall = wall
        self.boot = boot
    }

    /// Begins now.
    public init(_ clock: some Clock) {
        self.init(time: clock.unixNanoseconds, wall: clock.unixNanoseconds, boot: clock.bootTime)
    }

    /// Goes on to now.
    ///
    /// - Parameter downtimeMax: the most that counts of a time that only the wall clock knows.
    /// - Returns: by how much the wall clock has gone ahead of what passed, or back, where that is
    ///   a jump.
    public mutating func advance(by clock: some Clock, downtimeMax: Duration) -> Duration? {
        let (wallNow, bootNow) = (clock.unixNanoseconds, clock.bootTime)
        let isSameBoot =
            bootNow.id != 0 && bootNow.id == boot.id && bootNow.nanoseconds >= boot.nanoseconds
        let ahead = wallNow - min(wallNow, wall)
        let elapsed =
            isSameBoot
            ? bootNow.nanoseconds - boot.nanoseconds
            : min(ahead, UInt64(clamping: downtimeMax.nanoseconds))
        let expected = wall.addingReportingOverflow(elapsed)
        time = time.addingReportingOverflow(elapsed).partialValue
        wall = wallNow
        boot = bootNow
        guard !expected.overflow else { return nil }
        let isAhead = wallNow > expected.partialValue
        let jump = isAhead ? wallNow - expected.partialValue : expected.partialValue - wallNow
        guard jump >= Self.jumpMin else { return nil }
        let size = Duration.nanoseconds(Int64(clamping: jump))
        return isAhead ? size : .zero - size
    }
}
