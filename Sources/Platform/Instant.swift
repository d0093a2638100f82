internal import Glibc

/// A moment on the monotonic clock, which no change of the wall clock moves.
@frozen public struct Instant: Hashable, Comparable, Sendable {
    /// Since an arbitrary moment, usually the machine's start.
    public var nanoseconds: UInt64

    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static var now: Instant { Instant(nanoseconds: readClock(CLOCK_MONOTONIC)) }

    /// Later than any other: a timeout that never comes.
    @inlinable public static var distantFuture: Instant { Instant(nanoseconds: .max) }

    @inlinable public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Saturates at both ends.
    @inlinable public static func + (instant: Instant, duration: Duration) -> Instant {
        let delta = duration.nanoseconds
        let (sum, overflow) =
            delta >= 0
            ? instant.nanoseconds.addingReportingOverflow(delta.magnitude)
            : instant.nanoseconds.subtractingReportingOverflow(delta.magnitude)
        if overflow { return Instant(nanoseconds: delta >= 0 ? .max : 0) }
        return Instant(nanoseconds: sum)
    }

    @inlinable public static func - (later: Instant, earlier: Instant) -> Duration {
        later >= earlier
            ? .nanoseconds(Int64(clamping: later.nanoseconds - earlier.nanoseconds))
            : .nanoseconds(-Int64(clamping: earlier.nanoseconds - later.nanoseconds))
    }

    /// Milliseconds for poll and epoll_wait, rounded up so that a wait never ends just too early,
    /// and at most a day: the waiter looks at the clock again anyway.
    @inlinable public func pollTimeout(from now: Instant) -> CInt {
        guard self > now else { return 0 }
        let milliseconds = (nanoseconds - now.nanoseconds - 1) / 1_000_000 + 1
        return CInt(min(milliseconds, 86_400_000))
    }
}

extension Duration {
    /// The whole duration in nanoseconds, saturating (292 years).
    @inlinable public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || overflow2 ? (seconds < 0 ? .min : .max) : sum
    }

    /// As a fraction, for metrics and people.
    @inlinable public var seconds: Double { Double(nanoseconds) / 1e9 }
}

func readClock(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    // SAFETY: `time` outlives the call. It can't fail: both clocks exist on every Linux.
    let result = unsafe clock_gettime(clock, &time)
    precondition(result == 0, "BUG: clock_gettime failed")
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
}
