import OTLP
public import Platform
public import Telemetry

/// Takes lots from one exporter's queue and delivers them: consumers, retries, accounting.
///
/// Each consumer is a thread that blocks, so that an exporter reads as straight-line code. A
/// destination that is slow or dead stops nobody but its own consumers.
public final class Delivery: Sendable {
    /// What `/ready` tells of an exporter.
    public struct Status: Sendable {
        public var queue = QueueStatus()
        public var isFailing = false
        public var lastError: String?
        /// Nanoseconds since 1970.
        public var lastErrorAt: UInt64 = 0
    }

    private struct State {
        var isFailing = false
        var lastError: String?
        var lastErrorAt: UInt64 = 0
        /// Nothing comes after what the queue holds, and there is a deadline: pauses are short.
        var isDraining = false
        /// Draining is over: what is not delivered now never will be.
        var isAborted = false
        var consumersRunning = 0
        var abandonedItems = 0
    }

    public let id: String
    public let queue: any ExportQueue
    public let metrics: ExporterMetrics
    private let exporter: any Exporter
    private let settings: DeliverySettings
    private let environment: ComponentEnvironment
    private let dropped: MetricFamily<Counter>
    private let state = Monitor(State())
    private let threads = Monitor([Thread]())

    public init(
        exporter: any Exporter, queue: any ExportQueue, settings: DeliverySettings,
        environment: ComponentEnvironment
    ) {
        id = environment.id
        self.exporter = exporter
        self.queue = queue
        self.settings = settings
        self.environment = environment
        metrics = ExporterMetrics(environment.metrics, exporter: environment.id)
        dropped = environment.metrics.counter(
            "sluice_exporter_dropped_items",
            help: "Acknowledged items that will never reach their destination, by reason.",
            labels: ["exporter", "signal", "reason"])
        for signal in Signal.allCases {
            metrics.observeQueue(
                signal, size: { [queue] in queue.status.itemsBySignal[Int(signal.rawValue)] },
                capacity: { [queue] in queue.status.capacity })
        }
    }

    public func start() throws(SystemError) {
        state.withLock { $0.consumersRunning = settings.consumerCount }
        for number in 0..<settings.consumerCount {
            let thread = try Thread(name: "\(id.prefix(12))-\(number)") { [self] in consume() }
            threads.withLock { $0.append(thread) }
        }
    }

    /// Delivers what the queue holds, until the deadline; then gives up on the rest.
    ///
    /// - Returns: how many items were not delivered. They are counted as dropped at shutdown.
    public func drain(until deadline: Instant) -> Int {
        queue.close()
        state.withLock { $0.isDraining = true }
        state.notifyAll()
        let isDone: Bool? = state.wait(until: deadline) { $0.consumersRunning == 0 ? true : nil }
        if isDone == nil {
            state.withLock { $0.isAborted = true }
            state.notifyAll()
            exporter.abort()
        }
        for thread in threads.withLock({ $0 }) { thread.join() }
        exporter.close()
        return state.withLock { $0.abandonedItems }
    }

    public var status: Status {
        state.withLock { state in
            Status(
                queue: queue.status, isFailing: state.isFailing, lastError: state.lastError,
                lastErrorAt: state.lastErrorAt)
        }
    }

    private func consume() {
        while let lot = queue.nextLot(settings.lots) {
            deliver(lot)
            queue.finish(lot)
        }
        state.withLock { $0.consumersRunning -= 1 }
        state.notifyAll()
    }

    private func deliver(_ lot: Lot) {
        let started = environment.clock.now
        var backoff = Backoff(settings.retry)
        var random = SystemRandomNumberGenerator()
        while true {
            guard !state.withLock({ $0.isAborted }) else { return abandon(lot) }
            switch exporter.export(lot) {
            case .accepted(let rejectedItemCount, let message):
                return succeeded(lot, rejectedItemCount, message)
            case .reject(let reason):
                // One bad batch must not take its neighbours with it.
                if lot.batches.count > 1 { return lot.batches.forEach { deliver(Lot([$0])) } }
                return drop(lot, "rejected", reason)
            case .retry(let after, let reason):
                if state.withLock({ $0.isAborted }) { return abandon(lot) }
                guard settings.retry.isEnabled else { return drop(lot, "retry_disabled", reason) }
                let pause = max(backoff.next(using: &random), after ?? .zero)
                let elapsed = environment.clock.now - started
                let limit = settings.retry.maxElapsedTime
                if limit > .zero, elapsed + pause > limit {
                    return drop(lot, "max_elapsed_time", reason)
                }
                failed(reason, pause, lot)
                wait(pause)
            }
        }
    }

    /// A pause before the next attempt. The begin of draining ends it: the destination may be back,
    /// and there is no time to lose. From then on pauses are short.
    private func wait(_ pause: Duration) {
        let started = Instant.now
        let wasDraining = state.withLock { $0.isDraining }
        let length = wasDraining ? min(pause, Self.drainPauseMax) : pause
        _ = state.wait(until: started + length) { state in
            state.isAborted || state.isDraining != wasDraining ? true : nil
        }
    }

    private static let drainPauseMax = Duration.milliseconds(500)

    private func succeeded(_ lot: Lot, _ rejectedItemCount: Int, _ message: String?) {
        let wasFailing = state.withLock { state in
            defer { state.isFailing = false }
            return state.isFailing
        }
        if wasFailing { environment.log.info("delivering again") }
        for batch in lot.batches { metrics.sent[batch.signal].add(batch.itemCount) }
        guard rejectedItemCount > 0, let signal = lot.batches.first?.signal else { return }
        metrics.sendFailed[signal].add(rejectedItemCount)
        dropped.with(id, signal.name, "partial_success").add(rejectedItemCount)
        environment.log.rateLimited.warn(
            "the destination rejected items of a request that it took",
            LogField("items", rejectedItemCount), LogField("answer", message ?? ""))
    }

    private func failed(_ reason: String, _ pause: Duration, _ lot: Lot) {
        note(reason, isFailing: true)
        environment.log.rateLimited.warn(
            "delivery failed, will try again", LogField("reason", reason),
            LogField("retry_in", pause), LogField("items", lot.itemCount))
    }

    private func drop(_ lot: Lot, _ cause: String, _ reason: String) {
        note(reason, isFailing: cause != "rejected")
        for batch in lot.batches {
            metrics.sendFailed[batch.signal].add(batch.itemCount)
            dropped.with(id, batch.signal.name, cause).add(batch.itemCount)
        }
        environment.log.rateLimited.error(
            "items dropped", LogField("cause", cause), LogField("reason", reason),
            LogField("items", lot.itemCount))
    }

    private func abandon(_ lot: Lot) {
        state.withLock { $0.abandonedItems += lot.itemCount }
        for batch in lot.batches {
            metrics.sendFailed[batch.signal].add(batch.itemCount)
            dropped.with(id, batch.signal.name, "shutdown").add(batch.itemCount)
        }
    }

    private func note(_ reason: String, isFailing: Bool) {
        let now = environment.clock.unixNanoseconds
        state.withLock { state in
            state.isFailing = isFailing
            state.lastError = reason
            state.lastErrorAt = now
        }
    }
}
