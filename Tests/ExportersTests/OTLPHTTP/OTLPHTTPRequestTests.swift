import Bytes
import Compression
import OTLP
import Pipeline
import Telemetry
import Testing

@testable import Exporters

@Suite struct OTLPHTTPRequestTests {
    let testing = ExporterTesting()

    @Test(arguments: Signal.allCases)
    func `The bytes arrive unchanged, unknown fields with them`(signal: Signal) throws {
        let server = try ReplyServer(.ok)
        defer { server.stop() }
        let exporter = try testing.make(
            OTLPHTTPExporterFactory.self, "endpoint: \(server.url)\ncompression: none")
        var request = signal == .traces ? try oneSpan() : []
        request += [0x9a, 0x06, 0x01, 0x2a]  // Field 99, which no .proto file has.
        #expect(exporter.export(try lot(signal, request)) == .accepted())
        let sent = try #require(server.requests.first)
        #expect(sent.body == request)
        #expect(sent.target == "/v1/\(signal.name)")
        #expect(sent.headers["content-type"] == "application/x-protobuf")
        #expect(sent.headers["content-encoding"] == nil)
        #expect(sent.headers["user-agent"]?.hasPrefix("Sluice/") == true)
    }

    @Test func `Several batches become one request with all their resources`() throws {
        let server = try ReplyServer(.ok)
        defer { server.stop() }
        let exporter = try testing.make(
            OTLPHTTPExporterFactory.self, "endpoint: \(server.url)\ncompression: none")
        let parts = [try oneSpan("a"), try oneSpan("b"), try oneSpan("c")]
        #expect(exporter.export(try lot(.traces, parts[0], parts[1], parts[2])) == .accepted())
        #expect(server.requests.map(\.body) == [parts[0] + parts[1] + parts[2]])
        var index = TelemetryIndex()
        let body = server.requests[0].body
        try index.rebuild(over: body.rawSpan, as: .traces)
        #expect(index.resources.count == 3)
        #expect(index.items.count == 3)
    }

    @Test(arguments: ["gzip", "zstd", "deflate"])
    func `A compressed body decodes to the request, on one connection`(name: String) throws {
        let server = try ReplyServer(.ok)
        defer { server.stop() }
        let exporter = try testing.make(
            OTLPHTTPExporterFactory.self, "endpoint: \(server.url)\ncompression: \(name)")
        let request = try oneSpan(String(repeating: "a long name ", count: 1000))
        for _ in 0..<3 { #expect(exporter.export(try lot(.traces, request)) == .accepted()) }
        #expect(exporter.export(try lot(.traces, request, try oneSpan("b"))) == .accepted())
        let expected = Array(repeating: request, count: 3) + [request + (try oneSpan("b"))]
        var decompressor = Decompressor()
        for (sent, request) in zip(server.requests, expected) {
            #expect(sent.headers["content-encoding"] == name)
            #expect(sent.body.count < request.count / 10)
            let encoding = try #require(ContentEncoding(name))
            let body = try decompressor.decompress(sent.body.rawSpan, encoding, limit: 1 << 20)
            #expect(body == request)
        }
        #expect(server.requests.count == 4)
    }

    @Test func `Bodies are gzip unless the settings say otherwise`() throws {
        let server = try ReplyServer(.ok)
        defer { server.stop() }
        let exporter = try testing.make(OTLPHTTPExporterFactory.self, "endpoint: \(server.url)")
        #expect(exporter.export(try lot(.traces, try oneSpan())) == .accepted())
        #expect(server.requests[0].headers["content-encoding"] == "gzip")
    }

    @Test func `JSON says the same as the protobuf`() throws {
        let server = try ReplyServer(.response(200, type: "application/json", "{}"))
        defer { server.stop() }
        let exporter = try testing.make(
            OTLPHTTPExporterFactory.self,
            "endpoint: \(server.url)\nencoding: json\ncompression: none")
        let request = try payload(
            .traces, #"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}"#)
        #expect(exporter.export(try lot(.traces, request, request)) == .accepted())
        let sent = server.requests[0]
        #expect(sent.headers["content-type"] == "application/json")
        let back = try OTLPJSON.transcode(sent.body.rawSpan, as: .traces, outputBytesMax: 1 << 20)
        #expect(back.protobuf == request + request)
    }

    @Test func `The request continues the trace of the first batch that has one`() throws {
        let server = try ReplyServer(.ok)
        defer { server.stop() }
        let exporter = try testing.make(
            OTLPHTTPExporterFactory.self, "endpoint: \(server.url)\nheaders: {X-Tenant: blue}")
        let trace = TraceContext(
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            traceState: ["vendor=1"])
        let batches = [
            try batch(.traces, try oneSpan()), try batch(.traces, try oneSpan(), trace: trace),
        ]
        #expect(exporter.export(Lot(batches)) == .accepted())
        #expect(exporter.export(Lot([batches[0]])) == .accepted())
        let headers = server.requests.map(\.headers)
        #expect(
            headers[0]["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        #expect(headers[0]["tracestate"] == "vendor=1")
        #expect(headers[1]["traceparent"] == nil)
        #expect(headers.map { $0["x-tenant"] } == ["blue", "blue"])
    }
}
