import OTLP
import Platform
import Synchronization
import Testing

@testable import Pipeline

@Suite struct DeliveryMemoryTests {
    @Test func `Calls have no more memory together than there is`() throws {
        let memory = DeliveryMemory(limit: 100)
        let most = Atomic<Int>(0)
        let threads = try (0..<4).map { number in
            try Thread(name: "lot-\(number)") {
                for _ in 0..<2000 {
                    memory.with(40) { _ = most.max(memory.usedBytes, ordering: .relaxed) }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(most.load(ordering: .relaxed) <= 100)
        #expect(memory.usedBytes == 0)
    }

    @Test func `A call that wants more than there is has all of it`() {
        let memory = DeliveryMemory(limit: 100)
        #expect(memory.with(1000) { memory.usedBytes } == 100)
    }

    @Test func `What a lot usually takes has an end`() throws {
        let payload = [UInt8](repeating: 0, count: 64 << 20)
        let lot = Lot([
            QueuedBatch(signal: .logs, payload: payload, itemCount: 1, enqueuedAt: .now)
        ])
        #expect(DeliveryMemory.usualBytes(lot) == DeliveryMemory.usualBytesMax)
        #expect(DeliveryMemory.usualBytes(Lot([])) < 1 << 20)
    }
}
