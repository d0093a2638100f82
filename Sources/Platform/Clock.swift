internal import Glibc
internal import Synchronization

/// Time as a dependency: components take it from here, so that tests can turn it by hand.
public protocol Clock: Sendable {
    /// Monotonic: for timeouts, ages and durations.
    var now: Instant { get }
    /// Wall time, nanoseconds since 1970-01-01T00:00:00Z: for timestamps, never for waiting.
    var unixNanoseconds: UInt64 { get }
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

    public init(unixNanoseconds: UInt64 = 1_700_000_000_000_000_000) {
        unixStart = unixNanoseconds
    }

    public var now: Instant { Instant(nanoseconds: elapsed.load(ordering: .relaxed)) }
    public var unixNanoseconds: UInt64 { unixStart + elapsed.load(ordering: .relaxed) }

    public func advance(by duration: Duration) {
        elapsed.wrappingAdd(UInt64(clamping: duration.nanoseconds), ordering: .relaxed)
    }
}
