import Configuration
import OTLP
import Platform
import Telemetry
import Testing

@testable import Gateway

private func diagnose(_ yaml: String) -> (plan: GatewayPlan, messages: [String]) {
    let diagnostics = Diagnostics()
    let root = ConfigurationLoader().load(configs: ["yaml:" + yaml], diagnostics: diagnostics)
    let plan = GatewayPlan(root, diagnostics: diagnostics)
    return (plan, diagnostics.sorted.map(\.description))
}

private let minimal = """
    receivers: {otlp: {protocols: {http: {}}}}
    exporters: {nop: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}
    """

@Suite struct GatewayPlanTests {
    @Test func `The default configuration is valid, and takes all three signals`() {
        let (plan, messages) = diagnose(GatewayPlan.defaultConfiguration)
        #expect(messages == [])
        #expect(plan.pipelines.map(\.signal) == [.traces, .metrics, .logs])
    }

    @Test func `A log that is smaller than the largest request is warned of`() {
        func messages(_ log: String) -> [String] {
            diagnose(minimal.replacing("service: {", with: "service: {log: {\(log)}, ")).messages
        }
        let warned = messages("max_size: 32MiB")
        #expect(warned.count == 1 && warned[0].contains("max_request_body_size lets in 67108864"))
        #expect(messages("max_size: 64MiB") == [])
        #expect(messages("max_size: 32MiB, durability: memory") == [])
    }

    @Test func `A minimal configuration is valid`() {
        let (plan, messages) = diagnose(minimal)
        #expect(messages == [])
        #expect(plan.receivers.map(\.id) == ["otlp"] && plan.exporters.map(\.id) == ["nop"])
    }

    @Test func `Of two extensions of a type the second is not passed over in silence`() {
        let (plan, messages) = diagnose(
            minimal.replacing(
                "service: {",
                with: "service: {extensions: [file_storage/b, "
                    + "file_storage/a, health_check, health_check/2], ")
                    + """

                    extensions:
                      file_storage/a: {directory: a}
                      file_storage/b: {directory: b}
                      health_check:
                      health_check/2: {endpoint: localhost:0}
                    """)
        #expect(plan.log.directory == "a")
        #expect(
            messages == [
                "yaml::3:24: warning: service.extensions[0]: every queue is in one log, whose "
                    + "directory is that of the first file_storage, 'a'",
                "yaml::3:70: error: service.extensions[3]: there can be one health_check; "
                    + "remove this",
            ])
    }

    @Test func `Every error is reported at once, with line, column and key`() {
        let (_, messages) = diagnose(
            """
            receivers:
              otlp:
                protocols:
                  grpc:
                  http:
                    endpont: localhost:1
                    tls: {cert_file: x}
            exporters:
              otlp:
                endpoint: x:4317
              nop:
            service:
              pipelines:
                traces: {receivers: [otlp], processors: [tail_sampling], exporters: [nop]}
            """)
        let text = messages.joined(separator: "\n")
        #expect(text.contains("4:7: error: receivers.otlp.protocols.grpc: OTLP/gRPC is not built"))
        #expect(text.contains("6:9: error: receivers.otlp.protocols.http.endpont: unknown key"))
        #expect(text.contains("did you mean 'endpoint'?"))
        #expect(text.contains("7:9: error: receivers.otlp.protocols.http.tls: TLS is not built"))
        #expect(text.contains("use 'otlp_http'"))
        #expect(text.contains("'tail_sampling' is not defined under processors"))
    }

    @Test func `A component in a pipeline of a signal that it is not for is an error`() {
        let (_, messages) = diagnose(
            """
            receivers: {otlp: {protocols: {http: {}}}}
            exporters: {zipkin: {endpoint: "http://localhost:9411/api/v2/spans"}}
            service: {pipelines: {logs: {receivers: [otlp], exporters: [zipkin]}}}
            """)
        #expect(messages.contains { $0.contains("'zipkin' is not for logs, only for traces") })
    }

    @Test func `An exporter without a destination for its pipeline's signal is an error`() {
        let (_, messages) = diagnose(
            """
            receivers: {otlp: {protocols: {http: {}}}}
            exporters: {otlp_http: {traces_endpoint: "http://localhost:1/v1/traces"}}
            service:
              pipelines:
                traces: {receivers: [otlp], exporters: [otlp_http]}
                logs: {receivers: [otlp], exporters: [otlp_http]}
            """)
        #expect(messages.count == 1)
        #expect(messages.first?.contains("has no endpoint for logs") == true)
    }

    @Test func `Components that no pipeline uses are not run`() {
        let (plan, _) = diagnose(
            """
            receivers: {otlp: {protocols: {http: {}}}}
            exporters: {nop: {}, debug: {}}
            service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}
            """)
        #expect(plan.exporters.map(\.id) == ["nop"])
    }

    @Test func `The Collector's telemetry keys are read`() {
        let (plan, messages) = diagnose(
            minimal + "\n" + """
                telemetry_is_below: {}
                """)
        #expect(messages.contains { $0.contains("telemetry_is_below") })
        let telemetry = diagnose(
            """
            receivers: {otlp: {protocols: {http: {}}}}
            exporters: {nop: {}}
            service:
              limits: {request_bodies: 16MiB, shutdown_timeout: 3s}
              telemetry:
                logs: {level: debug, encoding: json}
                metrics:
                  readers:
                    - pull: {exporter: {prometheus: {host: localhost, port: 9999}}}
                traces: {exporters: [nop]}
              pipelines: {traces: {receivers: [otlp], exporters: [nop]}}
            """)
        #expect(telemetry.messages == [])
        #expect(telemetry.plan.telemetry.logLevel == .debug)
        #expect(telemetry.plan.telemetry.admin?.description == "localhost:9999")
        #expect(telemetry.plan.telemetry.names == .configuredReader)
        #expect(telemetry.plan.telemetry.spanExporters == ["nop"])
        #expect(telemetry.plan.limits.requestBodiesMax == 16 << 20)
        #expect(plan.telemetry == TelemetrySettings())
    }
}
