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
}
