import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct LogRowTests {
    private static func log(_ fields: (inout ProtobufWriter) -> Void) -> QueuedBatch {
        Payload.batch(.logs) { scope in scope.message(2) { fields(&$0) } }
    }

    @Test func `Every field of a log record is in its row`() {
        let row = RowTesting.row(
            .log,
            Self.log { record in
                record.fixed64(1, 1_700_000_000_123_456_789)
                record.varint(2, 17)
                record.string(3, "ERROR")
                record.message(5) { $0.string(1, "it failed\u{0}") }
                record.message(6) { $0.attribute("line") { $0.int(3, 7) } }
                record.message(6) { $0.attribute("sampling.threshold") { $0.string(1, "c") } }
                record.varint(7, 2)
                record.fixed32(8, 1)
                record.identifier(9, 1, 2)
                record.identifier(10, 3)
                record.fixed64(11, 1_700_000_000_223_456_001)
                record.string(12, "payment.failed")
            })
        #expect(row.time("time", "time_ns") == 1_700_000_000_123_456_789)
        #expect(row.time("observed_time", "observed_ns") == 1_700_000_000_223_456_001)
        #expect(row.int("time_source") == 0)
        #expect(row.int("span_id") == 3)
        #expect(row.hex("trace_id") == "00000000000000010000000000000002")
        #expect(row.double("adjusted_count") == 4)
        #expect(row.int("flags") == 1)
        #expect(row.int("dropped_attributes") == 2)
        #expect(row.int("severity_number") == 17)
        #expect(row.text("severity_text") == "ERROR")
        #expect(row.text("service_name") == "checkout")
        #expect(row.text("event_name") == "payment.failed")
        #expect(row.text("body") == "it failed␀")
        #expect(row["body_json"] == nil)
        #expect(row.json("attributes") == #"{"line":7,"sampling.threshold":"c"}"#)
        #expect(row["sent_time"] == nil)
    }

    @Test func `What a log record doesn't have is NULL`() {
        let row = RowTesting.row(.log, Self.log { _ in })
        let expected: Set = [
            "observed_time", "observed_ns", "span_id", "trace_id", "adjusted_count", "flags",
            "dropped_attributes", "severity_text", "event_name", "body", "body_json", "attributes",
            "sent_time",
        ]
        #expect(Set(row.columns.filter { row[$0] == nil }) == expected)
        #expect(row.time("time", "time_ns") == RowTesting.now)
        #expect(row.int("time_source") == 2)
    }

    private static let inside: UInt64 = 1_700_000_000_000_000_001

    /// Time, observed time, the row's time and its source, the time in `sent_time`.
    private static let times: [(UInt64, UInt64, UInt64, Int, UInt64?)] = [
        (inside, inside + 1, inside, 0, nil), (0, inside, inside, 1, nil),
        (0, 0, RowTesting.now, 2, nil), (5, 0, RowTesting.now, 2, 5),
        (5, inside, inside, 1, 5), (UInt64.max, 7, RowTesting.now, 2, UInt64.max),
        (0, 7, RowTesting.now, 2, nil),
    ]

    @Test(arguments: times)
    func `The time of a row is the first within the window`(
        time: UInt64, observed: UInt64, expected: UInt64, source: Int, sent: UInt64?
    ) {
        let row = RowTesting.row(
            .log,
            Self.log { record in
                record.fixed64(1, time)
                record.fixed64(11, observed)
            })
        #expect(row.time("time", "time_ns") == expected)
        #expect(row.int("time_source") == source)
        #expect(row.numeric("sent_time") == sent)
        // The observed time stands as it was sent, whatever it is.
        #expect(row.time("observed_time", "observed_ns") == (observed == 0 ? nil : observed))
    }

    @Test func `A body that is not text is JSON`() {
        let bodies: [(String, (inout ProtobufWriter) -> Void)] = [
            ("1.0", { $0.double(4, 1) }), (#"{"$bytes":"AQ=="}"#, { $0.bytes(7, [1]) }),
            (
                #"{"a":[true]}"#,
                { body in
                    body.message(6) { map in
                        map.message(1) { entry in
                            entry.attribute("a") { value in
                                value.message(5) { $0.message(1) { $0.bool(2, true) } }
                            }
                        }
                    }
                }
            ),
        ]
        for (json, body) in bodies {
            let row = RowTesting.row(.log, Self.log { $0.message(5, body) })
            #expect(row["body"] == nil)
            #expect(row.json("body_json") == json)
        }
    }

    @Test func `An empty text body is not an absent one`() {
        let row = RowTesting.row(.log, Self.log { $0.message(5) { $0.string(1, "") } })
        #expect(row.text("body") == "")
    }
}
