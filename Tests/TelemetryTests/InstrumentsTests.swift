import OTLP
import Platform
import Testing

@testable import Telemetry

struct InstrumentsTests {
    private let registry = MetricRegistry()
    private var lines: [Substring] {
        String(decoding: registry.exposition(.prometheusText), as: UTF8.self)
            .split(separator: "\n")
    }

    @Test func `Components have the Collector's series`() {
        let receiver = ReceiverMetrics(registry, receiver: "otlp", transport: "http")
        receiver.accepted[.traces].add(3)
        receiver.refused[.metrics].add(2)
        receiver.failed[.logs].add(1)
        ProcessorMetrics(registry, processor: "resource", signal: .logs).outgoing.add(4)
        let exporter = ExporterMetrics(registry, exporter: "sqlite")
        exporter.sent[.metrics].add(5)
        exporter.observeQueue(.traces, size: { 6 }, capacity: { 1_000 })
        for line in [
            #"otelcol_receiver_accepted_spans{receiver="otlp",transport="http"} 3"#,
            #"otelcol_receiver_refused_metric_points{receiver="otlp",transport="http"} 2"#,
            #"otelcol_receiver_failed_log_records{receiver="otlp",transport="http"} 1"#,
            #"otelcol_processor_outgoing_items{processor="resource",otel_signal="logs"} 4"#,
            #"otelcol_exporter_sent_metric_points{exporter="sqlite"} 5"#,
            #"otelcol_exporter_send_failed_spans{exporter="sqlite"} 0"#,
            #"otelcol_exporter_queue_size{data_type="traces",exporter="sqlite"} 6"#,
            #"otelcol_exporter_queue_capacity{data_type="traces",exporter="sqlite"} 1000"#,
            "# HELP otelcol_exporter_sent_log_records "
                + "Number of log records successfully sent to destination.",
        ] {
            #expect(lines.contains { $0 == line }, "\(line)")
        }
    }

    @Test func `A route's requests are counted by status`() {
        let server = HTTPServerMetrics(registry)
        let route = server.route(method: "POST", path: "/v1/traces")
        route.observe(status: 200, duration: .milliseconds(3), bodyBytes: 1_024)
        route.observe(status: 413, duration: .milliseconds(30), bodyBytes: 1 << 30)
        let name = "http_server_request_duration_seconds"
        let labels = #"http_request_method="POST",http_route="/v1/traces""#
        for line in [
            #"\#(name)_bucket{\#(labels),http_response_status_code="200",le="0.005"} 1"#,
            #"\#(name)_bucket{\#(labels),http_response_status_code="413",le="0.025"} 0"#,
            #"\#(name)_count{\#(labels),http_response_status_code="413"} 1"#,
            #"http_server_request_body_size_bytes_bucket{\#(labels),le="1024"} 1"#,
            #"http_server_request_body_size_bytes_bucket{\#(labels),le="67108864"} 1"#,
            #"http_server_request_body_size_bytes_count{\#(labels)} 2"#,
        ] {
            #expect(lines.contains { $0 == line }, "\(line)")
        }
    }

    @Test func `The process shows its age, its processor time and its memory`() throws {
        let clock = ManualClock()
        let resource: TelemetryResource = [
            "service.name": "sluice", "1.a": "x", "1-a": "y", "__b": "z", "ü": "w",
        ]
        ProcessMetrics.register(in: registry, resource: resource, clock: clock)
        clock.advance(by: .milliseconds(2_500))
        #expect(lines.contains("otelcol_process_uptime 2.5"))
        #expect(
            lines.contains(
                #"target_info{service_name="sluice",key_1_a="x;y",key__b="z",key__="w"} 1"#))
        for name in ["otelcol_process_cpu_seconds", "otelcol_process_memory_rss"] {
            let line = try #require(lines.first { $0.hasPrefix("\(name) ") })
            #expect(try #require(Double(line.dropFirst(name.utf8.count + 1))) > 0)
        }
    }
}
