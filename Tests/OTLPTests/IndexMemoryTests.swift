import Bytes
import OTLP
import Testing

/// What an index takes is known before it is made, and never more.
@Suite struct IndexMemoryTests {
    /// Of each kind, messages without content: two bytes each.
    private static let kinds: [(signal: Signal, payload: [UInt8])] = [
        (.traces, repeated(1)),
        (.metrics, within([1], repeated(1))),
        (.traces, within([1], repeated(2))),
        (.traces, within([1, 2], repeated(1))),
        (.traces, within([1, 2], repeated(2))),
        (.logs, within([1, 2], repeated(2))),
        (.metrics, within([1, 2], repeated(2))),
        (.metrics, within([1, 2, 2], repeated(5))),
        (.metrics, within([1, 2, 2, 9], repeated(1))),
        (.metrics, within([1, 2, 2, 11], repeated(1))),
    ]

    private static let count = 30_000

    private static func repeated(_ number: UInt8) -> [UInt8] {
        (0..<count).flatMap { _ in [number << 3 | 2, 0] }
    }

    private static func within(_ numbers: [Int], _ body: [UInt8]) -> [UInt8] {
        numbers.reversed().reduce(body) { body, number in
            var writer = ProtobufWriter()
            writer.bytes(number, body)
            return writer.bytes
        }
    }

    @Test(arguments: kinds.indices)
    func `Empty messages are counted as they are indexed`(kind: Int) throws {
        let (signal, payload) = Self.kinds[kind]
        let counts = MessageCounts(of: payload.rawSpan, as: signal)
        #expect(counts.total >= Self.count)
        let index = try TelemetryIndex(payload, signal)
        #expect(counts.items == index.items.count)
        #expect(counts.frames == index.frames.count)
        #expect(counts.resources == index.resources.count)
        #expect(counts.scopes == index.scopes.count)
        #expect(counts.metrics == index.metrics.count)
    }

    @Test(arguments: kinds.indices)
    func `An index refuses the message past its allowance, and keeps to its memory`(
        kind: Int
    ) throws {
        let (signal, payload) = Self.kinds[kind]
        let counts = MessageCounts(of: payload.rawSpan, as: signal)
        var index = TelemetryIndex()
        #expect(throws: WireError.self) {
            try index.rebuild(
                over: payload.rawSpan, as: signal, messagesMax: TelemetryIndex.messagesKept)
        }
        #expect(index.items.isEmpty && index.frames.isEmpty)
        #expect(index.capacityBytes <= TelemetryIndex.keptBytesMax)
        index.reserve(counts)
        let reserved = index.capacityBytes
        // An allocation has a header, and is rounded up.
        #expect(reserved <= counts.indexBytes + counts.indexBytes / 8 + 4096)
        try index.rebuild(over: payload.rawSpan, as: signal, messagesMax: counts.total)
        #expect(index.capacityBytes == reserved)
        do {
            try index.rebuildOutline(
                over: payload.rawSpan, as: signal, messagesMax: counts.total - 1)
            Issue.record("one message too many was taken")
        } catch {
            #expect(error.reason == .tooManyMessages(limit: counts.total - 1))
        }
        let isKept = reserved <= TelemetryIndex.keptBytesMax
        index.trim()
        #expect(index.capacityBytes == (isKept ? reserved : 0))
    }

    @Test func `What is not protobuf is counted up to there`() throws {
        let whole = Self.within([1], Self.repeated(2))
        for end in stride(from: 0, to: whole.count, by: 997) {
            let cut = Array(whole[..<end])
            #expect(MessageCounts(of: cut.rawSpan, as: .traces).total <= Self.count + 1)
        }
    }
}
