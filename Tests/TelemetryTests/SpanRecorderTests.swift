import Bytes
import OTLP
import Platform
import Synchronization
import Testing

@testable import Telemetry

struct SpanRecorderTests {
    private let registry = MetricRegistry()

    private func recorder() -> SpanRecorder {
        SpanRecorder(
            registry: registry, resource: ["service.name": "sluice"], version: "1.2",
            clock: ManualClock(unixNanoseconds: 0), random: { 0x0102_0304_0506_0708 })
    }

    private func parent(flags: String = "01") throws -> TraceContext {
        try #require(
            TraceContext(
                traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\(flags)",
                traceState: ["v=1"]))
    }

    /// The fields of a message by number, in their order.
    private func fields(_ message: [UInt8]) throws -> [Int: [WireField]] {
        let bytes = message.rawSpan
        var reader = WireReader(ByteRange(start: 0, end: message.count))
        var fields: [Int: [WireField]] = [:]
        while let field = try reader.next(in: bytes) {
            fields[field.number, default: []].append(field)
        }
        return fields
    }

    private func first(_ message: [UInt8], _ number: Int) throws -> [UInt8] {
        let field = try #require(try fields(message)[number]?.first)
        return Array(message[field.valueStart..<field.end])
    }

    @Test func `Only a sampled parent begins a span`() throws {
        #expect(recorder().start("GET /", parent: nil) == nil)
        #expect(recorder().start("GET /", parent: try parent(flags: "00")) == nil)
        #expect(recorder().start("GET /", parent: try parent()) != nil)
    }

    @Test func `A span is handed out as an OTLP request, once`() throws {
        let recorder = recorder()
        var span = try #require(recorder.start("POST /v1/traces", parent: try parent()))
        #expect(
            span.context.traceparent == "00-0af7651916cd43dd8448eb211c80319c-0102030405060708-01")
        span.set("http.response.status_code", 503)
        recorder.end(span, failure: "queue full")

        let batch = try #require(recorder.takeBatch())
        #expect(batch.spanCount == 1)
        #expect(recorder.takeBatch() == nil)
        let resourceSpans = try first(batch.request, 1)
        let resource = String(decoding: try first(resourceSpans, 1), as: UTF8.self)
        #expect(resource.contains("service.name"))
        #expect(resource.contains("sluice"))
        let encoded = try first(try first(resourceSpans, 2), 2)
        let fields = try fields(encoded)
        #expect(try first(encoded, 1).count == 16)
        #expect(try first(encoded, 1).first == 0x0a)
        #expect(try first(encoded, 2) == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try first(encoded, 3) == Array("v=1".utf8))
        #expect(try first(encoded, 4).first == 0xb7)
        #expect(try first(encoded, 5) == Array("POST /v1/traces".utf8))
        #expect(fields[6]?.first?.bits == 2)
        #expect(fields[7]?.first?.bits == 1_000_000_000)
        #expect(fields[8]?.first?.bits == 1_000_000_000)
        #expect(fields[9]?.count == 1)
        #expect(fields[16]?.first?.bits == 0x301)
        let status = try first(encoded, 15)
        #expect(try first(status, 2) == Array("queue full".utf8))
        #expect(try self.fields(status)[3]?.first?.bits == 2)
    }

    @Test func `A full buffer drops what comes, and counts it`() throws {
        let recorder = recorder()
        let span = try #require(recorder.start("s", parent: try parent()))
        for _ in 0..<(SpanRecorder.spansMax + 5) { recorder.end(span) }
        #expect(recorder.dropped.value == 5)
        #expect(recorder.recorded.value == UInt64(SpanRecorder.spansMax))
        var taken = 0
        while let batch = recorder.takeBatch() { taken += batch.spanCount }
        #expect(taken == SpanRecorder.spansMax)
        recorder.end(span)
        #expect(recorder.takeBatch()?.spanCount == 1)
    }

    @Test func `Large spans are bounded by bytes, and attributes by number`() throws {
        let recorder = recorder()
        var span = try #require(recorder.start("s", parent: try parent()))
        for _ in 0..<(IngestSpan.attributesMax + 3) {
            span.set("a", .string(String(repeating: "x", count: 1_000)))
        }
        #expect(span.droppedAttributes == 3)
        for _ in 0..<100 { recorder.end(span) }
        #expect(recorder.recorded.value < 40)
        #expect(recorder.recorded.value + recorder.dropped.value == 100)
    }
}
