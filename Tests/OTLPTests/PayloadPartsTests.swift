import Bytes
import OTLP
import Testing

@Suite struct PayloadPartsTests {
    /// Resources, scopes and metrics, some of them without items; fields that nobody knows stand
    /// between them.
    private func payload(_ signal: Signal, _ random: inout SeededGenerator) -> [UInt8] {
        Fixture.request { request in
            for host in 0..<Int.random(in: 1...4, using: &random) {
                request.message(1) { resource in
                    resource.message(1) { Fixture.attribute(&$0, 1, "host", "\(host)") }
                    for _ in 0..<Int.random(in: 0...3, using: &random) {
                        resource.message(2) { scope(signal, &$0, &random) }
                        if Bool.random(using: &random) { resource.string(99, "unknown") }
                    }
                    resource.string(3, "schema")
                }
            }
        }
    }

    private func scope(
        _ signal: Signal, _ scope: inout ProtobufWriter, _ random: inout SeededGenerator
    ) {
        scope.message(1) { $0.string(1, "scope") }
        for number in 0..<Int.random(in: 0...4, using: &random) {
            scope.message(2) { item in
                switch signal {
                case .traces: item.string(5, "\(number)")
                case .logs: item.fixed64(1, UInt64(number))
                case .metrics:
                    item.string(1, "metric")
                    item.message(7) { sum in
                        sum.varint(2, 2)
                        for point in 0..<Int.random(in: 0...3, using: &random) {
                            sum.message(1) { $0.fixed64(3, UInt64(point)) }
                        }
                        sum.bool(3, true)
                    }
                }
            }
            if Bool.random(using: &random) { scope.varint(98, 7) }
        }
        scope.string(3, String(repeating: "s", count: Int.random(in: 0...300, using: &random)))
    }

    /// What an edit that keeps only these items makes, as JSON: the order of fields may differ.
    private func kept(
        _ ranges: [Range<Int>], _ payload: [UInt8], _ index: TelemetryIndex
    ) throws -> String {
        var edit = PayloadEdit()
        let kept = Set(ranges.joined())
        for item in index.items.indices where !kept.contains(item) { edit.removeItem(item) }
        var alone = PayloadEdit()
        let without = edit.apply(to: payload, index: index)
        let rest = try TelemetryIndex(without, index.signal)
        // Itemless messages go as well.
        alone.keepOnly(0..<rest.items.count, of: rest.items.count)
        return try items(alone.apply(to: without, index: rest), index.signal)
    }

    /// Every item with what encloses it.
    private func items(_ payload: [UInt8], _ signal: Signal) throws -> String {
        let index = try TelemetryIndex(payload, signal)
        let bytes = payload.rawSpan
        return index.items.map { item in
            let scope = index.scopes[index.scopeIndex(of: item)]
            let resource = index.resources[Int(scope.resource)]
            var text = "\(scope.resource) \(index.scopeIndex(of: item)) \(item.parent) "
            text += bytes.string(resource.attributes) + bytes.string(resource.schemaURL)
            text += bytes.string(scope.name) + bytes.string(scope.schemaURL)
            if signal == .metrics {
                let metric = index.metrics[Int(item.parent)]
                text += bytes.string(metric.name) + "\(metric.temporality)\(metric.isMonotonic)"
            }
            return text + bytes.array(item.body).hexDigits
        }.joined(separator: "\n")
    }

    @Test(arguments: 0..<60) func `Parts have their items and what encloses them`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        for signal in Signal.allCases {
            let payload = payload(signal, &random)
            // Spans here have no ids: nothing but their places counts.
            let index = try TelemetryIndex(payload, signal)
            let parts = PayloadParts(payload, index)
            let count = index.items.count
            #expect(parts.itemCount == count)
            let middle = Int.random(in: 0...count, using: &random)
            for range in [0..<count, 0..<middle, middle..<count] {
                let part = parts.part(range)
                #expect(try items(part, signal) == kept([range], payload, index))
                #expect(part.count <= parts.byteCount(of: range))
            }
            if middle > 2 {
                let ranges = [0..<1, 2..<middle]
                #expect(try items(parts.part(ranges), signal) == kept(ranges, payload, index))
            }
            for bytesMax in [1, 100, 400, 100_000] {
                let pieces = parts.split(0..<count, bytesMax: bytesMax)
                #expect(pieces.flatMap { $0 } == Array(0..<count))
                for piece in pieces where piece.count > 1 {
                    #expect(parts.part(piece).count <= bytesMax)
                }
            }
        }
    }

    @Test func `Of no items there is nothing`() throws {
        let payload = Fixture.request { $0.message(1) { _ in } }
        let parts = PayloadParts(payload, try TelemetryIndex(payload))
        #expect(parts.part(0..<0) == [] && parts.split(0..<0, bytesMax: 10) == [])
        #expect(parts.byteCount(of: 0..<0) == 0)
    }
}
