import OTLP
import Pipeline
import Platform
import Testing

@testable import Exporters

@Suite struct DebugExporterTests {
    let testing = ExporterTesting()

    /// What is printed for these lots.
    private func printed(_ yaml: String, _ lots: Lot...) throws -> String {
        let scratch = try Scratch()
        let exporter = try testing.make(
            DebugExporterFactory.self, "output_paths: [\(scratch.file("out"))]\n\(yaml)")
        for lot in lots { #expect(exporter.export(lot) == .accepted()) }
        return try scratch.text("out")
    }

    private static let time = "2026-11-20T16:40:38.123456789Z"

    @Test func `Basic is a line a batch`() throws {
        let span = try oneSpan()
        #expect(
            try printed("", try lot(.traces, span, span)) == """
                \(Self.time) traces: 1 spans, 1 resources, \(span.count) bytes
                \(Self.time) traces: 1 spans, 1 resources, \(span.count) bytes

                """)
    }

    @Test func `Normal is a line an item`() throws {
        let metrics = try payload(
            .metrics,
            """
            {"resourceMetrics":[{"resource":{"attributes":[
              {"key":"service.name","value":{"stringValue":"shop"}}]},
             "scopeMetrics":[{"scope":{"name":"m","version":"2"},"metrics":[
              {"name":"hits","sum":{"dataPoints":[{"asInt":"3","attributes":[
                {"key":"code","value":{"intValue":"200"}}]}]}},
              {"name":"latency","histogram":{"dataPoints":[
                {"count":"3","sum":6,"bucketCounts":["1","2"],"explicitBounds":[5]}]}}]},
              {"metrics":[{"name":"temp","gauge":{"dataPoints":[{"asDouble":1.5}]}}]}]}]}
            """)
        let logs = try payload(
            .logs,
            """
            {"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"},
             "attributes":[{"key":"a","value":{"arrayValue":{"values":[{"boolValue":true}]}}}]}]}]}]}
            """)
        let text = try printed(
            "verbosity: normal", try lot(.metrics, metrics), try lot(.logs, logs),
            try lot(.traces, try oneSpan()))
        #expect(
            text == """
                \(Self.time) metrics: 3 metrics, 3 data points, 1 resources, \(metrics.count) bytes
                Resource #0 service.name=shop
                Scope #0 m@2
                hits{code=200} 3
                latency count=3 sum=6.0 le5.0=1 le+Inf=2
                Scope #1\u{20}
                temp 1.5
                \(Self.time) logs: 1 log records, 1 resources, \(logs.count) bytes
                Resource #0
                Scope #0\u{20}
                hello a=[true]
                \(Self.time) traces: 1 spans, 1 resources, \(try oneSpan().count) bytes
                Resource #0
                Scope #0\u{20}
                GET / 0102030405060708090a0b0c0d0e0f10 0102030405060708

                """)
    }

    @Test func `Later batches of a second are sampled, and their number is told`() throws {
        let scratch = try Scratch()
        let exporter = try testing.make(
            DebugExporterFactory.self,
            """
            output_paths: [\(scratch.file("out"))]
            sampling_initial: 2
            sampling_thereafter: 3
            """)
        for _ in 0..<8 { _ = exporter.export(try lot(.traces, try oneSpan())) }
        #expect(try scratch.text("out").split(separator: "\n").count == 2 + 2 + 2)
        #expect(try scratch.text("out").contains("2 batches not shown"))
        testing.clock.advance(by: .seconds(1))
        _ = exporter.export(try lot(.traces, try oneSpan()))
        #expect(try scratch.text("out").split(separator: "\n").count == 7)
    }

    @Test func `Long values are cut, and control characters shown as text`() throws {
        let long = String(repeating: "ü", count: 600)
        let logs = try payload(
            .logs,
            """
            {"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":
              "\\u001b[2Jgone\\n\(long)"}}]}]}]}
            """)
        let text = try printed("verbosity: detailed", try lot(.logs, logs))
        #expect(text.contains(#"Body: Str(\u{1B}[2Jgone\nüü"#))
        #expect(text.contains("… (186 bytes more))"))
        #expect(!text.contains("\u{1b}"))
    }

    @Test func `Detailed shows every field of a span`() throws {
        let spans = try payload(
            .traces,
            """
            {"resourceSpans":[{"schemaUrl":"u","scopeSpans":[{"spans":[{
              "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718",
              "name":"n","kind":2,"startTimeUnixNano":"1000000000","status":{"code":2,"message":"m"},
              "attributes":[{"key":"k","value":{"bytesValue":"AQI="}}],"droppedLinksCount":3,
              "events":[{"name":"e","timeUnixNano":"1500000000"}],
              "links":[{"traceId":"a102030405060708090a0b0c0d0e0f10","spanId":"b112131415161718"}]
            }]}]}]}
            """)
        let text = try printed("verbosity: detailed", try lot(.traces, spans))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
        #expect(
            lines.joined(separator: "\n") == """
                Resource #0
                Resource schema URL: u
                Resource attributes:
                Scope #0
                Scope schema URL:\u{20}
                Instrumentation scope:\u{20}
                Span #0
                    Trace ID       : 0102030405060708090a0b0c0d0e0f10
                    Parent ID      :\u{20}
                    ID             : 1112131415161718
                    Name           : n
                    Kind           : Server
                    Start time     : 1970-01-01T00:00:01.000000000Z
                    End time       :\u{20}
                    Status code    : Error
                    Status message : m
                    Dropped links count: 3
                Attributes:
                     -> k: Bytes(0102)
                Events:
                SpanEvent #0
                     -> Name: e
                     -> Timestamp: 1970-01-01T00:00:01.500000000Z
                     -> Dropped attributes count: 0
                Links:
                SpanLink #0
                     -> Trace ID: a102030405060708090a0b0c0d0e0f10
                     -> ID: b112131415161718
                     -> Trace state:\u{20}
                     -> Dropped attributes count: 0

                """)
    }

    @Test func `An output that is full loses the print-out, not the queue`() throws {
        let exporter = try testing.make(DebugExporterFactory.self, "output_paths: [/dev/full]")
        guard case .reject(let reason) = exporter.export(try lot(.traces, try oneSpan())) else {
            Issue.record("a print-out is not worth refusing data")
            return
        }
        #expect(reason == "/dev/full: write: No space left on device")
    }

    @Test func `An output that can't be opened is found at start`() {
        #expect(throws: ComponentError.self) {
            try testing.make(DebugExporterFactory.self, "output_paths: [/nowhere/out]")
        }
    }

    @Test(arguments: [
        ("verbosity: loud", "basic, normal, detailed"), ("sampling_initial: -1", "at least 0"),
        ("output_paths: []", "between 1 and 8"),
    ])
    func `What is wrong is an error that says so`(yaml: String, expected: String) {
        let (_, report) = read(DebugExporterFactory.self, yaml)
        #expect(report.contains("error:"))
        #expect(report.contains(expected), "\(report)")
    }
}
