import Bytes
import Configuration
import EventLoop
import HTTPServer
import OTLP
import Pipeline
import Platform
import Telemetry
import Testing

@testable import Receivers

/// Has no room for anything; says so after `asked` has run.
private final class FullQueue: ExportQueue {
    private let asked: @Sendable () -> Void

    init(asked: @escaping @Sendable () -> Void = {}) { self.asked = asked }

    func reserve(_ size: BatchSize) -> Bool {
        asked()
        return false
    }
    func cancel(_ size: BatchSize) {}
    func append(_ batch: QueuedBatch, whenKept: @escaping @Sendable () -> Void) {}
    func nextLot(_ limits: LotLimits) -> Lot? { nil }
    func finish(_ lot: Lot) {}
    func close() {}
    var status: QueueStatus { QueueStatus() }
}

private final class NoExporter: Exporter {
    func export(_ lot: Lot) -> ExportOutcome { .accepted() }
    func abort() {}
    func close() {}
}

/// An OTLP receiver on loopback, and pipelines to feed it with.
private final class ReceiverTesting: Sendable {
    let receiver: any Receiver
    private let loops: EventLoopGroup
    private let workers: WorkerPool
    private let component: ComponentEnvironment

    init() throws {
        let clock = SystemClock()
        let output = LogOutput(level: .error, encoding: .text, clock: clock, sink: { _ in true })
        component = ComponentEnvironment(
            id: "otlp", log: Logger(output), metrics: MetricRegistry(), clock: clock)
        loops = try EventLoopGroup(count: 1)
        workers = try WorkerPool(name: "worker", threads: 1, waitingMax: 1)
        let diagnostics = Diagnostics()
        let yaml = "protocols: {http: {endpoint: '127.0.0.1:0'}}"
        let root = try #require(YAML.parse(yaml, file: "test.yaml", diagnostics: diagnostics))
        let settings = MappingReader.read(
            root, path: ConfigurationPath("receivers", "otlp"), diagnostics: diagnostics
        ) { OTLPReceiverFactory.read(&$0) }
        receiver = try OTLPReceiverFactory.make(
            settings,
            ReceiverEnvironment(
                component: component, loops: loops, workers: workers,
                bodyBudget: ByteBudget(limit: 1 << 20),
                spans: SpanRecorder(
                    registry: component.metrics, resource: [:], version: "", clock: clock,
                    random: { 1 }),
                httpMetrics: HTTPServerMetrics(component.metrics)))
        try receiver.start()
    }

    /// Traces go to `queue` from now on.
    func feed(_ queue: any ExportQueue) {
        let delivery = Delivery(
            exporter: NoExporter(), queue: queue, settings: DeliverySettings(),
            environment: component)
        let pipeline = Pipeline(id: "traces", signal: .traces, steps: [], exporters: [delivery])
        let intake = Intake(signal: .traces, pipelines: [pipeline], clock: component.clock)
        receiver.feed([.traces: intake])
    }

    /// The status that one span is answered with.
    func post() throws -> String {
        let body =
            #"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"#
            + #""5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"a"}]}]}]}"#
        let request =
            "POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            + "Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        let deadline = Instant.now + .seconds(10)
        let socket = try Socket(connectedTo: receiver.boundAddresses[0], until: deadline)
        try socket.sendAll(Array(request.utf8).rawSpan, until: deadline)
        var answer: [UInt8] = []
        while try socket.receive(upTo: 4096, appendingTo: &answer, until: deadline) > 0 {}
        return String(decoding: answer.dropFirst(9).prefix(3), as: UTF8.self)
    }

    func stop() {
        receiver.stopAccepting()
        _ = receiver.drain(until: .now)
        workers.stop()
        loops.stop()
    }
}

@Suite struct OTLPReloadTests {
    @Test func `A batch that is refused amid a reload goes to the new queue`() throws {
        let testing = try ReceiverTesting()
        defer { testing.stop() }
        let present = MemoryQueue(capacity: 10, sizer: .requests, bytesMax: .max)
        testing.feed(FullQueue { testing.feed(present) })
        #expect(try testing.post() == "200")
        #expect(present.status.batches == 1)
    }

    @Test func `A full queue that no reload replaces refuses`() throws {
        let testing = try ReceiverTesting()
        defer { testing.stop() }
        testing.feed(FullQueue())
        #expect(try testing.post() == "503")
    }

    @Test func `A reload that takes the signal away refuses what was on its way`() throws {
        let testing = try ReceiverTesting()
        defer { testing.stop() }
        testing.feed(FullQueue { testing.receiver.feed([:]) })
        #expect(try testing.post() == "503")
    }
}
