import Platform
import Synchronization
import Testing

@testable import EventLoop

@Suite struct EventLoopTests {
    @Test func `Deadlines come in order, moved, taken away and set again as a simple model says`() {
        var generator = SplitMix(state: 7)
        var heap = TimerHeap()
        var model: [Int: Instant] = [:]
        var now = Instant(nanoseconds: 0)
        for _ in 0..<20_000 {
            let slot = Int.random(in: 0..<50, using: &generator)
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<6:
                let deadline = now + .nanoseconds(Int64.random(in: 0..<1000, using: &generator))
                heap.set(slot, deadline)
                model[slot] = deadline
            case 6..<8:
                heap.set(slot, nil)
                model[slot] = nil
            default:
                now = now + .nanoseconds(Int64.random(in: 0..<200, using: &generator))
                var expired: Set<Int> = []
                while let slot = heap.popExpired(at: now) { expired.insert(slot) }
                #expect(expired == Set(model.filter { $0.value <= now }.keys))
                model = model.filter { $0.value > now }
                if let next = model.values.min() { #expect(heap.next! <= next) }
            }
        }
    }

    @Test func `A registration's id is never that of another, though its slot is`() {
        let first = RegistrationID(slot: 3, generation: 1)
        let second = RegistrationID(slot: 3, generation: 2)
        #expect(first != second)
        #expect((second.slot, second.generation) == (3, 2))
        #expect(RegistrationID(rawValue: second.rawValue) == second)
    }

    @Test func `Jobs run on the loop's thread, in order`() throws {
        let loop = try EventLoop(name: "test")
        let order = Monitor<[Int]>([])
        for number in 0..<100 {
            loop.execute {
                precondition(loop.isCurrent)
                order.withLock { $0.append(number) }
                order.notifyAll()
            }
        }
        let result = order.wait(until: .now + .seconds(10)) { $0.count == 100 ? $0 : nil }
        #expect(result == Array(0..<100))
        #expect(!loop.isCurrent)
        loop.stop()
    }
}

/// Random numbers that are the same in every run.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
