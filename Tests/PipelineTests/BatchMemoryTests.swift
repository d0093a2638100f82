import Bytes
import OTLP
import Platform
import Testing

@testable import Pipeline

/// What edits take of a request's memory.
@Suite struct BatchMemoryTests {
    private static func batch(_ count: Int, _ budget: ByteBudget) throws(WireError) -> Batch {
        let plain = try Numbered.batch(.logs, [[count]])
        return Batch(
            payload: plain.payload, index: plain.index, memory: RequestMemory(budget))
    }

    private static func edit(_ batch: Batch) -> PayloadEdit {
        var edit = batch.edit()
        edit.insert([0x1A, 1, 65], at: batch.payload.count, inside: .frame(0))
        return edit
    }

    @Test func `A copy that an edit makes is in the budget, once a pipeline`() throws {
        let budget = ByteBudget(limit: 8 << 20)
        let whole = try Self.batch(20_000, budget)
        let size = whole.payload.count
        var pipelines = [whole.forked(), whole.forked()]
        for number in pipelines.indices {
            // The copy of an edit takes the place of the one before.
            for _ in 0..<3 { try pipelines[number].apply(Self.edit(pipelines[number])) }
            pipelines[number].dropIndex()
            #expect(pipelines[number].payload.count == size + 9)
            #expect(budget.used == (number + 1) * (size + 9))
        }
        #expect(budget.highest > 2 * size + 20_000 * MemoryLayout<ItemEntry>.stride)
    }

    @Test func `An edit that has no room changes nothing, and says which limit it is`() throws {
        let budget = ByteBudget(limit: 1 << 20)
        var batch = try Self.batch(20_000, budget)
        let before = batch.payload
        do {
            try batch.apply(Self.edit(batch))
            Issue.record("there was room")
        } catch {
            #expect(error.kind == .tooLarge)
            #expect(error.reason.contains("service.limits.request_bodies"))
        }
        #expect(batch.payload == before && batch.itemCount == 20_000)
        #expect(budget.reserve(1 << 20))
    }

    @Test func `An edit that others leave no room for is for later`() throws {
        let budget = ByteBudget(limit: 16 << 20)
        var batch = try Self.batch(20_000, budget)
        #expect(budget.reserve(16 << 20))
        do {
            try batch.apply(Self.edit(batch))
            Issue.record("there was room")
        } catch {
            #expect(error.kind == .later)
        }
    }
}
