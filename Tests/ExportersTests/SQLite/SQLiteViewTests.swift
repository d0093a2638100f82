import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct SQLiteViewTests {
    private let fixture: SQLiteFixture

    init() throws { fixture = try SQLiteFixture() }

    @Test func `The view spans shows what a person can read`() throws {
        let batch = Payload.batch(.traces) { scope in
            scope.message(2) { span in
                span.identifier(1, 0, 0xab)
                span.identifier(2, 0xffff_ffff_ffff_fffe)
                span.string(3, "ot=th:c")
                span.string(5, "GET /")
                span.varint(6, 3)
                span.fixed64(7, 1_700_000_000_000_000_001)
                span.fixed64(8, 1_700_000_000_002_500_001)
                span.message(15) { $0.varint(3, 2) }
            }
        }
        #expect(try fixture.store(batch) == .accepted())
        let row = try #require(try fixture.rows("SELECT * FROM spans").first)
        let expected: [String: String?] = [
            "start_time": "2023-11-14T22:13:20.000000001Z",
            "end_time": "2023-11-14T22:13:20.002500001Z", "duration_ms": "2.5",
            "service_name": "checkout", "name": "GET /", "kind": "client", "status": "error",
            "trace_id": "000000000000000000000000000000ab", "span_id": "fffffffffffffffe",
            "parent_span_id": nil, "attributes": "{}", "events": "[]", "links": "[]",
            "resource": #"{"service.name":"checkout"}"#, "scope_name": "library",
            "scope_version": "1.2.3", "scope_attributes": #"{"scope.kind":"test"}"#,
            "operation": "GET /", "adjusted_count": "4.0", "trace_state": "ot=th:c",
            "start_time_unix_nano": "1700000000000000001",
        ]
        for (column, value) in expected { #expect(row[column] == .some(value), "\(column)") }
    }

    @Test func `The view logs shows severity, body and ids`() throws {
        let batch = Payload.batch(.logs, service: nil, itemCount: 2) { scope in
            scope.message(2) { record in
                record.varint(2, 13)
                record.message(5) { $0.string(1, "slow") }
                record.fixed64(11, 1_700_000_000_000_000_000)
                record.identifier(10, 1)
            }
            scope.message(2) { $0.message(5) { $0.int(3, 5) } }
        }
        #expect(try fixture.store(batch) == .accepted())
        let row = try #require(try fixture.rows("SELECT * FROM logs WHERE body = 'slow'").first)
        #expect(row["time"] == "2023-11-14T22:13:20.000000000Z")
        #expect(row["severity"] == "WARN")
        #expect(row["time_source"] == "observed")
        #expect(row["time_unix_nano"] == "1700000000000000000")
        #expect(row["adjusted_count"] == "1.0")
        #expect(row["service_name"] == "unknown_service")
        #expect(row["span_id"] == "0000000000000001")
        #expect(try fixture.value("SELECT body FROM logs WHERE body <> 'slow'") == "5")
    }

    @Test func `The view traces counts what belongs to a root`() throws {
        let batch = Payload.batch(.traces, itemCount: 3) { scope in
            for number in 1...UInt64(3) {
                scope.message(2) { span in
                    span.identifier(1, 0, 1)
                    span.identifier(2, number)
                    if number > 1 { span.identifier(4, number - 1) }
                    span.string(5, number == 1 ? "root" : "child")
                    span.fixed64(7, 1_000_000 * number)
                    span.fixed64(8, 1_000_000 * (number + 3))
                    if number == 3 { span.message(15) { $0.varint(3, 2) } }
                }
            }
        }
        #expect(try fixture.store(batch) == .accepted())
        let row = try #require(try fixture.rows("SELECT * FROM traces").first)
        #expect(row["name"] == "root")
        #expect(row["span_count"] == "3")
        #expect(row["error_count"] == "1")
        #expect(row["service_count"] == "1")
        #expect(row["duration_ms"] == "5.0")
    }

    @Test(arguments: [
        ("SELECT * FROM spans WHERE trace_id = 'ab'", "span_trace"),
        ("SELECT * FROM spans WHERE start_time_ns > 1", "span_time"),
        ("SELECT * FROM spans ORDER BY start_time_ns DESC LIMIT 10", "span_time"),
        ("SELECT * FROM spans WHERE service_name = 'a' AND start_time_ns > 1", "span_service"),
        ("SELECT * FROM logs WHERE trace_id = 'ab'", "log_trace"),
        ("SELECT * FROM logs WHERE service_name = 'a' AND time_ns > 1", "log_service"),
        ("SELECT * FROM logs ORDER BY time_ns DESC LIMIT 10", "log_time"),
        ("SELECT * FROM metrics WHERE metric_name = 'm'", "metric_series_name"),
        ("SELECT * FROM metrics WHERE metric_name = 'm'", "metric_number_series"),
        ("SELECT * FROM traces ORDER BY start_time_ns DESC LIMIT 10", "span_time"),
    ])
    func `A query of a view reaches the index`(_ query: String, _ index: String) throws {
        _ = try fixture.store(Payload.spans(1))
        let plan = try fixture.rows("EXPLAIN QUERY PLAN \(query)").map { $0["detail"]!! }
        #expect(plan.contains { $0.contains(index) }, "\(plan)")
    }
}
