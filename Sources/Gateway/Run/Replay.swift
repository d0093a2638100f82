import DurableLog
import OTLP
import Pipeline
import Platform
import Synchronization

/// Sends to one exporter again, beside its cursors: what the logs still have of a time range, or
/// what was set aside.
final class Replay: Sendable {
    struct Request: Sendable {
        /// Wall time of receipt, nanoseconds since 1970.
        var receivedAt: Range<UInt64>
        /// Whether a destination that knows what it has takes it again all the same.
        var isForced: Bool
    }

    enum Source: Sendable {
        /// Each log with the exporter's cursor: what that has not come to comes anyway.
        case logs([(log: DurableLog, cursor: LogCursor)], Request)
        case deadLetters(DeadLetters, [DeadLetterFile])
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
    private let source: Source
    private let delivery: Delivery
    /// By pipeline; of dead letters one for all.
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

    private static let deadLetters = "dead-letter/"

    init(number: Int, exporter: String, _ source: Source, _ delivery: Delivery) {
        self.number = number
        self.exporter = exporter
        self.source = source
        self.delivery = delivery
        switch source {
        case .logs(let logs, _):
            tallies = Dictionary(uniqueKeysWithValues: logs.map { ($0.log.name, ReplayTally()) })
        case .deadLetters: tallies = [Self.deadLetters: ReplayTally()]
        }
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
            switch source {
            case .logs(let logs, let request):
                for (log, cursor) in logs { try replay(log, cursor, request) }
            case .deadLetters(let letters, let files):
                for file in files { try resend(file, of: letters) }
            }
            state.withLock { $0.outcome = .done }
        } catch {
            state.withLock { $0.outcome = .failed(error.reason) }
        }
    }

    var isRunning: Bool {
        state.withLock { if case .running = $0.outcome { true } else { false } }
    }

    var pipelines: [String] { Array(tallies.keys) }

    func replayed(in pipeline: String) -> Int { tallies[pipeline]?.totals.exported ?? 0 }

    private struct Failure: Error {
        var reason: String
    }

    private func replay(
        _ log: DurableLog, _ cursor: LogCursor, _ request: Request
    ) throws(Failure) {
        guard let tally = tallies[log.name] else { return }
        let scan = LogScan(log, receivedAt: request.receivedAt, before: cursor.base)
        var lot = Lot([])
        while let placed = try next(scan, log) {
            let batch = QueuedBatch(
                placed, from: log, cursor, replay: tally, isForced: request.isForced)
            try add(batch, to: &lot, tally)
        }
        try send(&lot, tally)
        state.withLock { $0.damagedItems += scan.damagedItems }
        while !tally.finish(within: Self.checkInterval) { try check() }
    }

    /// The file goes when all of its letters have gone out, or were set aside once more.
    private func resend(_ file: DeadLetterFile, of letters: DeadLetters) throws(Failure) {
        guard let tally = tallies[Self.deadLetters] else { return }
        var damagedItems = 0
        var reader = try opened(file, of: letters)
        var lot = Lot([])
        while let entry = try next(&reader, file) {
            guard let batch = try? QueuedBatch(entry, tally) else {
                damagedItems += entry.itemCount
                continue
            }
            try add(batch, to: &lot, tally)
        }
        try send(&lot, tally)
        state.withLock { $0.damagedItems += damagedItems }
        while !tally.finish(within: Self.checkInterval) { try check() }
        do throws(SystemError) {
            if damagedItems > 0 || reader.damagedLineCount > 0 {
                try letters.keepDamaged(file)
            } else {
                try letters.remove(file)
            }
        } catch {
            throw Failure(reason: "\(file.name) was sent and cannot be removed: \(error)")
        }
    }

    private func opened(
        _ file: DeadLetterFile, of letters: DeadLetters
    ) throws(Failure) -> DeadLetterReader {
        do throws(SystemError) {
            return try letters.open(file)
        } catch {
            throw Failure(reason: "\(file.name): \(error)")
        }
    }

    private func next(
        _ reader: inout DeadLetterReader, _ file: DeadLetterFile
    ) throws(Failure) -> DeadLetterEntry? {
        do throws(SystemError) {
            return try reader.next()
        } catch {
            throw Failure(reason: "\(file.name): \(error)")
        }
    }

    /// Puts a batch into a lot, which is sent before if it has no room for that.
    private func add(
        _ batch: QueuedBatch, to lot: inout Lot, _ tally: ReplayTally
    ) throws(Failure) {
        try check()
        state.withLock { $0.readItems += batch.itemCount }
        let limits = delivery.settings.lots
        let (items, bytes) = (lot.itemCount, lot.byteCount)
        let isFull =
            lot.batches.count >= limits.batchesMax || items + batch.itemCount > limits.itemsMax
            || bytes + batch.payload.count > min(limits.bytesMax, Self.lotBytesMax)
            || (items >= limits.itemsMin && bytes >= limits.bytesMin)
            || (!limits.mixesSignals && lot.batches.first?.signal != batch.signal)
        if isFull { try send(&lot, tally) }
        lot.batches.append(batch)
    }

    private func next(_ scan: LogScan, _ log: DurableLog) throws(Failure) -> PlacedRecord? {
        do throws(LogReadError) {
            return try scan.nextRecord()
        } catch {
            throw Failure(reason: "the log of \(log.name) cannot be read: \(error)")
        }
    }

    private func send(_ lot: inout Lot, _ tally: ReplayTally) throws(Failure) {
        guard !lot.batches.isEmpty else { return }
        while !tally.begin(
            lot.itemCount, below: Self.itemsOutMax, within: Self.checkInterval)
        {
            try check()
        }
        if !delivery.queue.offer(lot) { try check() }
        lot = Lot([])
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
