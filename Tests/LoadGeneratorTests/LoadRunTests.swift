import Bytes
import Compression
import HTTPClient
import OTLP
import Platform
import Testing

@testable import LoadGenerator

struct LoadRunTests {
    private static let success = LoadAnswer.answered(status: 200, body: [], retryAfter: nil)
    private let stopping = Monitor(false)

    private func settings(_ signal: Signal = .traces) throws -> LoadSettings {
        var settings = LoadSettings(
            signal, endpoint: try HTTPURL(parsing: "http://localhost:4318"), seed: 1)
        settings.duration = .seconds(600)
        settings.connections = 1
        settings.batch = 10
        return settings
    }

    private func run(
        _ settings: LoadSettings, attempts: Int,
        _ answer: @escaping @Sendable (Int) -> LoadAnswer
    ) throws -> (LoadSummary, ScriptedTransport) {
        let transport = ScriptedTransport(attemptsMax: attempts, stopping: stopping, answer)
        let summary = try LoadGenerator.run(
            settings, over: transport, clock: SystemClock(), stopping: stopping)
        return (summary, transport)
    }

    @Test func `Every item is counted once, whatever becomes of its request`() throws {
        let (summary, transport) = try run(settings(), attempts: 5) { attempt in
            switch attempt {
            case 1: Self.success
            // Three rejected: partial_success { rejected_spans: 3 }.
            case 2: .answered(status: 200, body: [0x0a, 2, 0x08, 3], retryAfter: nil)
            case 3: .answered(status: 400, body: [], retryAfter: nil)
            case 4: .answered(status: 503, body: [], retryAfter: .milliseconds(1))
            default: .failed("connection refused")
            }
        }
        #expect(summary.acceptedItems == 17)
        #expect(summary.rejectedItems == 3)
        #expect(summary.failedItems == 10)
        #expect(summary.unsentItems == 10)
        #expect(summary.retries == 1)
        #expect(summary.statuses == [200: 2, 400: 1, 503: 1])
        #expect(summary.failures == ["connection refused": 1])
        #expect(summary.sentBytes == transport.bodies.reduce(0) { $0 + $1.count })
        #expect(summary.latency.count == 2)
        #expect(!summary.isComplete)
        #expect(transport.bodies[3] == transport.bodies[4])
        #expect(Set(transport.bodies).count == 4)
    }

    @Test(arguments: [429, 502, 503, 504])
    func `A retryable answer is tried again with the same bytes`(status: Int) throws {
        let (summary, transport) = try run(settings(), attempts: 3) { attempt in
            attempt < 3
                ? .answered(status: status, body: [], retryAfter: .milliseconds(1)) : Self.success
        }
        #expect(Set(transport.bodies).count == 1)
        #expect(summary.acceptedItems == 10)
        #expect(summary.isComplete)
    }

    @Test(arguments: Signal.allCases)
    func `JSON bodies are what the protobuf says`(signal: Signal) throws {
        var settings = try settings(signal)
        settings.encoding = .json
        settings.compression = .gzip
        let (_, transport) = try run(settings, attempts: 1) { _ in
            .answered(status: 200, body: Array("{}".utf8), retryAfter: nil)
        }
        var decompressor = Decompressor()
        let json = try decompressor.decompress(
            transport.bodies[0], .gzip, limit: 1 << 20)
        let protobuf = try OTLPJSON.transcode(
            json.rawSpan, as: signal, outputBytesMax: 1 << 20
        ).protobuf
        var index = TelemetryIndex()
        try index.rebuild(over: protobuf.rawSpan, as: signal)
        #expect(index.items.count == 10)
        #expect(index.faultyItemCount == 0)
    }

    @Test func `A JSON answer's rejected count is read`() {
        let answer = Array(#"{"partialSuccess":{"rejectedLogRecords":"4"}}"#.utf8)
        #expect(PartialSuccess.rejectedCount(answer, .logs, .json) == 4)
        #expect(PartialSuccess.rejectedCount(Array("{}".utf8), .logs, .json) == 0)
        #expect(PartialSuccess.rejectedCount(Array("<html>".utf8), .logs, .json) == nil)
        #expect(PartialSuccess.rejectedCount(Array("<html>".utf8), .logs, .proto) == nil)
    }

    @Test func `Connections send different items`() throws {
        var settings = try settings()
        settings.connections = 4
        let (summary, transport) = try run(settings, attempts: 40) { _ in Self.success }
        #expect(transport.bodies.count >= 40)
        #expect(Set(transport.bodies).count == transport.bodies.count)
        #expect(summary.acceptedItems == transport.bodies.count * 10)
    }

    @Test func `Requests are due by the clock, and a stall is not made up for beyond a second`()
        throws
    {
        var settings = try settings()
        settings.rate = 100
        settings.connections = 2
        let start = Instant(nanoseconds: 1_000_000_000_000)
        var first = Pacer(settings, stream: 0, start: start)
        var second = Pacer(settings, stream: 1, start: start)
        #expect(first.next(now: start) == start)
        #expect(first.next(now: start) == start + .milliseconds(200))
        #expect(second.next(now: start) == start + .milliseconds(100))
        #expect(first.next(now: start + .milliseconds(900)) == start + .milliseconds(400))
        let late = start + .seconds(60)
        #expect(first.next(now: late) == late + .seconds(-1))
        settings.rate = 0
        var unpaced = Pacer(settings, stream: 1, start: start)
        #expect(unpaced.next(now: late) == late)
    }

    @Test func `Quantiles are right within a sixteenth`() throws {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == nil)
        for milliseconds in 1...1_000 { histogram.observe(.milliseconds(milliseconds)) }
        for share in [0.001, 0.5, 0.99, 1] {
            let quantile = try #require(histogram.quantile(share)).seconds
            #expect((1.0...1.0626).contains(quantile / share))
        }
        histogram.observe(.seconds(1_000_000))
        #expect(try #require(histogram.quantile(1)).seconds > 60_000)
        var small = LatencyHistogram()
        small.observe(.nanoseconds(3_500))
        #expect(small.quantile(0.5) == .microseconds(4))
    }

    @Test func `The last line tells it all`() {
        var summary = LoadSummary(.metrics)
        summary.acceptedItems = 1_500
        summary.rejectedItems = 2
        summary.sentBytes = 2_345_678
        summary.statuses = [200: 15, 503: 1]
        summary.retries = 1
        summary.latency.observe(.microseconds(10))
        summary.elapsed = .milliseconds(1_500)
        #expect(
            summary.description
                == "sent 1500 metric points in 1.50 s (1000 a second); rejected 2; failed 0; "
                + "unsent 0; latency p50 0.01 ms, p99 0.01 ms; 2.35 MB; retries 1; "
                + "status 200: 15; status 503: 1")
    }

    @Test func `All problems of the settings are told at once`() throws {
        var settings = try settings()
        #expect(settings.problems.isEmpty)
        settings.batch = 0
        settings.connections = -1
        settings.services = LoadSettings.servicesMax + 1
        settings.duration = .zero
        settings.rate = -1
        #expect(settings.problems.count == 5)
    }

    @Test(
        arguments: [
            ("http://h:1", "/v1/logs"), ("http://h:1/otel", "/otel/v1/logs"),
            ("http://h:1/v1/logs", "/v1/logs"),
        ] as [(String, String)])
    func `The signal's path is added to the endpoint`(endpoint: String, target: String) throws {
        let settings = LoadSettings(.logs, endpoint: try HTTPURL(parsing: endpoint), seed: 1)
        #expect(settings.url.target == target)
    }

    @Test func `A server that cannot be reached is told, and every item is unsent`() throws {
        let listener = try Socket(listeningOn: .loopback(port: 0), sharingPort: false)
        guard case .ipv4(_, let port) = try listener.localAddress() else {
            Issue.record("loopback is IPv4")
            return
        }
        _ = consume listener
        var settings = try settings()
        settings.endpoint = try HTTPURL(parsing: "http://127.0.0.1:\(port)")
        settings.duration = .milliseconds(150)
        let summary = try LoadGenerator.run(settings)
        #expect(summary.acceptedItems == 0)
        #expect(summary.unsentItems == 10)
        #expect(summary.failures.keys.allSatisfy { $0.contains("Connection refused") })
        #expect(!summary.failures.isEmpty)
    }
}
