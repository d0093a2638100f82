import Bytes
import OTLP

/// What every point's row begins with.
struct PointKey {
    let metricID: Int64
    let seriesID: Int64
    /// Unix nanoseconds: the point's, or of receipt.
    let time: UInt64
    /// Where the row's time is another one.
    let sentTime: UInt64?
}

extension FactRows {
    private static let keyColumns = ["time", "metric_id", "series_id"]
    private static let timeColumns = ["start_time", "time_ns", "start_ns"]

    static let numberColumns =
        keyColumns + ["value", "value_int"] + timeColumns + ["flags", "exemplars", "sent_time"]

    static let histogramColumns =
        keyColumns + ["count", "sum", "min", "max"] + timeColumns
        + ["bucket_counts", "flags", "exemplars", "sent_time"]

    static let exponentialColumns =
        keyColumns + ["count", "sum", "min", "max"] + timeColumns
        + [
            "zero_count", "zero_threshold", "scale", "positive_offset", "negative_offset",
            "positive_counts", "negative_counts", "flags", "exemplars", "sent_time",
        ]

    static let summaryColumns =
        keyColumns + ["count", "sum"] + timeColumns
        + ["quantiles", "quantile_values", "flags", "sent_time"]

    mutating func write(point: DataPointView, _ key: PointKey, _ bytes: RawSpan) {
        switch point.kind {
        case .gauge, .sum, .none: write(number: point, key, bytes)
        case .histogram: write(histogram: point, key, bytes)
        case .exponentialHistogram: write(exponential: point, key, bytes)
        case .summary: write(summary: point, key)
        }
    }

    private mutating func write(number point: DataPointView, _ key: PointKey, _ bytes: RawSpan) {
        tuple.begin(fieldCount: 11)
        write(key)
        switch point.number {
        case .none:
            tuple.null()
            tuple.null()
        case .int(let value):
            tuple.float8(Double(value))
            tuple.int8(value)
        case .double(let value):
            tuple.float8(value)
            tuple.null()
        }
        writeTimes(point, key)
        tuple.int8(unlessZero: Int64(point.flags))
        writeEnd(point, key, bytes)
    }

    private mutating func write(
        histogram point: DataPointView, _ key: PointKey, _ bytes: RawSpan
    ) {
        tuple.begin(fieldCount: 14)
        write(key)
        writeAggregates(point)
        writeTimes(point, key)
        tuple.array(clamping: point.bucketCounts)
        tuple.int8(unlessZero: Int64(point.flags))
        writeEnd(point, key, bytes)
    }

    private mutating func write(
        exponential point: DataPointView, _ key: PointKey, _ bytes: RawSpan
    ) {
        tuple.begin(fieldCount: 20)
        write(key)
        writeAggregates(point)
        writeTimes(point, key)
        tuple.int8(clamping: point.zeroCount)
        tuple.float8(point.zeroThreshold)
        tuple.int4(point.scale)
        tuple.int4(point.positive.offset)
        tuple.int4(point.negative.offset)
        tuple.array(clamping: point.positive.counts)
        tuple.array(clamping: point.negative.counts)
        tuple.int8(unlessZero: Int64(point.flags))
        writeEnd(point, key, bytes)
    }

    private mutating func write(summary point: DataPointView, _ key: PointKey) {
        tuple.begin(fieldCount: 12)
        write(key)
        tuple.int8(clamping: point.count)
        // Not optional here: absent is 0.
        tuple.float8(point.sum ?? 0)
        writeTimes(point, key)
        tuple.array(point.quantiles.lazy.map(\.quantile))
        tuple.array(point.quantiles.lazy.map(\.value))
        tuple.int8(unlessZero: Int64(point.flags))
        writeSentTime(key)
    }

    private mutating func write(_ key: PointKey) {
        tuple.timestamp(key.time)
        tuple.int8(key.metricID)
        tuple.int8(key.seriesID)
    }

    private mutating func writeAggregates(_ point: DataPointView) {
        tuple.int8(clamping: point.count)
        tuple.float8(point.sum)
        tuple.float8(point.min)
        tuple.float8(point.max)
    }

    private mutating func writeTimes(_ point: DataPointView, _ key: PointKey) {
        tuple.timestamp(unlessZero: point.startTime)
        tuple.nanoseconds(key.time)
        tuple.nanoseconds(unlessZero: point.startTime)
    }

    private mutating func writeEnd(_ point: DataPointView, _ key: PointKey, _ bytes: RawSpan) {
        if point.exemplarCount == 0 {
            tuple.null()
        } else {
            tuple.jsonb { $0.exemplars(point.exemplars, bytes) }
        }
        writeSentTime(key)
    }

    private mutating func writeSentTime(_ key: PointKey) {
        if let sentTime = key.sentTime { tuple.numeric(sentTime) } else { tuple.null() }
    }
}
