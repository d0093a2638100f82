import Configuration
import Testing

struct YAMLTests {
    static let scalars: [(text: String, type: String)] = [
        ("true", "bool(true)"), ("False", "bool(false)"), ("yes", "string(\"yes\")"),
        ("on", "string(\"on\")"), ("\"true\"", "string(\"true\")"), ("'1'", "string(\"1\")"),
        ("~", "null"), ("null", "null"), ("", "null"), ("''", "string(\"\")"),
        ("0", "int(0)"), ("-7", "int(-7)"), ("+7", "int(7)"), ("0x1F", "int(31)"),
        ("-0x10", "int(-16)"), ("0o17", "int(15)"), ("017", "int(15)"), ("0b101", "int(5)"),
        ("1_000_000", "int(1000000)"), ("9223372036854775807", "int(9223372036854775807)"),
        ("-9223372036854775808", "int(-9223372036854775808)"),
        ("9223372036854775808", "double(9.223372036854776e+18)"),
        ("089", "double(89.0)"), ("1.5", "double(1.5)"), (".5", "double(0.5)"),
        ("1.", "double(1.0)"), ("1e3", "double(1000.0)"), ("-1.5E-2", "double(-0.015)"),
        (".inf", "double(inf)"), ("-.Inf", "double(-inf)"), (".nan", "double(nan)"),
        ("inf", "string(\"inf\")"), ("nan", "string(\"nan\")"), ("0x", "string(\"0x\")"),
        ("0x-1", "string(\"0x-1\")"), ("+-1", "string(\"+-1\")"), ("0x1p3", "string(\"0x1p3\")"),
        ("1.2.3", "string(\"1.2.3\")"), ("2024-01-01", "string(\"2024-01-01\")"),
        ("1e", "string(\"1e\")"), (".", "string(\".\")"), ("-", "list([])"),
        ("12:30", "string(\"12:30\")"), ("localhost:4318", "string(\"localhost:4318\")"),
        ("!!str 1", "string(\"1\")"), ("!!int \"3\"", "int(3)"), ("!!float 3", "double(3.0)"),
        ("!!bool \"true\"", "bool(true)"), ("1s", "string(\"1s\")"),
    ]

    @Test(arguments: scalars.filter { $0.text != "-" })
    func `A scalar has the type that the Collector gives it`(text: String, type: String) throws {
        let root = try #require(parsed("key: \(text)"))
        let value = try #require(root["key"])
        #expect("\(value.content)" == type)
    }

    @Test func `Every value and key knows its place`() throws {
        let root = try #require(parsed("a:\n  b:\n    - x\n    - é: {y: 1}\n"))
        let list = try #require(root["a"]?["b"]?.list)
        #expect(list[0].position == SourcePosition(file: "test.yaml", line: 3, column: 7))
        let entry = try #require(list[1].entries?.first)
        #expect(entry.keyPosition == SourcePosition(file: "test.yaml", line: 4, column: 7))
        #expect(
            entry.value["y"]?.position == SourcePosition(file: "test.yaml", line: 4, column: 14))
    }

    @Test func `Aliases repeat their anchors and merge keys fill what is missing`() throws {
        let yaml = """
            base: &base {a: 1, b: 2}
            more: &more {b: 3, c: 4}
            same: *base
            both: {<<: [*base, *more], a: 9}
            """
        let root = try #require(parsed(yaml))
        #expect(root["same"]?["b"]?.int == 2)
        let both = try #require(root["both"])
        #expect(both.entries?.map(\.key) == ["a", "b", "c"])
        #expect(both.entries?.compactMap(\.value.int) == [9, 2, 4])
    }

    @Test func `An empty text is null`() throws {
        for text in ["", "\n\n", "# nothing\n", "---\n", "---\n...\n"] {
            #expect(try #require(parsed(text)).isNull)
        }
    }

    /// A text, and where and how the fault is reported.
    static let faults: [(name: String, yaml: String, report: String)] = [
        (
            "tab-indentation", "a:\n\tb: 1\n",
            "2:1: error: invalid YAML: found character that cannot start any token while scanning "
                + "for the next token (line 2); indent with spaces, not tabs"
        ),
        (
            "colon-in-value", "a: b: c\n",
            "1:5: error: invalid YAML: mapping values are not allowed in this context; put a value "
                + "that holds ': ' in quotes, or check the indentation"
        ),
        (
            "no-space-after-colon", "a: 1\nb:2\n",
            "2:1: error: invalid YAML: could not find expected ':' while scanning a simple key "
                + "(line 2); check the indentation, and that each key ends with ':' and a space"
        ),
        (
            "wrong-indentation", "a:\n    b: 1\n  c: 2\n",
            "3:3: error: invalid YAML: did not find expected key while parsing a block mapping "
                + "(line 1); check the indentation, and that each key ends with ':' and a space"
        ),
        (
            "open-bracket", "a: [b\n",
            "2:1: error: invalid YAML: did not find expected ',' or ']' while parsing a flow "
                + "sequence (line 1); inside { } and [ ] put ${…} in quotes"
        ),
        (
            "duplicate-key", "a: 1\nb: 2\na: 3\n",
            "3:1: error: the key 'a' was already given on line 1"
        ),
        (
            "unknown-alias", "a: *b\n",
            "1:4: error: the alias *b has no anchor &b before it"
        ),
        (
            "alias-to-itself", "a: &a [*a]\n",
            "1:8: error: the alias *a has no anchor &a before it"
        ),
        (
            "two-documents", "a: 1\n---\nb: 2\n",
            "2:1: error: a second YAML document starts here; a file holds one: give each its own "
                + "--config"
        ),
        (
            "list-as-key", "? [a]\n: b\n",
            "1:3: error: a key must be a plain string"
        ),
        (
            "unknown-tag", "a: !colour red\n",
            "1:4: error: the tag !colour is unknown or doesn't fit the value"
        ),
        (
            "tag-does-not-fit", "a: !!int red\n",
            "1:4: error: the tag !!int is unknown or doesn't fit the value"
        ),
        (
            "merge-of-a-scalar", "<<: 1\n",
            "1:1: error: '<<' takes a mapping or a list of mappings"
        ),
        (
            "nested-too-deep", String(repeating: "[", count: 100),
            "1:66: error: lists and mappings are nested deeper than 64"
        ),
    ]

    @Test(arguments: faults)
    func `Bad YAML is reported with its place and what to do`(
        name: String, yaml: String, report: String
    ) {
        #expect(parseReport(Array(yaml.utf8)) == "test.yaml:" + report, "\(name)")
    }

    @Test func `Bytes that are no UTF-8 are reported with their place`() {
        let report = parseReport(Array("a: 1\nb: é".utf8) + [0xFF])
        #expect(report.hasPrefix("test.yaml:2:5: error: invalid YAML: "))
        #expect(report.hasSuffix("; use UTF-8"))
    }

    @Test func `A billion laughs end at the limit`() {
        var yaml = "a0: &a0 lol\n"
        for level in 1...30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            yaml += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(
            parseReport(Array(yaml.utf8)).contains("error: the file has more than 200000 values"))
    }

    @Test func `Aliases can't nest deeper than brackets can`() {
        var yaml = "a0: &a0 [x]\n"
        for level in 1...100 { yaml += "a\(level): &a\(level) [*a\(level - 1)]\n" }
        #expect(parseReport(Array(yaml.utf8)).contains("are nested deeper than 64"))
    }

    @Test func `A file too large is refused unread`() {
        let bytes = [UInt8](repeating: UInt8(ascii: "#"), count: (4 << 20) + 1)
        #expect(
            parseReport(bytes)
                == "test.yaml:1:1: error: is larger than 4MiB, the limit for one file")
    }

    @Test(arguments: [
        ("{a: 1, b: [x, {c: ~}]}", "{b: [x, {c: null}], a: 0x1}", true),
        ("{a: 1}", "{a: 1, b: 1}", false),
        ("{a: 1}", "{b: 1}", false),
        ("{a: 1}", "{a: '1'}", false),
        ("{a: [1, 2]}", "{a: [2, 1]}", false),
    ])
    func `Trees are the same in whatever order their keys are`(
        one: String, two: String, isSame: Bool
    ) throws {
        let (one, two) = (try #require(parsed(one)), try #require(parsed(two)))
        #expect(one.hasSameContent(as: two) == isSame)
        #expect(two.hasSameContent(as: one) == isSame)
    }

    // To look for each key from the start takes minutes.
    @Test func `Tens of thousands of keys are compared`() throws {
        let keys = (0..<40_000).map { "k\($0): 1\n" }
        let (one, two) = (parsed(keys.joined()), parsed(keys.reversed().joined()))
        #expect(try #require(one).hasSameContent(as: try #require(two)))
    }
}
