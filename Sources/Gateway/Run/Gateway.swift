import DurableLog
import EventLoop
import HTTPServer
import OTLP
import Pipeline
public import Platform
import Receivers
import Synchronization
public import Telemetry

/// A running gateway: starts, reloads and stops everything that a plan names.
public final class Gateway: Sendable {
    struct Retiring {
        var thread: Thread
        var exporters: [Graph.RunningExporter]
        var isDone: Monitor<Bool>
    }

    struct State {
        var graph: Graph?
        var admin: AdminServers?
        var tracing: SelfTracing?
        var memory: MemoryKeeper?
        /// What a reload has replaced, and still delivers.
        var retiring: [Retiring] = []
    }

    let log: Logger
    let metrics: MetricRegistry
    let output: LogOutput
    private let loops: EventLoopGroup
    /// For probes and scrapers alone, so that no flood of telemetry is in their way.
    private let adminLoops: EventLoopGroup
    private let limits: ServerLimits
    private let workers: WorkerPool
    private let spans: SpanRecorder
    let builder: GraphBuilder
    let data: DataDirectory
    let replays = Replays()
    private let clock: any Clock
    private let startedAt: Instant
    private let isStopping = Atomic<Bool>(false)
    // SAFETY: what the state holds is Sendable or used under the lock alone.
    let state: Mutex<State>

    /// Bodies of more than a megabyte that may wait for a worker; each is in the budget already.
    private static let waitingBodiesMax = 256

    /// Starts everything, or nothing.
    ///
    /// - Throws: `ComponentError`, which says which component cannot start, and why.
    public init(
        _ plan: GatewayPlan, output: LogOutput, clock: any Clock = SystemClock()
    ) throws(ComponentError) {
        self.output = output
        self.clock = clock
        startedAt = clock.now
        log = Logger(output)
        metrics = MetricRegistry()
        let loopCount =
            plan.limits.loopCount > 0 ? plan.limits.loopCount : Machine.processorCount
        do throws(SystemError) {
            loops = try EventLoopGroup(count: loopCount, clock: clock)
            adminLoops = try EventLoopGroup(count: 1, name: "admin", clock: clock)
            workers = try WorkerPool(
                name: "worker", threads: loopCount, waitingMax: Self.waitingBodiesMax)
        } catch {
            throw ComponentError("cannot start the event loops: \(error)")
        }
        ProcessMetrics.register(in: metrics, resource: plan.telemetry.resource, clock: clock)
        spans = SpanRecorder(
            registry: metrics, resource: plan.telemetry.resource, version: Version.current,
            clock: clock,
            random: {
                var random = SystemRandom()
                return random.next()
            })
        let descriptors = DescriptorPlan(
            plan, loopCount: loopCount, limit: CurrentProcess.raiseDescriptorLimit())
        descriptors.warn(log)
        limits = plan.limits.serverLimits(connections: descriptors.connections, clock: clock)
        limits.register(in: metrics)
        let environment = ReceiverEnvironment(
            component: ComponentEnvironment(id: "", log: log, metrics: metrics, clock: clock),
            loops: loops, workers: workers,
            limits: limits,
            requestLimits: RequestMemory.Limits(messagesMax: plan.limits.requestMessagesMax),
            spans: spans,
            httpMetrics: HTTPServerMetrics(metrics))
        data = try DataDirectory(plan.log, log: log, metrics: metrics, clock: clock)
        limits.bodies.budget.register(in: metrics)
        limits.connectionMemory.budget.register(in: metrics)
        data.safety.memory.register(in: metrics)
        builder = GraphBuilder(
            environment: environment, data: data, growth: plan.limits.editGrowth)
        state = Mutex(State())
        try start(plan)
    }

    private func start(_ plan: GatewayPlan) throws(ComponentError) {
        do throws(ComponentError) {
            let admin = try AdminServers(plan, gateway: self, loops: adminLoops)
            state.withLock { $0.admin = admin }
            let graph = try builder.build(plan, after: nil)
            state.withLock { $0.graph = graph }
            data.setExporters(graph.exportersByCursor)
            let tracing = try SelfTracing(spans, log: log, metrics: metrics) { [weak self] in
                self?.state.withLock { $0.graph }?.ownSpans
            }
            state.withLock { $0.tracing = tracing }
            let memory = try MemoryKeeper { [weak self] in self?.trim() }
            state.withLock { $0.memory = memory }
        } catch {
            _ = stop(within: .zero)
            throw error
        }
        drainLeftovers()
        announce(plan)
    }

    /// Delivers what an earlier configuration has left to exporters that this one still has, and
    /// says what is left to nobody.
    private func drainLeftovers() {
        guard let graph = state.withLock({ $0.graph }) else { return }
        for name in data.leftovers(besides: graph.plan.pipelines.map(\.id)) {
            do throws(ComponentError) {
                _ = try data.log(of: name)
            } catch {
                log.error("an earlier log cannot be read", LogField("reason", error.description))
            }
        }
        adoptOrphans(graph)
        data.abandonOrphans(graph.plan.log.abandoned)
    }

    /// Stops accepting, answers and delivers what was taken.
    ///
    /// - Returns: how many acknowledged items could not be delivered in time: those that are lost,
    ///   and those that the logs keep for the next start.
    public func stop(within limit: Duration) -> (lost: Int, kept: Int) {
        isStopping.store(true, ordering: .releasing)
        let deadline = Instant.now + limit
        let (graph, tracing, retiring) = state.withLock { ($0.graph, $0.tracing, $0.retiring) }
        let memory = state.withLock { $0.memory }
        for running in graph?.receivers ?? [] { running.receiver.stopAccepting() }
        for running in graph?.receivers ?? [] {
            if !running.receiver.drain(until: deadline) {
                log.warn("requests were cut off", LogField("receiver", running.plan.id))
            }
        }
        _ = workers.drain(until: deadline)
        memory?.stop()
        tracing?.stop()
        let exporters = (graph?.exporters ?? []) + retiring.flatMap(\.exporters)
        let lost = Self.drain(exporters.map(\.delivery), until: deadline)
        for retired in retiring { retired.thread.join() }
        replays.stop()
        let kept = data.close()
        state.withLock { $0.admin }?.stop()
        workers.stop()
        loops.stop()
        adminLoops.stop()
        output.reportSuppressed(all: true)
        return (lost, kept)
    }

    /// Drains all at once: the slow ones share the time.
    static func drain(
        _ deliveries: [Delivery], until deadline: Instant, endsCursors: Bool = false
    ) -> Int {
        let lost = Monitor(0)
        var threads: [Thread] = []
        for delivery in deliveries {
            let work: @Sendable () -> Void = {
                let count = delivery.drain(until: deadline, endsCursors: endsCursors)
                lost.withLock { $0 += count }
            }
            if let thread = try? Thread(name: "drain", work) {
                threads.append(thread)
            } else {
                work()
            }
        }
        for thread in threads { thread.join() }
        return lost.withLock { $0 }
    }

    /// Has every component give back memory that it only keeps.
    private func trim() {
        guard let graph = state.withLock({ $0.graph }) else { return }
        for running in graph.receivers { running.receiver.trim() }
        for running in graph.exporters { running.delivery.trim() }
        for log in data.all { log.trim() }
    }

    var isReady: Bool {
        !isStopping.load(ordering: .acquiring) && state.withLock { $0.graph != nil }
    }

    /// Each exporter with its id, for `/ready`.
    var exporterStatus: [(id: String, status: Delivery.Status)] {
        let graph = state.withLock { $0.graph }
        return (graph?.exporters ?? []).map { ($0.plan.id, $0.delivery.status) }
    }

    /// What became of every item.
    var flow: FlowReport {
        let now = clock.unixNanoseconds
        let pipelines = data.all.map { log in
            FlowReport.PipelineReport(log, builder.flows.flow(of: log.name)) { accounts in
                accounts.cursors.map { account in
                    FlowReport.ExporterReport(
                        id: data.exporter(of: account.name), account: account,
                        lagSeconds: account.lagSeconds(at: now),
                        secondsUntilFull: data.secondsUntilFull(log, account),
                        replayed: replays.itemCount(data.exporter(of: account.name), log.name))
                }
            }
        }
        return FlowReport(
            unixNanoseconds: now, uptime: clock.now - startedAt, pipelines: pipelines)
    }

    func delivery(of exporter: String) -> Delivery? {
        state.withLock { $0.graph }?.exporters.first { $0.plan.id == exporter }?.delivery
    }

    /// Why the log of some pipeline takes nothing now.
    var logRefusal: String? {
        let pipelines = state.withLock { $0.graph?.plan.pipelines } ?? []
        for log in data.all where pipelines.contains(where: { $0.id == log.name }) {
            if let refusal = log.refusal { return "pipeline \(log.name): \(refusal)" }
        }
        return nil
    }

    /// Why new requests are turned away before anything is known of them.
    var doorRefusal: String? {
        let now = clock.now
        if limits.bodies.isFull(at: now) {
            return "the memory for request bodies is in use (service.limits.request_bodies)"
        }
        if limits.connectionMemory.isFull(at: now) {
            return "the memory for connections is in use (service.limits.connection_memory)"
        }
        if limits.connections.isRefusing(at: now) {
            return "\(limits.connections.max) connections are open, and no more are taken"
        }
        return nil
    }

    /// What the logs' storage fails at present.
    var storageTroubles: [(pipeline: String, trouble: StorageTrouble)] {
        data.all.flatMap { log in log.troubles.map { (log.name, $0) } }
    }

    /// The ids of processors that refuse whatever comes, in any pipeline.
    var refusingProcessors: [String] {
        let processors = state.withLock { $0.graph?.processors } ?? []
        return Set(processors.filter(\.processor.refusesData).map(\.id)).sorted()
    }

    /// Where each receiver listens.
    public var boundAddresses: [(receiver: String, address: SocketAddress)] {
        let graph = state.withLock { $0.graph }
        return (graph?.receivers ?? []).flatMap { running in
            running.receiver.boundAddresses.map { (running.plan.id, $0) }
        }
    }

    /// Where `/health`, `/ready` and `/metrics` are.
    public var adminAddresses: [SocketAddress] {
        state.withLock { $0.admin }?.boundAddresses ?? []
    }

    private func announce(_ plan: GatewayPlan) {
        for (receiver, address) in boundAddresses {
            log.info(
                "receiving", LogField("receiver", receiver),
                LogField("address", address.description))
        }
        MemorySum(plan, loopCount: loops.loops.count).announce(
            log, limitBytes: ControlGroup.memoryLimitBytes())
    }
}
