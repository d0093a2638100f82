import DurableLog
import OTLP
import Pipeline
import Platform
import Receivers
import Synchronization
import Telemetry

extension Gateway {
    /// Puts another configuration in place of the running one. What is unchanged goes on untouched;
    /// what is gone delivers what it has taken, in the background.
    ///
    /// - Throws: why it is refused; the old one goes on then.
    public func reload(_ plan: GatewayPlan) throws(ComponentError) {
        guard let previous = state.withLock({ $0.graph }) else { return }
        let graph = try builder.build(plan, after: previous)
        for running in graph.receivers {
            running.receiver.feed(graph.intakes[running.plan.id] ?? [:])
        }
        state.withLock { $0.graph = graph }
        output.level = plan.telemetry.logLevel
        if plan.telemetry.admin != previous.plan.telemetry.admin
            || plan.healthCheck != previous.plan.healthCheck
            || plan.limits != previous.plan.limits || plan.log != previous.plan.log
            || plan.telemetry.logEncoding != previous.plan.telemetry.logEncoding
            || plan.telemetry.resource != previous.plan.telemetry.resource
        {
            log.warn(
                "service.telemetry, limits and log change with a restart, but for the log's level")
        }
        try retire(previous, replacedBy: graph)
        data.setExporters(graph.exportersByCursor)
        log.info("configuration reloaded")
    }

    /// Stops what the new graph has not. An exporter whose cursors another takes over leaves what
    /// it has not delivered to that; one that is gone delivers what its logs have for it.
    private func retire(_ previous: Graph, replacedBy graph: Graph) throws(ComponentError) {
        handOver(from: previous.exporters, to: graph)
        handOver(from: state.withLock { $0.retiring.flatMap(\.exporters) }, to: graph)
        adoptOrphans(graph)
        forgetRetired()
        let receivers = previous.receivers.filter { old in
            !graph.receivers.contains { $0.receiver === old.receiver }
        }.map(\.receiver)
        let exporters = previous.exporters.filter { old in
            !graph.exporters.contains {
                $0.delivery === old.delivery || $0.plan.cursor == old.plan.cursor
            }
        }
        guard !receivers.isEmpty || !exporters.isEmpty else { return }
        for receiver in receivers { receiver.stopAccepting() }
        let timeout = graph.plan.limits.shutdownTimeout
        let log = log
        let isDurable = data.settings.log.durability != .memory
        let deliveries = exporters.map(\.delivery)
        let isDone = Monitor(false)
        do throws(SystemError) {
            let thread = try Thread(name: "retire") {
                defer { isDone.withLock { $0 = true } }
                let deadline = Instant.now + timeout
                for receiver in receivers { _ = receiver.drain(until: deadline) }
                if isDurable { return deliveries.forEach { $0.finish() } }
                let lost = Self.drain(deliveries, until: deadline, endsCursors: true)
                if lost > 0 {
                    log.error(
                        "a reload removed exporters that did not deliver in time",
                        LogField("items_lost", lost))
                }
            }
            state.withLock {
                $0.retiring.append(
                    Retiring(thread: thread, exporters: exporters, isDone: isDone))
            }
        } catch {
            throw ComponentError("cannot drain what the reload removed: \(error)")
        }
    }

    private func forgetRetired() {
        let done = state.withLock { state in
            defer { state.retiring.removeAll { $0.isDone.withLock { $0 } } }
            return state.retiring.filter { $0.isDone.withLock { $0 } }
        }
        for retired in done { retired.thread.join() }
    }

    /// Has exporters go on with what an exporter before has left under their cursors, in logs that
    /// don't feed them.
    func adoptOrphans(_ graph: Graph) {
        for log in data.all {
            guard let signal = Signal(pipeline: log.name) else { continue }
            for exporter in graph.exporters where !graph.feeds(exporter.plan.id, from: log) {
                // Also one that is held: whoever holds it may be about to give it back.
                guard log.hasRest(of: exporter.plan.cursor) else { continue }
                exporter.delivery.queue.adopt(
                    log, of: signal, cursor: exporter.plan.cursor,
                    isSkippable: exporter.plan.delivery.whenFull == .skip)
            }
        }
    }

    /// Has exporters leave whose cursors others claim.
    private func handOver(from exporters: [Graph.RunningExporter], to graph: Graph) {
        for old in exporters {
            let successor = graph.exporters.first { $0.plan.cursor == old.plan.cursor }
            if let successor, successor.delivery !== old.delivery {
                old.delivery.leave(within: Self.handOverTimeout)
            }
            let reader = successor ?? old
            for log in data.all where !graph.feeds(reader.plan.id, from: log) {
                // What a pipeline has had for it is still delivered; what comes is not for it.
                reader.delivery.queue.endAtPresent(log)
            }
        }
    }

    /// How long a call of an exporter that is replaced may take to end by itself.
    private static let handOverTimeout = Duration.seconds(1)
}
