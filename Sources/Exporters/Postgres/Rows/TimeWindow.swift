/// Which times rows may have: one decades away would make a chunk or a partition of its own.
struct TimeWindow: Sendable, Equatable {
    /// Nanoseconds before the time of receipt.
    var past: UInt64 = 30 * 86_400_000_000_000
    /// Nanoseconds after it.
    var future: UInt64 = 86_400_000_000_000

    /// Unix nanoseconds.
    func range(around receivedAt: UInt64) -> ClosedRange<UInt64> {
        let (latest, overflow) = receivedAt.addingReportingOverflow(future)
        return receivedAt - min(receivedAt, past)...(overflow ? .max : latest)
    }
}

/// What is the same for all items of a batch.
struct BatchTimes {
    /// Unix nanoseconds.
    let receivedAt: UInt64
    let window: ClosedRange<UInt64>
}

/// What was changed so that PostgreSQL can hold it, since it was last asked for.
struct RowTally: Equatable, Sendable {
    /// NULs that became U+2400.
    var replacedNULs = 0
    /// Integers beyond their column that became the nearest within it.
    var clampedIntegers = 0
    /// Metrics' names that lost their end.
    var cutNames = 0
    /// Rows whose time became the time of receipt.
    var timesOutsideWindow = 0
}
