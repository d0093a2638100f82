import Bytes
import Configuration
import OTLP
import Pipeline
import Testing

@testable import Processors

struct AttributesTests {
    private static let mark = "actions: [{key: mark, action: insert, value: true}]"

    /// The names of the items that were marked.
    private static func marked(_ match: String, _ signal: Signal) throws -> [String] {
        let groups = [
            Group(
                resource: [Pair("service.name", .string("shop")), Pair("zone", .string("a"))],
                scopeName: "web", scopeVersion: "1.2",
                items: [
                    Item(
                        name: "GET /cart", attributes: [Pair("code", .int(200))], kind: 2,
                        severityNumber: 9, severityText: "INFO", body: .string("one")),
                    Item(
                        name: "query", attributes: [Pair("code", .int(503)), "x"], kind: 3,
                        severityNumber: 17, severityText: "ERROR", body: .int(42)),
                ]),
            Group(
                resource: [Pair("service.name", .string("pay"))], scopeName: "db",
                items: [Item(name: "query", attributes: [Pair("ratio", .double(0.5))], kind: 1)]),
            Group(items: [Item(name: "bare")]),
        ]
        let before = batch(signal, groups)
        let after = try processed(
            AttributesProcessorFactory.self, "\(match)\n\(Self.mark)", before)
        var expected = before.groups
        var names: [String] = []
        for (group, item) in after.groups.enumerated().flatMap({ index, group in
            group.items.indices.map { (index, $0) }
        }) where after.groups[group].items[item].attributes.last?.key == "mark" {
            names.append("\(group).\(item)")
            expected[group].items[item].attributes.append(Pair("mark", .bool(true)))
        }
        #expect(after.groups == expected, "nothing else changes")
        return names
    }

    @Test(arguments: [
        ("", ["0.0", "0.1", "1.0", "2.0"]),
        ("include: {match_type: strict, services: [shop]}", ["0.0", "0.1"]),
        ("include: {match_type: regexp, services: ['^p']}", ["1.0"]),
        ("exclude: {match_type: strict, services: [shop, pay]}", ["2.0"]),
        ("include: {match_type: strict, span_names: [query]}", ["0.1", "1.0"]),
        ("include: {match_type: regexp, span_names: ['^GET ', '^b']}", ["0.0", "2.0"]),
        (
            "include: {match_type: strict, span_kinds: [SPAN_KIND_SERVER, SPAN_KIND_INTERNAL]}",
            ["0.0", "1.0"]
        ),
        ("include: {match_type: regexp, span_kinds: ['ER$']}", ["0.0"]),
        ("include: {match_type: regexp, span_kinds: [UNSPEC]}", ["2.0"]),
        ("include: {match_type: regexp, services: ['^<nil']}", ["2.0"]),
        ("include: {match_type: strict, libraries: [{name: web}]}", ["0.0", "0.1"]),
        ("include: {match_type: strict, libraries: [{name: web, version: '1.3'}]}", []),
        (
            "include: {match_type: strict, libraries: [{name: web}, {name: db, version: ''}]}",
            ["0.0", "0.1", "1.0"]
        ),
        ("include: {match_type: strict, resources: [{key: zone}]}", ["0.0", "0.1"]),
        ("include: {match_type: strict, resources: [{key: zone, value: b}]}", []),
        ("include: {match_type: strict, attributes: [{key: code, value: 503}]}", ["0.1"]),
        ("include: {match_type: strict, attributes: [{key: code, value: '503'}]}", []),
        ("include: {match_type: strict, attributes: [{key: code}, {key: x, value: x}]}", ["0.1"]),
        ("include: {match_type: regexp, attributes: [{key: code, value: '^5'}]}", ["0.1"]),
        ("include: {match_type: regexp, attributes: [{key: ratio, value: '^0\\.5$'}]}", ["1.0"]),
        (
            """
            include: {match_type: strict, services: [shop]}
            exclude: {match_type: strict, span_names: [query]}
            """, ["0.0"]
        ),
        ("include: null\nexclude: {match_type: strict, services: [shop]}", ["1.0", "2.0"]),
        ("include: {attributes: [{key: code}]}", ["0.0", "0.1"]),
        ("include: {match_type: strict, libraries: [{name: ''}]}", ["2.0"]),
    ])
    func `Spans are selected`(_ match: String, _ expected: [String]) throws {
        #expect(try Self.marked(match, .traces) == expected)
    }

    @Test(arguments: [
        ("include: {match_type: strict, log_bodies: [one]}", ["0.0"]),
        ("include: {match_type: regexp, log_bodies: ['^4']}", ["0.1"]),
        ("include: {match_type: strict, log_severity_texts: [ERROR]}", ["0.1"]),
        ("include: {match_type: strict, log_severity_number: {min: 9}}", ["0.0", "0.1"]),
        (
            "include: {match_type: strict, log_severity_number: {min: 17, match_undefined: true}}",
            ["0.1", "1.0", "2.0"]
        ),
        ("include: {log_severity_number: {}}", ["0.0", "0.1"]),
    ])
    func `Log records are selected`(_ match: String, _ expected: [String]) throws {
        #expect(try Self.marked(match, .logs) == expected)
    }

    @Test(arguments: [
        ("include: {match_type: strict, metric_names: [query]}", ["0.1", "1.0"]),
        ("include: {match_type: regexp, metric_names: [cart]}", ["0.0"]),
        ("include: {match_type: strict, resources: [{key: zone, value: a}]}", ["0.0", "0.1"]),
    ])
    func `Data points are selected`(_ match: String, _ expected: [String]) throws {
        #expect(try Self.marked(match, .metrics) == expected)
    }

    @Test(arguments: [
        ("include: {services: [a]}", "match_type: is required"),
        ("include: {match_type: strict}", "must have one property to match"),
        ("include: {match_type: regexp, services: ['(']}", "is not a regular expression"),
        ("include: {match_type: strict, span_kinds: [Server]}", "expected SPAN_KIND_INTERNAL, SP"),
        ("include: {match_type: regexp, attributes: [{key: a, value: 1}]}", "must be a pattern"),
        ("include: {match_type: strict, sevices: [a]}", "did you mean 'services'?"),
    ])
    func `A wrong selection is reported`(_ yaml: String, _ message: String) {
        let report = reading("\(yaml)\n\(Self.mark)", AttributesProcessorFactory.read).report
        #expect(report.contains(message), "\(report)")
    }

    @Test(arguments: [
        ("services: [a]", [Signal.traces]), ("span_names: [a]", [.traces]),
        ("span_kinds: [SPAN_KIND_SERVER]", [.traces]),
        ("attributes: [{key: a}]", [.traces, .logs]),
        ("libraries: [{name: a}]", [.traces, .logs]), ("log_bodies: [a]", [.logs]),
        ("log_severity_texts: [a]", [.logs]), ("log_severity_number: {min: 9}", [.logs]),
        ("metric_names: [a]", [.metrics]), ("resources: [{key: a}]", Signal.allCases),
    ])
    func `A property is refused in a pipeline of another signal`(
        _ property: String, _ signals: [Signal]
    ) {
        for side in ["include", "exclude"] {
            let yaml = "\(side): {match_type: strict, \(property)}\n\(Self.mark)"
            let (settings, report) = reading(yaml, AttributesProcessorFactory.read)
            #expect(report == "")
            for signal in Signal.allCases {
                let faults = AttributesProcessorFactory.faults(in: settings, for: signal)
                #expect(faults.isEmpty == signals.contains(signal))
                #expect(faults.allSatisfy { $0.description.contains("test.\(side).") })
            }
        }
    }

    @Test func `A wrong value has no second error that something is missing`() {
        let yaml = "include: {match_type: regexp, attributes: [{key: a, value: 5}]}\n\(Self.mark)"
        let report = reading(yaml, AttributesProcessorFactory.read).report
        #expect(report.split(separator: "\n").count == 1, "\(report)")
    }

    @Test(arguments: [
        ("{a: 1, b: [x, {c: null}]}", false), ("{b: [x, {c: 2}], a: 1}", true),
        ("{a: 1, b: [x, {c: 2}]}", true), ("{a: 1, b: [x, {c: 2}, y]}", false),
        ("{a: 1}", false), ("{a: 1.0, b: [x, {c: 2}]}", false),
    ])
    func `A map is the same in any order of its entries`(
        _ wanted: String, _ isSame: Bool
    ) throws {
        let value = Value.map([
            Pair("a", .int(1)), Pair("b", .list([.string("x"), .map([Pair("c", .int(2))])])),
        ])
        let before = batch(.traces, [Group(items: [Item(attributes: [Pair("m", value)])])])
        let match = "{match_type: strict, attributes: [{key: m, value: \(wanted)}]}"
        // A key without a value in a configuration is one with an empty text.
        let yaml = "include: \(match.replacing("null", with: "''"))\n\(Self.mark)"
        let after = try processed(AttributesProcessorFactory.self, yaml, before)
        #expect((after.payload != before.payload) == isSame)
    }

    @Test func `Random actions on random attributes do what they do to a plain list`() throws {
        var random = SplitMix(state: 11)
        let keys = ["a", "b", "c", "dd"]
        func value() -> Value {
            switch Int.random(in: 0..<5, using: &random) {
            case 0: .string(String(repeating: "x", count: .random(in: 0...300, using: &random)))
            case 1: .int(.random(in: .min ... .max, using: &random))
            case 2: .bool(.random(using: &random))
            case 3: .list([.string("y"), .empty])
            default: .empty
            }
        }
        for round in 0..<300 {
            let signal = Signal.allCases[round % 3]
            let items = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                Item(
                    attributes: keys.shuffled(using: &random)
                        .prefix(.random(in: 0...4, using: &random)).map { Pair($0, value()) })
            }
            var expected = items.map(\.attributes)
            var actions: [String] = []
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let key = keys.randomElement(using: &random)!
                let other = keys.randomElement(using: &random)!
                let name = ["insert", "update", "upsert", "delete"].randomElement(using: &random)!
                actions.append(
                    "{key: \(key), action: \(name)"
                        + (name == "delete" ? "}" : ", from_attribute: \(other)}"))
                for index in expected.indices {
                    Self.apply(name, key, other, to: &expected[index])
                }
            }
            let after = try processed(
                AttributesProcessorFactory.self, "actions: [\(actions.joined(separator: ", "))]",
                batch(signal, [Group(resource: ["r"], items: items)]))
            #expect(after.items.map(\.attributes) == expected, "\(actions)")
        }
    }

    private static func apply(
        _ name: String, _ key: String, _ other: String, to pairs: inout [Pair]
    ) {
        let index = pairs.firstIndex { $0.key == key }
        if name == "delete" { return pairs.removeAll { $0.key == key } }
        guard let source = pairs.first(where: { $0.key == other })?.value else { return }
        switch (name, index) {
        case ("insert", nil), ("upsert", nil): pairs.append(Pair(key, source))
        case ("update", let index?), ("upsert", let index?): pairs[index].value = source
        default: return
        }
    }

    @Test func `A hopeless match ends, counts as none and is counted`() throws {
        let bench = Bench()
        let text = String(repeating: "a", count: 40) + "b"
        let before = batch(
            .traces, [Group(items: [Item(attributes: [Pair("k", .string(text))])])])
        let after = try processed(
            AttributesProcessorFactory.self,
            "actions: [{key: k, action: extract, pattern: '^(?P<x>(?:a+)+)$'}]", before,
            bench: bench)
        #expect(after.payload == before.payload)
        #expect(
            bench.sample("sluice_processor_pattern_limit_reached{processor=\"test\"}") == "1")
    }

    @Test(arguments: [
        ("a$", "a\n", false), (".", "\n", false), ("(?i)STRAße", "straße", true), ("^$", "", true),
        ("\\d", "٣", false), ("^.$", "😀", true), ("(?s)a.b", "a\nb", true),
    ])
    func `Patterns mean what they mean to RE2`(
        _ pattern: String, _ text: String, _ expected: Bool
    ) throws {
        let matcher = TextMatcher.patterns([try RegularExpression(pattern)])
        #expect(matcher.matches(text, MatchMemory()) == expected)
    }

    @Test(
        arguments: [
            (0.1, "0.1"), (1, "1"), (-0.0, "-0"), (1e21, "1e+21"), (1e20, "100000000000000000000"),
            (1.5e-7, "1.5e-7"), (0.000001, "0.000001"), (123.456, "123.456"),
            (.leastNonzeroMagnitude, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"), (-2.5, "-2.5"), (100, "100"),
        ] as [(Double, String)])
    func `Doubles are written as JSON has them`(_ number: Double, _ text: String) {
        #expect(DecimalText.shortest(number) == text)
    }

    @Test func `Long texts are hashed over several blocks`() {
        let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        let digest = SHA256.hexadecimal(
            million.rawSpan, ByteRange(start: 0, end: million.count))
        // FIPS 180-2, appendix B.3.
        #expect(
            String(decoding: digest, as: UTF8.self)
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func `Batching is accepted with a hint at where it happens`() throws {
        let yaml = "{timeout: 1s, send_batch_size: 10, send_batch_max_size: 20, metadata_keys: [a]}"
        let report = reading(yaml) { BatchProcessorFactory.read(&$0) }.report
        #expect(report.contains("warning") && report.contains("sending_queue.batch"))
        let wrong = reading("{send_batch_size: 10, send_batch_max_size: 5}") {
            BatchProcessorFactory.read(&$0)
        }.report
        #expect(wrong.contains("is below send_batch_size (10)"))
    }

    @Test func `Every processor is in the list once`() {
        let names = Processors.all.flatMap { [$0.type] + $0.aliases }
        #expect(Set(names).count == names.count)
        #expect(names.count == 8)
    }
}
