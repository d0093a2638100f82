import Configuration
import Testing

struct ServiceConfigurationTests {
    static let catalogue = ComponentCatalogue([
        .receiver: .init(built: ["otlp"], notBuilt: ["zipkin": "isn't built yet; use otlp"]),
        .processor: .init(built: ["resource", "batch"]),
        .exporter: .init(
            built: ["otlp_http", "sqlite", "debug"],
            aliases: ["otlphttp": "otlp_http", "otlp": "otlp_grpc"],
            notBuilt: ["otlp_grpc": "isn't built yet; use otlp_http with the port 4318"]),
        .extension: .init(built: ["health_check"]),
    ])

    static func read(_ yaml: String) -> (service: ServiceConfiguration, report: String) {
        let diagnostics = Diagnostics()
        let root =
            YAML.parse(yaml, file: "c.yaml", diagnostics: diagnostics)
            ?? ConfigurationNode(.null, at: SourcePosition(file: "c.yaml"))
        let service = ServiceConfiguration(root, catalogue: catalogue, diagnostics: diagnostics)
        return (service, diagnostics.report())
    }

    @Test func `Components and pipelines are read`() throws {
        let (service, report) = ServiceConfigurationTests.read(
            """
            receivers: {otlp: {protocols: {http: }}}
            processors: {resource/env: {a: 1}, batch: }
            exporters: {otlphttp: {endpoint: x}, otlp_http/2: , sqlite: }
            extensions: {health_check: }
            service:
              extensions: [health_check]
              telemetry: {logs: {level: debug}}
              pipelines:
                traces: {receivers: [otlp], processors: [resource/env, batch], exporters: [otlp_http]}
                logs/all: {receivers: otlp, exporters: "otlp_http/2,sqlite"}
            """)
        #expect(report == "")
        #expect(
            service.components(.exporter).map(\.id.type) == ["otlp_http", "otlp_http", "sqlite"])
        #expect(
            service.components(.exporter).map(\.id.written) == [
                "otlphttp", "otlp_http/2", "sqlite",
            ])
        #expect(service.extensions.map(\.id) == [ComponentID(type: "health_check")])
        #expect(service.telemetry["logs"]?["level"]?.string == "debug")
        #expect(service.pipelines.map(\.id.description) == ["traces", "logs/all"])
        let traces = try #require(service.pipelines.first)
        #expect(traces.id.signal == .traces)
        #expect(traces.processors.map(\.id.description) == ["resource/env", "batch"])
        let exporter = try #require(service.component(.exporter, traces.exporters[0].id))
        #expect(exporter.path.description == "exporters.otlphttp")
        #expect(exporter.read(Diagnostics()) { $0.string("endpoint") } == "x")
        #expect(service.pipelines[1].exporters.map(\.id.name) == ["2", ""])
    }

    @Test func `Blanks around the parts of an id are no part of it`() {
        let (service, report) = ServiceConfigurationTests.read(
            """
            receivers: {" otlp ": }
            exporters: {"debug / a": {verbosity: x}, otlphttp: }
            service:
              pipelines: {" traces / x": {receivers: [otlp], exporters: ["debug/a", otlp_http]}}
            """)
        #expect(report == "")
        #expect(service.components.map(\.id.written) == ["otlp", "debug/a", "otlphttp"])
        #expect(service.components[1].path.description == "exporters.debug / a")
        #expect(service.pipelines[0].id.description == "traces/x")
        // As the section has it: what a pipeline is made from finds the component by that.
        #expect(service.pipelines[0].exporters.map(\.id.written) == ["debug/a", "otlphttp"])
    }

    /// A valid configuration with one part replaced.
    static func with(
        receivers: String = "{otlp: }", exporters: String = "{debug: }", more: String = "#",
        pipelines: String = "{traces: {receivers: [otlp], exporters: [debug]}}"
    ) -> String {
        "receivers: \(receivers)\nexporters: \(exporters)\n\(more)\n"
            + "service:\n  pipelines: \(pipelines)\n"
    }

    static let faults: [(yaml: String, report: String)] = [
        (
            with(exporters: "{debug: , deubg: }"),
            "2:22: error: exporters.deubg: there is no exporter of this type here; did you mean "
                + "'debug'?"
        ),
        (
            with(exporters: "{debug: , otlp: }"),
            "2:22: error: exporters.otlp: isn't built yet; use otlp_http with the port 4318"
        ),
        (
            with(exporters: "{debug: , 'a b': }"),
            "2:22: error: exporters.a b: 'a b' is no component id: it is a type such as otlp_http, "
                + "or type/name"
        ),
        (
            with(exporters: "{debug: , debug/: }"),
            "2:22: error: exporters.debug/: 'debug/' is no component id: the name after '/' is "
                + "empty"
        ),
        (
            with(exporters: "{debug: , 'debug/a+b': }"),
            "2:22: error: exporters.debug/a+b: 'debug/a+b' is no component id: the name after '/' "
                + "has a blank, a symbol or a control character in it"
        ),
        (
            with(
                pipelines: "{traces/a: {receivers: [otlp], exporters: [debug]}, "
                    + "traces / a: {receivers: [otlp], exporters: [debug]}}"),
            "5:66: error: service.pipelines.traces / a: is another spelling of 'traces/a', which "
                + "is already defined"
        ),
        (
            with(
                exporters: "{otlphttp: , otlp_http: }",
                pipelines: "{traces: {receivers: [otlp], exporters: [otlphttp]}}"),
            "2:25: error: exporters.otlp_http: is another name of 'otlphttp', which is already "
                + "defined"
        ),
        (
            with(exporters: "{debug: , sqlite: }"),
            "2:22: warning: exporters.sqlite: is not used in any pipeline, and is not started"
        ),
        (
            with(more: "extensions: {health_check: }"),
            "3:14: warning: extensions.health_check: is not used in service.extensions, and is not "
                + "started"
        ),
        (
            with(more: "connectors: {count: }"),
            "3:14: error: connectors.count: connectors aren't built yet"
        ),
        (
            with(more: "exportesr: {}"),
            "3:1: error: exportesr: unknown key; did you mean 'exporters'?"
        ),
        (
            with(pipelines: "{traces: {receivers: [olpt], exporters: [debug]}}"),
            "5:36: error: service.pipelines.traces.receivers[0]: 'olpt' is not defined under "
                + "receivers; did you mean 'otlp'?"
        ),
        (
            with(pipelines: "{traces: {receivers: [otlp, otlp], exporters: [debug]}}"),
            "5:42: error: service.pipelines.traces.receivers[1]: 'otlp' is listed twice"
        ),
        (
            with(pipelines: "{traces: {receivers: [otlp], exporters: [debug, {}]}}"),
            "5:62: error: service.pipelines.traces.exporters[1]: expected the id of a component, "
                + "found a mapping"
        ),
        (
            with(pipelines: "{traces: {receivers: [otlp], exporter: [debug], exporters: [debug]}}"),
            "5:43: error: service.pipelines.traces.exporter: unknown key; did you mean "
                + "'exporters'?"
        ),
        (
            with(
                pipelines: "{traces: {receivers: [otlp], exporters: [debug]}, metric: {}}"),
            "5:64: error: service.pipelines.metric: unknown signal; did you mean 'metrics'?"
        ),
        (
            with(
                pipelines: "{traces: {receivers: [otlp], exporters: [debug]}, profiles: {}}"),
            "5:64: error: service.pipelines.profiles: profiles aren't built yet; remove the pipeline"
        ),
        (
            "{}",
            "1:1: error: service: is required but not given"
        ),
        (
            "service: {pipelines: {}}",
            "1:22: error: service.pipelines: at least one pipeline is needed, for example traces "
                + "with its receivers and exporters"
        ),
    ]

    @Test(arguments: faults)
    func `A fault at the top level is reported`(yaml: String, report: String) {
        #expect(ServiceConfigurationTests.read(yaml).report == "c.yaml:" + report)
    }

    // To compare each reference with all components takes minutes.
    @Test func `Thousands of components and mistyped references are read`() {
        let indexes = 10_000..<16_000
        let (service, report) = ServiceConfigurationTests.read(
            ServiceConfigurationTests.with(
                exporters: "{" + indexes.map { "debug/\($0): ," }.joined() + "}",
                pipelines: "{traces: {receivers: [otlp], exporters: ["
                    + indexes.map { "debug/\($0)x," }.joined() + "]}}"))
        #expect(service.components(.exporter).count == indexes.count)
        #expect(
            report.hasPrefix(
                "c.yaml:5:55: error: service.pipelines.traces.exporters[0]: 'debug/10000x' is not "
                    + "defined under exporters; did you mean 'debug/10000'?"))
        #expect(report.hasSuffix("and \(indexes.count - 50) more"))
    }

    @Test func `A pipeline needs receivers and exporters`() {
        let yaml = ServiceConfigurationTests.with(pipelines: "{traces: {exporters: []}}")
        #expect(
            ServiceConfigurationTests.read(yaml).report == """
                c.yaml:5:23: error: service.pipelines.traces.receivers: a pipeline needs at least one \
                receiver
                c.yaml:5:35: error: service.pipelines.traces.exporters: a pipeline needs at least one \
                exporter
                """)
    }

    @Test func `A component that isn't built is reported once, not again where it is used`() {
        let yaml = ServiceConfigurationTests.with(
            receivers: "{zipkin: }",
            pipelines: "{traces: {receivers: [zipkin], exporters: [debug]}}")
        #expect(
            ServiceConfigurationTests.read(yaml).report
                == "c.yaml:1:13: error: receivers.zipkin: isn't built yet; use otlp")
    }
}
