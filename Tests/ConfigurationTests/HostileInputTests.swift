import Configuration
import Testing

/// Everything that is done with a text, on texts that nobody meant.
struct HostileInputTests {
    static let sample = """
        # A sample with each of YAML's forms.
        anchors: &base {a: 1, 'b': "two\\n", c: [~, 0x1F, .5]}
        receivers:
          otlp:
            protocols: {http: {endpoint: "${env:HOST:-localhost}:4318"}}
        exporters:
          otlp_http/é:
            <<: [*base]
            headers: {authorization: "${TOKEN}"}
            text: |
              line one
                line two $$
            folded: >-
              a
              b
        service:
          pipelines:
            traces:
              receivers: [otlp]
              exporters:
                - otlp_http/é
        """

    /// Loads, reads and writes; gives whether anything was reported.
    static func run(_ bytes: [UInt8]) -> Bool {
        let sources = ConfigurationSources(
            environment: { $0 == "TOKEN" ? "s3cret" : nil },
            readFile: { _ throws(ConfigurationSources.ReadError) in bytes })
        let diagnostics = Diagnostics()
        let root = ConfigurationLoader(sources: sources).load(
            configs: ["sample.yaml"], diagnostics: diagnostics)
        _ = ServiceConfiguration(
            root, catalogue: ServiceConfigurationTests.catalogue, diagnostics: diagnostics)
        let written = YAML.write(root, masking: diagnostics.secretPaths)
        #expect(!written.contains("s3cret"))
        return !diagnostics.report().isEmpty
    }

    @Test func `A file cut at any byte is reported or read, and never crashes`() {
        let bytes = Array(HostileInputTests.sample.utf8)
        for count in 0..<bytes.count { #expect(HostileInputTests.run(Array(bytes.prefix(count)))) }
    }

    @Test func `A file with any byte changed never crashes`() {
        let bytes = Array(HostileInputTests.sample.utf8)
        for index in bytes.indices {
            for replacement in [0x09, 0x22, 0x24, 0xFF] {
                var changed = bytes
                changed[index] = UInt8(replacement)
                _ = HostileInputTests.run(changed)
            }
        }
    }
}
