import Configuration
import Testing

struct ConfigurationLoaderTests {
    @Test func `Mappings merge, lists and everything else replace`() {
        let (root, report) = loading(files: [
            "1.yaml": "a: {x: 1, y: {p: 1}}\nl: [1, 2]\nn: {k: 1}\n",
            "2.yaml": "a: {y: {q: 2}, z: 3}\nl: [3]\nn:\n",
        ])
        #expect(report == "")
        #expect(root["a"]?.entries?.map(\.key) == ["x", "y", "z"])
        #expect(root["a"]?["y"]?["p"]?.int == 1)
        #expect(root["a"]?["y"]?["q"]?.int == 2)
        #expect(root["l"]?.list?.compactMap(\.int) == [3])
        #expect(root["n"]?.isNull == true)
        #expect(root["l"]?.position.file == "2.yaml")
        #expect(root["a"]?["x"]?.position.file == "1.yaml")
    }

    @Test func `Settings are laid over all files, typed as YAML`() {
        let (root, report) = loading(
            files: ["1.yaml": "a: {b: 1, c: 2}"],
            settings: ["a.b=5s", "a.b=7", "l=[x, y]", "h::x.y=z", "empty=", "e.q=a=b"])
        #expect(report == "")
        #expect(root["a"]?["b"]?.int == 7)
        #expect(root["a"]?["c"]?.int == 2)
        #expect(root["l"]?.list?.compactMap(\.string) == ["x", "y"])
        #expect(root["h"]?["x.y"]?.string == "z")
        #expect(root["empty"]?.isNull == true)
        #expect(root["e"]?["q"]?.string == "a=b")
        #expect(root["a"]?["b"]?.position.description == "--set #2")
    }

    static let faults: [(setting: String, report: String)] = [
        ("a.b", "expected key=value, for example exporters.otlp_http.timeout=5s"),
        ("=1", "'' is no path of keys"),
        ("a..b=1", "'a..b' is no path of keys"),
        ("a.b[0]=1", "a list is set as a whole: a…='[a, b]'"),
        (
            "a=[b",
            "invalid YAML: did not find expected ',' or ']' while parsing a flow sequence (line 1)"
                + "; inside { } and [ ] put ${…} in quotes"
        ),
        ("a={b: 1, b: 2}", "the key 'b' was already given on line 1"),
    ]

    @Test(arguments: faults)
    func `A bad setting is reported by its number`(setting: String, report: String) {
        let (_, actual) = loading(files: [:], settings: [setting])
        #expect(actual == "--set #1: error: " + report)
    }

    @Test func `A configuration may come from a variable or the command line`() {
        let (root, report) = loading(
            files: ["c.yaml": "a: 1"], environment: ["CONF": "b: 2"],
            configs: ["file:c.yaml", "env:CONF", "yaml:c: 3"])
        #expect(report == "")
        #expect(["a", "b", "c"].map { root[$0]?.int } == [1, 2, 3])
    }

    static let badConfigs: [(config: String, report: String)] = [
        ("gone.yaml", "gone.yaml: error: can't be read: No such file or directory"),
        ("env:GONE", "env:GONE: error: the environment variable is not set"),
        ("empty.yaml", "empty.yaml: warning: is empty"),
        (
            "list.yaml",
            "list.yaml:1:1: error: expected a mapping with receivers, exporters and service, "
                + "found a list"
        ),
    ]

    @Test(arguments: badConfigs)
    func `A configuration that is none is reported`(config: String, report: String) {
        let files = ["empty.yaml": "# nothing\n", "list.yaml": "- a\n"]
        #expect(loading(files: files, configs: [config]).report == report)
    }

    @Test func `Marks in keys lead into sections, as in the Collector`() {
        let (root, report) = loading(
            files: [
                "a.yaml":
                    "service::log::level: a\nb: {c::d: 1, c: {e: 2}, c::f::g: 3}\nl: [{a::b: 1}]",
                "b.yaml": "service: {log: {level: z}, x: 1}\nb::c::d: 4",
            ])
        #expect(report == "")
        #expect(root["service"]?["log"]?["level"]?.string == "z")
        #expect(root["b"]?["c"]?["d"]?.int == 4)
        #expect(root["b"]?["c"]?["e"]?.int == 2)
        #expect(root["b"]?["c"]?["f"]?["g"]?.int == 3)
        #expect(root["l"]?.list?.first?["a::b"]?.int == 1)
    }

    @Test func `Of what stands in both forms the later counts, and each key is there once`() {
        let (root, report) = loading(
            files: ["a.yaml": "a: {x: 1, y: 1}\na::x: 2\na::y::z: 3\nb::c: 1\nb: 2\nc: 1\nc::d: 2"])
        #expect(report == "")
        #expect(root["a"]?.entries?.map(\.key) == ["x", "y"])
        #expect(root["a"]?["x"]?.int == 2)
        #expect(root["a"]?["y"]?["z"]?.int == 3)
        #expect(root["b"]?.int == 2)
        #expect(root["c"]?["d"]?.int == 2)
    }

    @Test func `A key of very many marks is left as it is`() {
        let key = String(repeating: "a::", count: 100_000) + "a"
        let (root, _) = loading(files: ["a.yaml": "\(key.prefix(900)): 1\n? \(key)\n: 2"])
        #expect(root.entries?.allSatisfy { $0.key.contains("::") } == true)
    }

    @Test func `What cannot be read leaves nothing else to be said`() {
        let diagnostics = Diagnostics()
        let sources = ConfigurationSources(
            environment: { _ in nil }, readFile: { _ in Array("a:\n\t- b".utf8) })
        let root = ConfigurationLoader(sources: sources).load(
            configs: ["x.yaml"], diagnostics: diagnostics)
        _ = ServiceConfiguration(
            root, catalogue: ServiceConfigurationTests.catalogue, diagnostics: diagnostics)
        #expect(diagnostics.errorCount == 1 && diagnostics.isIncomplete)
    }

    @Test func `Files of this machine are read, and their absence is reported`() {
        let diagnostics = Diagnostics()
        _ = ConfigurationLoader().load(
            configs: ["/proc/self/nonexistent"], diagnostics: diagnostics)
        #expect(
            diagnostics.report()
                == "/proc/self/nonexistent: error: can't be read: No such file or directory")
        let bytes = try? ConfigurationSources.process.readFile("/proc/self/stat")
        #expect(bytes?.isEmpty == false)
        #expect(ConfigurationSources.process.environment("PATH") != nil)
        #expect(ConfigurationSources.process.environment("SLUICE_SURELY_UNSET") == nil)
    }
}
