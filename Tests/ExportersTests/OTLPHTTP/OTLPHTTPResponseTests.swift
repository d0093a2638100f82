import Bytes
import HTTP
import HTTPClient
import OTLP
import Pipeline
import Telemetry
import Testing

@testable import Exporters

// A 200 says that the data arrived: what its body adds.
@Suite struct OTLPHTTPResponseTests {
    let testing = ExporterTesting()

    private static func partialSuccess(_ count: Int64, _ message: String) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.message(1) { partial in
            partial.int(1, count)
            partial.string(2, message)
        }
        return writer.bytes
    }

    private func response(_ type: String, _ body: [UInt8]) -> HTTPClientResponse {
        HTTPClientResponse(status: .ok, headers: ["Content-Type": type], body: body)
    }

    @Test(arguments: Signal.allCases)
    func `Partial success is read in both encodings`(signal: Signal) throws {
        let names = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"]
        let json =
            #"{"partialSuccess":{"\#(names[Int(signal.rawValue)])":"2","errorMessage":"old"}}"#
        let answers = [
            OTLPResponse(response("application/x-protobuf", Self.partialSuccess(2, "old")), signal),
            OTLPResponse(response("application/json; charset=utf-8", Array(json.utf8)), signal),
        ]
        for answer in answers {
            #expect(answer?.rejectedItemCount == 2)
            #expect(answer?.message == "old")
        }
    }

    @Test func `Rejected items are counted, at most those that were sent`() throws {
        for (claimed, counted) in [(1, 1), (5, 2), (Int64.max, 2)] as [(Int64, Int)] {
            let server = try ReplyServer(
                .response(
                    200, ["Content-Type": "application/x-protobuf"],
                    body: Self.partialSuccess(claimed, "too old")))
            defer { server.stop() }
            let exporter = try testing.make(
                OTLPHTTPExporterFactory.self, "endpoint: \(server.url)")
            #expect(
                exporter.export(try lot(.traces, try oneSpan(), try oneSpan()))
                    == .accepted(rejectedItemCount: counted, message: "too old"))
        }
    }

    @Test func `A negative count rejects nothing`() {
        let answer = OTLPResponse(
            response("application/x-protobuf", Self.partialSuccess(-3, "odd")), .traces)
        #expect(answer?.rejectedItemCount == 0)
    }

    @Test func `A warning is logged, and the lot is accepted`() throws {
        let server = try ReplyServer(
            .response(
                200, ["Content-Type": "application/x-protobuf"],
                body: Self.partialSuccess(0, "use v2 soon")))
        defer { server.stop() }
        let exporter = try testing.make(OTLPHTTPExporterFactory.self, "endpoint: \(server.url)")
        #expect(exporter.export(try lot(.traces, try oneSpan())) == .accepted())
        #expect(testing.logLines.contains { $0.contains("use v2 soon") })
    }

    @Test(arguments: [
        ("text/html", "<html>It works!</html>"), ("application/json", "{\"partialSuccess\":7}"),
        ("application/x-protobuf", "\u{0a}\u{7f}truncated"),
    ])
    func `A success with another body counts as accepted, with a warning`(
        type: String, body: String
    ) throws {
        let server = try ReplyServer(.response(200, type: type, body))
        defer { server.stop() }
        let exporter = try testing.make(OTLPHTTPExporterFactory.self, "endpoint: \(server.url)")
        #expect(exporter.export(try lot(.traces, try oneSpan())) == .accepted())
        #expect(testing.logLines.contains { $0.contains("no OTLP response") })
        let unreadable = testing.metrics.counter(
            "sluice_exporter_unreadable_responses",
            help: "Successes whose body was no OTLP response: taken for accepted.",
            labels: ["exporter"]
        ).with("otlp_http")
        #expect(unreadable.value == 1)
    }

    @Test func `A response cut at any byte is read or refused, never a crash`() {
        let whole = Self.partialSuccess(300, "why")
        for count in 0..<whole.count {
            let answer = OTLPResponse(
                response("application/x-protobuf", Array(whole.prefix(count))), .traces)
            #expect((answer == nil) == (count > 0))
        }
    }
}
