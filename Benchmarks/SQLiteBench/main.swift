// Rows per second through the `sqlite` exporter, and the same rows as a script for the sqlite3
// shell:
//
//     SQLiteBench DIRECTORY [SPANS]
//
// leaves `exporter.db` there and prints the rate. `compare.py` runs it, lets the shell insert the
// same rows, and prints both.

import BenchPayloads
import Exporters
import OTLP
import Pipeline
import Platform
import Telemetry

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
        signal: .traces,
        payload: tenAttributes(
            firstSpan: first, spanCount: spansPerRequest, before: 1_700_000_001_000_000_000),
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
