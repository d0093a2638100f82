import Bytes
import OTLP

/// One statement a kind of data point.
struct PointStatements {
    let number: SQLiteStatement
    let histogram: SQLiteStatement
    let exponential: SQLiteStatement
    let summary: SQLiteStatement

    init(_ connection: SQLiteConnection) throws(SQLiteError) {
        number = try RowWriter.insert(
            connection, into: "metric_number",
            Self.keyColumns + ["value", "value_int", "start_time", "flags", "nan", "exemplars"])
        histogram = try RowWriter.insert(
            connection, into: "metric_histogram",
            Self.keyColumns + [
                "count", "sum", "min", "max", "start_time", "bucket_counts", "flags", "nan",
                "exemplars",
            ])
        exponential = try RowWriter.insert(
            connection, into: "metric_exp_histogram",
            Self.keyColumns + [
                "count", "sum", "min", "max", "start_time", "zero_count", "zero_threshold",
                "scale", "positive_offset", "positive_counts", "negative_offset",
                "negative_counts", "flags", "nan", "exemplars",
            ])
        summary = try RowWriter.insert(
            connection, into: "metric_summary",
            Self.keyColumns + [
                "count", "sum", "start_time", "quantiles", "quantile_values", "flags", "nan",
            ])
    }

    private static let keyColumns = ["id", "time", "metric_id", "series_id"]
}

extension RowWriter {
    func write(
        point item: ItemEntry, _ metric: MetricContext, _ resource: ResourceContext,
        _ scope: ScopeContext, _ bytes: RawSpan
    ) throws(SQLiteError) {
        let point = DataPointView(item.body, metric.entry.kind, in: bytes)
        let key = PointKey(
            id: nextID, time: signed(point.time), metricID: metric.metricID,
            seriesID: try write(seriesOf: point, metric, resource, scope, bytes))
        let exemplars =
            point.exemplarCount == 0 ? 0..<0 : building { $0.exemplars(point.exemplars, bytes) }
        switch metric.entry.kind {
        case .gauge, .sum, .none: try write(number: point, key, exemplars)
        case .histogram: try write(histogram: point, key, exemplars)
        case .exponentialHistogram: try write(exponential: point, key, exemplars)
        case .summary: try write(summary: point, key)
        }
    }

    private struct PointKey {
        let id: Int64
        let time: Int64
        let metricID: Int64
        let seriesID: Int64
    }

    private func bind(_ key: PointKey, _ statement: SQLiteStatement) {
        statement.bind(key.id)
        statement.bind(key.time)
        statement.bind(key.metricID)
        statement.bind(key.seriesID)
    }

    private func write(
        number point: DataPointView, _ key: PointKey, _ exemplars: Range<Int>
    ) throws(SQLiteError) {
        let row = points.number
        bind(key, row)
        var nan: Int64 = 0
        switch point.number {
        case .none:
            row.bindNull()
            row.bindNull()
        case .int(let value):
            row.bind(Double(value))
            row.bind(value)
        case .double(let value):
            row.bind(value)
            row.bindNull()
            nan = Self.nanBits(value)
        }
        row.bindUnlessZero(signed(point.startTime))
        row.bindUnlessZero(Int64(point.flags))
        row.bindUnlessZero(nan)
        bindJSON(row, exemplars)
        try row.run()
    }

    private func write(
        histogram point: DataPointView, _ key: PointKey, _ exemplars: Range<Int>
    ) throws(SQLiteError) {
        let counts = integers(point.bucketCounts)
        let row = points.histogram
        bind(key, row)
        bindAggregates(of: point, row)
        bindJSON(row, counts)
        row.bindUnlessZero(Int64(point.flags))
        row.bindUnlessZero(Self.nanBits(point.sum, point.min, point.max))
        bindJSON(row, exemplars)
        try row.run()
    }

    private func write(
        exponential point: DataPointView, _ key: PointKey, _ exemplars: Range<Int>
    ) throws(SQLiteError) {
        let positive = integers(point.positive.counts)
        let negative = integers(point.negative.counts)
        let row = points.exponential
        bind(key, row)
        bindAggregates(of: point, row)
        row.bind(signed(point.zeroCount))
        row.bind(point.zeroThreshold)
        row.bind(Int64(point.scale))
        row.bind(Int64(point.positive.offset))
        bindJSON(row, positive)
        row.bind(Int64(point.negative.offset))
        bindJSON(row, negative)
        row.bindUnlessZero(Int64(point.flags))
        row.bindUnlessZero(
            Self.nanBits(point.sum, point.min, point.max, point.zeroThreshold))
        bindJSON(row, exemplars)
        try row.run()
    }

    private func write(summary point: DataPointView, _ key: PointKey) throws(SQLiteError) {
        let quantiles = doubles(point.quantiles.lazy.map(\.quantile))
        let values = doubles(point.quantiles.lazy.map(\.value))
        // Not optional here: absent is 0.
        let sum = point.sum ?? 0
        let row = points.summary
        bind(key, row)
        row.bind(signed(point.count))
        row.bind(sum)
        row.bindUnlessZero(signed(point.startTime))
        bindJSON(row, quantiles)
        bindJSON(row, values)
        row.bindUnlessZero(Int64(point.flags))
        row.bindUnlessZero(Self.nanBits(sum))
        try row.run()
    }

    private func bindAggregates(of point: DataPointView, _ row: SQLiteStatement) {
        row.bind(signed(point.count))
        row.bind(point.sum)
        row.bind(point.min)
        row.bind(point.max)
        row.bindUnlessZero(signed(point.startTime))
    }

    /// Which of the values are NaN, the first in the lowest bit.
    private static func nanBits(_ values: Double?...) -> Int64 {
        var bits: Int64 = 0
        for (index, value) in values.enumerated() where value?.isNaN == true {
            bits |= 1 << Int64(index)
        }
        return bits
    }

    private func integers(_ values: [UInt64]) -> Range<Int> {
        building { $0.list(values) { $0.integer($1) } }
    }

    private func doubles(_ values: some Sequence<Double>) -> Range<Int> {
        building { $0.list(values) { $0.double($1) } }
    }
}
