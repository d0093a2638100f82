import Bytes
import OTLP
import Testing

@Suite struct TelemetryIndexTests {
    @Test func `A span is indexed with its ids, its attributes and what encloses it`() throws {
        let payload = Fixture.oneScope { scope in
            Fixture.span(&scope) { span in
                Fixture.attribute(&span, 9, "http.route", "/")
                span.varint(10, 3)
                Fixture.attribute(&span, 9, "http.request.method", "GET")
            }
        }
        let index = try TelemetryIndex(payload)
        let item = try #require(index.items.first)
        let bytes = payload.rawSpan
        #expect(item.traceID(in: bytes)?.description == "0102030405060708090a0b0c0d0e0f10")
        #expect(item.spanID(in: bytes)?.description == "0102030405060708")
        #expect(item.attributeCount == 2)
        var attributes = AttributeReader(item.attributes, field: SpanView.attributesField)
        var keys: [String] = []
        while let attribute = attributes.next(in: bytes) {
            keys.append(bytes.string(attribute.key))
        }
        #expect(keys == ["http.route", "http.request.method"])
        #expect(bytes.string(index.scopes[index.scopeIndex(of: item)].name) == "scope")
        #expect(index.resources[0].attributeCount == 1 && index.resources[0].items == 0..<1)
    }

    @Test(arguments: [
        ([UInt8](), Fixture.spanID, ItemFault.traceID),
        ([UInt8](repeating: 1, count: 15), Fixture.spanID, .traceID),
        ([UInt8](repeating: 0, count: 16), Fixture.spanID, .traceID),
        (Fixture.traceID, [UInt8](), .spanID),
        (Fixture.traceID, [UInt8](repeating: 0, count: 8), .spanID),
        (Fixture.traceID, [UInt8](repeating: 1, count: 9), .spanID),
    ])
    func `A span with a wrong id is marked, and its neighbours are not`(
        traceID: [UInt8], spanID: [UInt8], fault: ItemFault
    ) throws {
        let payload = Fixture.oneScope { scope in
            Fixture.span(&scope)
            Fixture.span(&scope, traceID: traceID, spanID: spanID)
            Fixture.span(&scope)
        }
        let index = try TelemetryIndex(payload)
        #expect(index.items.map(\.fault) == [.none, fault, .none])
        #expect(index.faultyItemCount == 1)
    }

    @Test func `Log records may lack ids, and all zeros say the same`() throws {
        let payload = Fixture.oneScope { scope in
            scope.message(2) { $0.string(3, "INFO") }
            scope.message(2) { $0.bytes(9, Array(repeating: 0, count: 16)) }
            scope.message(2) { $0.bytes(9, [1, 2, 3]) }
        }
        let index = try TelemetryIndex(payload, .logs)
        #expect(index.items.map(\.fault) == [.none, .none, .traceID])
        #expect(index.items.allSatisfy { $0.traceID(in: payload.rawSpan) == nil })
    }

    @Test(arguments: [MetricKind.gauge, .sum, .histogram, .exponentialHistogram, .summary])
    func `Data points of each kind are items below their metric`(kind: MetricKind) throws {
        let payload = Fixture.oneScope { scope in
            scope.message(2) { metric in
                metric.string(1, "m")
                metric.message(Int(kind.rawValue)) { data in
                    for _ in 0..<3 {
                        data.message(1) { point in
                            point.fixed64(3, 7)
                            Fixture.attribute(&point, kind.pointAttributesField, "k", "v")
                        }
                    }
                    if kind == .sum { data.varint(3, 1) }
                }
            }
        }
        let index = try TelemetryIndex(payload, .metrics)
        #expect(index.items.count == 3 && index.metrics[0].kind == kind)
        #expect(index.metrics[0].isMonotonic == (kind == .sum))
        #expect(index.items.allSatisfy { $0.attributeCount == 1 })
        let view = DataPointView(index.items[0].body, kind, in: payload.rawSpan)
        #expect(view.time == 7 && view.attributeCount == 1)
    }

    @Test func `Unknown fields are legal at every level`() throws {
        let payload = Fixture.request { request in
            request.varint(99, 1)
            request.message(1) { resource in
                resource.string(77, "x")
                resource.message(2) { scope in
                    scope.fixed64(50, 1)
                    Fixture.span(&scope) { $0.fixed32(100, 3) }
                }
            }
        }
        #expect(try TelemetryIndex(payload).items.count == 1)
    }

    static let malformed: [(String, [UInt8], WireError.Reason)] = [
        ("field number 0", [0x02, 0x00], .fieldNumberZero),
        ("a group", [0x0B], .groupWireType),
        ("wire type 6", [0x0E], .unknownWireType(6)),
        ("a length past the end", [0x0A, 0x05, 0x00], .lengthPastEnd),
        ("an endless varint", [0x0A] + Array(repeating: 0xFF, count: 11), .varintTooLong),
        ("a varint that ends early", [0x0A, 0x80], .truncated),
        ("a resource that is a number", [0x08, 0x01], .wrongWireType(field: 1)),
    ]

    @Test(arguments: malformed)
    func `Malformed protobuf is refused`(
        _: String, payload: [UInt8], reason: WireError.Reason
    ) {
        #expect { try TelemetryIndex(payload) } throws: { ($0 as? WireError)?.reason == reason }
    }

    @Test(arguments: Signal.allCases)
    func `A request truncated at any offset is refused or whole`(signal: Signal) throws {
        let payload = Fixture.oneScope { scope in
            Fixture.span(&scope) { Fixture.attribute(&$0, 9, "k", "v") }
        }
        for count in 0..<payload.count {
            // It must not trap; between top-level fields it may succeed.
            _ = try? TelemetryIndex(Array(payload.prefix(count)), signal)
        }
        #expect(throws: WireError.self) { try TelemetryIndex(Array(payload.dropLast())) }
    }

    @Test func `Values nest up to the limit and no further`() throws {
        func nested(_ depth: Int) -> [UInt8] {
            var value = ProtobufWriter()
            value.string(1, "end")
            for _ in 0..<depth {
                var array = ProtobufWriter()
                array.bytes(1, value.bytes)
                var outer = ProtobufWriter()
                outer.bytes(5, array.bytes)
                value = outer
            }
            return Fixture.oneScope { scope in
                Fixture.span(&scope) { span in
                    span.message(9) { keyValue in
                        keyValue.string(1, "k")
                        keyValue.bytes(2, value.bytes)
                    }
                }
            }
        }
        let limit = TelemetryIndex.valueDepthMax
        #expect(try TelemetryIndex(nested(limit)).items.count == 1)
        #expect { try TelemetryIndex(nested(limit + 1)) } throws: {
            ($0 as? WireError)?.reason == .tooDeep(limit: limit)
        }
        #expect(throws: WireError.self) { try TelemetryIndex(nested(5_000)) }
    }
}
