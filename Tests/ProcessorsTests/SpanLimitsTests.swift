import OTLP
import Pipeline
import Testing

@testable import Processors

struct SpanLimitsTests {
    private static let span = Item(
        attributes: ["a", "b", "c"], traceState: "x=y",
        events: [Part(attributes: ["d", "e"]), Part(attributes: ["f"], droppedAttributes: 3)],
        links: [Part(attributes: ["g", "h"]), Part(), Part()], droppedEvents: 5)

    private static func limited(_ yaml: String, _ item: Item = span) throws -> Item {
        try processed(
            SpanLimitsFactory.self, yaml, batch(.traces, [Group(resource: ["r"], items: [item])])
        ).items[0]
    }

    struct Case: Sendable {
        var yaml: String
        var change: @Sendable (inout Item) -> Void
    }

    static let cases = [
        Case(yaml: "attribute_count_limit: 2") {
            $0.attributes = ["a", "b"]
            $0.droppedAttributes = 1
        },
        Case(yaml: "attribute_count_limit: 0") {
            $0.attributes = []
            $0.droppedAttributes = 3
        },
        Case(yaml: "event_count_limit: 1") {
            $0.events.removeLast()
            $0.droppedEvents = 6
        },
        Case(yaml: "drop_events: true") {
            $0.events = []
            $0.droppedEvents = 7
        },
        Case(yaml: "link_count_limit: 1") {
            $0.links.removeLast(2)
            $0.droppedLinks = 2
        },
        Case(yaml: "drop_links: true") {
            $0.links = []
            $0.droppedLinks = 3
        },
        Case(yaml: "attribute_per_event_count_limit: 0") {
            $0.events = [Part(droppedAttributes: 2), Part(droppedAttributes: 4)]
        },
        Case(yaml: "attribute_per_link_count_limit: 1") {
            $0.links[0] = Part(attributes: ["g"], droppedAttributes: 1)
        },
        Case(yaml: "attribute_count_limit: 3") { _ in },
    ]

    @Test(arguments: cases)
    func `What is too much goes and is counted`(_ test: Case) throws {
        var expected = Self.span
        test.change(&expected)
        #expect(try Self.limited(test.yaml) == expected)
    }

    @Test(arguments: [
        (Value.string("abcdef"), Value.string("abc")),
        (.string("äöüß"), .string("äöü")), (.string("äöü"), .string("äöü")),
        (.string("a😀b😀"), .string("a😀b")), (.bytes([1, 2, 3, 4]), .bytes([1, 2, 3])),
        (.list([.string("abcd"), .int(12_345)]), .list([.string("abc"), .int(12_345)])),
        (
            .map([Pair("long key", .list([.string("abcd")]))]),
            .map([Pair("long key", .list([.string("abc")]))])
        ),
        (.int(.max), .int(.max)),
    ])
    func `Values are cut to whole characters`(_ value: Value, _ expected: Value) throws {
        let pair = [Pair("a long key", value)]
        let item = Item(
            attributes: pair, events: [Part(attributes: pair)], links: [Part(attributes: pair)])
        let cut = try Self.limited("attribute_value_length_limit: 3", item)
        let cutPair = [Pair("a long key", expected)]
        #expect(cut.attributes == cutPair)
        #expect(cut.events[0].attributes == cutPair)
        #expect(cut.links[0].attributes == cutPair)
        #expect(cut.droppedAttributes == 0)
    }

    @Test func `A span within its limits keeps its bytes`() throws {
        let before = batch(.traces, [Group(items: [Self.span])])
        let after = try processed(
            SpanLimitsFactory.self,
            "{attribute_count_limit: 3, event_count_limit: 2, attribute_value_length_limit: 10}",
            before)
        #expect(after.payload == before.payload)
    }

    @Test func `Drops are counted by part`() throws {
        let bench = Bench()
        _ = try processed(
            SpanLimitsFactory.self, "{drop_events: true, attribute_count_limit: 1}",
            batch(.traces, [Group(items: [Self.span, Self.span])]), bench: bench)
        let series = "sluice_processor_span_limits_dropped"
        #expect(bench.sample("\(series){processor=\"test\",part=\"event\"}") == "4")
        #expect(bench.sample("\(series){processor=\"test\",part=\"attribute\"}") == "4")
    }

    @Test func `A dropped count stays at its largest number`() throws {
        var item = Self.span
        item.droppedAttributes = .max - 1
        #expect(try Self.limited("attribute_count_limit: 0", item).droppedAttributes == .max)
    }
}
