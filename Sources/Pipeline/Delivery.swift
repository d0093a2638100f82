import DurableLog
import OTLP
public import Platform
import Synchronization
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
        var lifecycle = DeliveryLifecycle()
        var isFailing = false
        var lastError: String?
        var lastErrorAt: UInt64 = 0
        var abandonedItems = 0
    }

    public let id: String
    public let queue: ExportQueue
    public let metrics: ExporterMetrics
    let exporter: any Exporter
    public let settings: DeliverySettings
    let environment: ComponentEnvironment
    let dropped: MetricFamily<Counter>
    let setAside: MetricFamily<Counter>
    let safety: DeliverySafety
    let size = Mutex(LearnedSize())
    private let tooLarge: Counter
    /// A call that has its memory beside that of all others.
    let hasFreeCall = Atomic<Bool>(false)
    private let state = Monitor(State())
    private let threads = Monitor([Thread]())

    public init(
        exporter: any Exporter, settings: DeliverySettings, environment: ComponentEnvironment,
        safety: DeliverySafety = DeliverySafety()
    ) {
        id = environment.id
        self.exporter = exporter
        self.safety = safety
        setAside = environment.metrics.counter(
            "sluice_exporter_set_aside_items",
            help: "Items in dead-letter/ that the destination will never take, by reason.",
            labels: ["exporter", "signal", "reason"])
        let queue = ExportQueue(settings.limit)
        self.queue = queue
        self.settings = settings
        self.environment = environment
        metrics = ExporterMetrics(environment.metrics, exporter: environment.id)
        dropped = environment.metrics.counter(
            "sluice_exporter_dropped_items",
            help: "Acknowledged items that will never reach their destination, by reason.",
            labels: ["exporter", "signal", "reason"])
        tooLarge = environment.metrics.counter(
            "sluice_exporter_too_large_requests",
            help: "Requests that the destination found too large, and that were sent in parts.",
            labels: ["exporter"]
        ).with(environment.id)
        for signal in Signal.allCases {
            metrics.observeQueue(
                signal, size: { queue.status.itemsBySignal[Int(signal.rawValue)] },
                capacity: { queue.status.capacity.map(Double.init) ?? .infinity })
        }
    }

    /// Starts the consumers, or none of them.
    public func start() throws(SystemError) {
        let count = settings.consumerCount
        state.withLock { $0.lifecycle = DeliveryLifecycle(consumers: count) }
        for number in 0..<count {
            do throws(SystemError) {
                let thread = try Thread(name: "\(id.prefix(12))-\(number)") { [self] in consume() }
                threads.withLock { $0.append(thread) }
            } catch {
                for _ in number..<count { handle(.consumerEnded) }
                leave(within: .zero, isUndone: true)
                throw error
            }
        }
    }

    // MARK: Ending

    /// Delivers what the queue holds, until the deadline; then leaves the rest. What a log on disk
    /// holds is left at the first failure already: the next start goes on with it.
    ///
    /// - Parameter endsCursors: nobody comes after it, so that the logs are to keep nothing for it.
    /// - Returns: how many items are lost because they were in memory alone. They are counted as
    ///   dropped at shutdown.
    public func drain(until deadline: Instant, endsCursors: Bool = false) -> Int {
        handle(.drain(endsCursors: endsCursors))
        conclude(by: queue.isDurable ? min(deadline, .now + Self.durableDrainMax) : deadline)
        return state.withLock { $0.abandonedItems }
    }

    /// A process that ends should do so soon; what a log on disk holds can wait.
    private static let durableDrainMax = Duration.seconds(2)

    /// Delivers what the logs have for an exporter that is gone from the configuration, however
    /// long it takes, unless ``drain(until:endsCursors:)`` or ``leave(within:)`` ends it. What is
    /// left then keeps its place in the logs.
    public func finish() {
        handle(.finish)
        conclude(by: nil)
    }

    /// Stops where it is, and gives its cursors back to the logs, where its successor finds them.
    ///
    /// - Parameter isUndone: the configuration that it was made for has never come to run.
    public func leave(within limit: Duration, isUndone: Bool = false) {
        handle(.leave(isUndone: isUndone))
        conclude(by: .now + limit)
    }

    /// Waits until no consumer is left, and ends what they used, unless another thread does; then
    /// waits for that one.
    private func conclude(by deadline: Instant?) {
        if let deadline {
            let isDone: Bool? = state.wait(until: deadline) {
                $0.lifecycle.consumersRunning == 0 ? true : nil
            }
            if isDone == nil { handle(.deadlinePassed) }
        }
        _ = state.wait { $0.lifecycle.consumersRunning == 0 ? true : nil }
        queue.waitForReservations()
        handle(.consumersGone)
        _ = state.wait { $0.lifecycle.hasEnded ? true : nil }
    }

    private func handle(_ event: DeliveryLifecycle.Event) {
        for action in state.withLock({ $0.lifecycle.handle(event) }) { perform(action) }
    }

    private func perform(_ action: DeliveryLifecycle.Action) {
        switch action {
        case .closeQueue(let endsAtFailure): queue.close(endsAtFailure: endsAtFailure)
        case .stopQueue: queue.stop()
        case .wakeWaiters: state.notifyAll()
        case .abortExporter: exporter.abort()
        case .joinThreads: for thread in threads.withLock({ $0 }) { thread.join() }
        case .closeExporter: exporter.close()
        case .release(let cursors): queue.release(cursors)
        case .reportEnd: handle(.concluded)
        }
    }

    /// Gives back memory that the exporter keeps between lots.
    public func trim() { exporter.trim() }

    public var status: Status {
        let queueStatus = queue.status
        let trouble = queue.readTrouble
        return state.withLock { state in
            var status = Status(
                queue: queueStatus, isFailing: state.isFailing, lastError: state.lastError,
                lastErrorAt: state.lastErrorAt)
            if let trouble {
                status.isFailing = true
                status.lastError = "the log cannot be read: \(trouble.error)"
                status.lastErrorAt = trouble.since
            }
            return status
        }
    }

    private func consume() {
        if let crashMark = safety.crashMark {
            crashMark.withSlot { slot in consume(slot) }
        } else {
            consume(CrashSlot())
        }
        handle(.consumerEnded)
    }

    private func consume(_ slot: borrowing CrashSlot) {
        while let lot = queue.nextLot(lotLimits) {
            sort(lot, slot)
            // What is in memory alone is still taken out, to be counted.
            if queue.isDurable, phase == .aborted { break }
        }
    }

    /// No lot is made that the destination would find too large.
    private var lotLimits: LotLimits {
        var lots = settings.lots
        if let limit = size.withLock({ $0.limit }) { lots.bytesMax = min(lots.bytesMax, limit) }
        return lots
    }

    private func noteTooLarge(_ lot: Lot) {
        let limit = size.withLock { size in
            size.wasTooLarge(lot.byteCount)
            return size.limit
        }
        tooLarge.add()
        environment.log.rateLimited.info(
            "the destination finds a request too large; it is sent in parts",
            LogField("bytes", lot.byteCount), LogField("next_bytes", limit ?? 0))
    }

    /// Delivers what is suspect of having ended the process apart from the rest, or not at all.
    private func sort(_ lot: Lot, _ slot: borrowing CrashSlot) {
        guard !safety.suspects.isEmpty else { return deliver(lot, slot) }
        var rest = Lot([])
        for batch in lot.batches {
            switch safety.verdict(on: batch) {
            case .deliver: rest.batches.append(batch)
            case .deliverAlone: deliver(Lot([batch]), slot)
            case .deliverInPieces: deliverInPieces(batch, slot)
            case .quarantine:
                giveUp(batch, "quarantined", "it has ended the process repeatedly", isOpaque: true)
            }
        }
        if !rest.batches.isEmpty { deliver(rest, slot) }
    }

    private func deliver(_ lot: Lot, _ slot: borrowing CrashSlot) {
        var lot = lot
        if lot.batches.count == 1, let limit = size.withLock({ $0.limit }),
            lot.byteCount > limit, lot.itemCount > 1
        {
            return deliverInParts(lot.batches[0], .untried, slot)
        }
        switch attempt(&lot, slot) {
        case .accepted(let rejectedItemCount, let message):
            succeeded(lot, rejectedItemCount, message)
        case .rejected(let reason):
            // One bad batch must not take its neighbours with it.
            if lot.batches.count > 1 {
                for batch in lot.batches { deliver(Lot([batch]), slot) }
            } else if let batch = lot.batches.first {
                deliverInParts(batch, .rejected(because: reason), slot)
            }
        case .tooLarge(let reason):
            if lot.batches.count > 1 {
                let middle = lot.batches.count / 2
                deliver(Lot(Array(lot.batches[..<middle])), slot)
                deliver(Lot(Array(lot.batches[middle...])), slot)
            } else if let batch = lot.batches.first {
                deliverInParts(batch, .tooLarge(because: reason), slot)
            }
        case .givenUp(let cause, let reason):
            for batch in lot.batches { giveUp(batch, cause, reason) }
        case .left: abandon(lot)
        }
    }

    /// What came of a lot, its retries included.
    enum Result {
        case accepted(rejectedItemCount: Int, message: String?)
        case rejected(because: String)
        case tooLarge(because: String)
        case givenUp(cause: StaticString, because: String)
        /// There is no time any more.
        case left
    }

    func attempt(_ lot: inout Lot, _ slot: borrowing CrashSlot) -> Result {
        let started = environment.clock.now
        var backoff = Backoff(settings.retry)
        var random = SystemRandomNumberGenerator()
        var work = exporter.encodes ? DeliveryMemory.usualBytes(lot) : 0
        while true {
            guard !state.withLock({ $0.lifecycle.isOver }) else { return .left }
            if let records = lot.recordRange {
                slot.note(records, isLarge: isLarge(lot, work))
            }
            let outcome = export(&lot, work)
            slot.clear()
            switch outcome {
            case .accepted(let rejectedItemCount, let message):
                size.withLock { $0.wasAccepted(lot.byteCount) }
                return .accepted(rejectedItemCount: rejectedItemCount, message: message)
            case .reject(let reason): return .rejected(because: reason)
            case .tooLarge(let reason):
                noteTooLarge(lot)
                return .tooLarge(because: reason)
            case .needsMemory(let reason):
                guard work < DeliveryMemory.lotBytesMax else { return .tooLarge(because: reason) }
                work = DeliveryMemory.lotBytesMax
            case .exclude(let named):
                let items = lot.known(named)
                // Or it would come again as it is, for ever.
                guard !items.isEmpty else {
                    return .rejected(because: named.first?.reason ?? "for no item")
                }
                if !exclude(items, from: &lot) { return .left }
            case .retry(let after, let reason):
                if mustLeave() { return .left }
                guard settings.retry.isEnabled else {
                    return .givenUp(cause: "retry_disabled", because: reason)
                }
                let pause = max(backoff.next(using: &random), after ?? .zero)
                let elapsed = environment.clock.now - started
                let limit = settings.retry.maxElapsedTime
                if limit > .zero, elapsed + pause > limit {
                    return .givenUp(cause: "max_elapsed_time", because: reason)
                }
                failed(reason, pause, lot)
                wait(pause)
            }
        }
    }

    /// Whether what has failed is left where it is: there is no time any more, or it is on the disk
    /// and the process is about to end.
    func mustLeave() -> Bool {
        switch phase {
        case .delivering, .finishing: false
        case .draining: queue.isDurable
        case .aborted, .leaving: true
        }
    }

    /// A pause before the next attempt. The begin of another phase ends it: the destination may be
    /// back, and there is no time to lose. From then on pauses are short.
    func wait(_ pause: Duration) {
        let started = Instant.now
        let phase = phase
        let length = phase == .draining ? min(pause, Self.drainPauseMax) : pause
        _ = state.wait(until: started + length) { $0.lifecycle.phase == phase ? nil : true }
    }

    private var phase: DeliveryLifecycle.Phase { state.withLock { $0.lifecycle.phase } }

    private static let drainPauseMax = Duration.milliseconds(500)

    /// The destination has taken something.
    func recovered() {
        let wasFailing = state.withLock { state in
            defer { state.isFailing = false }
            return state.isFailing
        }
        if wasFailing { environment.log.info("delivering again") }
    }

    private func succeeded(_ lot: Lot, _ rejectedItemCount: Int, _ message: String?) {
        recovered()
        var rejected = rejectedItemCount
        for batch in lot.batches {
            metrics.sent[batch.signal].add(batch.wantedItemCount)
            let dropped = min(rejected, batch.wantedItemCount)
            rejected -= dropped
            batch.settle(
                as: CursorTotals(exported: batch.wantedItemCount - dropped, dropped: dropped))
        }
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

    /// Leaves a lot unsettled: its logs have it again for whoever comes next.
    func abandon(_ lot: Lot) {
        let isLost = state.withLock { state in
            _ = state.lifecycle.handle(.lotLeft)
            guard state.lifecycle.phase != .leaving, !queue.isDurable else { return false }
            state.abandonedItems += lot.itemCount
            return true
        }
        guard isLost else { return }
        for batch in lot.batches {
            metrics.sendFailed[batch.signal].add(batch.itemCount)
            dropped.with(id, batch.signal.name, "shutdown").add(batch.itemCount)
        }
    }

    func note(_ reason: String, isFailing: Bool) {
        let now = environment.clock.unixNanoseconds
        state.withLock { state in
            state.isFailing = isFailing
            state.lastError = reason
            state.lastErrorAt = now
        }
    }
}
