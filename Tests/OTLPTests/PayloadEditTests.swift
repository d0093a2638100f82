import Bytes
import OTLP
import Testing

private func names(_ payload: [UInt8]) throws -> [String] {
    let index = try TelemetryIndex(payload)
    return index.items.map { payload.rawSpan.string(SpanView($0.body, in: payload.rawSpan).name) }
}

private func threeSpans() -> [UInt8] {
    Fixture.oneScope { scope in
        for name in ["a", "b", "c"] { Fixture.span(&scope, name: name) }
    }
}

private func attribute(_ key: String, _ value: String, field: Int) -> [UInt8] {
    var writer = ProtobufWriter()
    Fixture.attribute(&writer, field, key, value)
    return writer.bytes
}

@Suite struct PayloadEditTests {
    @Test func `No change gives the same bytes`() throws {
        let payload = threeSpans()
        #expect(PayloadEdit().apply(to: payload, index: try TelemetryIndex(payload)) == payload)
    }

    @Test(arguments: [[0], [1], [2], [0, 2], [1, 2]])
    func `Removed items are gone, and the others are untouched`(items: [Int]) throws {
        let payload = threeSpans()
        var edit = PayloadEdit()
        for item in items { edit.removeItem(item) }
        let edited = edit.apply(to: payload, index: try TelemetryIndex(payload))
        let kept = ["a", "b", "c"].enumerated().filter { !items.contains($0.offset) }
        #expect(try names(edited) == kept.map(\.element))
    }

    @Test func `Removing all items removes what enclosed them`() throws {
        let payload = threeSpans()
        var edit = PayloadEdit()
        for item in 0..<3 { edit.removeItem(item) }
        #expect(edit.apply(to: payload, index: try TelemetryIndex(payload)) == [])
    }

    @Test(arguments: [1, 100, 200, 20_000])
    func `An insertion of any size corrects every length around it`(size: Int) throws {
        let payload = threeSpans()
        let index = try TelemetryIndex(payload)
        let value = String(repeating: "x", count: size)
        var edit = PayloadEdit()
        edit.insert(
            attribute("new", value, field: 9), at: index.items[1].body.upperBound,
            inside: .item(1))
        let frame = Int(index.resources[0].resourceFrame)
        edit.insert(
            attribute("env", value, field: 1), at: index.frames[frame].body.upperBound,
            inside: .frame(frame))
        let edited = edit.apply(to: payload, index: index)
        let after = try TelemetryIndex(edited)
        #expect(after.items.map(\.attributeCount) == [0, 1, 0])
        #expect(after.resources[0].attributeCount == 2)
        #expect(try names(edited) == ["a", "b", "c"])
    }

    @Test func `Changes, removals and insertions at one place go together`() throws {
        let payload = threeSpans()
        let index = try TelemetryIndex(payload)
        var edit = PayloadEdit()
        edit.removeItem(0)
        // Inside a removed item: nothing is left to change.
        edit.insert(
            attribute("x", "y", field: 9), at: index.items[0].body.upperBound, inside: .item(0))
        let frame = Int(index.scopes[0].frame)
        let whole = index.items[1].field
        edit.remove(whole, inside: .frame(frame))
        var replacement = ProtobufWriter()
        Fixture.span(&replacement, name: "new")
        edit.insert(replacement.bytes, at: whole.lowerBound, inside: .frame(frame))
        #expect(try names(edit.apply(to: payload, index: index)) == ["new", "c"])
    }

    @Test func `What is kept stands in what enclosed it, and what encloses nothing is gone`() throws
    {
        let payload = Fixture.request { request in
            for name in ["a", "", "b"] {
                request.message(1) { resource in
                    resource.message(1) { Fixture.attribute(&$0, 1, "host", name) }
                    resource.message(2) { $0.message(1) { $0.string(1, "empty") } }
                    guard !name.isEmpty else { return }
                    resource.message(2) { scope in
                        Fixture.span(&scope, name: name + "0")
                        Fixture.span(&scope, name: name + "1")
                    }
                }
            }
        }
        let index = try TelemetryIndex(payload)
        let kept = try [0..<1, 1..<3, 3..<4, 0..<4, 2..<2].map { range in
            var edit = PayloadEdit()
            edit.keepOnly(range, of: 4)
            let part = edit.apply(to: payload, index: index)
            let after = try TelemetryIndex(part)
            return (after.resources.count, after.scopes.count, try names(part))
        }
        let expected = [
            (1, 1, ["a0"]), (2, 2, ["a1", "b0"]), (1, 1, ["b1"]),
            (2, 2, ["a0", "a1", "b0", "b1"]), (0, 0, []),
        ]
        #expect(kept.elementsEqual(expected, by: ==))
    }

    @Test func `A metric without data points is not kept`() throws {
        let payload = Fixture.oneScope { scope in
            for count in [0, 2, 1] {
                scope.message(2) { metric in
                    metric.string(1, "points \(count)")
                    metric.message(5) { gauge in
                        for time in 0..<count { gauge.message(1) { $0.fixed64(3, UInt64(time)) } }
                    }
                }
            }
        }
        var edit = PayloadEdit()
        edit.keepOnly(1..<3, of: 3)
        let part = edit.apply(to: payload, index: try TelemetryIndex(payload, .metrics))
        let after = try TelemetryIndex(part, .metrics)
        #expect(after.metrics.map { part.rawSpan.string($0.name) } == ["points 2", "points 1"])
        #expect(after.metrics.map(\.items) == [0..<1, 1..<2])
    }

    @Test func `Random edits leave a payload that says what was asked for`() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let count = Int.random(in: 1...6, using: &random)
            let payload = Fixture.request { request in
                for number in 0..<count {
                    request.message(1) { resource in
                        resource.message(2) { Fixture.span(&$0, name: "\(number)") }
                        if number % 2 == 0 { resource.message(1) { _ in } }
                    }
                }
            }
            let index = try TelemetryIndex(payload)
            var edit = PayloadEdit()
            var expected: [(name: String, attributes: Int)] = []
            for item in 0..<count {
                switch Int.random(in: 0...2, using: &random) {
                case 0: edit.removeItem(item)
                case 1:
                    let value = String(
                        repeating: "v", count: Int.random(in: 0...300, using: &random))
                    edit.insert(
                        attribute("k", value, field: 9), at: index.items[item].body.lowerBound,
                        inside: .item(item))
                    expected.append(("\(item)", 1))
                default: expected.append(("\(item)", 0))
                }
            }
            let edited = edit.apply(to: payload, index: index)
            let after = try TelemetryIndex(edited)
            #expect(try names(edited) == expected.map(\.name))
            #expect(after.items.map { Int($0.attributeCount) } == expected.map(\.attributes))
        }
    }
}

@Suite struct PayloadRepairTests {
    @Test func `Text that is not UTF-8 gets U+FFFD, and nothing else changes`() throws {
        let payload = Fixture.oneScope { scope in
            Fixture.span(&scope, name: "good")
            Fixture.span(&scope, name: "bad") { span in
                span.message(9) { keyValue in
                    keyValue.string(1, "k")
                    keyValue.message(2) { $0.bytes(1, [0x61, 0xFF, 0x62]) }
                }
                span.varint(200, 7)
            }
        }
        let index = try TelemetryIndex(payload)
        #expect(index.textFaultCount == 1 && index.needsRepair)
        let repaired = try PayloadRepair.repair(payload, as: .traces)
        let after = try TelemetryIndex(repaired)
        #expect(!after.needsRepair && after.items.count == 2)
        var attributes = AttributeReader(after.items[1].attributes, field: 9)
        let value = attributes.next(in: repaired.rawSpan)?.value(in: repaired.rawSpan)
        guard case .string(let range) = value else { return #expect(Bool(false)) }
        #expect(repaired.rawSpan.string(range) == "a\u{FFFD}b")
        // The unknown field is the span's last.
        #expect(repaired.suffix(3) == payload.suffix(3))
    }

    @Test func `A resource in two parts is merged`() throws {
        let payload = Fixture.request { request in
            request.message(1) { resource in
                resource.message(1) { Fixture.attribute(&$0, 1, "a", "1") }
                resource.message(2) { Fixture.span(&$0) }
                resource.message(1) { Fixture.attribute(&$0, 1, "b", "2") }
            }
        }
        #expect(try TelemetryIndex(payload).hasSplitMessages)
        let after = try TelemetryIndex(
            try PayloadRepair.repair(payload, as: .traces))
        #expect(!after.hasSplitMessages && after.resources[0].attributeCount == 2)
    }

    @Test func `Of a oneof the last field stays`() throws {
        let payload = Fixture.oneScope { scope in
            scope.message(2) { metric in
                metric.string(1, "m")
                metric.message(5) { $0.message(1) { $0.double(4, 1) } }
                metric.message(7) { $0.message(1) { $0.double(4, 2) } }
            }
        }
        #expect(try TelemetryIndex(payload, .metrics).hasSplitMessages)
        let repaired = try PayloadRepair.repair(payload, as: .metrics)
        let after = try TelemetryIndex(repaired, .metrics)
        #expect(after.metrics[0].kind == .sum && after.items.count == 1)
    }

    /// A log record whose body is what `body` writes into its `AnyValue`.
    private func record(_ body: (inout ProtobufWriter) -> Void) -> [UInt8] {
        Fixture.oneScope { $0.message(2) { $0.message(5, body) } }
    }

    private func list(_ value: inout ProtobufWriter, _ texts: [String]) {
        value.message(5) { array in
            for text in texts { array.message(1) { $0.string(1, text) } }
        }
    }

    /// Of what `record` made, as text.
    private func bodyTexts(_ payload: [UInt8]) throws -> [String]? {
        let index = try TelemetryIndex(payload, .logs)
        let bytes = payload.rawSpan
        let content = LogRecordView(index.items[0].body, in: bytes).content
        guard case .array(let range) = content else { return nil }
        var texts: [String] = []
        var values = ValueReader(array: range)
        while case .string(let text) = values.next(in: bytes) { texts.append(bytes.string(text)) }
        return texts
    }

    @Test func `What a field of a oneof had before another one was set does not come back`() throws
    {
        let payload = record { value in
            list(&value, ["a"])
            list(&value, ["b"])
            value.string(1, "s")
            list(&value, ["c"])
            list(&value, ["d", "e"])
        }
        #expect(try TelemetryIndex(payload, .logs).hasSplitMessages)
        let repaired = try PayloadRepair.repair(payload, as: .logs)
        #expect(try bodyTexts(repaired) == ["c", "d", "e"])
        #expect(try !TelemetryIndex(repaired, .logs).needsRepair)
        // The JSON writer says the same of bytes that nobody has repaired.
        var json: [UInt8] = []
        try OTLPJSON.write(payload.rawSpan, as: .logs, into: &json)
        let values = ["c", "d", "e"].map { "{\"stringValue\":\"\($0)\"}" }
        #expect(
            String(decoding: json, as: UTF8.self).contains(
                "{\"arrayValue\":{\"values\":[\(values.joined(separator: ","))]}}"))
    }

    @Test func `A list that a string has displaced is gone`() throws {
        let payload = record { value in
            list(&value, ["a"])
            list(&value, ["b"])
            value.string(1, "s")
        }
        let repaired = try PayloadRepair.repair(payload, as: .logs)
        let item = try TelemetryIndex(repaired, .logs).items[0]
        let content = LogRecordView(item.body, in: repaired.rawSpan).content
        guard case .string(let text) = content else { return #expect(Bool(false)) }
        #expect(repaired.rawSpan.string(text) == "s")
    }

    @Test func `A status and buckets in parts are merged`() throws {
        let spans = Fixture.oneScope { scope in
            Fixture.span(&scope) { span in
                span.message(15) { $0.string(2, "why") }
                span.message(15) { $0.varint(3, 2) }
            }
        }
        let merged = try PayloadRepair.repair(spans, as: .traces)
        let item = try TelemetryIndex(merged).items[0]
        let view = SpanView(item.body, in: merged.rawSpan)
        #expect(view.statusCode == 2 && merged.rawSpan.string(view.statusMessage) == "why")
        #expect(MessageReader(item.body, field: 15).count(in: merged.rawSpan) == 1)

        let points = Fixture.oneScope { scope in
            scope.message(2) { metric in
                metric.message(10) { data in
                    data.message(1) { point in
                        point.message(8) { $0.varint(2, 1) }
                        point.message(8) { $0.varint(2, 2) }
                    }
                }
            }
        }
        let whole = try PayloadRepair.repair(points, as: .metrics)
        let index = try TelemetryIndex(whole, .metrics)
        #expect(!index.needsRepair)
        let point = DataPointView(
            index.items[0].body, .exponentialHistogram, in: whole.rawSpan)
        #expect(point.positive.counts == [1, 2])
    }

    @Test func `Text is repaired at the deepest level, and the result is bounded`() throws {
        var value = ProtobufWriter()
        value.bytes(1, [UInt8](repeating: 0xFF, count: 20_000))
        for _ in 0..<TelemetryIndex.valueDepthMax {
            var array = ProtobufWriter()
            array.bytes(1, value.bytes)
            value = ProtobufWriter()
            value.bytes(5, array.bytes)
        }
        let payload = record { $0.raw(value.bytes) }
        let repaired = try PayloadRepair.repair(payload, as: .logs)
        let index = try TelemetryIndex(repaired, .logs)
        #expect(!index.needsRepair && index.items.count == 1)
        #expect(repaired.count > 60_000 && repaired.count < 62_000)
        #expect { try PayloadRepair.repair(payload, as: .logs, bytesMax: 60_000) } throws: {
            ($0 as? WireError)?.reason == .tooLarge(limit: 60_000)
        }
    }

    @Test func `More parts than any encoder sends are refused`() {
        func parts(_ count: Int) -> [UInt8] {
            record { value in
                for _ in 0..<count { value.message(5) { _ in } }
            }
        }
        let limit = TelemetryIndex.splitPartsMax
        #expect(throws: Never.self) { try TelemetryIndex(parts(limit + 1), .logs) }
        #expect { try TelemetryIndex(parts(limit + 2), .logs) } throws: {
            ($0 as? WireError)?.reason == .tooManyParts(limit: limit)
        }
    }
}

extension MessageReader {
    fileprivate consuming func count(in bytes: RawSpan) -> Int {
        var count = 0
        while next(in: bytes) != nil { count += 1 }
        return count
    }
}

@Suite struct NestingWriterTests {
    /// A random tree of messages, written by both writers; the lengths are guessed badly.
    private func write(
        _ random: inout SeededGenerator, _ writer: inout NestingWriter, depth: Int
    ) throws(WireError) -> [UInt8] {
        var plain = ProtobufWriter()
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            if depth > 0, Bool.random(using: &random) {
                let message = try writer.open(
                    2, expecting: [0, 100, 5_000, 3_000_000].randomElement(using: &random) ?? 0)
                plain.bytes(2, try write(&random, &writer, depth: depth - 1))
                try writer.close(message)
            } else {
                let count = Int.random(in: 0...6_000, using: &random)
                let text = [UInt8](repeating: UInt8(count & 0x7F), count: count)
                plain.bytes(1, text)
                try writer.bytes(1, text.rawSpan, ByteRange(start: 0, end: count))
            }
        }
        return plain.bytes
    }

    @Test(arguments: 0..<40) func `It writes what the plain writer does`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var writer = NestingWriter()
        let plain = try write(&random, &writer, depth: 12)
        #expect(try writer.finish() == plain)
    }

    @Test func `Its limit counts lengths that grow`() throws {
        func whole(_ bytesMax: Int) throws(WireError) -> [UInt8] {
            var writer = NestingWriter(bytesMax: bytesMax)
            let text = [UInt8](repeating: 0x61, count: 5_000)
            let message = try writer.open(1, expecting: 0)
            try writer.bytes(1, text.rawSpan, ByteRange(start: 0, end: text.count))
            try writer.close(message)
            return try writer.finish()
        }
        let bytes = try whole(.max)
        #expect(bytes.count == 5_006)
        #expect(try whole(5_006) == bytes)
        #expect(throws: WireError.self) { try whole(5_005) }
    }
}
