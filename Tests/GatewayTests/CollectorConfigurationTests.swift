import Configuration
import Telemetry
import Testing

@testable import Gateway

/// What the Collector's configurations say, and what is said to them: in whole plans.
struct CollectorConfigurationTests {
    private static func plan(
        receivers: String = "otlp: {protocols: {http: }}", processors: String = "",
        exporters: String = "nop:", extensions: String = "", telemetry: String = "{}",
        service: String = "", pipeline: String = "traces: {receivers: [otlp], exporters: [nop]}"
    ) -> (plan: GatewayPlan, messages: [String]) {
        let diagnostics = Diagnostics()
        let yaml = """
            receivers: {\(receivers) }
            processors: {\(processors) }
            exporters: {\(exporters) }
            extensions: {\(extensions) }
            service: {\(service) telemetry: \(telemetry), pipelines: {\(pipeline)}}
            """
        let root = ConfigurationLoader().load(configs: ["yaml:" + yaml], diagnostics: diagnostics)
        let plan = GatewayPlan(root, diagnostics: diagnostics)
        return (plan, diagnostics.sorted.map(\.description))
    }

    @Test func `An exporter that a pipeline names by its other name is there`() {
        let (plan, messages) = Self.plan(
            exporters: "otlphttp: {endpoint: 'http://h:1'}",
            pipeline: "traces: {receivers: [otlp], exporters: [otlp_http]}")
        #expect(messages == [])
        #expect(plan.exporters.map(\.id) == ["otlphttp"])
        #expect(plan.pipelines[0].exporters == ["otlphttp"])
    }

    @Test func `A fault in an endpoint is the only error`() {
        let (_, messages) = Self.plan(
            exporters: "otlp_http: {endpoint: 'h:1'}",
            pipeline: "traces: {receivers: [otlp], exporters: [otlp_http]}, "
                + "logs: {receivers: [otlp], exporters: [otlp_http]}")
        #expect(messages.count == 1 && messages[0].contains("endpoint: a URL begins with"))
    }

    @Test func `gRPC alone is the only error`() {
        let (_, messages) = Self.plan(receivers: "otlp: {protocols: {grpc: {endpoint: 'x:1'}}}")
        #expect(messages.count == 1 && messages[0].contains("protocols.grpc: OTLP/gRPC is not"))
    }

    @Test(arguments: [
        "otlp: {protocols: {grpc: {enabled: false}, http: }}",
        "otlp: {protocols: {http: {tls: null, auth: null, cors: null, middlewares: []}}}",
        "otlp: {protocols: {http: {auth: {enabled: false}, cors: {enabled: false}}}}",
    ])
    func `What is null or turned off is not there`(receivers: String) {
        let (_, messages) = Self.plan(receivers: receivers)
        #expect(messages == [])
    }

    @Test func `All instances of batch are one warning`() {
        let (_, messages) = Self.plan(
            processors: "batch: , batch/a: {timeout: 1s}, batch/b: {send_batch_size: 1}",
            pipeline:
                "traces: {receivers: [otlp], processors: [batch, batch/a, batch/b], exporters: [nop]}"
        )
        #expect(messages.count == 1)
        #expect(messages[0].hasSuffix("(also at processors.batch/a and 1 more)"))
    }

    @Test(arguments: [
        ("receivers", "host_metrics"), ("receivers", "hostmetrics"), ("receivers", "file_log"),
        ("processors", "k8s_attributes"), ("processors", "k8sattributes"),
        ("processors", "metrics_transform"), ("exporters", "otlp_grpc"), ("exporters", "otlp"),
        ("exporters", "prometheus_remote_write"), ("extensions", "basicauth"),
        ("connectors", "span_metrics"), ("connectors", "spanmetrics"),
    ])
    func `Both spellings of a type get the advice`(section: String, type: String) throws {
        let kind = try #require(ComponentKind(rawValue: String(section.dropLast())))
        let advice = try #require(Catalogue.components[kind].notBuilt[type])
        #expect(advice.contains("built"))
    }

    @Test func `No type that is not built has another's name`() {
        for kind in ComponentKind.allCases {
            let types = Catalogue.components[kind]
            #expect(types.built.union(types.aliases.keys).isDisjoint(with: types.notBuilt.keys))
            #expect(types.ignored.keys.allSatisfy { types.notBuilt[$0] == nil })
        }
    }

    @Test func `Extensions that change nothing are accepted with a warning each`() {
        let (_, messages) = Self.plan(
            extensions: "zpages: {endpoint: x}, pprof: , memory_ballast: {size_mib: 64}, pprof/2: ",
            service: "extensions: [zpages, pprof, memory_ballast],")
        #expect(messages.count == 3)
        #expect(messages.allSatisfy { $0.contains("warning: extensions.") })
        #expect(messages[0].contains("is accepted and does nothing: see /ready and /metrics"))
    }

    @Test func `logging is debug, and its level is the verbosity`() {
        let (plan, messages) = Self.plan(
            exporters: "logging: {loglevel: debug}",
            pipeline: "traces: {receivers: [otlp], exporters: [logging]}")
        #expect(plan.exporters.map(\.id) == ["logging"])
        #expect(messages.count == 2)
        #expect(messages[0].contains("has dropped the type 'logging'; 'debug' is its name"))
        #expect(messages[1].contains("taken for detailed"))
    }

    @Test func `A receiver that receives nothing is there`() {
        let (plan, messages) = Self.plan(
            receivers: "nop:", pipeline: "traces: {receivers: [nop], exporters: [nop]}")
        #expect(messages == [] && plan.receivers.map(\.id) == ["nop"])
    }

    // MARK: service.telemetry

    @Test(arguments: [
        "{resource: {attributes: [{name: service.name, value: x}, {name: n, value: 1}]}}",
        "{resource: {service.name: x, n: '1'}}",
        "{resource: {service::name: x}}",
    ])
    func `The resource is read in both forms`(telemetry: String) {
        let (plan, messages) = Self.plan(telemetry: telemetry)
        if telemetry.contains("::") {
            // A mark leads into a section, and a section is no text.
            #expect(messages.count == 1)
            return
        }
        #expect(messages == [])
        let resource = plan.telemetry.resource
        #expect(resource.attributes.map(\.name) == ["service.name", "service.version", "n"])
        #expect(resource.attributes[0].value == .string("x"))
    }

    @Test func `Null leaves an attribute out, and a schema is kept`() {
        let (plan, messages) = Self.plan(
            telemetry: "{resource: {service.version: null, schema_url: 'http://s/1'}}")
        #expect(messages == [])
        #expect(plan.telemetry.resource.attributes.map(\.name) == ["service.name"])
        #expect(plan.telemetry.resource.schemaURL == "http://s/1")
    }

    @Test(arguments: [
        ("{resource: {a: x, attributes: [{name: b, value: y}]}}", "cannot stand beside 'a'"),
        ("{resource: {attributes_list: 'a=b'}}", "attributes_list: is not supported"),
        ("{resource: {a: 1}}", "put it in quotes"),
        ("{metrics: {readers: []}}", "readers: is empty"),
        ("{logs: {level: loud}}", "expected debug, info, warn or error"),
    ])
    func `A fault in telemetry is one error`(telemetry: String, message: String) {
        let (_, messages) = Self.plan(telemetry: telemetry)
        #expect(messages.count == 1 && messages[0].contains("error:"))
        #expect(messages.first?.contains(message) == true, "\(messages)")
    }

    @Test(arguments: [
        ("{logs: {level: FATAL}}", "level: is taken for error"),
        ("{metrics: {readers: [{periodic: {interval: 1, exporter: {otlp: {}}}}]}}", "periodic: is"),
        ("{traces: {processors: [{batch: {exporter: {otlp: {}}}}]}}", "processors: is ignored"),
        ("{resource: {detectors: {a: b}}}", "nothing is detected for Sluice's own"),
    ])
    func `What telemetry cannot do yet is one warning`(telemetry: String, message: String) {
        let (_, messages) = Self.plan(telemetry: telemetry)
        #expect(messages.count == 1 && messages[0].contains("warning:"))
        #expect(messages.first?.contains(message) == true, "\(messages)")
    }

    @Test(arguments: [
        "{metrics: {level: None, readers: []}}", "{metrics: {level: Detailed}}", "{logs: null}",
        "{logs: {level: Info}}", "{metrics: {readers: null}}", "{resource: null}",
    ])
    func `Case and null are the Collector's`(telemetry: String) {
        let (_, messages) = Self.plan(telemetry: telemetry)
        #expect(messages.allSatisfy { $0.contains("turns off /metrics") }, "\(messages)")
    }

    @Test func `The extension's port has advice`() {
        let (_, messages) = Self.plan(
            extensions: "health_check: {port: 13133}", service: "extensions: [health_check],")
        #expect(messages.count == 1 && messages[0].contains("write 'endpoint: localhost:13133'"))
    }
}
