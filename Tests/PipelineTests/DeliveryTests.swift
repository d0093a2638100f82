import Configuration
import DurableLog
import OTLP
import Platform
import Synchronization
import Telemetry
import Testing

@testable import Pipeline

/// Answers each lot by a script, then accepts.
private final class ScriptedExporter: Exporter {
    private let answer: @Sendable (Lot, Int) -> ExportOutcome
    let lots = Mutex<[Lot]>([])
    let isClosed = Atomic<Bool>(false)

    init(_ answer: @escaping @Sendable (Lot, Int) -> ExportOutcome) { self.answer = answer }

    func export(_ lot: Lot) -> ExportOutcome {
        let attempt = lots.withLock { lots in
            lots.append(lot)
            return lots.count
        }
        return answer(lot, attempt)
    }
    func abort() {}
    func close() { isClosed.store(true, ordering: .relaxed) }
}

extension LogOutput {
    fileprivate static let silent = LogOutput(
        level: .error, encoding: .text, clock: SystemClock(), sink: { _ in true })
}

private struct Bench {
    let registry = MetricRegistry()
    let exporter: ScriptedExporter
    let logs: QueueBench
    let delivery: Delivery

    init(
        _ settings: DeliverySettings, _ answer: @escaping @Sendable (Lot, Int) -> ExportOutcome
    ) {
        exporter = ScriptedExporter(answer)
        let environment = ComponentEnvironment(
            id: "test", log: Logger(LogOutput.silent), metrics: registry, clock: SystemClock())
        delivery = Delivery(
            exporter: exporter, settings: settings, environment: environment)
        logs = QueueBench(queue: delivery.queue)
    }

    func put(_ count: Int) {
        for number in 0..<count {
            #expect(
                logs.put(
                    LogRecord(
                        signal: 0, itemCount: 2, receivedAt: SystemClock().unixNanoseconds,
                        payload: [UInt8(number)])))
        }
    }

    /// One request of numbered log records.
    func put(_ groups: [[Int]]) throws {
        let batch = try Numbered.batch(.logs, groups)
        #expect(
            logs.put(
                LogRecord(
                    signal: Signal.logs.rawValue, itemCount: batch.itemCount,
                    receivedAt: SystemClock().unixNanoseconds, payload: batch.payload)))
    }

    /// The numbers of the records in all requests that `answer` has accepted, given the limit.
    func numbers(below bytesMax: Int) throws -> [Int] {
        try exporter.lots.withLock { $0 }.filter { $0.byteCount <= bytesMax }
            .flatMap { try Numbered.numbers($0.batches[0].payload, .logs) }.compactMap(\.self)
    }

    func dropped(_ reason: String, _ signal: String = "traces") -> UInt64 {
        registry.counter(
            "sluice_exporter_dropped_items",
            help: "Acknowledged items that will never reach their destination, by reason.",
            labels: ["exporter", "signal", "reason"]
        ).with("test", signal, reason).value
    }
}

private func quick() -> DeliverySettings {
    var settings = DeliverySettings()
    settings.consumerCount = 2
    settings.retry.initialInterval = .milliseconds(1)
    settings.retry.maxInterval = .milliseconds(2)
    settings.retry.pauseMin = .zero
    return settings
}

@Suite struct DeliveryTests {
    @Test func `A lot is tried again until it is accepted, and nothing is dropped`() throws {
        let bench = Bench(quick()) { _, attempt in
            attempt < 4 ? .retry(after: nil, because: "not yet") : .accepted()
        }
        bench.put(1)
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(bench.delivery.metrics.sent[.traces].value == 2)
        #expect(bench.delivery.metrics.sendFailed[.traces].value == 0)
        let isClosed = bench.exporter.isClosed.load(ordering: .relaxed)
        #expect(isClosed)
    }

    @Test func `One rejected batch does not take its neighbours with it`() throws {
        var settings = quick()
        settings.lots = LotLimits()
        let bench = Bench(settings) { lot, _ in
            lot.batches.contains { $0.payload == [3] } ? .reject(because: "bad") : .accepted()
        }
        bench.put(8)
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(bench.delivery.metrics.sent[.traces].value == 14)
        #expect(bench.dropped("rejected") == 2)
        #expect(bench.delivery.status.lastError == "bad")
    }

    @Test func `What is too large is sent in parts, and the size that fits is remembered`() throws {
        var settings = quick()
        settings.consumerCount = 1
        let bench = Bench(settings) { lot, _ in
            lot.byteCount > 1_000 ? .tooLarge(because: "1 kB at most") : .accepted()
        }
        try bench.put([[300], [0, 200]])
        try bench.put([[500]])
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(try bench.numbers(below: 1_000).sorted() == (0..<500).flatMap { [$0, $0] })
        #expect(bench.delivery.metrics.sent[.logs].value == 1_000)
        #expect(bench.dropped("too_large", "logs") == 0)
        // The second request was not sent whole, nor in halves.
        let refused = bench.exporter.lots.withLock { $0.filter { $0.byteCount > 1_000 } }
        #expect(refused.count <= 6)
    }

    @Test func `Only what is too large alone is given up`() throws {
        var settings = quick()
        settings.consumerCount = 1
        let bench = Bench(settings) { lot, _ in
            let numbers = try? Numbered.numbers(lot.batches[0].payload, .logs)
            return (numbers?.contains(7) ?? false) || lot.itemCount > 20
                ? .tooLarge(because: "no") : .accepted()
        }
        try bench.put([[100]])
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        // One that is as large is not tried any more.
        #expect(bench.dropped("too_large", "logs") < 100)
        #expect(bench.dropped("too_large", "logs") >= 1)
        #expect(
            bench.delivery.metrics.sent[.logs].value + bench.dropped("too_large", "logs") == 100)
    }

    @Test func `Parts of what is too large are narrowed where they are rejected`() throws {
        var settings = quick()
        settings.consumerCount = 1
        let bench = Bench(settings) { lot, _ in
            if lot.itemCount > 50 { return .tooLarge(because: "no") }
            let numbers = (try? Numbered.numbers(lot.batches[0].payload, .logs)) ?? []
            return numbers.contains(33) || numbers.contains(77)
                ? .reject(because: "bad") : .accepted()
        }
        try bench.put([[60, 60]])
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(bench.dropped("rejected", "logs") == 2)
        #expect(bench.delivery.metrics.sent[.logs].value == 118)
    }

    @Test func `Several batches that are too large together are sent apart`() throws {
        var settings = quick()
        settings.consumerCount = 1
        settings.lots = LotLimits()
        let bench = Bench(settings) { lot, _ in
            lot.batches.count > 2 ? .tooLarge(because: "no") : .accepted()
        }
        bench.put(9)
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(bench.delivery.metrics.sent[.traces].value == 18)
    }

    @Test func `An explicit max_elapsed_time ends the attempts, counted`() throws {
        var settings = quick()
        settings.retry.maxElapsedTime = .milliseconds(20)
        let bench = Bench(settings) { _, _ in .retry(after: nil, because: "down") }
        bench.put(1)
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(bench.dropped("max_elapsed_time") == 2)
    }

    @Test func `Draining ends a pause, so that a destination that is back gets the rest`() throws {
        var settings = quick()
        settings.retry.initialInterval = .seconds(3600)
        settings.retry.maxInterval = .seconds(3600)
        let bench = Bench(settings) { _, attempt in
            attempt == 1 ? .retry(after: nil, because: "down") : .accepted()
        }
        bench.put(1)
        try bench.delivery.start()
        while !bench.delivery.status.isFailing {}
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(bench.delivery.metrics.sent[.traces].value == 2)
    }

    @Test func `What cannot be delivered before the deadline is counted as lost`() throws {
        let bench = Bench(quick()) { _, _ in .retry(after: .seconds(3600), because: "down") }
        bench.put(5)
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .milliseconds(50)) == 10)
        #expect(bench.dropped("shutdown") == 10)
        #expect(bench.delivery.status.isFailing)
    }

    @Test func `Rejected items of an accepted request are counted`() throws {
        let bench = Bench(quick()) { _, _ in .accepted(rejectedItemCount: 1, message: "no") }
        bench.put(1)
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(bench.dropped("partial_success") == 1)
    }

    @Test func `Excluded items are set aside once, and the rest of the lot is delivered`() throws {
        var settings = quick()
        settings.lots = LotLimits(itemsMin: 8)
        let bench = Bench(settings) { lot, attempt in
            switch attempt {
            case 1: .exclude([RejectedItem(batch: 1, item: 2, reason: "too round")])
            case 2:
                .exclude([
                    RejectedItem(batch: 1, item: 0, reason: "too red"),
                    RejectedItem(batch: 0, item: 3, reason: "too red"),
                ])
            case 3: .retry(after: nil, because: "not now")
            default: .accepted()
            }
        }
        for _ in 0..<2 {
            let payload = Numbered.payload(.traces, [[4]])
            #expect(
                bench.logs.put(
                    LogRecord(
                        signal: 0, itemCount: 4, receivedAt: SystemClock().unixNanoseconds,
                        payload: payload)))
        }
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        let lots = bench.exporter.lots.withLock { $0 }
        #expect(lots.count == 4)
        #expect(lots.last?.batches.map(\.excludedItems) == [[3], [0, 2]])
        #expect(lots.last?.batches.map(\.wantedItemCount) == [3, 2])
        #expect(bench.delivery.metrics.sent[.traces].value == 5)
        // No directory for what is set aside: it is dropped, counted.
        #expect(bench.dropped("rejected") == 3)
        let totals = bench.logs.logs[0].accounts.cursors.map(\.totals)
        #expect(totals == [CursorTotals(exported: 5, dropped: 3)])
    }

    @Test func `What was received before the machine started is delivered`() throws {
        let bench = Bench(quick()) { _, _ in .accepted() }
        #expect(
            bench.logs.put(LogRecord(signal: 0, itemCount: 2, receivedAt: 1, payload: [1])))
        try bench.delivery.start()
        #expect(bench.delivery.drain(until: .now + .seconds(20)) == 0)
        #expect(bench.delivery.metrics.sent[.traces].value == 2)
    }
}
