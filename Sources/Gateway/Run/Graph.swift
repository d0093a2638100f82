import Configuration
import DurableLog
import OTLP
import Pipeline
import Platform
import Receivers
import Telemetry

/// The running components of one configuration, connected.
struct Graph {
    struct RunningReceiver {
        var plan: GatewayPlan.ReceiverPlan
        var receiver: any Receiver
    }

    struct RunningExporter {
        var plan: GatewayPlan.ExporterPlan
        var delivery: Delivery

        /// Takes its place in a log, now or when the exporter that has it is done with it.
        func add(_ log: DurableLog, of signal: Signal) {
            delivery.queue.add(
                log, of: signal, cursor: plan.cursor, start: plan.delivery.start,
                isSkippable: plan.delivery.whenFull == .skip)
        }
    }

    var plan: GatewayPlan
    var receivers: [RunningReceiver] = []
    var exporters: [RunningExporter] = []
    var processors: [(id: String, processor: any Processor)] = []
    /// By receiver, then by signal.
    var intakes: [String: [Signal: Intake]] = [:]
    /// Takes the spans of Sluice's own.
    var ownSpans: Pipeline?
}

/// Makes graphs. What a graph before it has, and the new plan wants unchanged, goes over as it is.
/// The logs stay the same ones, and an exporter that takes another's place takes its cursors; so a
/// reload loses nothing.
struct GraphBuilder {
    let environment: ReceiverEnvironment
    let data: DataDirectory
    /// What processors may add to a request.
    let growth: EditGrowth
    let flows = PipelineFlows()

    /// The log of Sluice's own spans. No pipeline can be called so.
    static let ownSpansLog = "own"

    /// - Throws: why a component could not be made. Nothing of `previous` has changed then, and
    ///   what was made for the new graph is stopped.
    func build(
        _ plan: GatewayPlan, after previous: Graph?
    ) throws(ComponentError) -> Graph {
        var graph = Graph(plan: plan)
        var made: [Graph.RunningExporter] = []
        do throws(ComponentError) {
            for exporter in plan.exporters {
                if let running = previous?.exporter(like: exporter) {
                    graph.exporters.append(running)
                    continue
                }
                let running = Graph.RunningExporter(
                    plan: exporter, delivery: try makeDelivery(exporter))
                made.append(running)
                graph.exporters.append(running)
            }
            try claimCursors(plan, graph.exporters)
            graph.ownSpans = try ownSpans(plan, graph.exporters)
            let pipelines = try makePipelines(plan, graph.exporters, &graph.processors)
            graph.intakes = makeIntakes(plan, pipelines)
            // Each can be taken over once: two new receivers on one port stay a mistake.
            var leaving = previous?.addresses(notIn: plan) ?? []
            for receiver in plan.receivers {
                if var running = previous?.receiver(like: receiver) {
                    running.plan = receiver
                    graph.receivers.append(running)
                } else {
                    let started = try startReceiver(receiver, graph.intakes, taking: leaving)
                    leaving.removeAll(where: started.receiver.boundAddresses.contains)
                    graph.receivers.append(started)
                }
            }
        } catch {
            for running in graph.receivers where previous?.receiver(like: running.plan) == nil {
                running.receiver.stopAccepting()
                _ = running.receiver.drain(until: .now)
            }
            // What the logs knew of them before stays, for the next attempt.
            for running in made { running.delivery.leave(within: .zero, isUndone: true) }
            for running in graph.exporters where previous?.exporter(like: running.plan) != nil {
                for log in data.all where previous?.feeds(running.plan.id, from: log) == false {
                    running.delivery.queue.endAtPresent(log)
                }
            }
            throw error
        }
        return graph
    }

    /// Claims the places of exporters in the logs before anything new can come into them. What an
    /// exporter of a graph before holds comes when that one leaves: see `Gateway.reload`.
    private func claimCursors(
        _ plan: GatewayPlan, _ exporters: [Graph.RunningExporter]
    ) throws(ComponentError) {
        for pipeline in plan.pipelines {
            let log = try data.log(of: pipeline.id)
            for exporter in exporters where pipeline.exporters.contains(exporter.plan.id) {
                exporter.add(log, of: pipeline.signal)
            }
        }
    }

    private func ownSpans(
        _ plan: GatewayPlan, _ exporters: [Graph.RunningExporter]
    ) throws(ComponentError) -> Pipeline? {
        let takers = exporters.filter { plan.telemetry.spanExporters.contains($0.plan.id) }
        guard !takers.isEmpty else { return nil }
        let log = try data.log(of: Self.ownSpansLog)
        for exporter in takers { exporter.add(log, of: .traces) }
        return Pipeline(
            id: Self.ownSpansLog, signal: .traces, steps: [], log: log,
            exporters: takers.map(\.delivery), flow: flows.flow(of: Self.ownSpansLog))
    }

    private func makeDelivery(
        _ plan: GatewayPlan.ExporterPlan
    ) throws(ComponentError) -> Delivery {
        let environment = component(plan.id, kind: "exporter")
        let exporter = try prefixed("exporter", plan.id) { () throws(ComponentError) in
            try plan.make(environment)
        }
        let isInMemory = data.settings.log.durability == .memory
        let settings = isInMemory ? plan.delivery.inMemory() : plan.delivery
        let delivery = Delivery(
            exporter: exporter, settings: settings, environment: environment, safety: data.safety)
        do throws(SystemError) {
            try delivery.start()
        } catch {
            throw ComponentError("exporter '\(plan.id)': cannot start its threads: \(error)")
        }
        return delivery
    }

    private func makePipelines(
        _ plan: GatewayPlan, _ exporters: [Graph.RunningExporter],
        _ processors: inout [(id: String, processor: any Processor)]
    ) throws(ComponentError) -> [(plan: GatewayPlan.PipelinePlan, pipeline: Pipeline)] {
        var pipelines: [(plan: GatewayPlan.PipelinePlan, pipeline: Pipeline)] = []
        for pipeline in plan.pipelines {
            var steps: [Pipeline.Step] = []
            for id in pipeline.processors {
                guard let processor = plan.processors.first(where: { $0.id == id }) else {
                    preconditionFailure("BUG: a checked plan names a processor that is not there")
                }
                let environment = component(id, kind: "processor", pipeline: pipeline.id)
                let made = try prefixed("processor", id) { () throws(ComponentError) in
                    try processor.make(environment)
                }
                let metrics = ProcessorMetrics(
                    environment.metrics, processor: id, signal: pipeline.signal)
                steps.append(Pipeline.Step(id: id, made, metrics))
                processors.append((id, made))
            }
            let deliveries = pipeline.exporters.compactMap { id in
                exporters.first { $0.plan.id == id }?.delivery
            }
            pipelines.append(
                (
                    pipeline,
                    Pipeline(
                        id: pipeline.id, signal: pipeline.signal, steps: steps,
                        log: try data.log(of: pipeline.id), exporters: deliveries,
                        flow: flows.flow(of: pipeline.id), growth: growth)
                ))
        }
        return pipelines
    }

    private func makeIntakes(
        _ plan: GatewayPlan,
        _ pipelines: [(plan: GatewayPlan.PipelinePlan, pipeline: Pipeline)]
    ) -> [String: [Signal: Intake]] {
        var intakes: [String: [Signal: Intake]] = [:]
        for receiver in plan.receivers {
            for signal in Signal.allCases {
                let fed = pipelines.filter {
                    $0.plan.signal == signal && $0.plan.receivers.contains(receiver.id)
                }
                guard !fed.isEmpty else { continue }
                intakes[receiver.id, default: [:]][signal] = Intake(
                    signal: signal, pipelines: fed.map(\.pipeline),
                    clock: environment.component.clock)
            }
        }
        return intakes
    }

    private func startReceiver(
        _ plan: GatewayPlan.ReceiverPlan, _ intakes: [String: [Signal: Intake]],
        taking inherited: [SocketAddress]
    ) throws(ComponentError) -> Graph.RunningReceiver {
        var environment = environment
        environment.inheritedAddresses = inherited
        environment.component = component(plan.id, kind: "receiver")
        let receiver = try prefixed("receiver", plan.id) { () throws(ComponentError) in
            let receiver = try plan.make(environment)
            receiver.feed(intakes[plan.id] ?? [:])
            try receiver.start()
            return receiver
        }
        return Graph.RunningReceiver(plan: plan, receiver: receiver)
    }

    private func component(
        _ id: String, kind: String, pipeline: String? = nil
    ) -> ComponentEnvironment {
        let base = environment.component
        return ComponentEnvironment(
            id: id, log: base.log.component(id, kind: kind, pipeline: pipeline),
            metrics: base.metrics, clock: base.clock, directoryID: data.directoryID)
    }

    private func prefixed<Made>(
        _ kind: String, _ id: String, _ make: () throws(ComponentError) -> Made
    ) throws(ComponentError) -> Made {
        do throws(ComponentError) {
            return try make()
        } catch {
            throw ComponentError("\(kind) '\(id)': \(error)")
        }
    }
}

extension Graph {
    /// The exporters' ids, by the names of their cursors.
    var exportersByCursor: [String: String] {
        Dictionary(exporters.map { ($0.plan.cursor, $0.plan.id) }) { first, _ in first }
    }

    /// Whether an exporter is to have what comes into a log.
    func feeds(_ exporter: String, from log: DurableLog) -> Bool {
        if log.name == GraphBuilder.ownSpansLog {
            return plan.telemetry.spanExporters.contains(exporter)
        }
        return plan.pipelines.contains { $0.id == log.name && $0.exporters.contains(exporter) }
    }

    func exporter(like plan: GatewayPlan.ExporterPlan) -> RunningExporter? {
        exporters.first {
            $0.plan.id == plan.id && $0.plan.settings.hasSameContent(as: plan.settings)
        }
    }

    /// Where the receivers listen that `plan` does not keep as they are.
    func addresses(notIn plan: GatewayPlan) -> [SocketAddress] {
        receivers.filter { old in
            !plan.receivers.contains { receiver(like: $0)?.receiver === old.receiver }
        }.flatMap(\.receiver.boundAddresses)
    }

    func receiver(like plan: GatewayPlan.ReceiverPlan) -> RunningReceiver? {
        receivers.first {
            $0.plan.id == plan.id && $0.plan.settings.hasSameContent(as: plan.settings)
        }
    }
}
