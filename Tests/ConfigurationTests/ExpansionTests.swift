import Configuration
import Testing

struct ExpansionTests {
    static let environment = [
        "HOST": "example.org", "PORT": "4318", "EMPTY": "", "LIST": "[a, b]", "MAP": "{k: 1}",
        "DOLLARS": "pa$$word", "REFERENCE": "${env:HOST}", "AT": "@home", "COLON": "a: b: c",
        "NAME": "PORT", "HEX": "0x10", "QUOTED": "\"7\"",
    ]

    static func expanded(_ text: String) -> (node: ConfigurationNode?, report: String) {
        let (root, report) = loading(
            files: ["c.yaml": "key: \(text)"], environment: environment, configs: ["c.yaml"])
        return (root["key"], report)
    }

    static let expansions: [(text: String, content: String)] = [
        ("${env:PORT}", "int(4318)"),
        ("\"${env:PORT}\"", "int(4318)"),
        ("${PORT}", "int(4318)"),
        ("${env:HOST}:${PORT}", "string(\"example.org:4318\")"),
        ("https://${env:HOST}/x", "string(\"https://example.org/x\")"),
        ("${env:UNSET:-5s}", "string(\"5s\")"),
        ("${env:UNSET:-7}", "int(7)"),
        ("${UNSET:-7}", "int(7)"),
        ("${env:UNSET:-}", "null"),
        ("${env:PORT:-7}", "int(4318)"),
        ("${env:EMPTY:-7}", "null"),
        ("${env:EMPTY}", "null"),
        ("${env:UNSET:-${env:HOST}}", "string(\"example.org\")"),
        ("${env:${env:NAME}}", "int(4318)"),
        ("${env:UNSET:-a{b}", "string(\"a{b\")"),
        ("$$", "string(\"$\")"),
        ("$${env:PORT}", "string(\"${env:PORT}\")"),
        ("$$${env:PORT}", "string(\"$4318\")"),
        ("$5", "string(\"$5\")"),
        ("^a$|b", "string(\"^a$|b\")"),
        ("a$", "string(\"a$\")"),
        ("${env:DOLLARS}", "string(\"pa$$word\")"),
        ("${env:REFERENCE}", "string(\"${env:HOST}\")"),
        ("${env:AT}", "string(\"@home\")"),
        ("${env:COLON}", "string(\"a: b: c\")"),
        ("${env:QUOTED}", "string(\"7\")"),
        ("\"${yaml:0x10}\"", "int(16)"),
    ]

    @Test(arguments: expansions)
    func `A reference gives what the Collector gives`(text: String, content: String) throws {
        let (node, report) = ExpansionTests.expanded(text)
        #expect("\(try #require(node).content)" == content)
        #expect(report == "")
    }

    @Test func `A name after a lone dollar is text, and the hint shows no part of a secret`() {
        let known = ExpansionTests.expanded("Bearer $PORT")
        #expect(known.node?.string == "Bearer $PORT")
        #expect(known.report.contains("$PORT is text, as in the Collector: ${env:PORT} is"))
        let unknown = ExpansionTests.expanded("pa$SWORD").report
        #expect(unknown.contains("$NAME is text") && !unknown.contains("SWORD"))
        #expect(ExpansionTests.expanded("$$PORT and $port").report == "")
    }

    @Test func `A reference may give a list or a mapping`() {
        #expect(
            ExpansionTests.expanded("${env:LIST}").node?.list?.compactMap(\.string) == ["a", "b"])
        #expect(ExpansionTests.expanded("${env:MAP}").node?["k"]?.int == 1)
    }

    @Test(arguments: ["PORT", "HEX", "QUOTED", "LIST", "MAP", "EMPTY", "COLON", "DOLLARS"])
    func `Where a string is wanted a variable is taken verbatim`(name: String) throws {
        let (root, report) = loading(
            files: ["c.yaml": "key: ${env:\(name)}"], environment: ExpansionTests.environment)
        #expect(report == "")
        let diagnostics = Diagnostics()
        let value = MappingReader.read(
            root, path: ConfigurationPath(), diagnostics: diagnostics
        ) { $0.string("key") }
        #expect(value == ExpansionTests.environment[name])
        #expect(diagnostics.report() == "")
    }

    @Test func `An unset variable is an empty string and a warning`() {
        let (node, report) = ExpansionTests.expanded("${env:UNSET}")
        #expect(node?.string == "")
        #expect(
            report == """
                c.yaml:1:6: warning: key: the environment variable UNSET is not set, and gives an \
                empty string; ${env:UNSET:-} says that this is meant
                """)
    }

    static let faults: [(text: String, report: String)] = [
        (
            "${http://x/y}",
            "error: key: configuration isn't fetched over HTTP; download it and use ${file:…}"
        ),
        (
            "${vault:x}",
            "error: key: unknown scheme 'vault' in ${…}; known are env, file and yaml, and $$ "
                + "gives a dollar sign"
        ),
        (
            "${1X}",
            "error: key: '1X' in ${…} is no name of an environment variable; $$ gives a dollar sign"
        ),
        (
            "${}",
            "error: key: '' in ${…} is no name of an environment variable; $$ gives a dollar sign"
        ),
        ("${file:gone}", "error: key: can't read gone: No such file or directory"),
        ("${env:PORT", "warning: key: a '${' has no '}', and is left as it is"),
    ]

    @Test(arguments: faults)
    func `A bad reference is reported where it stands`(text: String, report: String) {
        #expect(ExpansionTests.expanded(text).report == "c.yaml:1:6: " + report)
    }

    @Test func `What is not closed leaves what comes after it`() {
        let (node, report) = ExpansionTests.expanded("a${b}}${${env:PORT}}$${x ${env:HOST}")
        #expect(node?.string == "a}${x example.org")
        #expect(report.contains("'4318' in ${…} is no name"))
        let (unclosed, warning) = ExpansionTests.expanded("${a${env:${env:NAME}}{${")
        #expect(unclosed?.string == "${a4318{${")
        #expect(
            warning == "c.yaml:1:6: warning: key: a '${' has no '}', and is left as it is")
    }

    // A search from each `${` to the end takes the square of their number: many minutes.
    @Test func `A long row of references that are not closed is read in one pass`() {
        let text = String(repeating: "${", count: 500_000)
        let (node, report) = ExpansionTests.expanded(text)
        #expect(node?.string == text)
        #expect(report.hasSuffix("and 499000 more"))
    }

    @Test func `References nest only so deep`() {
        let text = String(repeating: "${env:", count: 40) + "X" + String(repeating: "}", count: 40)
        #expect(ExpansionTests.expanded(text).report.contains("goes deeper than 16"))
    }

    @Test func `A file gives its text without the last newline, or a part of the configuration`() {
        let (root, report) = loading(
            files: [
                "c.yaml": "token: ${file:token}\nretry: ${file:retry.yaml}",
                "token": "12345\n", "retry.yaml": "enabled: ${env:ON}\nmax: 5s\n",
            ], environment: ["ON": "true"], configs: ["c.yaml"])
        #expect(report == "")
        #expect(root["token"]?.string == "12345")
        #expect(root["retry"]?["enabled"]?.bool == true)
        #expect(
            root["retry"]?["max"]?.position
                == SourcePosition(file: "retry.yaml", line: 2, column: 6))
    }

    @Test func `A file that includes itself twice ends at a limit`() {
        let (_, report) = loading(
            files: ["c.yaml": "a: ${file:c.yaml}\nb: ${file:c.yaml}"],
            configs: ["c.yaml"])
        #expect(report.contains("goes deeper than 16"))
    }

    @Test func `References are counted, and the count has a limit`() {
        let text = String(repeating: "${env:PORT}", count: 2_001)
        #expect(
            ExpansionTests.expanded(text).report
                == "c.yaml:1:6: error: key: more than 2000 ${…} in one configuration")
    }

    @Test func `Messages never quote what came from the environment`() {
        let (root, _) = loading(
            files: ["c.yaml": "count: ${env:P}\ntimeout: ${env:P}\nmode: x${env:P}\non: ${env:P}"],
            environment: ["P": "hunter2"])
        enum Mode: String, CaseIterable { case fast, slow }
        let diagnostics = Diagnostics()
        MappingReader.read(root, path: ConfigurationPath(), diagnostics: diagnostics) { reader in
            _ = (reader.int("count"), reader.duration("timeout"), reader.bool("on"))
            _ = reader.oneOf("mode", default: Mode.fast)
        }
        #expect(diagnostics.errorCount == 4)
        #expect(!diagnostics.report().contains("hunter2"))
    }
}
