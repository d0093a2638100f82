import Configuration
import Testing

struct YAMLWriterTests {
    @Test func `A tree is written in its own order`() throws {
        let root = try #require(
            parsed(
                """
                receivers: {otlp: {protocols: {http: , grpc: null}}}
                list: [1, 0x10, 1.50, true, null, "x", [a, [b]], {k: v, l: [m]}, [], {}]
                empty: {}
                timeout: 1m30s
                """))
        #expect(
            YAML.write(root) == """
                receivers:
                  otlp:
                    protocols:
                      http:
                      grpc:
                list:
                  - 1
                  - 0x10
                  - 1.5
                  - true
                  - null
                  - x
                  - - a
                    - - b
                  - k: v
                    l:
                      - m
                  - []
                  - {}
                empty: {}
                timeout: 1m30s

                """)
    }

    static let strings = [
        "", " ", "a b", " a", "a ", "true", "1", "1.5", "0x1F", "null", "~", "yes", "a: b", "a:",
        "a #b", "#a", "- a", "-", "[a]", "{a", "a, b]", "*a", "&a", "!a", "|", ">", "%a", "@a",
        "`a",
        "'a'", "\"a\"", "a\"b", "a\\b", "a\nb", "a\tb", "a\r\nb", "é", "日本", "😀", "\u{0}", "\u{7F}",
        "\u{85}", "\u{2028}", "\u{FEFF}", "\u{A0}", "$", "${env:X}", "$$", "...", "---", "--- a",
        "<<",
        String(repeating: "k", count: 1_024), String(repeating: "k", count: 1_025),
        String(repeating: "\u{E7E7}", count: 102), String(repeating: "\u{E7E7}", count: 103),
        ".inf", "/a/b", "localhost:4318", "http://x/?a=b#c", "2024-01-01", "?", "? a", "=", "a:b",
    ]

    @Test(arguments: strings)
    func `A string is read back as it was, as a value and as a key`(string: String) throws {
        let position = SourcePosition(file: "test")
        let node = ConfigurationNode(
            .mapping([
                ConfigurationNode.Entry(
                    key: string, keyPosition: position,
                    value: ConfigurationNode(
                        .list([ConfigurationNode(.string(string), at: position)]), at: position))
            ]), at: position)
        let written = YAML.write(node)
        let (root, report) = loading(files: ["c.yaml": written])
        #expect(report == "", "\(written)")
        let entry = try #require(root.entries?.first)
        #expect(entry.key == string)
        #expect(entry.value.list?.first?.string == string)
        guard case .string = entry.value.list?.first?.content else {
            Issue.record("no string: \(written)")
            return
        }
    }

    @Test func `A key too long to be implicit is marked, wherever it stands`() throws {
        let key = String(repeating: "k", count: 1_025)
        let yaml = "? \(key)\n:\n  a:\n    - ? \(key)\n      : 1\n      b:\n"
        let (root, report) = loading(files: ["c.yaml": yaml])
        #expect(report == "")
        #expect(root[key]?["a"]?.list?.first?[key]?.int == 1)
        #expect(YAML.write(root) == yaml)
    }

    @Test func `Secrets are masked, by what readers say and by how keys sound`() throws {
        let yaml = """
            exporters:
              otlp_http:
                endpoint: https://user:hunter2@example.org/path
                headers: {x-team: hunter2, list: [hunter2]}
                seasoning: hunter2
                token: ${env:T}
                empty_token:
                key_file: /etc/key
            """
        let (root, _) = loading(files: ["c.yaml": yaml], environment: ["T": "hunter2"])
        let diagnostics = Diagnostics()
        let settings = try #require(root["exporters"]?["otlp_http"])
        MappingReader.read(
            settings, path: ConfigurationPath("exporters", "otlp_http"), diagnostics: diagnostics
        ) { _ = $0.secret("seasoning") }
        #expect(
            YAML.write(root, masking: diagnostics.secretPaths) == """
                exporters:
                  otlp_http:
                    endpoint: https://user:[REDACTED]@example.org/path
                    headers:
                      x-team: "[REDACTED]"
                      list:
                        - "[REDACTED]"
                    seasoning: "[REDACTED]"
                    token: "[REDACTED]"
                    empty_token:
                    key_file: /etc/key

                """)
    }
}
