import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct SQLiteMetricTests {
    private let fixture: SQLiteFixture

    init() throws { fixture = try SQLiteFixture() }

    private func check(_ sql: String, _ expected: [String: String?]) throws {
        let row = try #require(try fixture.rows(sql).first)
        for (column, value) in expected { #expect(row[column] == .some(value), "\(column)") }
    }

    @Test func `Every field of a sum and its exemplars is stored`() throws {
        let batch = Payload.metric(7, pointCount: 3) { sum in
            sum.message(1) { Payload.wholeNumber(&$0, start: 100, time: 200) }
            sum.message(1) { $0.double(4, .nan) }
            sum.message(1) { $0.varint(8, 1) }
            sum.varint(2, 2)
            sum.bool(3, true)
        }
        #expect(try fixture.store(batch) == .accepted())
        try check(
            "SELECT * FROM metric_number ORDER BY id",
            [
                "time": "200", "start_time": "100", "value_int": "-9007199254740993", "flags": "2",
                "nan": nil,
                "exemplars": """
                [{"time":150,"value":3,"trace_id":"0000000000000000000000000000000c",\
                "span_id":"000000000000000b","attributes":{"user":"u"}},{"time":0,"value":1.5}]
                """,
            ])
        let rest = try fixture.rows(
            "SELECT value, value_int, nan, flags FROM metric_number WHERE id > 1 ORDER BY id")
        #expect(rest[0] == ["value": nil, "value_int": nil, "nan": "1", "flags": nil])
        #expect(rest[1] == ["value": nil, "value_int": nil, "nan": nil, "flags": "1"])
        try check(
            "SELECT * FROM metric_series WHERE attributes <> '{}'",
            [
                "metric_type": "2", "temporality": "2", "is_monotonic": "1",
                "service_name": "checkout", "metric_name": "m", "unit": "By",
                "description": "what it is", "metadata": #"{"origin":"prometheus"}"#,
                "explicit_bounds": nil, "attributes": #"{"disk":"sda"}"#,
            ])
    }

    @Test func `Every field of a histogram is stored`() throws {
        let batch = Payload.metric(9) { histogram in
            histogram.message(1) { point in
                point.fixed64(2, 1)
                point.fixed64(3, 2)
                point.fixed64(4, 6)
                point.double(5, 12.5)
                point.packedFixed64(6, [1, 2, UInt64.max])
                point.packedFixed64(7, [0.5, Double.infinity].map(\.bitPattern))
                point.double(11, 0.25)
                point.double(12, .nan)
                point.varint(10, 1)
            }
            histogram.varint(2, 1)
        }
        #expect(try fixture.store(batch) == .accepted())
        try check(
            "SELECT * FROM metric_histogram",
            [
                "time": "2", "start_time": "1", "count": "6", "sum": "12.5", "min": "0.25",
                "max": nil,
                "bucket_counts": "[1,2,18446744073709551615]", "flags": "1", "nan": "4",
                "exemplars": nil,
            ])
        try check(
            "SELECT * FROM metric_series",
            [
                "metric_type": "3", "temporality": "1",
                "explicit_bounds": #"[0.5,{"$double":"Infinity"}]"#,
            ])
    }

    @Test func `Every field of an exponential histogram is stored`() throws {
        let batch = Payload.metric(10) { histogram in
            histogram.message(1) { point in
                point.fixed64(3, 2)
                point.fixed64(4, 6)
                point.sint(6, -3)
                point.fixed64(7, 9)
                point.message(8) { buckets in
                    buckets.sint(1, -20)
                    buckets.bytes(2, [1, 0, 0x80, 1])
                }
                point.message(9) { $0.sint(1, 4) }
                point.double(14, 1e-9)
            }
        }
        #expect(try fixture.store(batch) == .accepted())
        try check(
            "SELECT * FROM metric_exp_histogram",
            [
                "count": "6", "sum": nil, "min": nil, "max": nil, "zero_count": "9",
                "zero_threshold": "1.0e-09", "scale": "-3", "positive_offset": "-20",
                "positive_counts": "[1,0,128]", "negative_offset": "4", "negative_counts": "[]",
                "nan": nil,
            ])
    }

    @Test func `Every field of a summary is stored`() throws {
        let batch = Payload.metric(11) { summary in
            summary.message(1) { point in
                point.fixed64(3, 2)
                point.fixed64(4, 6)
                point.double(5, 2.5)
                point.message(6) { quantile in
                    quantile.double(1, 0.5)
                    quantile.double(2, .nan)
                }
                point.message(6) { $0.double(1, 1) }
                point.varint(8, 1)
            }
        }
        #expect(try fixture.store(batch) == .accepted())
        try check(
            "SELECT * FROM metric_summary",
            [
                "count": "6", "sum": "2.5", "quantiles": "[0.5,1.0]",
                "quantile_values": #"[{"$double":"NaN"},0.0]"#, "flags": "1", "nan": nil,
            ])
    }

    @Test func `A series is the same whatever the order of its attributes`() throws {
        let keys = ["a", "b", "c"]
        let batch = Payload.metric(5, pointCount: 2) { gauge in
            for order in [keys, keys.reversed()] {
                gauge.message(1) { point in
                    for key in order {
                        point.message(7) { $0.attribute(key) { $0.string(1, "x") } }
                    }
                    point.double(4, 1)
                }
            }
        }
        #expect(try fixture.store(batch) == .accepted())
        #expect(try fixture.value("SELECT count(*) FROM metric_series") == "1")
        #expect(
            try fixture.value(
                "SELECT count(*) FROM metric_number JOIN metric_series USING (series_id)")
                == "2")
    }

    @Test func `Series that differ in unit, bounds or a value are apart`() throws {
        func gauge(unit: String, value: String) -> QueuedBatch {
            Payload.batch(.metrics) { scope in
                scope.message(2) { metric in
                    metric.string(1, "m")
                    metric.string(3, unit)
                    metric.message(5) { gauge in
                        gauge.message(1) { point in
                            point.message(7) { $0.attribute("k") { $0.string(1, value) } }
                        }
                    }
                }
            }
        }
        let outcome = try fixture.store(
            gauge(unit: "s", value: "1"), gauge(unit: "ms", value: "1"),
            gauge(unit: "s", value: "2"))
        #expect(outcome == .accepted())
        #expect(try fixture.value("SELECT count(DISTINCT series_id) FROM metric_number") == "3")
        #expect(try fixture.value("SELECT count(DISTINCT metric_id) FROM metric_number") == "2")
    }

    @Test func `The view metrics shows all five kinds`() throws {
        let outcome = try fixture.store(
            Payload.metric(5, name: "gauge") { $0.message(1) { $0.double(4, 0.5) } },
            Payload.metric(7, name: "sum") { $0.message(1) { $0.fixed64(6, 3) } },
            Payload.metric(9, name: "histogram") { $0.message(1) { $0.packedFixed64(6, [1]) } },
            Payload.metric(10, name: "exponential") { $0.message(1) { $0.sint(6, 2) } },
            Payload.metric(11, name: "summary") { $0.message(1) { $0.double(5, 1) } })
        #expect(outcome == .accepted())
        let rows = try fixture.rows(
            "SELECT metric_name, type, value, unit, details FROM metrics")
        let types = Dictionary(
            uniqueKeysWithValues: rows.map { ($0["metric_name"]!!, $0["type"]!!) })
        #expect(
            types == [
                "gauge": "gauge", "sum": "sum", "histogram": "histogram",
                "exponential": "exponential_histogram", "summary": "summary",
            ])
        let details = rows.first { $0["metric_name"] == "histogram" }?["details"]
        #expect(details == #"{"bucket_counts":[1],"explicit_bounds":[]}"#)
        #expect(rows.first { $0["metric_name"] == "sum" }?["value"] == "3")
    }
}
