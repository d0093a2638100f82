import Bytes
import Configuration
import DurableLog
import EventLoop
import HTTPServer
import OTLP
import Pipeline
import Platform
import Synchronization
import Telemetry
import Testing

@testable import Receivers

/// Refuses every batch, as a queue does that a reload has closed, after `asked` has run.
private struct Refusing: Processor {
    var asked: @Sendable () -> Void = {}

    func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        asked()
        throw Refusal(reason: "no room")
    }
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
                limits: ServerLimits(bodies: PeerShares(ByteBudget(limit: 1 << 20))),
                spans: SpanRecorder(
                    registry: component.metrics, resource: [:], version: "", clock: clock,
                    random: { 1 }),
                httpMetrics: HTTPServerMetrics(component.metrics)))
        try receiver.start()
    }

    /// Traces go through `processor`, if any, into a log that is returned, from now on.
    @discardableResult
    func feed(_ processor: (any Processor)? = nil) throws -> DurableLog {
        var settings = LogSettings()
        settings.durability = .memory
        let log = try DurableLog("traces", directory: "", settings: settings, epoch: .random())
        let metrics = ProcessorMetrics(component.metrics, processor: "test", signal: .traces)
        let pipeline = Pipeline(
            id: "traces", signal: .traces,
            steps: processor.map { [Pipeline.Step(id: "test", $0, metrics)] } ?? [], log: log,
            exporters: [])
        let intake = Intake(signal: .traces, pipelines: [pipeline], clock: component.clock)
        receiver.feed([.traces: intake])
        return log
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
    @Test func `A batch that is refused amid a reload goes to the new pipeline`() throws {
        let testing = try ReceiverTesting()
        defer { testing.stop() }
        let present = Mutex<DurableLog?>(nil)
        try testing.feed(Refusing { present.withLock { $0 = try? testing.feed() } })
        #expect(try testing.post() == "200")
        #expect(present.withLock { $0?.end } == 2)
    }

    @Test func `A refusal that no reload replaces stands`() throws {
        let testing = try ReceiverTesting()
        defer { testing.stop() }
        try testing.feed(Refusing())
        #expect(try testing.post() == "503")
    }

    @Test func `A reload that takes the signal away refuses what was on its way`() throws {
        let testing = try ReceiverTesting()
        defer { testing.stop() }
        try testing.feed(Refusing { testing.receiver.feed([:]) })
        #expect(try testing.post() == "503")
    }
}
