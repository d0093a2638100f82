import Foundation
import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct ZipkinExporterTests {
    let testing = ExporterTesting()

    @Test func `A lot is posted as one list`() throws {
        let server = try ReplyServer(.response(202))
        defer { server.stop() }
        let exporter = try testing.make(
            ZipkinExporterFactory.self, "endpoint: \(server.url)/api/v2/spans")
        let lot = try lot(.traces, try oneSpan("a"), try oneSpan("b"))
        #expect(exporter.export(lot) == .accepted())
        let sent = try #require(server.requests.first)
        #expect(sent.target == "/api/v2/spans")
        #expect(sent.headers["content-type"] == "application/json")
        let spans = try JSONSerialization.jsonObject(with: Data(sent.body)) as? [[String: Any]]
        #expect(spans?.compactMap { $0["name"] as? String } == ["a", "b"])
    }

    @Test(arguments: [408, 429, 500, 503])
    func `What may pass is tried again`(status: Int) throws {
        let server = try ReplyServer(.response(status, ["Retry-After": "3"]))
        defer { server.stop() }
        let exporter = try testing.make(ZipkinExporterFactory.self, "endpoint: \(server.url)")
        guard case .retry(.seconds(3), _) = exporter.export(try lot(.traces, try oneSpan())) else {
            Issue.record("\(status) may pass")
            return
        }
    }

    @Test func `A request that Zipkin calls wrong is rejected with its words`() throws {
        let server = try ReplyServer(.response(400, type: "text/plain", "Malformed reading List"))
        defer { server.stop() }
        let exporter = try testing.make(ZipkinExporterFactory.self, "endpoint: \(server.url)")
        #expect(
            exporter.export(try lot(.traces, try oneSpan()))
                == .reject(because: "400 Bad Request: Malformed reading List"))
    }

    @Test func `A span without an id is counted, its neighbour delivered`() throws {
        let server = try ReplyServer(.response(202))
        defer { server.stop() }
        let exporter = try testing.make(ZipkinExporterFactory.self, "endpoint: \(server.url)")
        let bad = try payload(
            .traces, #"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}"#)
        #expect(
            exporter.export(try lot(.traces, bad, try oneSpan("y")))
                == .accepted(rejectedItemCount: 1, message: "a trace id or span id is zero"))
        let spans = try JSONSerialization.jsonObject(with: Data(server.requests[0].body))
        #expect((spans as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["y"])
    }

    @Test(arguments: [
        ("{}", "endpoint: is required"), ("endpoint: http://h\nformat: proto", "json"),
        ("endpoint: https://h", "https is not built yet"),
    ])
    func `What is wrong is an error that says so`(yaml: String, expected: String) {
        let (_, report) = read(ZipkinExporterFactory.self, yaml)
        #expect(report.contains("error:"))
        #expect(report.contains(expected), "\(report)")
    }

    @Test func `What waits goes together, as much of it as is not too long as JSON`() {
        let (settings, _) = read(ZipkinExporterFactory.self, "endpoint: http://h/api/v2/spans")
        #expect(settings.delivery.lots == .whatIsThereForJSON)
    }
}
