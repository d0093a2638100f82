import Bytes
import OTLP

@testable import Pipeline

/// Batches whose items are named after their index.
enum Numbered {
    /// - Parameter groups: how many items each scope has, by resource.
    static func batch(_ signal: Signal, _ groups: [[Int]]) throws(WireError) -> Batch {
        let bytes = payload(signal, groups)
        var index = TelemetryIndex()
        try index.rebuild(over: bytes.rawSpan, as: signal)
        return Batch(payload: bytes, index: index)
    }

    static func payload(_ signal: Signal, _ groups: [[Int]]) -> [UInt8] {
        var writer = ProtobufWriter()
        var number = 0
        for (host, scopes) in groups.enumerated() {
            writer.message(1) { resource in
                resource.message(1) { attribute(&$0, 1, "host", "\(host)") }
                for count in scopes {
                    resource.message(2) { scope in
                        scope.message(1) { $0.string(1, "scope") }
                        items(&scope, signal, number..<number + count)
                        number += count
                    }
                }
                resource.string(3, "https://schema")
            }
        }
        return writer.bytes
    }

    /// The numbers of the items in a payload.
    static func numbers(_ payload: [UInt8], _ signal: Signal) throws(WireError) -> [Int?] {
        let bytes = payload.rawSpan
        var index = TelemetryIndex()
        try index.rebuild(over: bytes, as: signal)
        return index.items.map { item in
            switch signal {
            case .traces: return Int(bytes.string(SpanView(item.body, in: bytes).name))
            case .logs: return Int(bytes.string(LogRecordView(item.body, in: bytes).eventName))
            case .metrics:
                var point = WireReader(item.body)
                while let field = point.nextValidated(in: bytes) {
                    if field.number == 3 { return Int(field.bits) - 1 }
                }
                return nil
            }
        }
    }

    private static func items(
        _ scope: inout ProtobufWriter, _ signal: Signal, _ numbers: Range<Int>
    ) {
        switch signal {
        case .traces:
            for number in numbers {
                scope.message(2) { span in
                    span.bytes(1, [UInt8](1...16))
                    span.bytes(2, [UInt8](1...8))
                    span.string(5, "\(number)")
                }
            }
        case .logs:
            for number in numbers { scope.message(2) { $0.string(12, "\(number)") } }
        case .metrics:
            // Two data points a metric; the last may have one.
            for first in stride(from: numbers.lowerBound, to: numbers.upperBound, by: 2) {
                scope.message(2) { metric in
                    metric.string(1, "metric")
                    metric.message(first % 4 == 0 ? 5 : 7) { data in
                        for time in first..<min(first + 2, numbers.upperBound) {
                            data.message(1) { $0.fixed64(3, UInt64(time) + 1) }
                        }
                    }
                }
            }
        }
    }

    private static func attribute(
        _ writer: inout ProtobufWriter, _ number: Int, _ key: String, _ value: String
    ) {
        writer.message(number) { keyValue in
            keyValue.string(1, key)
            keyValue.message(2) { $0.string(1, value) }
        }
    }
}
