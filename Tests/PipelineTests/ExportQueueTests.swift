import DurableLog
import OTLP
import Platform
import Synchronization
import Testing

@testable import Pipeline

private func batch(_ signal: Signal = .traces, items: Int = 1, bytes: Int = 10) -> LogRecord {
    LogRecord(
        signal: signal.rawValue, itemCount: items, receivedAt: SystemClock().unixNanoseconds,
        payload: Array(repeating: 0, count: bytes))
}

private let oneBatch = LotLimits(batchesMax: 1)

private func size(_ record: LogRecord) -> BatchSize {
    BatchSize(items: record.itemCount, bytes: record.payload.count)
}

/// A queue over a log in memory for each signal.
final class QueueBench: Sendable {
    let queue: ExportQueue
    let logs: [DurableLog]

    init(
        capacity: Int = .max, sizer: DeliverySettings.Sizer = .requests, bytesMax: Int = .max,
        queue: ExportQueue? = nil
    ) {
        self.queue =
            queue
            ?? ExportQueue(QueueLimit(capacity: capacity, sizer: sizer, bytesMax: bytesMax))
        var settings = LogSettings()
        settings.durability = .memory
        logs = Signal.allCases.map { signal in
            do {
                return try DurableLog(
                    signal.name, directory: "", settings: settings, epoch: .random())
            } catch {
                fatalError("\(error)")
            }
        }
        for (signal, log) in zip(Signal.allCases, logs) {
            self.queue.add(log, of: signal, cursor: "test", start: .end, isSkippable: false)
        }
    }

    func append(_ record: LogRecord) {
        let log = logs[Int(record.signal)]
        #expect(log.reserve(bytes: record.bytesOnDisk) == nil)
        log.append(record) { [queue] _ in queue.release(size(record), in: log) }
    }

    func put(_ record: LogRecord) -> Bool {
        guard queue.reserve(size(record), in: logs[Int(record.signal)]) else { return false }
        append(record)
        return true
    }

    func finish(_ lot: Lot) {
        for batch in lot.batches {
            batch.origin?.settle(as: CursorTotals(exported: batch.itemCount))
        }
    }
}

@Suite struct ExportQueueTests {
    @Test(arguments: DeliverySettings.Sizer.allCases)
    func `A queue is full at its capacity, in the unit of its sizer`(
        sizer: DeliverySettings.Sizer
    ) {
        let bench = QueueBench(capacity: 20, sizer: sizer, bytesMax: .max)
        var taken = 0
        while bench.put(batch(items: 5, bytes: 10)) { taken += 1 }
        #expect(taken == [.requests: 20, .items: 4, .bytes: 2][sizer])
    }

    @Test func `The bytes have a ceiling whatever the sizer counts`() {
        let bench = QueueBench(capacity: 1000, sizer: .requests, bytesMax: 100)
        #expect(bench.put(batch(bytes: 60)))
        #expect(!bench.put(batch(bytes: 60)))
    }

    @Test func `An empty queue takes one batch of any size`() {
        let bench = QueueBench(capacity: 1, sizer: .items, bytesMax: 1)
        #expect(bench.put(batch(items: 100, bytes: 1000)))
        #expect(!bench.put(batch()))
    }

    @Test func `Room comes back when a lot is finished, not when it is taken`() throws {
        let bench = QueueBench(capacity: 1, sizer: .requests, bytesMax: .max)
        #expect(bench.put(batch()))
        let lot = try #require(bench.queue.nextLot(oneBatch))
        #expect(!bench.put(batch()))
        #expect(bench.queue.status.oldestReceivedAt != nil)
        bench.finish(lot)
        #expect(bench.queue.status.oldestReceivedAt == nil)
        #expect(bench.put(batch()))
    }

    @Test func `A reservation that is cancelled leaves nothing behind`() {
        let bench = QueueBench(capacity: 1, sizer: .requests, bytesMax: .max)
        #expect(bench.queue.reserve(BatchSize(items: 3, bytes: 3), in: bench.logs[0]))
        bench.queue.release(BatchSize(items: 3, bytes: 3), in: bench.logs[0])
        #expect(bench.queue.status.batches == 0 && bench.queue.status.bytes == 0)
        #expect(bench.put(batch()))
    }

    @Test func `A lot holds one signal unless signals may mix`() throws {
        for mixes in [false, true] {
            let bench = QueueBench(capacity: 10, sizer: .requests, bytesMax: .max)
            for signal in [Signal.traces, .logs, .traces] { #expect(bench.put(batch(signal))) }
            let lot = try #require(bench.queue.nextLot(LotLimits(mixesSignals: mixes)))
            #expect(
                lot.batches.map(\.signal)
                    == (mixes ? [.traces, .logs, .traces] : [.traces, .traces]))
        }
    }

    @Test func `A lot ends before the batch that would take it over a limit`() throws {
        let bench = QueueBench(capacity: 10, sizer: .requests, bytesMax: .max)
        for _ in 0..<4 { #expect(bench.put(batch(items: 4, bytes: 10))) }
        #expect(try #require(bench.queue.nextLot(LotLimits(itemsMax: 9))).batches.count == 2)
        #expect(try #require(bench.queue.nextLot(LotLimits(bytesMax: 5))).batches.count == 1)
        #expect(try #require(bench.queue.nextLot(oneBatch)).batches.count == 1)
    }

    @Test(arguments: [
        // Items and bytes of each batch, how many there are, and how many each lot takes of them.
        (items: 1, bytes: 10, count: 1, lots: [1]),
        (items: 100, bytes: 1 << 10, count: 5, lots: [5]),
        (items: 1, bytes: 200 << 10, count: 5, lots: [2, 2, 1]),
        (items: 4096, bytes: 1 << 10, count: 3, lots: [2, 1]),
        (items: 1, bytes: 2 << 20, count: 2, lots: [1, 1]),
    ])
    func `A lot is what is there, up to what any destination takes`(
        items: Int, bytes: Int, count: Int, lots: [Int]
    ) throws {
        let bench = QueueBench()
        for _ in 0..<count { #expect(bench.put(batch(items: items, bytes: bytes))) }
        for expected in lots {
            let lot = try #require(bench.queue.nextLot(DeliverySettings().lots))
            #expect(lot.batches.count == expected)
        }
    }

    @Test func `A lot that is too small waits, and goes when it has waited long enough`() throws {
        let bench = QueueBench(capacity: 10, sizer: .requests, bytesMax: .max)
        let start = Instant.now
        #expect(bench.put(batch()))
        let lot = bench.queue.nextLot(LotLimits(itemsMin: 100, waitMax: .milliseconds(30)))
        #expect(try #require(lot).batches.count == 1)
        #expect(Instant.now - start >= .milliseconds(30))
    }

    @Test func `A closed queue hands out what it holds at once, and then ends`() throws {
        let bench = QueueBench(capacity: 10, sizer: .requests, bytesMax: .max)
        #expect(bench.put(batch()))
        bench.queue.close()
        #expect(!bench.put(batch()))
        let limits = LotLimits(itemsMin: 100, waitMax: .seconds(3600))
        bench.finish(try #require(bench.queue.nextLot(limits)))
        #expect(bench.queue.nextLot(limits) == nil)
    }

    @Test func `What a full lot leaves behind wakes another consumer when its time has come`() {
        let bench = QueueBench(capacity: 10, sizer: .requests, bytesMax: .max)
        let limits = LotLimits(itemsMin: 10, waitMax: .milliseconds(20), itemsMax: 10)
        let taken = Monitor(0)
        let consumers = (0..<2).map { number in
            try? Thread(name: "consumer-\(number)") {
                guard let lot = bench.queue.nextLot(limits) else { return }
                taken.withLock { $0 += lot.itemCount }
                taken.notifyAll()
            }
        }
        #expect(bench.put(batch(items: 9)) && bench.put(batch(items: 4)))
        let isDone: Bool? = taken.wait(until: .now + .seconds(10)) { $0 == 13 ? true : nil }
        #expect(isDone == true)
        bench.queue.close()
        for consumer in consumers { consumer?.join() }
    }

    @Test func `No arrival is missed by consumers that do not come back`() throws {
        let lots = 4
        for _ in 0..<200 {
            let bench = QueueBench()
            let consumers = try (0..<lots).map { number in
                try Thread(name: "consumer-\(number)") { _ = bench.queue.nextLot(oneBatch) }
            }
            let producers = try (0..<2).map { number in
                try Thread(name: "producer-\(number)") {
                    for _ in 0..<lots / 2 { bench.append(batch()) }
                }
            }
            // Each takes one: it would wait for ever if nobody woke it.
            for thread in producers + consumers { thread.join() }
        }
    }

    @Test func `A batch with a reservation still enters a queue that is closing`() throws {
        let bench = QueueBench(capacity: 10, sizer: .requests, bytesMax: .max)
        let late = batch()
        #expect(bench.queue.reserve(size(late), in: bench.logs[0]))
        bench.queue.close()
        let thread = try Thread(name: "late") { bench.append(late) }
        #expect(bench.queue.nextLot(oneBatch)?.batches.count == 1)
        thread.join()
        #expect(bench.queue.nextLot(oneBatch) == nil)
    }
}
