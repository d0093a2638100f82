import Compression
import HTTP
import OTLP
import Testing

@testable import Receivers

@Suite struct OTLPHeadReaderTests {
    private static func reader() -> OTLPHeadReader {
        var settings = OTLPReceiverSettings()
        settings.paths[.logs] = "/logs/here"
        settings.encodings = [.identity, .gzip, .zstd]
        return OTLPHeadReader(settings, allowedMethods: "POST")
    }

    private static func head(
        _ target: String, _ type: String? = "application/x-protobuf", _ encodings: String...,
        method: HTTPMethod = .post
    ) -> HTTPRequestHead {
        var head = HTTPRequestHead(method: method, target: target)
        if let type { head.headers.add("content-type", type) }
        for encoding in encodings { head.headers.add("Content-Encoding", encoding) }
        return head
    }

    private static let protobuf = "application/x-protobuf"

    @Test(arguments: [
        (head("/v1/traces"), Signal.traces, BodyEncoding.protobuf, ContentEncoding.identity),
        (head("/v1/metrics?x=1"), .metrics, .protobuf, .identity),
        (head("http://host/logs/here", "Application/JSON; charset=utf-8"), .logs, .json, .identity),
        (head("/v1/traces", protobuf, "gzip"), .traces, .protobuf, .gzip),
        (head("/v1/traces", protobuf, "X-GZIP"), .traces, .protobuf, .gzip),
        (head("/v1/traces", protobuf, "zstd"), .traces, .protobuf, .zstd),
        (head("/v1/traces", protobuf, "identity, zstd"), .traces, .protobuf, .zstd),
        (head("/v1/traces", protobuf, "identity", "zstd"), .traces, .protobuf, .zstd),
        (head("/v1/traces", protobuf, "identity"), .traces, .protobuf, .identity),
        (head("/v1/traces", protobuf, ""), .traces, .protobuf, .identity),
    ])
    func `A head says what its body is, and a number keeps it`(
        head: HTTPRequestHead, signal: Signal, content: BodyEncoding, encoding: ContentEncoding
    ) throws {
        let body = try Self.reader().body(head)
        #expect(body == OTLPBody(signal: signal, content: content, encoding: encoding))
        #expect(OTLPBody(note: body.note) == body)
    }

    @Test(arguments: [
        (head("/v1/logs"), HTTPStatus.notFound), (head("/v1/traces/"), .notFound),
        (head("/v1/traces", method: .put), .methodNotAllowed),
        (head("/v1/traces", nil), .unsupportedMediaType),
        (head("/v1/traces", "text/plain"), .unsupportedMediaType),
        (head("/v1/traces", protobuf, "deflate"), .unsupportedMediaType),
        (head("/v1/traces", protobuf, "br"), .unsupportedMediaType),
        (head("/v1/traces", protobuf, "gzip, gzip"), .unsupportedMediaType),
        (head("/v1/traces", protobuf, "gzip", "zstd"), .unsupportedMediaType),
    ])
    func `What is not taken is refused with its status`(head: HTTPRequestHead, status: HTTPStatus) {
        let failure = #expect(throws: OTLPFailure.self) { try Self.reader().body(head) }
        #expect(failure?.status == status)
    }
}
