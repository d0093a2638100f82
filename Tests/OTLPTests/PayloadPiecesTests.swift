import Bytes
import OTLP
import Testing

@Suite struct PayloadPiecesTests {
    private static func payload(_ signal: Signal) -> [UInt8] {
        var writer = ProtobufWriter()
        for host in 0..<3 {
            writer.message(1) { resource in
                resource.message(1) { Fixture.attribute(&$0, 1, "host", "\(host)") }
                // Empty ones are in no piece.
                resource.message(2) { $0.message(1) { $0.string(1, "empty") } }
                resource.message(2) { scope in
                    scope.message(1) { $0.string(1, "scope") }
                    for number in 0..<5 { item(&scope, signal, number) }
                }
                resource.string(3, "https://schema")
            }
        }
        return writer.bytes
    }

    private static func item(_ scope: inout ProtobufWriter, _ signal: Signal, _ number: Int) {
        switch signal {
        case .traces: Fixture.span(&scope) { $0.string(5, "\(number)") }
        case .logs: scope.message(2) { $0.string(12, "\(number)") }
        case .metrics:
            scope.message(2) { metric in
                metric.string(1, "m\(number)")
                metric.message(7) { sum in
                    sum.varint(2, 2)
                    for time in 1...3 { sum.message(1) { $0.fixed64(3, UInt64(time)) } }
                }
            }
        }
    }

    private static func bodies(_ payload: [UInt8], _ signal: Signal) throws -> [[UInt8]] {
        let index = try TelemetryIndex(payload, signal)
        return index.items.map { Array(payload[$0.body.lowerBound..<$0.body.upperBound]) }
    }

    @Test(arguments: Signal.allCases, [1, 2, 4, 100])
    func `Pieces have all items, in their order, in what encloses them`(
        signal: Signal, itemsMax: Int
    ) throws {
        let payload = Self.payload(signal)
        var pieces = PayloadPieces(
            of: payload, as: signal, itemsMax: itemsMax, bytesMax: 1 << 20)
        var bodies: [[UInt8]] = []
        while let piece = pieces.next() {
            let index = try TelemetryIndex(piece.payload, signal)
            #expect(piece.items == bodies.count..<bodies.count + index.items.count)
            #expect(index.items.count <= itemsMax)
            #expect(index.resources.allSatisfy { $0.attributeCount == 1 && !$0.schemaURL.isEmpty })
            #expect(index.scopes.allSatisfy { !$0.name.isEmpty && !$0.items.isEmpty })
            #expect(index.metrics.allSatisfy { $0.temporality == 2 && !$0.name.isEmpty })
            bodies += try Self.bodies(piece.payload, signal)
        }
        #expect(pieces.isWhole)
        #expect(bodies == (try Self.bodies(payload, signal)))
    }

    @Test func `What encloses no item needs no memory and is in no piece`() {
        let payload = (0..<100_000).flatMap { _ in [0x0A, 0] as [UInt8] }
        var pieces = PayloadPieces(of: payload, as: .traces, itemsMax: 10, bytesMax: 10)
        #expect(pieces.next() == nil && pieces.isWhole)
    }

    @Test(arguments: Signal.allCases)
    func `A payload that is cut off anywhere ends, and says so`(signal: Signal) {
        let payload = Self.payload(signal)
        for end in payload.indices {
            var pieces = PayloadPieces(
                of: Array(payload[..<end]), as: signal, itemsMax: 2, bytesMax: 1 << 20)
            while let piece = pieces.next() { #expect(!piece.items.isEmpty) }
        }
    }
}
