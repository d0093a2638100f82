import Bytes
import Compression
import HTTPClient
import OTLP
import Platform
import Testing

@testable import LoadGenerator

struct LoadStreamTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)
    private static let success = LoadAnswer.answered(status: 200, body: [], retryAfter: nil)

    /// Turns the clock by itself, as far as the stream wants to wait.
    private struct Run: ~Copyable {
        var stream: LoadStream
        var now = LoadStreamTests.start
        var bodies: [[UInt8]] = []
        /// When each of them was sent.
        var times: [Duration] = []

        init(_ settings: LoadSettings, number: Int = 0) {
            stream = LoadStream(settings, number: number, unixNanoseconds: 1_700_000_000)
            stream.begin(at: now)
        }

        /// Goes on until something is sent; `false` when the stream has finished.
        mutating func goesOn() -> Bool {
            while true {
                switch stream.next(now: now, unixNanoseconds: now.nanoseconds) {
                case .send(let body):
                    bodies.append(body)
                    times.append(now - LoadStreamTests.start)
                    return true
                case .wait(let instant):
                    #expect(instant > now)
                    now = instant
                case .finished: return false
                }
            }
        }

        /// Answers until the stream has finished, or `attempts` have been made: then it is stopped.
        mutating func answer(attempts: Int = .max, _ answer: (_ attempt: Int) -> LoadAnswer) {
            while goesOn() {
                now = now + .milliseconds(1)
                if bodies.count >= attempts { stream.stop() }
                stream.answered(answer(bodies.count), took: .milliseconds(1), now: now)
            }
        }
    }

    private func settings(_ signal: Signal = .traces) throws -> LoadSettings {
        var settings = LoadSettings(
            signal, endpoint: try HTTPURL(parsing: "http://localhost:4318"), seed: 1)
        settings.duration = .seconds(600)
        settings.connections = 1
        settings.batch = 10
        return settings
    }

    @Test func `Every item is counted once, whatever becomes of its request`() throws {
        var run = Run(try settings())
        run.answer(attempts: 5) { attempt in
            switch attempt {
            case 1: Self.success
            // Three rejected: partial_success { rejected_spans: 3 }.
            case 2: .answered(status: 200, body: [0x0a, 2, 0x08, 3], retryAfter: nil)
            case 3: .answered(status: 400, body: [], retryAfter: nil)
            case 4: .answered(status: 503, body: [], retryAfter: .milliseconds(1))
            default: .failed("connection refused")
            }
        }
        let summary = run.stream.summary
        #expect(summary.acceptedItems == 17)
        #expect(summary.rejectedItems == 3)
        #expect(summary.failedItems == 10)
        #expect(summary.unsentItems == 10)
        #expect(summary.retries == 1)
        #expect(summary.statuses == [200: 2, 400: 1, 503: 1])
        #expect(summary.failures == ["connection refused": 1])
        #expect(summary.sentBytes == run.bodies.reduce(0) { $0 + $1.count })
        #expect(summary.latency.count == 2)
        #expect(!summary.isComplete)
        #expect(run.bodies[3] == run.bodies[4])
        #expect(Set(run.bodies).count == 4)
    }

    @Test(arguments: [429, 502, 503, 504])
    func `A retryable answer is tried again with the same bytes`(status: Int) throws {
        var run = Run(try settings())
        run.answer(attempts: 3) { attempt in
            attempt < 3
                ? .answered(status: status, body: [], retryAfter: .milliseconds(1)) : Self.success
        }
        #expect(Set(run.bodies).count == 1)
        #expect(run.stream.summary.acceptedItems == 10)
        #expect(run.stream.summary.isComplete)
    }

    @Test func `Attempts are made less and less often, or when the server says so`() throws {
        var run = Run(try settings())
        run.answer(attempts: 10) { attempt in
            attempt == 9
                ? .answered(status: 503, body: [], retryAfter: .seconds(60)) : .failed("refused")
        }
        let pauses = zip(run.times.dropFirst(), run.times).map { $0 - $1 - .milliseconds(1) }
        #expect(
            pauses == [
                .milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800),
                .milliseconds(1_600), .milliseconds(3_200), .seconds(5), .seconds(5), .seconds(60),
            ])
    }

    @Test func `At the end of the run what is being tried stays unsent`() throws {
        var settings = try settings()
        settings.duration = .milliseconds(250)
        var run = Run(settings)
        run.answer { _ in .failed("refused") }
        #expect(run.times == [.zero, .milliseconds(101)])
        #expect(run.now == Self.start + settings.duration)
        #expect(run.stream.summary.unsentItems == 10)
        #expect(run.stream.summary.retries == 1)
    }

    @Test func `Requests are due by the clock, and a stall is not made up for beyond a second`()
        throws
    {
        var settings = try settings()
        settings.rate = 100
        settings.connections = 2
        settings.duration = .milliseconds(900)
        var run = Run(settings, number: 1)
        run.answer { _ in Self.success }
        #expect(
            run.times == [
                .milliseconds(100), .milliseconds(300), .milliseconds(500), .milliseconds(700),
            ])
        #expect(run.stream.summary.acceptedItems == 40)
        var pacer = Pacer(settings, stream: 0, start: Self.start)
        #expect(pacer.next(now: Self.start) == Self.start)
        #expect(pacer.next(now: Self.start) == Self.start + .milliseconds(200))
        let late = Self.start + .seconds(60)
        #expect(pacer.next(now: late) == late + .seconds(-1))
        settings.rate = 0
        var unpaced = Pacer(settings, stream: 1, start: Self.start)
        #expect(unpaced.next(now: late) == late)
    }

    @Test func `Prepared requests are sent over and over, in their order`() throws {
        var settings = try settings()
        settings.preparedCount = 3
        var run = Run(settings)
        run.answer(attempts: 7) { _ in Self.success }
        #expect(Set(run.bodies).count == 3)
        #expect(run.bodies[3...] == [run.bodies[0], run.bodies[1], run.bodies[2], run.bodies[0]])
    }

    @Test func `The seed and the connection's number decide what is sent`() throws {
        func bodies(number: Int) throws -> [[UInt8]] {
            var run = Run(try settings(), number: number)
            run.answer(attempts: 5) { _ in Self.success }
            return run.bodies
        }
        let first = try bodies(number: 0)
        #expect(try bodies(number: 0) == first)
        #expect(Set(try bodies(number: 1)).isDisjoint(with: first))
    }

    @Test(arguments: Signal.allCases)
    func `JSON bodies are what the protobuf says`(signal: Signal) throws {
        var settings = try settings(signal)
        settings.encoding = .json
        settings.compression = .gzip
        var run = Run(settings)
        run.answer(attempts: 1) { _ in
            .answered(status: 200, body: Array("{}".utf8), retryAfter: nil)
        }
        var decompressor = Decompressor()
        let json = try decompressor.decompress(run.bodies[0], .gzip, limit: 1 << 20)
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
}
