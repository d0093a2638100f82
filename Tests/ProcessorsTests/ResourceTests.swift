import Bytes
import OTLP
import Pipeline
import Platform
import Testing

@testable import Processors

struct ResourceTests {
    private static let before: [Pair] = [
        Pair("text", .string("abc")), Pair("number", .int(7)), Pair("ratio", .double(2.5)),
        Pair("flag", .bool(true)), Pair("list", .list([.int(1), .string("x")])),
        Pair("digits", .string("42")), Pair("path", .string("/users/12/cart")),
    ]

    struct Case: Sendable, CustomTestStringConvertible {
        var action: String
        /// Keys that are gone, and pairs that are new or different.
        var removed: [String] = []
        var changed: [Pair] = []
        var testDescription: String { action }
    }

    static let cases: [Case] = [
        Case(action: "{key: text, action: insert, value: new}"),
        Case(action: "{key: new, action: insert, value: v}", changed: [Pair("new", .string("v"))]),
        Case(action: "{key: new, action: insert, value: 5}", changed: [Pair("new", .int(5))]),
        Case(
            action: "{key: new, action: insert, value: 1.5}", changed: [Pair("new", .double(1.5))]),
        Case(
            action: "{key: new, action: insert, value: true}", changed: [Pair("new", .bool(true))]),
        Case(
            action: "{key: new, action: INSERT, value: [a, 1, {b: false}]}",
            changed: [
                Pair("new", .list([.string("a"), .int(1), .map([Pair("b", .bool(false))])]))
            ]),
        Case(
            action: "{key: new, action: insert, from_attribute: list}",
            changed: [Pair("new", .list([.int(1), .string("x")]))]),
        Case(action: "{key: new, action: insert, from_attribute: absent}"),
        Case(action: "{key: text, action: update, value: 1}", changed: [Pair("text", .int(1))]),
        Case(action: "{key: new, action: update, value: 1}"),
        Case(
            action: "{key: text, action: update, from_attribute: number}",
            changed: [Pair("text", .int(7))]),
        Case(
            action: "{key: text, action: upsert, value: x}", changed: [Pair("text", .string("x"))]),
        Case(action: "{key: new, action: upsert, value: x}", changed: [Pair("new", .string("x"))]),
        Case(action: "{key: text, action: delete}", removed: ["text"]),
        Case(action: "{key: absent, action: delete}"),
        Case(action: "{pattern: '^(n|t)', action: delete}", removed: ["text", "number"]),
        Case(
            action: "{key: list, pattern: 'x$', action: delete}", removed: ["list"]),
        // sha256sum of "abc", of 7 and 2.5 as eight bytes, and of one byte 1.
        Case(
            action: "{key: text, action: hash}",
            changed: [
                Pair(
                    "text",
                    .string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
            ]),
        Case(
            action: "{key: flag, action: hash}",
            changed: [
                Pair(
                    "flag",
                    .string("4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a"))
            ]),
        Case(action: "{pattern: ^list$, action: hash}", changed: [Pair("list", .string(""))]),
        Case(
            action: "{key: number, action: convert, converted_type: string}",
            changed: [Pair("number", .string("7"))]),
        Case(
            action: "{key: ratio, action: convert, converted_type: int}",
            changed: [Pair("ratio", .int(2))]),
        Case(
            action: "{key: ratio, action: convert, converted_type: string}",
            changed: [Pair("ratio", .string("2.5"))]),
        Case(
            action: "{key: flag, action: convert, converted_type: int}",
            changed: [Pair("flag", .int(1))]),
        Case(
            action: "{key: flag, action: convert, converted_type: double}",
            changed: [Pair("flag", .double(1))]),
        Case(
            action: "{key: number, action: convert, converted_type: double}",
            changed: [Pair("number", .double(7))]),
        Case(
            action: "{key: digits, action: convert, converted_type: int}",
            changed: [Pair("digits", .int(42))]),
        Case(
            action: "{key: digits, action: convert, converted_type: double}",
            changed: [Pair("digits", .double(42))]),
        Case(action: "{key: text, action: convert, converted_type: int}"),
        Case(action: "{key: text, action: convert, converted_type: string}"),
        Case(action: "{key: list, action: convert, converted_type: int}"),
        Case(
            action: "{key: list, action: convert, converted_type: string}",
            changed: [Pair("list", .string(#"[1,"x"]"#))]),
        Case(
            action:
                "{key: path, action: extract, pattern: '^/(?P<first>\\w+)/(?<id>\\d+)(?P<q>x)?'}",
            changed: [
                Pair("first", .string("users")), Pair("id", .string("12")), Pair("q", .string("")),
            ]),
        Case(action: "{key: path, action: extract, pattern: '^(?P<first>none)'}"),
        Case(action: "{key: number, action: extract, pattern: '(?P<first>.)'}"),
        Case(
            action: "{key: path, action: extract, pattern: '(?P<text>\\d+)'}",
            changed: [Pair("text", .string("12"))]),
    ]

    @Test(arguments: cases, Signal.allCases)
    func `Actions change what they name and nothing else`(_ test: Case, _ signal: Signal) throws {
        let before = batch(signal, [Group(resource: Self.before, items: [Item()])])
        let after = try processed(
            ResourceProcessorFactory.self, "attributes: [\(test.action)]", before)
        var expected = Self.before.filter { !test.removed.contains($0.key) }
        for pair in test.changed {
            if let index = expected.firstIndex(where: { $0.key == pair.key }) {
                expected[index] = pair
            } else {
                expected.append(pair)
            }
        }
        #expect(after.groups[0].resource == expected)
        #expect(after.items == before.items)
        if test.removed.isEmpty, test.changed.isEmpty { #expect(after.payload == before.payload) }
    }

    @Test func `A resource that is missing is made by an insertion alone`() throws {
        let before = batch(.traces, [Group(items: [Item()]), Group(resource: [], items: [Item()])])
        let inserted = try processed(
            ResourceProcessorFactory.self,
            "attributes: [{key: a, action: upsert, value: 1}, {key: a, action: hash}]", before)
        #expect(inserted.groups.map { $0.resource?.map(\.key) } == [["a"], ["a"]])
        let deleted = try processed(
            ResourceProcessorFactory.self, "attributes: [{key: a, action: delete}]", before)
        #expect(deleted.payload == before.payload)
    }

    @Test func `Actions see what those before them did`() throws {
        let after = try processed(
            ResourceProcessorFactory.self,
            """
            attributes:
              - {key: a, action: insert, value: "7"}
              - {key: a, action: convert, converted_type: int}
              - {key: b, action: insert, from_attribute: a}
              - {key: a, action: delete}
              - {key: a, action: insert, value: again}
            """, batch(.logs, [Group(resource: ["kept"], items: [Item()])]))
        #expect(
            after.groups[0].resource == ["kept", Pair("b", .int(7)), Pair("a", .string("again"))])
    }

    @Test func `Every attribute with a doubled key is changed or deleted`() throws {
        let doubled = [Pair("k", .string("a")), Pair("k", .string("b")), Pair("l", .int(1))]
        let before = batch(.metrics, [Group(resource: doubled, items: [Item()])])
        let updated = try processed(
            ResourceProcessorFactory.self, "attributes: [{key: k, action: upsert, value: c}]",
            before)
        #expect(updated.groups[0].resource?.map(\.value) == [.string("c"), .string("c"), .int(1)])
        let deleted = try processed(
            ResourceProcessorFactory.self, "attributes: [{key: k, action: delete}]", before)
        #expect(deleted.groups[0].resource == [Pair("l", .int(1))])
    }

    @Test(arguments: [
        ("client.address", "10.1.2.3"), ("metadata.X-Tenant", "a;b"), ("x-tenant", "a;b"),
        ("metadata.absent", nil),
    ])
    func `Values come from the request's context`(_ name: String, _ expected: String?) throws {
        let context = RequestContext(
            peer: .ipv4(0x0A01_0203, port: 4318), metadata: ["x-tenant": ["a", "b"]], receivedAt: 0)
        let after = try processed(
            ResourceProcessorFactory.self,
            "attributes: [{key: k, action: upsert, from_context: \(name)}]",
            batch(.traces, [Group(resource: [], items: [Item()])]), context)
        #expect(after.groups[0].resource == (expected.map { [Pair("k", .string($0))] } ?? []))
    }

    @Test(arguments: [
        ("{key: k, action: insert, from_attribute: absent, default_value: 3}", Value.int(3)),
        ("{key: k, action: upsert, from_context: absent, default_value: d}", .string("d")),
        ("{key: k, action: upsert, from_context: auth.x, default_value: true}", .bool(true)),
        ("{key: k, action: insert, default_value: [1]}", .list([.int(1)])),
        ("{key: k, action: upsert, value: v, from_attribute: ''}", .string("v")),
    ])
    func `A default stands in where the source has nothing`(
        _ action: String, _ expected: Value
    ) throws {
        let after = try processed(
            ResourceProcessorFactory.self, "attributes: [\(action)]",
            batch(.traces, [Group(resource: [], items: [Item()])]))
        #expect(after.groups[0].resource == [Pair("k", expected)])
    }

    @Test func `What key and pattern mean both is hashed twice`() throws {
        let before = batch(.traces, [Group(resource: ["k", "kk"], items: [Item()])])
        let once = try processed(
            ResourceProcessorFactory.self, "attributes: [{pattern: k, action: hash}]", before)
        let twice = try processed(
            ResourceProcessorFactory.self,
            "attributes: [{key: k, action: hash}, {pattern: k, action: hash}]", before)
        let both = try processed(
            ResourceProcessorFactory.self, "attributes: [{key: k, pattern: k, action: hash}]",
            before)
        #expect(both.payload == twice.payload)
        #expect(both.groups[0].resource?[1] == once.groups[0].resource?[1])
    }

    @Test(
        arguments: [
            ("1_000", 1000), ("1e3", 1000), ("+5", 5), (".5", 0.5), ("5.", 5), ("0x1p4", 16),
            ("0x_1Fp0", 31), ("-0x.8p1", -1), ("InF", .infinity), ("-infinity", -.infinity),
            ("1e-999", 0), ("0x1F", nil), ("_1", nil), ("1_", nil), ("1__0", nil), ("1_.0", nil),
            ("1e999", nil), ("", nil), (".", nil), ("e1", nil), ("1e", nil), (" 1", nil),
            ("nan(1)", nil), ("0x", nil), ("1p4", nil), ("-", nil), ("+nan", nil),
        ] as [(String, Double?)])
    func `Texts are numbers as Go reads them`(_ text: String, _ expected: Double?) {
        #expect(GoNumber.double(text) == expected)
    }

    @Test func `Maps become JSON with sorted keys and the last of doubled ones`() throws {
        let map = Value.map([
            Pair("b", .list([.bytes([1, 255]), .empty, .double(.infinity)])),
            Pair("a", .int(1)), Pair("a", .string("<\u{8}\u{2028}\"")),
        ])
        let after = try processed(
            ResourceProcessorFactory.self,
            "attributes: [{key: m, action: convert, converted_type: string}]",
            batch(.traces, [Group(resource: [Pair("m", map)], items: [Item()])]))
        let text = #"{"a":"<\b\u2028\"","b":["Af8=",null,"Infinity"]}"#
        #expect(after.groups[0].resource == [Pair("m", .string(text))])
    }

    @Test(arguments: [
        ("attributes: []", "attributes must list one action at least"),
        ("attributes: [{action: insert, value: 1}]", "key: is required"),
        ("attributes: [{key: k, value: 1}]", "action: is required"),
        ("attributes: [{key: k, action: inset, value: 1}]", "did you mean 'insert'?"),
        ("attributes: [{key: k, action: insert}]", "needs one of value, from_attribute"),
        (
            "attributes: [{key: k, action: insert, value: 1, from_attribute: a}]",
            "found value and from_attribute"
        ),
        ("attributes: [{key: k, action: insert, value: ~}]", "needs one of"),
        (
            "attributes: [{key: k, action: insert, from_context: auth.subject}]",
            "from_context: finds nothing: there are no authenticators"
        ),
        ("attributes: [{action: delete}]", "needs a key, a pattern for keys, or both"),
        (
            "attributes: [{key: k, action: delete, value: 1}]",
            "value: is not used by the action delete"
        ),
        ("attributes: [{pattern: '(', action: delete}]", "is not a regular expression"),
        ("attributes: [{key: k, action: extract}]", "pattern: is required"),
        ("attributes: [{key: k, action: extract, pattern: '(a)(?P<b>b)'}]", "needs a name"),
        ("attributes: [{key: k, action: extract, pattern: 'a'}]", "needs a name"),
        ("attributes: [{key: k, action: convert}]", "converted_type: is required"),
        ("attributes: [{key: k, action: convert, converted_type: bool}]", "expected one of"),
        ("attributes: [{key: k, action: insert, value: 1, patern: x}]", "did you mean 'pattern'?"),
        ("attributes: [{key: k, action: extract, pattern: ''}]", "pattern: is required"),
        ("attributes: [{pattern: '', action: hash}]", "needs a key, a pattern for keys, or both"),
        (
            "attributes: [{key: k, action: hash, default_value: 1}]",
            "warning: processors.test.attributes[0].default_value: is not used"
        ),
    ])
    func `A wrong action is reported`(_ yaml: String, _ message: String) {
        let report = reading(yaml, ResourceProcessorFactory.read).report
        #expect(report.contains(message), "\(report)")
    }

    @Test func `An empty batch stays empty`() throws {
        for signal in Signal.allCases {
            let after = try processed(
                ResourceProcessorFactory.self, "attributes: [{key: k, action: upsert, value: 1}]",
                batch(signal, [UInt8]()))
            #expect(after.payload.isEmpty)
        }
    }
}
