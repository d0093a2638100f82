import Bytes
import OTLP
import Testing

/// What encoders usually write has a way of its own through the index. Each message here is written
/// twice, once in that form and once with lengths of two bytes, which the general way reads.
@Suite struct PlainFormTests {
    /// A length-delimited field, its length in as few bytes as it takes, or in two.
    private static func field(_ tag: UInt8, _ body: [UInt8], isPlain: Bool) -> [UInt8] {
        let length =
            isPlain && body.count < 0x80
            ? [UInt8(body.count)] : [UInt8(body.count & 0x7F) | 0x80, UInt8(body.count >> 7)]
        return [tag] + length + body
    }

    private static func attribute(
        _ key: [UInt8], _ value: [UInt8], isPlain: Bool, tag: UInt8 = 0x4A
    ) -> [UInt8] {
        field(
            tag,
            field(0x0A, key, isPlain: isPlain) + field(0x12, value, isPlain: isPlain),
            isPlain: isPlain)
    }

    private static func request(_ fields: [UInt8]) -> [UInt8] {
        let span =
            [0x0A, 16] + Fixture.traceID + [0x12, 8] + Fixture.spanID + [0x2A, 1, 0x61] + fields
        return field(
            0x0A, field(0x12, field(0x12, span, isPlain: false), isPlain: false), isPlain: false)
    }

    private enum Result: Equatable {
        case index(attributes: UInt32, textFaults: Int, isSplit: Bool)
        case error
    }

    private static func result(_ fields: [UInt8]) -> Result {
        guard let index = try? TelemetryIndex(request(fields)) else { return .error }
        return .index(
            attributes: index.items[0].attributeCount, textFaults: index.textFaultCount,
            isSplit: index.hasSplitMessages)
    }

    /// Values as an encoder may write them, and as it may not.
    private static let values: [[UInt8]] =
        [0, 1, 7, 8, 15, 16, 17, 47, 48, 49, 63, 64, 65, 100, 127].map {
            field(0x0A, [UInt8](repeating: 0x61, count: $0), isPlain: true)
        } + [
            field(0x0A, Array("grüße".utf8), isPlain: true),
            field(0x0A, [0x61, 0xFF], isPlain: true),
            [0x10, 1], [0x10], [0x18, 0], [0x18, 0x80], [0x18, 0x7F, 0],
            [0x18] + [UInt8](repeating: 0x80, count: 6) + [1],
            [0x18] + [UInt8](repeating: 0x80, count: 7) + [1],
            [0x18] + [UInt8](repeating: 0x80, count: 8) + [1],
            [0x18] + [UInt8](repeating: 0xFF, count: 9) + [1],
            [0x18] + [UInt8](repeating: 0xFF, count: 9) + [2],
            [0x18] + [UInt8](repeating: 0xFF, count: 11),
            [0x18, 0x80, 1, 0x80, 1],
            [0x21, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F], [0x21, 0, 0], [0x25, 0, 0, 0, 0],
            [0x2A, 4, 0x0A, 2, 0x18, 1], [0x3A, 1, 0xFF], [], [0x0A, 5, 0x61], [0x0B],
        ]

    @Test(arguments: values.indices)
    func `An attribute in the plain form is what it is in any other`(number: Int) {
        let value = Self.values[number]
        for keyBytes in [0, 1, 3, 4, 8, 13, 14, 15, 30, 31, 70, 127] {
            let key = [UInt8](repeating: 0x6B, count: keyBytes)
            #expect(
                Self.result(Self.attribute(key, value, isPlain: true))
                    == Self.result(Self.attribute(key, value, isPlain: false)))
        }
    }

    @Test func `A row of attributes ends where one is not plain, and goes on behind it`() {
        for first in Self.values {
            for second in Self.values {
                func row(isPlain: Bool) -> [UInt8] {
                    [first, second, first, Self.values[7]].flatMap {
                        Self.attribute([0x6B], $0, isPlain: isPlain)
                    } + [0x50, 1]
                }
                #expect(Self.result(row(isPlain: true)) == Self.result(row(isPlain: false)))
            }
        }
    }

    @Test func `A row of attributes that is cut anywhere is refused, or has fewer`() throws {
        let values = Self.values[..<18]
        let row = values.flatMap { Self.attribute([0x6B], $0, isPlain: true) }
        #expect(try TelemetryIndex(Self.request(row)).items[0].attributeCount == 18)
        for count in 0..<row.count {
            guard let index = try? TelemetryIndex(Self.request(Array(row[..<count]))) else {
                continue
            }
            #expect(index.items[0].attributeCount < 18)
        }
    }

    @Test(arguments: [[1, 2], [2, 1], [1, 2, 1, 2], [1, 1, 2], [2, 2, 1]])
    func `Of ids that stand twice, or in another order, the last ones count`(
        numbers: [UInt8]
    ) throws {
        let ids = numbers.enumerated().flatMap { place, number in
            let id = [UInt8](repeating: UInt8(place + 1), count: number == 1 ? 16 : 8)
            return Self.field(number << 3 | 2, id, isPlain: true)
        }
        let span = Self.field(0x12, Self.field(0x12, ids, isPlain: true), isPlain: true)
        let payload = Self.field(0x0A, span, isPlain: true)
        let item = try TelemetryIndex(payload).items[0]
        let traceID = item.traceID(in: payload.rawSpan)?.description
        let spanID = item.spanID(in: payload.rawSpan)?.description
        func last(_ number: UInt8, _ count: Int) throws -> String {
            let place = try #require(numbers.lastIndex(of: number)) + 1
            return String(repeating: "0\(place)", count: count)
        }
        #expect(item.fault == .none)
        #expect(try traceID == last(1, 16))
        #expect(try spanID == last(2, 8))
    }

    @Test(arguments: 1...2)
    func `A span's end is read behind its start, and wherever else it stands`(order: Int) throws {
        let start: [UInt8] = [0x39, 1, 0, 0, 0, 0, 0, 0, 0]
        let end: [UInt8] = [0x41, 2, 0, 0, 0, 0, 0, 0, 0]
        let fields = order == 1 ? start + end : end + start
        let payload = Self.request(fields)
        let index = try TelemetryIndex(payload)
        let span = SpanView(index.items[0].body, in: payload.rawSpan)
        #expect(span.startTime == 1 && span.endTime == 2)
        for count in 1..<fields.count where count % 9 != 0 {
            #expect(Self.result(Array(fields[..<count])) == .error)
        }
    }

    /// What a span view says of a span, in the words of its payload.
    private static func description(_ fields: [UInt8]) throws -> String {
        let payload = request(fields)
        let bytes = payload.rawSpan
        let span = SpanView(try TelemetryIndex(payload).items[0].body, in: bytes)
        return """
            \(span.traceID) \(span.spanID) \(span.parentSpanID) \(bytes.string(span.traceState)) \
            \(bytes.string(span.name)) \(span.kind) \(span.startTime) \(span.endTime) \
            \(span.attributeCount) \(span.statusCode)
            """
    }

    /// The fields that a span begins with, each as encoders write it and as they may write it.
    private static let beginning: [(plain: [UInt8], other: [UInt8])] = [
        ([0x1A, 3, 0x61, 0x3D, 0x62], [0x1A, 0x83, 0, 0x61, 0x3D, 0x62]),
        (
            [0x22, 8, 1, 2, 3, 4, 5, 6, 7, 8], [0x22, 0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8]
        ),
        ([0x2A, 2, 0x62, 0x63], [0x2A, 0x82, 0, 0x62, 0x63]),
        ([0x30, 3], [0x30, 0x83, 0]),
        ([0x39, 1, 0, 0, 0, 0, 0, 0, 0], [0xB9, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        ([0x41, 2, 0, 0, 0, 0, 0, 0, 0], [0xC1, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
        ([0x4A, 0, 0x4A, 0], [0x4A, 0x80, 0, 0x4A, 0x80, 0]),
        ([0x7A, 2, 0x18, 2], [0x7A, 0x82, 0, 0x18, 2]),
    ]

    @Test func `A span in the plain form is what it is in any other`() throws {
        // Each field in either form, or not there.
        for choice in 0..<6561 {
            var rest = choice
            var plain: [UInt8] = []
            var mixed: [UInt8] = []
            for field in Self.beginning {
                let form = rest % 3
                rest /= 3
                if form > 0 { plain += field.plain }
                if form > 0 { mixed += form == 1 ? field.plain : field.other }
            }
            let (left, right) = (try Self.description(plain), try Self.description(mixed))
            guard left == right else {
                Issue.record("choice \(choice): \(left) is not \(right)")
                return
            }
        }
    }

    @Test func `Of a span's fields that stand twice the last ones count`() throws {
        let fields = Self.beginning.flatMap(\.plain)
        let later: [UInt8] = [0x2A, 1, 0x7A, 0x30, 5, 0x39, 9, 0, 0, 0, 0, 0, 0, 0, 0x22, 0]
        let twice = try Self.description(fields + later)
        #expect(twice.contains(" z 5 9 2 2 2"))
        // One that has no id's length is none.
        #expect(twice.contains(" 0102030405060708 "))
    }

    @Test(arguments: values.indices)
    func `A value in the plain form is what it is in any other`(number: Int) {
        let value = Self.values[number]
        // The same value behind a field that is unknown, which the plain form does not have.
        func read(_ message: [UInt8]) -> String? {
            let payload = Self.request(Self.attribute([0x6B], message, isPlain: true))
            guard let index = try? TelemetryIndex(payload) else { return nil }
            let bytes = payload.rawSpan
            var reader = SpanView(index.items[0].body, in: bytes).attributes
            guard let parts = reader.nextParts(in: bytes) else { return "none" }
            let next = reader.nextParts(in: bytes)
            #expect(next == nil)
            return switch AnyValue(parts.valueMessage, in: bytes) {
            case .string(let text): "string \(Array(bytes.array(text)))"
            case .bytes(let range): "bytes \(bytes.array(range))"
            case .array(let range): "array \(bytes.array(range))"
            case .map(let range): "map \(bytes.array(range))"
            case let scalar: "\(scalar)"
            }
        }
        #expect(read(value) == read([0xA0, 6, 0] + value))
    }
}
