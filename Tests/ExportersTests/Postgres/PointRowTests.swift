import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct PointRowTests {
    private static let time: UInt64 = 1_700_000_000_000_000_200

    @Test func `Every field of a sum and its exemplars is in its row`() {
        var testing = RowTesting()
        testing.encoder.append(
            Payload.metric(7) { sum in
                sum.message(1) {
                    Payload.wholeNumber(&$0, start: Self.time - 100, time: Self.time)
                }
                sum.varint(2, 2)
                sum.bool(3, true)
            })
        let row = testing.rows(.metricNumber)[0]
        #expect(row.time("time", "time_ns") == Self.time)
        #expect(row.time("start_time", "start_ns") == Self.time - 100)
        #expect(row.double("value") == -9_007_199_254_740_992)
        #expect(row.int("value_int") == -9_007_199_254_740_993)
        #expect(row.int("flags") == 2)
        #expect(
            row.json("exemplars") == """
                [{"time":150,"value":3,"trace_id":"0000000000000000000000000000000c",\
                "span_id":"000000000000000b","attributes":{"user":"u"}},{"time":0,"value":1.5}]
                """)
        #expect(row["sent_time"] == nil)
        let series = testing.dictionary(.metricSeries)[0]
        #expect(series.int("series_id") == row.int("series_id"))
        #expect(series.int("metric_id") == row.int("metric_id"))
        #expect(series.int("metric_type") == 2)
        #expect(series.int("temporality") == 2)
        #expect(series["is_monotonic"] == [1])
        #expect(series.text("service_name") == "checkout")
        #expect(series.text("metric_name") == "m")
        #expect(series.text("unit") == "By")
        #expect(series.text("description") == "what it is")
        #expect(series.json("metadata") == #"{"origin":"prometheus"}"#)
        #expect(series["explicit_bounds"] == nil)
        #expect(series.json("attributes") == #"{"disk":"sda"}"#)
    }

    @Test func `A gauge's value may be a double, NaN or absent`() {
        var testing = RowTesting()
        testing.encoder.append(
            Payload.metric(5) { gauge in
                gauge.message(1) { $0.double(4, 1.5) }
                gauge.message(1) { $0.double(4, .nan) }
                gauge.message(1) { $0.varint(8, 1) }
            })
        let rows = testing.rows(.metricNumber)
        #expect(rows[0].double("value") == 1.5)
        #expect(rows[1].double("value")?.isNaN == true)
        #expect(rows[2]["value"] == nil)
        for row in rows { #expect(row["value_int"] == nil && row["exemplars"] == nil) }
    }

    @Test func `Every field of a histogram is in its row`() {
        var testing = RowTesting()
        testing.encoder.append(
            Payload.metric(9) { histogram in
                histogram.message(1) { point in
                    point.fixed64(2, 1)
                    point.fixed64(3, Self.time)
                    point.fixed64(4, 6)
                    point.double(5, 12.5)
                    point.packedFixed64(6, [1, 2, UInt64.max])
                    point.packedFixed64(7, [0.5, Double.infinity].map(\.bitPattern))
                    point.double(11, 0.25)
                    point.double(12, .nan)
                    point.varint(10, 1)
                }
                histogram.message(1) { $0.fixed64(4, UInt64.max) }
                histogram.varint(2, 1)
            })
        let rows = testing.rows(.metricHistogram)
        #expect(rows[0].int("count") == 6)
        #expect(rows[0].double("sum") == 12.5)
        #expect(rows[0].double("min") == 0.25)
        #expect(rows[0].double("max")?.isNaN == true)
        #expect(rows[0].time("start_time", "start_ns") == 1)
        #expect(rows[0].integers("bucket_counts") == [1, 2, Int.max])
        #expect(rows[0].int("flags") == 1)
        #expect(rows[1].int("count") == Int.max)
        #expect(rows[1].integers("bucket_counts") == [])
        #expect(rows[1]["sum"] == nil && rows[1]["min"] == nil && rows[1]["max"] == nil)
        #expect(rows[1].numeric("sent_time") == 0)
        #expect(
            testing.encoder.takeTally() == RowTally(clampedIntegers: 2, timesOutsideWindow: 1))
        #expect(
            Set(testing.dictionary(.metricSeries).map { $0.text("explicit_bounds") })
                == ["{0.5,inf}", "{}"])
    }

    @Test func `Every field of an exponential histogram is in its row`() {
        let row = RowTesting.row(
            .metricExponentialHistogram,
            Payload.metric(10) { histogram in
                histogram.message(1) { point in
                    point.fixed64(3, Self.time)
                    point.fixed64(4, 6)
                    point.double(5, 1)
                    point.double(12, 2)
                    point.double(13, 3)
                    point.sint(6, -3)
                    point.fixed64(7, 9)
                    point.double(14, 0.001)
                    point.message(8) { buckets in
                        buckets.sint(1, -20)
                        buckets.bytes(2, [1, 0, 0x80, 1])
                    }
                    point.message(9) { buckets in
                        buckets.sint(1, 4)
                        buckets.varint(2, 5)
                    }
                    point.varint(10, 1)
                    point.message(11) { $0.fixed64(2, 1) }
                }
            })
        #expect(row.int("count") == 6)
        #expect(row.double("sum") == 1)
        #expect(row.double("min") == 2)
        #expect(row.double("max") == 3)
        #expect(row.int("zero_count") == 9)
        #expect(row.double("zero_threshold") == 0.001)
        #expect(row.int("scale") == -3)
        #expect(row.int("positive_offset") == -20)
        #expect(row.int("negative_offset") == 4)
        #expect(row.integers("positive_counts") == [1, 0, 128])
        #expect(row.integers("negative_counts") == [5])
        #expect(row.int("flags") == 1)
        #expect(row.json("exemplars") == #"[{"time":1}]"#)
        #expect(row["start_time"] == nil && row["start_ns"] == nil)
    }

    @Test func `Every field of a summary is in its row`() {
        let row = RowTesting.row(
            .metricSummary,
            Payload.metric(11) { summary in
                summary.message(1) { point in
                    point.fixed64(3, Self.time)
                    point.fixed64(4, 6)
                    point.double(5, 1.5)
                    for (quantile, value) in [(0.5, 10.0), (0.99, .nan)] {
                        point.message(6) { entry in
                            entry.double(1, quantile)
                            entry.double(2, value)
                        }
                    }
                    point.varint(8, 1)
                }
            })
        #expect(row.int("count") == 6)
        #expect(row.double("sum") == 1.5)
        #expect(row.doubles("quantiles") == [0.5, 0.99])
        #expect(row.doubles("quantile_values")?.first == 10)
        #expect(row.doubles("quantile_values")?.last?.isNaN == true)
        #expect(row.int("flags") == 1)
    }
}
