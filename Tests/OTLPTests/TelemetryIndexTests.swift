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

    @Test(arguments: Signal.allCases)
    func `An outline has what encloses items, and where they stand`(signal: Signal) throws {
        let payload = Fixture.request { request in
            for resource in 0..<3 {
                request.message(1) { message in
                    message.message(1) { Fixture.attribute(&$0, 1, "service.name", "\(resource)") }
                    for scope in 0..<resource {
                        message.message(2) { message in
                            message.message(1) { $0.string(1, "scope \(scope)") }
                            for _ in 0..<2 { Self.addItem(of: signal, to: &message) }
                        }
                    }
                }
            }
        }
        let full = try TelemetryIndex(payload, signal)
        var outline = full
        try outline.rebuildOutline(over: payload.rawSpan, as: signal)
        #expect(full.items.count == 6)
        #expect("\(outline.frames)" == "\(full.frames)")
        #expect("\(outline.resources)" == "\(full.resources)")
        #expect("\(outline.scopes)" == "\(full.scopes)")
        #expect("\(outline.metrics)" == "\(full.metrics)")
        #expect(outline.items.map(\.field) == full.items.map(\.field))
        #expect(outline.items.map(\.body) == full.items.map(\.body))
        #expect(outline.items.map(\.frame) == full.items.map(\.frame))
        #expect(outline.items.map(\.parent) == full.items.map(\.parent))
        #expect(outline.items.allSatisfy { $0.attributeCount == 0 && $0.traceIDOffset == 0 })
        #expect(full.items.allSatisfy { $0.attributeCount == 1 })
        try outline.rebuild(over: payload.rawSpan, as: signal)
        #expect("\(outline.items)" == "\(full.items)")
    }

    private static func addItem(of signal: Signal, to scope: inout ProtobufWriter) {
        switch signal {
        case .traces: Fixture.span(&scope) { Fixture.attribute(&$0, 9, "k", "v") }
        case .logs: scope.message(2) { Fixture.attribute(&$0, 6, "k", "v") }
        case .metrics:
            scope.message(2) { metric in
                metric.string(1, "m")
                metric.message(7) { sum in
                    sum.message(1) { Fixture.attribute(&$0, 7, "k", "v") }
                    sum.varint(3, 1)
                }
            }
        }
    }

    @Test(arguments: Signal.allCases)
    func `A view's attributes are all of its item's, whatever stands between them`(
        signal: Signal
    ) throws {
        let field =
            switch signal {
            case .traces: SpanView.attributesField
            case .logs: LogRecordView.attributesField
            case .metrics: MetricKind.gauge.pointAttributesField
            }
        let long = String(repeating: "x", count: 300)
        let payload = Fixture.request { item in
            item.fixed32(100, 1)
            Fixture.attribute(&item, field, "a", "1")
            Fixture.attribute(&item, field, "b", long)
            item.fixed32(100, 2)
            Fixture.attribute(&item, field, "c", "3")
            Fixture.attribute(&item, field, "d", "4")
            item.fixed32(100, 3)
        }
        let body = ByteRange(start: 0, end: payload.count)
        let bytes = payload.rawSpan
        var attributes: AttributeReader
        let count: Int
        switch signal {
        case .traces:
            let view = SpanView(body, in: bytes)
            (attributes, count) = (view.attributes, view.attributeCount)
        case .logs:
            let view = LogRecordView(body, in: bytes)
            (attributes, count) = (view.attributes, view.attributeCount)
        case .metrics:
            let view = DataPointView(body, .gauge, in: bytes)
            (attributes, count) = (view.attributes, view.attributeCount)
        }
        var keys: [String] = []
        while let attribute = attributes.next(in: bytes) {
            keys.append(bytes.string(attribute.key))
        }
        #expect(keys == ["a", "b", "c", "d"] && count == 4)
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
