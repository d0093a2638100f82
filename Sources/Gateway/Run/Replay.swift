import DurableLog
import OTLP
import Pipeline
import Platform
import Synchronization

/// Sends what the logs still have of a time range to one exporter again, beside its cursors.
final class Replay: Sendable {
    struct Request: Sendable {
        /// Wall time of receipt, nanoseconds since 1970.
        var receivedAt: Range<UInt64>
        /// Whether a destination that knows what it has takes it again all the same.
        var isForced: Bool
    }

    enum Outcome: Sendable {
        case running
        case done
        case failed(String)
    }

    private struct State {
        var outcome = Outcome.running
        var readItems = 0
        var damagedItems = 0
    }

    let number: Int
    let exporter: String
    /// Each with the exporter's cursor: what that has not come to comes anyway.
    private let logs: [(log: DurableLog, cursor: LogCursor)]
    private let delivery: Delivery
    private let request: Request
    private let tallies: [String: ReplayTally]
    private let state = Mutex(State())
    private let isCancelled = Atomic<Bool>(false)
    private let thread = Mutex<Thread?>(nil)

    /// Items that are on their way at once, but for a lot that has more.
    private static let itemsOutMax = 20_000
    /// A lot has no more of it, but for a record that has more.
    private static let lotBytesMax = 16 << 20
    /// How often a replay that waits looks whether its exporter is still there.
    private static let checkInterval = Duration.milliseconds(200)

    init(
        number: Int, exporter: String, logs: [(log: DurableLog, cursor: LogCursor)],
        delivery: Delivery, _ request: Request
    ) {
        self.number = number
        self.exporter = exporter
        self.logs = logs
        self.delivery = delivery
        self.request = request
        tallies = Dictionary(uniqueKeysWithValues: logs.map { ($0.log.name, ReplayTally()) })
    }

    /// Begins in a thread of its own, which ``join()`` waits for.
    func start() throws(SystemError) {
        let started = try Thread(name: "replay") { [self] in run() }
        thread.withLock { $0 = started }
    }

    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    func join() { thread.withLock { $0 }?.join() }

    private func run() {
        do throws(Failure) {
            for (log, cursor) in logs { try replay(log, cursor) }
            state.withLock { $0.outcome = .done }
        } catch {
            state.withLock { $0.outcome = .failed(error.reason) }
        }
    }

    var isRunning: Bool {
        state.withLock { if case .running = $0.outcome { true } else { false } }
    }

    var pipelines: [String] { logs.map(\.log.name) }

    func replayed(in pipeline: String) -> Int { tallies[pipeline]?.totals.exported ?? 0 }

    private struct Failure: Error {
        var reason: String
    }

    private func replay(_ log: DurableLog, _ cursor: LogCursor) throws(Failure) {
        guard let tally = tallies[log.name] else { return }
        let scan = LogScan(log, receivedAt: request.receivedAt, before: cursor.base)
        let limits = delivery.settings.lots
        var lot = Lot([])
        var (items, bytes) = (0, 0)
        while let placed = try next(scan, log) {
            let batch = QueuedBatch(
                placed, from: log, cursor, replay: tally, isForced: request.isForced)
            state.withLock { $0.readItems += batch.itemCount }
            try check()
            let isFull =
                lot.batches.count >= limits.batchesMax || items + batch.itemCount > limits.itemsMax
                || bytes + batch.payload.count > min(limits.bytesMax, Self.lotBytesMax)
                || (items >= limits.itemsMin && bytes >= limits.bytesMin)
            if !lot.batches.isEmpty, isFull {
                try send(lot, tally)
                (lot, items, bytes) = (Lot([]), 0, 0)
            }
            lot.batches.append(batch)
            items += batch.itemCount
            bytes += batch.payload.count
        }
        if !lot.batches.isEmpty { try send(lot, tally) }
        state.withLock { $0.damagedItems += scan.damagedItems }
        while !tally.finish(within: Self.checkInterval) { try check() }
    }

    private func next(_ scan: LogScan, _ log: DurableLog) throws(Failure) -> PlacedRecord? {
        do throws(SystemError) {
            return try scan.nextRecord()
        } catch {
            throw Failure(reason: "the log of \(log.name) cannot be read: \(error)")
        }
    }

    private func send(_ lot: Lot, _ tally: ReplayTally) throws(Failure) {
        while !tally.begin(
            lot.itemCount, below: Self.itemsOutMax, within: Self.checkInterval)
        {
            try check()
        }
        if !delivery.queue.offer(lot) { try check() }
    }

    private func check() throws(Failure) {
        guard delivery.queue.isOpen, !isCancelled.load(ordering: .relaxed) else {
            throw Failure(reason: "the exporter was stopped or replaced; replay again")
        }
    }

    var json: String {
        let state = state.withLock { $0 }
        let totals = tallies.values.reduce(CursorTotals()) { $0 + $1.totals }
        var text = #"{"replay":\#(number),"exporter":\#(OTLPJSON.quoted(exporter)),"#
        switch state.outcome {
        case .running: text += #""state":"running","#
        case .done: text += #""state":"done","#
        case .failed(let reason):
            text += #""state":"failed","reason":\#(OTLPJSON.quoted(reason)),"#
        }
        text += #""items":\#(state.readItems),"exported":\#(totals.exported),"#
        text += #""dropped":\#(totals.dropped),"set_aside":\#(totals.setAside),"#
        return text + #""damaged":\#(state.damagedItems)}"#
    }
}
