import OTLP
import Platform
import Synchronization
import Testing

@testable import Pipeline

private func batch(_ signal: Signal = .traces, items: Int = 1, bytes: Int = 10) -> QueuedBatch {
    QueuedBatch(
        signal: signal, payload: Array(repeating: 0, count: bytes), itemCount: items,
        enqueuedAt: .now)
}

private func size(_ batch: QueuedBatch) -> BatchSize {
    BatchSize(items: batch.itemCount, bytes: batch.payload.count)
}

extension MemoryQueue {
    fileprivate func put(_ batch: QueuedBatch) -> Bool {
        guard reserve(size(batch)) else { return false }
        append(batch) {}
        return true
    }
}

@Suite struct MemoryQueueTests {
    @Test(arguments: DeliverySettings.Sizer.allCases)
    func `A queue is full at its capacity, in the unit of its sizer`(
        sizer: DeliverySettings.Sizer
    ) {
        let queue = MemoryQueue(capacity: 20, sizer: sizer, bytesMax: .max)
        var taken = 0
        while queue.put(batch(items: 5, bytes: 10)) { taken += 1 }
        #expect(taken == [.requests: 20, .items: 4, .bytes: 2][sizer])
    }

    @Test func `The bytes have a ceiling whatever the sizer counts`() {
        let queue = MemoryQueue(capacity: 1000, sizer: .requests, bytesMax: 100)
        #expect(queue.put(batch(bytes: 60)))
        #expect(!queue.put(batch(bytes: 60)))
    }

    @Test func `An empty queue takes one batch of any size`() {
        let queue = MemoryQueue(capacity: 1, sizer: .items, bytesMax: 1)
        #expect(queue.put(batch(items: 100, bytes: 1000)))
        #expect(!queue.put(batch()))
    }

    @Test func `Room comes back when a lot is finished, not when it is taken`() throws {
        let queue = MemoryQueue(capacity: 1, sizer: .requests, bytesMax: .max)
        #expect(queue.put(batch()))
        let lot = try #require(queue.nextLot(.oneBatch))
        #expect(!queue.put(batch()))
        #expect(queue.status.oldest != nil)
        queue.finish(lot)
        #expect(queue.status.oldest == nil)
        #expect(queue.put(batch()))
    }

    @Test func `A reservation that is cancelled leaves nothing behind`() {
        let queue = MemoryQueue(capacity: 1, sizer: .requests, bytesMax: .max)
        #expect(queue.reserve(BatchSize(items: 3, bytes: 3)))
        queue.cancel(BatchSize(items: 3, bytes: 3))
        #expect(queue.status.batches == 0 && queue.status.bytes == 0)
        #expect(queue.put(batch()))
    }

    @Test func `A lot holds one signal unless signals may mix`() throws {
        for mixes in [false, true] {
            let queue = MemoryQueue(capacity: 10, sizer: .requests, bytesMax: .max)
            for signal in [Signal.traces, .logs, .traces] { #expect(queue.put(batch(signal))) }
            let lot = try #require(queue.nextLot(LotLimits(mixesSignals: mixes)))
            #expect(
                lot.batches.map(\.signal)
                    == (mixes ? [.traces, .logs, .traces] : [.traces, .traces]))
        }
    }

    @Test func `A lot ends before the batch that would take it over a limit`() throws {
        let queue = MemoryQueue(capacity: 10, sizer: .requests, bytesMax: .max)
        for _ in 0..<4 { #expect(queue.put(batch(items: 4, bytes: 10))) }
        #expect(try #require(queue.nextLot(LotLimits(itemsMax: 9))).batches.count == 2)
        #expect(try #require(queue.nextLot(LotLimits(bytesMax: 5))).batches.count == 1)
        #expect(try #require(queue.nextLot(LotLimits(batchesMax: 1))).batches.count == 1)
    }

    @Test func `A lot that is too small waits, and goes when it has waited long enough`() throws {
        let queue = MemoryQueue(capacity: 10, sizer: .requests, bytesMax: .max)
        let start = Instant.now
        #expect(queue.put(batch()))
        let lot = queue.nextLot(LotLimits(itemsMin: 100, waitMax: .milliseconds(30)))
        #expect(try #require(lot).batches.count == 1)
        #expect(Instant.now - start >= .milliseconds(30))
    }

    @Test func `A closed queue hands out what it holds at once, and then ends`() throws {
        let queue = MemoryQueue(capacity: 10, sizer: .requests, bytesMax: .max)
        #expect(queue.put(batch()))
        queue.close()
        #expect(!queue.put(batch()))
        let limits = LotLimits(itemsMin: 100, waitMax: .seconds(3600))
        queue.finish(try #require(queue.nextLot(limits)))
        #expect(queue.nextLot(limits) == nil)
    }

    @Test func `What a full lot leaves behind wakes another consumer when its time has come`() {
        let queue = MemoryQueue(capacity: 10, sizer: .requests, bytesMax: .max)
        let limits = LotLimits(itemsMin: 10, waitMax: .milliseconds(20), itemsMax: 10)
        let taken = Monitor(0)
        let consumers = (0..<2).map { number in
            try? Thread(name: "consumer-\(number)") {
                guard let lot = queue.nextLot(limits) else { return }
                taken.withLock { $0 += lot.itemCount }
                taken.notifyAll()
            }
        }
        #expect(queue.put(batch(items: 9)) && queue.put(batch(items: 4)))
        let isDone: Bool? = taken.wait(until: .now + .seconds(10)) { $0 == 13 ? true : nil }
        #expect(isDone == true)
        queue.close()
        for consumer in consumers { consumer?.join() }
    }

    @Test func `A batch with a reservation still enters a queue that is closing`() throws {
        let queue = MemoryQueue(capacity: 10, sizer: .requests, bytesMax: .max)
        let late = batch()
        #expect(queue.reserve(size(late)))
        queue.close()
        let thread = try Thread(name: "late") { queue.append(late) {} }
        #expect(queue.nextLot(.oneBatch)?.batches.count == 1)
        thread.join()
        #expect(queue.nextLot(.oneBatch) == nil)
    }
}
