// Rows per second through the `sqlite` exporter, and the same rows as a script for the sqlite3
// shell:
//
//     SQLiteBench DIRECTORY [SPANS]
//
// leaves `exporter.db` there and prints the rate. `compare.py` runs it, lets the shell insert the
// same rows, and prints both.

import Exporters
import OTLP
import Pipeline
import Platform
import Telemetry

/// Spans of ten attributes, all different in ids, times and some values.
func payload(firstSpan: Int, spanCount: Int) -> [UInt8] {
    var writer = ProtobufWriter(reserving: spanCount * 512)
    writer.message(1) { group in
        group.message(1) { resource in
            attribute(&resource, 1, "service.name", "service-\(firstSpan / spanCount % 50)")
            attribute(&resource, 1, "host.name", "host-\(firstSpan / spanCount % 7)")
        }
        group.message(2) { scope in
            scope.message(1) { $0.string(1, "bench") }
            for number in firstSpan..<(firstSpan + spanCount) { span(&scope, number) }
        }
    }
    return writer.bytes
}

func span(_ scope: inout ProtobufWriter, _ number: Int) {
    // Twenty spans a trace; trace ids spread as random ones do.
    let trace = UInt64(number / 20 + 1) &* 0x9E37_79B9_7F4A_7C15
    let start = 1_700_000_000_000_000_000 + UInt64(number) * 1_000
    scope.message(2) { span in
        span.identifier(1, trace, trace ^ 0x5555)
        span.identifier(2, UInt64(number) &* 0xD1B5_4A32_D192_ED03)
        span.identifier(4, UInt64(number / 2) &* 0xD1B5_4A32_D192_ED03)
        span.string(5, "GET /api/items/{id}")
        span.varint(6, 2)
        span.fixed64(7, start)
        span.fixed64(8, start + UInt64(number % 977) * 10_000)
        for key in 0..<8 {
            attribute(&span, 9, "attribute.key.\(key)", "value \(number % (key + 2))")
        }
        span.message(9) { pair in
            pair.string(1, "http.response.status_code")
            pair.message(2) { $0.int(3, 200) }
        }
        attribute(&span, 9, "url.path", "/api/items/\(number)")
    }
}

func attribute(_ parent: inout ProtobufWriter, _ field: Int, _ key: String, _ value: String) {
    parent.message(field) { pair in
        pair.string(1, key)
        pair.message(2) { $0.string(1, value) }
    }
}

let spansPerRequest = 100
let requestsPerLot = 100
guard CommandLine.arguments.count >= 2 else { fatalError("usage: SQLiteBench DIRECTORY [SPANS]") }
let spanCount = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 0 : 300_000
let clock = SystemClock()
var settings = SQLiteSettings()
settings.path = CommandLine.arguments[1] + "/exporter.db"
let output = LogOutput(level: .warn, encoding: .text, clock: clock, sink: StandardError.sink)
let exporter = try SQLiteExporterFactory.make(
    settings,
    ComponentEnvironment(
        id: "sqlite", log: Logger(output), metrics: MetricRegistry(), clock: clock))
let requests = stride(from: 0, to: spanCount, by: spansPerRequest).map { first in
    QueuedBatch(
        signal: .traces, payload: payload(firstSpan: first, spanCount: spansPerRequest),
        itemCount: spansPerRequest, enqueuedAt: clock.now)
}
let start = clock.now
for first in stride(from: 0, to: requests.count, by: requestsPerLot) {
    let lot = Lot(Array(requests[first..<min(first + requestsPerLot, requests.count)]))
    guard exporter.export(lot) == .accepted() else { fatalError("a lot was not accepted") }
}
// Closing moves the write-ahead log into the file; the shell's time includes that too.
exporter.close()
let seconds = (clock.now - start).seconds
print(Int(Double(requests.count * spansPerRequest) / seconds))
