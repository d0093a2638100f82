import OTLP

/// How long a span took. Nil where its start or its end was not sent: their difference would be the
/// time since 1970, and one such span would be the mean of its service.
enum SpanDuration {
    /// Ten years, in nanoseconds: beyond that one of the two is no time of this span.
    static let nanosecondsMax: Int64 = 315_360_000_000_000_000

    /// End minus start in nanoseconds; negative where the end is before the start.
    @inline(__always)
    static func of(_ span: SpanView) -> Int64? {
        guard span.startTime > 0, span.endTime > 0 else { return nil }
        // 64 bits that wrap: times that are further apart than they can say are too far anyway.
        let (start, end) = (span.startTime, span.endTime)
        let magnitude = end >= start ? end &- start : start &- end
        guard magnitude <= UInt64(nanosecondsMax) else { return nil }
        return Int64(bitPattern: end &- start)
    }
}
