import OTLP
import Pipeline
import Platform
import Testing

@testable import Exporters

@Suite struct SQLiteRoundTripTests {
    private static let values: [(String, @Sendable (inout ProtobufWriter) -> Void)] = [
        (#"{"v":"a\"\\\n\t\u0000é"}"#, { $0.string(1, "a\"\\\n\t\u{0}é") }),
        (#"{"v":true}"#, { $0.bool(2, true) }),
        (#"{"v":0}"#, { $0.int(3, 0) }),
        (#"{"v":9223372036854775807}"#, { $0.int(3, .max) }),
        (#"{"v":-9223372036854775808}"#, { $0.int(3, .min) }),
        (#"{"v":1.0}"#, { $0.double(4, 1) }),
        (#"{"v":-0.0}"#, { $0.double(4, -0.0) }),
        (#"{"v":0.1}"#, { $0.double(4, 0.1) }),
        (#"{"v":1e+300}"#, { $0.double(4, 1e300) }),
        (#"{"v":5e-324}"#, { $0.double(4, .leastNonzeroMagnitude) }),
        (#"{"v":{"$double":"NaN"}}"#, { $0.double(4, .nan) }),
        (#"{"v":{"$double":"-Infinity"}}"#, { $0.double(4, -.infinity) }),
        (
            #"{"v":[1,"a",null]}"#,
            { (value: inout ProtobufWriter) in
                value.message(5) { list in
                    list.message(1) { $0.int(3, 1) }
                    list.message(1) { $0.string(1, "a") }
                    list.message(1) { _ in }
                }
            }
        ),
        (
            #"{"v":{"k":{"$$bytes":"x"}}}"#,
            { (value: inout ProtobufWriter) in
                value.message(6) { map in
                    map.message(1) { entry in
                        entry.attribute("k") { inner in
                            inner.message(6) { map in
                                map.message(1) { $0.attribute("$bytes") { $0.string(1, "x") } }
                            }
                        }
                    }
                }
            }
        ),
        (#"{"v":{"$bytes":"AAEC/w=="}}"#, { $0.bytes(7, [0, 1, 2, 255]) }),
        (#"{"v":{}}"#, { $0.message(6) { _ in } }),
        (#"{"v":null}"#, { _ in }),
    ]

    private let fixture: SQLiteFixture

    init() throws { fixture = try SQLiteFixture() }

    @Test func `Every field of a span is stored`() throws {
        #expect(try fixture.store(Payload.wholeSpan()) == .accepted())
        let row = try #require(try fixture.rows("SELECT * FROM span").first)
        let expected: [String: String?] = [
            "id": "1", "start_time": "1700000000123456789", "duration_ns": "1000000001",
            "trace_id": "0123456789abcdeffedcba9876543210",
            "span_id": "\(Int64(bitPattern: 0xffff_0000_0000_0001))", "parent_span_id": "2",
            "kind": "2", "status_code": "2", "service_name": "checkout", "name": "GET /cart",
            "status_message": "boom", "trace_state": "vendor=1,ot=th:c", "flags": "769",
            "dropped_attributes": "3", "dropped_events": "6", "dropped_links": "4294967295",
            "attributes": #"{"http.status":200}"#,
            "events": """
            [{"time":1700000000500000000,"name":"exception","attributes":{"escaped":false},\
            "dropped_attributes":5},{"time":0,"name":"bare"}]
            """,
            "links": """
            [{"trace_id":"00000000000000010000000000000002","span_id":"0000000000000003",\
            "trace_state":"a=b","attributes":{"why":"batch"},"dropped_attributes":7,"flags":257}]
            """, "adjusted_count": "4.0",
        ]
        for (column, value) in expected { #expect(row[column] == .some(value), "\(column)") }
        #expect(row.count == expected.count + 2)
    }

    @Test func `Every field of a resource and a scope is stored`() throws {
        let batch = Payload.wholeResource()
        #expect(try fixture.store(batch) == .accepted())
        let resource = try #require(try fixture.rows("SELECT * FROM resource").first)
        let expected: [String: String?] = [
            "service_name": "shop", "service_namespace": "eu", "service_instance_id": "i-1",
            "schema_url": "https://example.com/resource", "dropped_attributes": "9",
            "attributes": """
            {"service.name":"shop","service.namespace":"eu","service.instance.id":"i-1"}
            """,
            "entity_refs": """
            [{"type":"service","id_keys":["service.name"],"description_keys":["service.version"],\
            "schema_url":"https://example.com/entity"}]
            """,
        ]
        for (column, value) in expected { #expect(resource[column] == .some(value), "\(column)") }
        let scope = try #require(try fixture.rows("SELECT * FROM scope").first)
        #expect(scope["name"] == "library")
        #expect(scope["version"] == "1.2.3")
        #expect(scope["schema_url"] == "https://example.com/scope")
        #expect(scope["dropped_attributes"] == "4")
        #expect(scope["attributes"] == #"{"scope.kind":"test"}"#)
        let join = """
            SELECT count(*) FROM span JOIN resource USING (resource_id) JOIN scope USING (scope_id)
            """
        #expect(try fixture.value(join) == "1")
    }

    @Test func `Every field of a log record is stored`() throws {
        let batch = Payload.batch(.logs) { scope in
            scope.message(2) { record in
                record.fixed64(1, 1_700_000_000_000_000_001)
                record.varint(2, 17)
                record.string(3, "Error")
                record.message(5) { $0.string(1, "out of memory") }
                record.message(6) { $0.attribute("pid") { $0.int(3, 42) } }
                record.varint(7, 2)
                record.fixed32(8, 1)
                record.identifier(9, 0, 5)
                record.identifier(10, 6)
                record.fixed64(11, 1_700_000_000_000_000_002)
                record.string(12, "oom")
            }
        }
        #expect(try fixture.store(batch) == .accepted())
        let row = try #require(try fixture.rows("SELECT * FROM log").first)
        let expected: [String: String?] = [
            "time": "1700000000000000001", "time_source": "0",
            "observed_time": "1700000000000000002",
            "trace_id": "00000000000000000000000000000005", "span_id": "6",
            "severity_number": "17", "severity_text": "Error", "service_name": "checkout",
            "event_name": "oom", "body": "out of memory", "body_json": nil, "flags": "1",
            "dropped_attributes": "2", "attributes": #"{"pid":42}"#,
        ]
        for (column, value) in expected { #expect(row[column] == .some(value), "\(column)") }
    }

    @Test func `A log body that is not text is JSON`() throws {
        let batch = Payload.batch(.logs, itemCount: 2) { scope in
            scope.message(2) { record in
                record.message(5) { body in
                    body.message(6) { map in
                        map.message(1) { $0.attribute("$count") { $0.int(3, 1) } }
                    }
                }
            }
            scope.message(2) { $0.message(5) { $0.string(1, "") } }
        }
        #expect(try fixture.store(batch) == .accepted())
        let rows = try fixture.rows("SELECT body, body_json FROM log ORDER BY id")
        #expect(rows[0] == ["body": nil, "body_json": #"{"$$count":1}"#])
        #expect(rows[1] == ["body": "", "body_json": nil])
    }

    @Test func `A log without a time has that of its observation, or of its arrival`() throws {
        let batch = Payload.batch(.logs, itemCount: 2) { scope in
            scope.message(2) { $0.fixed64(11, 123) }
            scope.message(2) { $0.varint(2, 9) }
        }
        #expect(try fixture.store(batch) == .accepted())
        let rows = try fixture.rows("SELECT time, time_source FROM log ORDER BY id")
        #expect(rows[0] == ["time": "123", "time_source": "1"])
        #expect(rows[1] == ["time": "\(fixture.clock.unixNanoseconds)", "time_source": "2"])
    }

    @Test(arguments: values)
    func `A value of each type has JSON of its own`(
        _ json: String, _ value: @Sendable (inout ProtobufWriter) -> Void
    ) throws {
        let batch = Payload.batch(.traces) { scope in
            scope.message(2) { $0.message(9) { $0.attribute("v", value) } }
        }
        #expect(try fixture.store(batch) == .accepted())
        #expect(try fixture.value("SELECT attributes FROM span") == json)
        #expect(try fixture.value("SELECT json_valid(attributes) FROM span") == "1")
    }

    @Test func `Text keeps its NULs, its length and its emptiness`() throws {
        let long = String(repeating: "ä", count: 1_000_000)
        let batch = Payload.batch(.traces, itemCount: 3) { scope in
            scope.message(2) { $0.string(5, "a\u{0}b") }
            scope.message(2) { $0.string(5, long) }
            scope.message(2) { _ in }
        }
        #expect(try fixture.store(batch) == .accepted())
        let names = try fixture.rows("SELECT name FROM span ORDER BY id").map { $0["name"] }
        #expect(names == ["a\u{0}b", long, ""])
    }

    @Test func `Times at the extremes are clamped and counted`() throws {
        let batch = Payload.batch(.traces, itemCount: 3) { scope in
            scope.message(2) { $0.fixed64(8, .max) }
            scope.message(2) { $0.fixed64(7, .max) }
            scope.message(2) { $0.fixed64(7, UInt64(Int64.max)) }
        }
        #expect(try fixture.store(batch) == .accepted())
        let rows = try fixture.rows("SELECT start_time, duration_ns FROM span ORDER BY id")
        #expect(rows[0] == ["start_time": "0", "duration_ns": "\(Int64.max)"])
        #expect(rows[1] == ["start_time": "\(Int64.max)", "duration_ns": "-\(Int64.max)"])
        #expect(rows[2] == rows[1])
        #expect(fixture.counter("sluice_sqlite_clamped_values") == "2")
        #expect(try fixture.rows("SELECT * FROM spans").count == 3)
    }
}
