import Foundation
import Testing

@testable import Telemetry

struct MetricRegistryTests {
    private let registry = MetricRegistry()

    private func text(
        _ format: ExpositionFormat = .prometheusText, _ names: ExpositionNames = .collectorDefault
    ) -> String {
        String(decoding: registry.exposition(format, names: names), as: UTF8.self)
    }

    private func fill() {
        let accepted = registry.counter(
            "otelcol_receiver_accepted_spans", help: "Spans \"in\",\na \\ b.",
            labels: ["receiver", "transport"])
        accepted.with("otlp", "http").add(7)
        accepted.with("a\"\\\nb", "grpc").add()
        registry.gauge("queue_size", help: "Queued.").set(-3)
        registry.observableCounter("process_cpu", help: "CPU.", unit: .seconds).with()
            .observe { 1.5 }
        let latency = registry.histogram(
            "latency_seconds", help: "Latency.", unit: .seconds, bounds: [0.5, 1])
        for value in [0.5, 0.75, 2] { latency.observe(value) }
    }

    @Test func `The text format with the Collector's names`() {
        fill()
        #expect(
            text() == #"""
                # HELP latency_seconds Latency.
                # TYPE latency_seconds histogram
                latency_seconds_bucket{le="0.5"} 1
                latency_seconds_bucket{le="1"} 2
                latency_seconds_bucket{le="+Inf"} 3
                latency_seconds_sum 3.25
                latency_seconds_count 3
                # HELP otelcol_receiver_accepted_spans Spans "in",\na \\ b.
                # TYPE otelcol_receiver_accepted_spans counter
                otelcol_receiver_accepted_spans{receiver="a\"\\\nb",transport="grpc"} 1
                otelcol_receiver_accepted_spans{receiver="otlp",transport="http"} 7
                # HELP process_cpu CPU.
                # TYPE process_cpu counter
                process_cpu 1.5
                # HELP queue_size Queued.
                # TYPE queue_size gauge
                queue_size -3

                """#)
    }

    @Test func `OpenMetrics with the Collector's names calls bare counters unknown`() {
        fill()
        #expect(
            text(.openMetrics) == #"""
                # HELP latency_seconds Latency.
                # TYPE latency_seconds histogram
                # UNIT latency_seconds seconds
                latency_seconds_bucket{le="0.5"} 1
                latency_seconds_bucket{le="1.0"} 2
                latency_seconds_bucket{le="+Inf"} 3
                latency_seconds_sum 3.25
                latency_seconds_count 3
                # HELP otelcol_receiver_accepted_spans Spans \"in\",\na \\ b.
                # TYPE otelcol_receiver_accepted_spans unknown
                otelcol_receiver_accepted_spans{receiver="a\"\\\nb",transport="grpc"} 1
                otelcol_receiver_accepted_spans{receiver="otlp",transport="http"} 7
                # HELP process_cpu CPU.
                # TYPE process_cpu unknown
                process_cpu 1.5
                # HELP queue_size Queued.
                # TYPE queue_size gauge
                queue_size -3
                # EOF

                """#)
    }

    @Test func `Names of a configured reader carry unit and type`() {
        registry.observableCounter("otelcol_process_uptime", help: "Up.", unit: .seconds).with()
            .observe { 2 }
        #expect(
            text(.prometheusText, .configuredReader) == """
                # HELP otelcol_process_uptime_seconds_total Up.
                # TYPE otelcol_process_uptime_seconds_total counter
                otelcol_process_uptime_seconds_total 2

                """)
        #expect(
            text(.openMetrics, .configuredReader) == """
                # HELP otelcol_process_uptime_seconds Up.
                # TYPE otelcol_process_uptime_seconds counter
                # UNIT otelcol_process_uptime_seconds seconds
                otelcol_process_uptime_seconds_total 2
                # EOF

                """)
    }

    @Test func `Beyond the limit label sets share the series called other`() {
        let family = registry.counter("c", help: "C.", labels: ["a", "b"], seriesMax: 2)
        for index in 0..<10 { family.with("\(index)", "x").add() }
        #expect(
            text() == """
                # HELP c C.
                # TYPE c counter
                c{a="0",b="x"} 1
                c{a="1",b="x"} 1
                c{a="other",b="other"} 8

                """)
    }

    @Test func `The same definition gives the same metric, so that a reload keeps counting`() {
        registry.counter("c", help: "C.", labels: ["a"]).with("x").add(2)
        registry.counter("c", help: "C.", labels: ["a"]).with("x").add(3)
        #expect(registry.counter("c", help: "C.", labels: ["a"]).with("x").value == 5)
    }

    /// A conversion of the source at each reading was a frame on the stack for all later ones.
    @Test func `A source can be asked for ever`() {
        registry.observableGauge("o", help: "O.").with().observe { 4 }
        for _ in 0..<50_000 { _ = text() }
        #expect(text().hasSuffix("\no 4\n"))
    }

    @Test func `A removed series is gone, and an observable without a source has no sample`() {
        let family = registry.gauge("g", help: "G.", labels: ["a"])
        family.with("x").set(1)
        family.remove("x")
        _ = registry.observableGauge("o", help: "O.").with()
        #expect(
            text() == """
                # HELP g G.
                # TYPE g gauge
                # HELP o O.
                # TYPE o gauge

                """)
    }

    @Test func `Another definition under the same name traps`() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.counter("c", help: "C.", labels: ["a"])
            _ = registry.counter("c", help: "C.", labels: ["b"])
        }
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.counter("c", help: "C.")
            _ = registry.gauge("c", help: "C.")
        }
    }

    @Test(arguments: ["", "0a", "a-b", "a:b", "__a", "ä"])
    func `What is no name is refused`(name: String) {
        #expect(!MetricNameSyntax.isName(name))
    }

    @Test func `Increments of many threads are all counted`() {
        let counter = registry.counter("c", help: "C.")
        let histogram = registry.histogram("h", help: "H.", bounds: [1, 2])
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<10_000 {
                counter.add()
                histogram.observe(1.5)
            }
        }
        #expect(counter.value == 80_000)
        #expect(histogram.count == 80_000)
        #expect(histogram.sum == 120_000)
    }

    @Test func `Not a number is counted above all bounds and spares the sum`() {
        let histogram = registry.histogram("h", help: "H.", bounds: [1])
        histogram.observe(.nan)
        histogram.observe(0.25)
        #expect(histogram.count == 2)
        #expect(histogram.sum == 0.25)
        #expect(text().contains("h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"))
    }
}

struct ExpositionFormatTests {
    @Test(
        arguments: [
            (nil, ExpositionFormat.prometheusText), ("", .prometheusText),
            ("*/*", .prometheusText), ("text/html, */*;q=0.1", .prometheusText),
            ("application/openmetrics-text", .openMetrics),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", .openMetrics),
            ("application/openmetrics-text;version=0.0.1", .prometheusText),
            ("Application/OpenMetrics-Text;version=1.0.0;q=0.5,text/plain;q=0.4", .openMetrics),
            ("application/openmetrics-text;q=0.3,text/plain;version=0.0.4;q=0.4", .prometheusText),
            ("application/openmetrics-text;q=0", .prometheusText),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                    + "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
                    + "q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", .openMetrics
            ),
        ] as [(String?, ExpositionFormat)])
    func `Accept chooses the format`(accept: String?, format: ExpositionFormat) {
        #expect(ExpositionFormat(accept: accept) == format)
    }
}
