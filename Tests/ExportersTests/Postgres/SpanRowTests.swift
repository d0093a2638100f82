import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct SpanRowTests {
    private static func span(
        start: UInt64 = 1_700_000_000_123_456_789,
        _ fields: (inout ProtobufWriter) -> Void = { _ in }
    ) -> QueuedBatch {
        Payload.batch(.traces) { scope in
            scope.message(2) { span in
                span.identifier(1, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)
                span.identifier(2, 0xffff_0000_0000_0001)
                span.string(5, "GET /cart")
                span.fixed64(7, start)
                span.fixed64(8, start &+ 5)
                fields(&span)
            }
        }
    }

    @Test func `Every field of a span is in its row`() {
        let row = RowTesting.row(.span, Payload.wholeSpan())
        #expect(row.time("start_time", "start_ns") == 1_700_000_000_123_456_789)
        #expect(row.int("start_time") == 1_700_000_000_123_456 - 946_684_800_000_000)
        #expect(row.int("duration_ns") == 1_000_000_001)
        #expect(row.hex("span_id") == "ffff000000000001")
        #expect(row.int("parent_span_id") == 2)
        #expect(row.hex("trace_id") == "0123456789abcdeffedcba9876543210")
        #expect(row.double("adjusted_count") == 4)
        #expect(row.int("flags") == 769)
        #expect(row.int("dropped_attributes") == 3)
        #expect(row.int("dropped_events") == 6)
        #expect(row.int("dropped_links") == Int(UInt32.max))
        #expect(row.int("kind") == 2)
        #expect(row.int("status_code") == 2)
        #expect(row.text("service_name") == "checkout")
        #expect(row.text("name") == "GET /cart")
        #expect(row["operation"] == nil)
        #expect(row.text("status_message") == "boom")
        #expect(row.text("trace_state") == "vendor=1,ot=th:c")
        #expect(row.json("attributes") == #"{"http.status":200}"#)
        #expect(
            row.json("events") == """
                [{"time":1700000000500000000,"name":"exception","attributes":{"escaped":false},\
                "dropped_attributes":5},{"time":0,"name":"bare"}]
                """)
        #expect(
            row.json("links") == """
                [{"trace_id":"00000000000000010000000000000002","span_id":"0000000000000003",\
                "trace_state":"a=b","attributes":{"why":"batch"},"dropped_attributes":7,"flags":257}]
                """)
        #expect(row["sent_start_time"] == nil)
    }

    @Test func `What a span doesn't have is NULL`() {
        let row = RowTesting.row(.span, Self.span())
        let expected: Set = [
            "parent_span_id", "adjusted_count", "flags", "dropped_attributes", "dropped_events",
            "dropped_links", "operation", "status_message", "trace_state", "attributes", "events",
            "links", "sent_start_time", "sent_end_time",
        ]
        #expect(Set(row.columns.filter { row[$0] == nil }) == expected)
    }

    @Test func `Resource and scope ids are those of the dictionaries' rows`() {
        var testing = RowTesting()
        testing.encoder.append(Self.span())
        let row = testing.rows(.span)[0]
        #expect(
            testing.dictionary(.resource).map { $0.int("resource_id") } == [row.int("resource_id")])
        #expect(testing.dictionary(.scope).map { $0.int("scope_id") } == [row.int("scope_id")])
    }

    private static let month: UInt64 = 30 * 86_400_000_000_000
    private static let day: UInt64 = 86_400_000_000_000

    @Test(arguments: [
        (RowTesting.now - month, true), (RowTesting.now - month - 1, false),
        (RowTesting.now + day, true), (RowTesting.now + day + 1, false), (0, false),
        (UInt64.max, false),
    ])
    func `A start outside the window becomes the time of receipt`(
        start: UInt64, isInside: Bool
    ) {
        var testing = RowTesting()
        testing.encoder.append(Self.span(start: start))
        let row = testing.rows(.span)[0]
        #expect(row.time("start_time", "start_ns") == (isInside ? start : RowTesting.now))
        #expect(row.numeric("sent_start_time") == (isInside ? nil : start))
        // Of 0 to 5, and of times of which one has wrapped, none is known.
        let isTimed = start > 0 && start < UInt64.max
        #expect(row["duration_ns"] == nil || row.int("duration_ns") == 5)
        #expect((row["duration_ns"] != nil) == isTimed)
        #expect(row.numeric("sent_end_time") == (isTimed ? nil : start &+ 5))
        #expect(testing.encoder.takeTally() == RowTally(timesOutsideWindow: isInside ? 0 : 1))
    }

    private static let tenYears: UInt64 = 315_360_000_000_000_000

    private static let untimed: [(UInt64, UInt64)] = [
        (0, RowTesting.now), (RowTesting.now, 0), (0, 0), (RowTesting.now, .max),
        (RowTesting.now, RowTesting.now + tenYears + 1), (.max, 1),
    ]

    @Test(arguments: untimed)
    func `A span without a start or an end has no duration, and keeps its end`(
        start: UInt64, end: UInt64
    ) {
        let row = RowTesting.row(.span, Self.span(start: start) { $0.fixed64(8, end) })
        #expect(row["duration_ns"] == nil)
        #expect(row.numeric("sent_end_time") == end)
    }

    @Test func `The longest duration is ten years`() {
        let end = RowTesting.now + Self.tenYears
        let row = RowTesting.row(.span, Self.span(start: RowTesting.now) { $0.fixed64(8, end) })
        #expect(row.int("duration_ns") == Int(Self.tenYears))
        #expect(row["sent_end_time"] == nil)
    }

    @Test func `Rows of days that the database drops next are counted`() {
        var testing = RowTesting()
        let day = Self.day / 1_000_000_000
        testing.encoder.removeAll(
            now: RowTesting.now, retention: RowRetention(spans: 2 * day, logs: day))
        let midnight = RowTesting.now / Self.day * Self.day
        for start in [RowTesting.now, midnight - 2 * Self.day, midnight - 2 * Self.day - 1] {
            testing.encoder.append(Self.span(start: start))
        }
        #expect(testing.encoder.expiredCount(of: .span) == 1)
        #expect(testing.encoder.expiredCount(of: .log) == 0)
    }

    @Test func `A span that ends before it starts has a negative duration`() {
        let batch = Self.span { $0.fixed64(8, 1_700_000_000_123_456_780) }
        #expect(RowTesting.row(.span, batch).int("duration_ns") == -9)
    }

    @Test(arguments: [
        ("ot=th:0", 1.0), ("ot=th:8", 2), ("ot=rv:6e6d1a75832a2f;th:fd70a", 0x1p20 / 10_486),
        ("ot=th:ffffffffffffff", 0x1p56), ("vendor=x", nil), ("ot=rv:6e6d1a75832a2f", nil),
        ("ot=th:xyz", nil), ("=", nil),
    ])
    func `The adjusted count is that of the sampling threshold`(state: String, count: Double?) {
        let row = RowTesting.row(.span, Self.span { $0.string(3, state) })
        #expect(row.double("adjusted_count") == count)
        #expect(row.text("trace_state") == state)
    }

    @Test func `An enumeration beyond int2 is clamped and counted`() {
        var testing = RowTesting()
        testing.encoder.append(Self.span { $0.varint(6, 100_000) })
        #expect(testing.rows(.span)[0].int("kind") == 32_767)
        #expect(testing.encoder.takeTally() == RowTally(clampedIntegers: 1))
        #expect(testing.encoder.takeTally() == RowTally())
    }

    @Test func `NUL becomes U+2400 in text, keys and values`() {
        var testing = RowTesting()
        let batch = Payload.batch(.traces, service: "a\u{0}b") { scope in
            scope.message(2) { span in
                span.identifier(1, 0, 1)
                span.identifier(2, 1)
                span.string(5, "\u{0}1234567\u{0}\u{0}é\u{0}")
                span.fixed64(7, RowTesting.now)
                span.message(9) { $0.attribute("k\u{0}") { $0.string(1, "12345678\u{0}\"\u{1}") } }
            }
        }
        testing.encoder.append(batch)
        let row = testing.rows(.span)[0]
        #expect(row.text("service_name") == "a␀b")
        #expect(row.text("name") == "␀1234567␀␀é␀")
        #expect(row.json("attributes") == #"{"k␀":"12345678␀\"\u0001"}"#)
        #expect(testing.dictionary(.resource)[0].text("service_name") == "a␀b")
        #expect(testing.dictionary(.resource)[0].json("attributes") == #"{"service.name":"a␀b"}"#)
        // Four in the name, two in the attribute, one in the resource, where services' names count.
        #expect(testing.encoder.takeTally() == RowTally(replacedNULs: 7))
    }
}
