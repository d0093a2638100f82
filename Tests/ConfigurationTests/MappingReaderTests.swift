import Configuration
import Testing

struct MappingReaderTests {
    enum Compression: String, CaseIterable { case none, gzip, zstd }

    @Test func `Values of every type are read`() {
        let yaml = """
            name: edge
            port: 4318
            ratio: 0.25
            enabled: false
            timeout: 1m30s
            size: 64MiB
            compression: zstd
            paths: [/a, "/b"]
            headers: {x-team: blue, authorization: Bearer abc}
            nested: {depth: 2}
            rules:
              - key: a
              - key: b
            """
        let (_, report) = reading(yaml) { reader in
            #expect(reader.requiredString("name") == "edge")
            #expect(reader.int("port", default: 1, in: 1...65535) == 4318)
            #expect(reader.double("ratio", default: 1, in: 0...1) == 0.25)
            #expect(reader.bool("enabled", default: true) == false)
            #expect(reader.duration("timeout", default: .zero) == .seconds(90))
            #expect(reader.bytes("size", default: 0) == 64 << 20)
            #expect(reader.oneOf("compression", default: Compression.none) == .zstd)
            #expect(reader.strings("paths") == ["/a", "/b"])
            let headers = reader.secretMap("headers")
            #expect(headers.map(\.name) == ["x-team", "authorization"])
            #expect(headers.map { $0.value.reveal() } == ["blue", "Bearer abc"])
            #expect(reader.mapping("nested") { $0.int("depth", default: 0) } == 2)
            #expect(reader.list("rules") { $0.requiredString("key") } == ["a", "b"])
        }
        #expect(report == "")
    }

    @Test(arguments: ["", "{}", "name:\nport:\nratio:\nenabled: ~\ntimeout: null\nlist:\nrules:"])
    func `What is absent or null takes its default`(yaml: String) {
        let (_, report) = reading(yaml) { reader in
            #expect(reader.string("name") == nil)
            #expect(reader.string("name", default: "x") == "x")
            #expect(reader.int("port", default: 7) == 7)
            #expect(reader.double("ratio", default: 0.5) == 0.5)
            #expect(reader.bool("enabled", default: true) == true)
            #expect(reader.duration("timeout", default: .seconds(5)) == .seconds(5))
            #expect(reader.strings("list") == nil)
            #expect(reader.list("rules") { $0.string("key") } == [])
            #expect(reader.mapping("absent") { _ in 1 } == nil)
        }
        #expect(report == "")
    }

    @Test func `A key with nothing after it is an empty mapping`() {
        let (value, report) = reading("http:") { reader in
            reader.mapping("http") { $0.string("endpoint", default: "localhost:4318") }
        }
        #expect(value == "localhost:4318")
        #expect(report == "")
    }

    typealias Read = @Sendable (inout MappingReader) -> Void

    static let faults: [(yaml: String, read: Read, report: String)] = [
        (
            "endpont: x", { _ = $0.string("endpoint") },
            "1:1: error: exporters.test.endpont: unknown key; did you mean 'endpoint'?"
        ),
        (
            "tiemout: 1s", { _ = ($0.string("endpoint"), $0.string("timeout")) },
            "1:1: error: exporters.test.tiemout: unknown key; did you mean 'timeout'?"
        ),
        (
            "colour: red", { _ = ($0.string("path"), $0.string("mode")) },
            "1:1: error: exporters.test.colour: unknown key; known here: mode, path"
        ),
        (
            "colour: red", { _ in },
            "1:1: error: exporters.test.colour: unknown key; none is expected here"
        ),
        (
            "port: abc", { _ = $0.int("port") },
            "1:7: error: exporters.test.port: expected an integer, found the string 'abc'"
        ),
        (
            "port: \"4318\"", { _ = $0.int("port") },
            "1:7: error: exporters.test.port: expected an integer, found the string '4318'"
        ),
        (
            "port: 1.5", { _ = $0.int("port") },
            "1:7: error: exporters.test.port: expected an integer, found the number 1.5"
        ),
        (
            "port: 70000", { _ = $0.int("port", in: 1...65535) },
            "1:7: error: exporters.test.port: must be between 1 and 65535, found the number 70000"
        ),
        (
            "count: -1", { _ = $0.int("count", in: 0...Int.max) },
            "1:8: error: exporters.test.count: must be at least 0, found the number -1"
        ),
        (
            "ratio: .nan", { _ = $0.double("ratio") },
            "1:8: error: exporters.test.ratio: must be a number, found NaN"
        ),
        (
            "enabled: yes", { _ = $0.bool("enabled") },
            "1:10: error: exporters.test.enabled: expected true or false, found the string 'yes'"
        ),
        (
            "version: 1.10", { _ = $0.string("version") },
            "1:10: error: exporters.test.version: expected a string, found the number 1.10: "
                + "put it in quotes"
        ),
        (
            "name: [a]", { _ = $0.string("name") },
            "1:7: error: exporters.test.name: expected a string, found a list"
        ),
        (
            "other: 1", { _ = ($0.requiredString("name"), $0.int("other")) },
            "1:1: error: exporters.test.name: is required but not given"
        ),
        (
            "name: ''", { _ = $0.requiredString("name") },
            "1:7: error: exporters.test.name: must not be empty"
        ),
        (
            "timeout: 5", { _ = $0.duration("timeout") },
            "1:10: error: exporters.test.timeout: expected a duration such as 200ms or 1m30s, "
                + "found the number 5; add a unit, for example 5s"
        ),
        (
            "timeout: 5x", { _ = $0.duration("timeout") },
            "1:10: error: exporters.test.timeout: unknown unit 'x' in the string '5x'; the units "
                + "are ns, us, ms, s, m, h"
        ),
        (
            "timeout: soon", { _ = $0.duration("timeout") },
            "1:10: error: exporters.test.timeout: expected a duration such as 200ms or 1m30s, "
                + "found the string 'soon'"
        ),
        (
            "timeout: -1s", { _ = $0.duration("timeout") },
            "1:10: error: exporters.test.timeout: must be at least 0s, found the string '-1s'"
        ),
        (
            "size: 5 apples", { _ = $0.bytes("size") },
            "1:7: error: exporters.test.size: expected a size such as 64MiB or 1000000, found the "
                + "string '5 apples'"
        ),
        (
            "compression: gzp", { _ = $0.oneOf("compression", default: Compression.gzip) },
            "1:14: error: exporters.test.compression: expected one of none, gzip, zstd, found the "
                + "string 'gzp'; did you mean 'gzip'?"
        ),
        (
            "paths: [a, 2]", { _ = $0.strings("paths") },
            "1:12: error: exporters.test.paths[1]: expected a string, found the number 2"
        ),
        (
            "rules: [{kye: a}]", { _ = $0.list("rules") { $0.string("key") } },
            "1:10: error: exporters.test.rules[0].kye: unknown key; did you mean 'key'?"
        ),
        (
            "rules: {a: 1}", { _ = $0.list("rules") { $0.string("key") } },
            "1:8: error: exporters.test.rules: expected a list, found a mapping"
        ),
        (
            "nested: on", { _ = $0.mapping("nested") { $0.string("key") } },
            "1:9: error: exporters.test.nested: expected a mapping, found the string 'on'"
        ),
        (
            "[a]", { _ = $0.string("key") },
            "1:1: error: exporters.test: expected a mapping, found a list"
        ),
        (
            "tls: {ca_file: x}", { $0.unsupported("tls", "isn't built yet; use a proxy") },
            "1:1: error: exporters.test.tls: isn't built yet; use a proxy"
        ),
        (
            "read_buffer_size: 4096", { $0.ignored("read_buffer_size", because: "of the kernel") },
            "1:19: warning: exporters.test.read_buffer_size: is ignored: of the kernel"
        ),
        (
            "endpoint: localhost", { _ = $0.endpoint("endpoint") },
            "1:11: error: exporters.test.endpoint: 'localhost' has no port: write host:port"
        ),
        (
            "endpoint: http://localhost:4318", { _ = $0.endpoint("endpoint") },
            "1:11: error: exporters.test.endpoint: expected host:port without a scheme, for "
                + "example localhost:4318"
        ),
        (
            "headers: {x.y: 1}", { _ = $0.stringMap("headers") },
            "1:16: error: exporters.test.headers.\"x.y\": expected a string, found the number 1: "
                + "put it in quotes"
        ),
    ]

    @Test(arguments: faults.indices)
    func `A fault is reported with its place, path, what was found and what is expected`(
        index: Int
    ) {
        let (yaml, read, expected) = MappingReaderTests.faults[index]
        #expect(report(yaml, read) == "test.yaml:" + expected)
    }

    @Test func `All faults are reported at once, in the order of the file`() {
        let text = report("a: x\nb: y\nc: z\n") { reader in
            _ = (reader.bool("b"), reader.int("a"))
        }
        #expect(
            text == """
                test.yaml:1:4: error: exporters.test.a: expected an integer, found the string 'x'
                test.yaml:2:4: error: exporters.test.b: expected true or false, found the string 'y'
                test.yaml:3:1: error: exporters.test.c: unknown key; known here: a, b
                """)
    }

    @Test func `More faults than anyone reads are counted`() {
        let keys = (0..<60).map { "zzzzzzz\($0): 1" }.joined(separator: "\n")
        let text = report(keys) { _ in }
        #expect(text.split(separator: "\n").count == 51)
        #expect(text.hasSuffix("\nand 10 more"))
    }

    @Test func `A list of strings may be one string with commas`() {
        let (paths, report) = reading("paths: a,b") { $0.strings("paths") }
        #expect(paths == ["a", "b"])
        #expect(report == "")
    }

    @Test func `Headers may be a list of names and values`() {
        let yaml = "headers: [{name: x-team, value: blue}]"
        let (headers, report) = reading(yaml) { $0.secretMap("headers") }
        #expect(headers.map(\.name) == ["x-team"])
        #expect(headers.map { $0.value.reveal() } == ["blue"])
        #expect(report == "")
    }
}

struct SecretTests {
    @Test func `A secret shows itself to nobody but reveal`() {
        let secret = Secret("hunter2")
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), String(describing: [secret]), dumped]
        {
            #expect(!text.contains("hunter2"))
        }
        #expect(secret.reveal() == "hunter2")
    }

    @Test(arguments: [
        "token: 12345", "token: [hunter12345]", "headers: {a: 12345}",
        "headers: [{name: a, value: 12345}]",
        "password: 12345", "api_key: 12345",
    ])
    func `A message about a secret doesn't quote it`(yaml: String) {
        let text = report(yaml) { reader in
            _ = (reader.secret("token"), reader.secretMap("headers"))
            _ = (reader.string("password"), reader.string("api_key"))
        }
        #expect(text.contains("expected a string"))
        #expect(!text.contains("12345"))
    }

    @Test(arguments: [
        // What a mistyped key explains is not said again.
        ("nmae: x", ["1:1: error: exporters.test.nmae: unknown key; did you mean 'name'?"]),
        (
            "other: x",
            [
                "1:1: error: exporters.test.other: unknown key; known here: limit, name",
                "1:1: error: exporters.test.name: is required but not given",
            ]
        ),
        (
            "{name: x, limits: 1}",
            ["1:11: error: exporters.test.limits: unknown key; did you mean 'limit'?"]
        ),
        ("name: x", ["1:1: error: exporters.test: needs a limit"]),
    ])
    func `What is missing is said unless an unknown key is it`(yaml: String, lines: [String]) {
        let text = report(yaml) { reader in
            _ = reader.requiredString("name")
            if reader.int("limit") == nil { reader.miss(nil, "needs a limit") }
        }
        // Without a name the limit is missing too; that is the other rule's.
        let shown = text.split(separator: "\n").map { $0.dropFirst("test.yaml:".count) }
            .map(String.init)
        #expect(lines.allSatisfy(shown.contains), "\(shown)")
        #expect(shown.count == lines.count, "\(shown)")
    }

    @Test func `A name that goes on is near`() {
        #expect(
            report("attribute_count: 1") { _ = $0.int("attribute_count_limit") }
                .contains("did you mean 'attribute_count_limit'?"))
    }
}
