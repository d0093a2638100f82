import Bytes
import OTLP
import Testing

@testable import Exporters

@Suite struct ValueJSONTests {
    private static func json(
        _ dialect: ValueJSON.Dialect, _ value: (inout ProtobufWriter) -> Void
    ) -> String {
        var writer = ProtobufWriter()
        writer.message(1) { $0.attribute("v", value) }
        var json = ValueJSON(dialect)
        let whole = ByteRange(start: 0, end: writer.bytes.count)
        json.attributes(AttributeReader(whole, field: 1), writer.bytes.rawSpan)
        return json.written.string(ByteRange(start: 0, end: json.output.count))
    }

    private static func json(_ dialect: ValueJSON.Dialect, _ value: Double) -> String {
        String(json(dialect) { $0.double(4, value) }.dropFirst(5).dropLast())
    }

    @Test(arguments: [
        (0.0, "0.0"), (1, "1.0"), (-1, "-1.0"), (0.1, "0.1"), (-2.5, "-2.5"),
        (1e15, "1000000000000000.0"), (1e16, "10000000000000000.0"),
        (-9_223_372_036_854_775_808, "-9223372036854775808.0"),
        (9_223_372_036_854_774_784, "9223372036854774784.0"), (0x1p64, "1.8446744073709552e+19"),
        (1e300, "1e+300"), (.leastNonzeroMagnitude, "5e-324"), (1e-5, "1e-05"),
        (123456.789, "123456.789"), (.pi, "3.141592653589793"),
        (-0.0, #"{"$double":"-0.0"}"#), (.nan, #"{"$double":"NaN"}"#),
        (.infinity, #"{"$double":"Infinity"}"#), (-.infinity, #"{"$double":"-Infinity"}"#),
    ])
    func `A double for jsonb comes back as a double`(value: Double, text: String) {
        #expect(Self.json(.jsonb, value) == text)
    }

    @Test func `A double for SQLite is Swift's shortest text`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let bits = Double(bitPattern: generator.next())
            let decimal =
                Double(Int64.random(in: -1_000_000_000...1_000_000_000)) / [1, 10, 100, 1000, 7]
                .randomElement()!
            for value in [bits, decimal] where value.isFinite {
                #expect(Self.json(.text, value) == value.description)
            }
        }
        #expect(Self.json(.text, -0.0) == "-0.0")
    }

    @Test func `Integers keep all their digits`() {
        for value in [0, 9, 10, 99, 100, 12_345_678, 123_456_789, -1, .min, .max] as [Int64] {
            #expect(Self.json(.jsonb) { $0.int(3, value) } == "{\"v\":\(value)}")
        }
        var power: UInt64 = 1
        while true {
            for value in [power - 1, power, power + 1] {
                var json = ValueJSON(.jsonb)
                json.integer(value)
                #expect(
                    json.written.string(ByteRange(start: 0, end: json.output.count)) == "\(value)")
            }
            let (next, overflow) = power.multipliedReportingOverflow(by: 10)
            guard !overflow else { break }
            power = next
        }
    }

    @Test(arguments: 0..<36)
    func `What needs an escape has one wherever it stands`(position: Int) {
        for (character, escape) in [
            ("\"", "\\\""), ("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r"),
            ("\u{1}", "\\u0001"), ("\u{1f}", "\\u001f"), ("\u{7f}", "\u{7f}"), ("é", "é"),
            ("🦥", "🦥"), (" ", " "), ("!", "!"), ("#", "#"), ("[", "["), ("]", "]"),
        ] {
            let before = String(repeating: "x", count: position)
            for after in ["", "y", "yyyyyyyyyyyyyyyyyyyy"] {
                let text = before + character + character + after
                let json = "{\"v\":\"\(before)\(escape)\(escape)\(after)\"}"
                #expect(Self.json(.jsonb) { $0.string(1, text) } == json)
                #expect(Self.json(.text) { $0.string(1, text) } == json)
            }
        }
    }

    @Test func `NUL is escaped for SQLite, and U+2400 for jsonb`() {
        #expect(Self.json(.text) { $0.string(1, "a\u{0}") } == #"{"v":"a\u0000"}"#)
        #expect(Self.json(.jsonb) { $0.string(1, "a\u{0}") } == #"{"v":"a␀"}"#)
    }

    @Test func `All other values are the same in both dialects`() {
        let values: [(String, (inout ProtobufWriter) -> Void)] = [
            (#"{"v":true}"#, { $0.bool(2, true) }), (#"{"v":false}"#, { $0.bool(2, false) }),
            (#"{"v":{"$bytes":"AAEC/w=="}}"#, { $0.bytes(7, [0, 1, 2, 255]) }),
            (#"{"v":{"$bytes":""}}"#, { $0.bytes(7, []) }), (#"{"v":""}"#, { $0.string(1, "") }),
            (#"{"v":null}"#, { _ in }), (#"{"v":{}}"#, { $0.message(6) { _ in } }),
            (#"{"v":[]}"#, { $0.message(5) { _ in } }),
            (
                #"{"v":[1,"a",null,1.5]}"#,
                { value in
                    value.message(5) { list in
                        list.message(1) { $0.int(3, 1) }
                        list.message(1) { $0.string(1, "a") }
                        list.message(1) { _ in }
                        list.message(1) { $0.double(4, 1.5) }
                    }
                }
            ),
            (
                #"{"v":{"$$bytes":"x","":0}}"#,
                { value in
                    value.message(6) { map in
                        map.message(1) { $0.attribute("$bytes") { $0.string(1, "x") } }
                        map.message(1) { $0.attribute("") { $0.int(3, 0) } }
                    }
                }
            ),
        ]
        for (text, value) in values {
            #expect(Self.json(.jsonb, value) == text)
            #expect(Self.json(.text, value) == text)
        }
    }
}
