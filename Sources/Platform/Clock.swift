internal import Glibc
internal import Synchronization

/// Time as a dependency: components take it from here, so that tests can turn it by hand.
public protocol Clock: Sendable {
    /// Monotonic: for timeouts, ages and durations.
    var now: Instant { get }
    /// Wall time, nanoseconds since 1970-01-01T00:00:00Z: for timestamps, never for waiting.
    var unixNanoseconds: UInt64 { get }
    /// Time since the machine's start, with which start it was.
    var bootTime: BootTime { get }
}

extension Clock {
    public var bootTime: BootTime { .now }
}

/// The machine's clocks.
public struct SystemClock: Clock {
    public init() {}
    public var now: Instant { .now }
    public var unixNanoseconds: UInt64 { readClock(CLOCK_REALTIME) }
}

/// A clock for tests: stands still until it is advanced.
public final class ManualClock: Clock {
    private let elapsed = Atomic<UInt64>(1_000_000_000)
    private let unixStart: UInt64
    /// How far the wall clock is wrong.
    private let wallOffset = Atomic<Int64>(0)
    private let bootID = Atomic<UInt64>(1)

    public init(unixNanoseconds: UInt64 = 1_700_000_000_000_000_000) {
        unixStart = unixNanoseconds
    }

    public var now: Instant { Instant(nanoseconds: elapsed.load(ordering: .relaxed)) }
    public var unixNanoseconds: UInt64 {
        let right = unixStart &+ elapsed.load(ordering: .relaxed)
        return right &+ UInt64(bitPattern: wallOffset.load(ordering: .relaxed))
    }
    public var bootTime: BootTime {
        BootTime(
            id: UInt128(bootID.load(ordering: .relaxed)),
            nanoseconds: elapsed.load(ordering: .relaxed))
    }

    /// Has the wall clock be wrong by so much from now on, ahead or behind.
    public func setWall(ahead offset: Duration) {
        wallOffset.store(offset.nanoseconds, ordering: .relaxed)
    }

    /// As if the machine had been started again: its boot clock tells nothing of the time before.
    public func restartMachine() { bootID.wrappingAdd(1, ordering: .relaxed) }

    public func advance(by duration: Duration) {
        elapsed.wrappingAdd(UInt64(clamping: duration.nanoseconds), ordering: .relaxed)
    }
}
