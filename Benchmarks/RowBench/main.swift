// Measures the rows of the `postgres` exporter: from payloads, 300 distinct requests a case, to
// COPY BINARY. A line a case: ns an item for the index alone, and for index and rows; bytes of a
// row.
//
//     swift build -c release --product RowBench --scratch-path .build/testing \
//         -Xswiftc -enable-testing
//     ROUNDS=2 CASE=spans RowBench        for counting instructions: a round is the same work again
import Bytes
import Glibc
import LoadGenerator
import OTLP
import Pipeline
import Platform

@testable import Exporters

let itemsPerRequest = 100
let requestCount = 300
let receivedAt: UInt64 = 1_790_000_000_000_000_000

/// Spans of ten attributes, 334 bytes of JSON, all different in ids, times and some values.
func tenAttributes(firstSpan: Int) -> [UInt8] {
    var writer = ProtobufWriter(reserving: itemsPerRequest * 512)
    writer.message(1) { group in
        group.message(1) { resource in
            attribute(&resource, 1, "service.name", "service-\(firstSpan / itemsPerRequest % 50)")
            attribute(&resource, 1, "host.name", "host-\(firstSpan / itemsPerRequest % 7)")
        }
        group.message(2) { scope in
            scope.message(1) { $0.string(1, "bench") }
            for number in firstSpan..<(firstSpan + itemsPerRequest) { span(&scope, number) }
        }
    }
    return writer.bytes
}

func span(_ scope: inout ProtobufWriter, _ number: Int) {
    let trace = UInt64(number / 20 + 1) &* 0x9E37_79B9_7F4A_7C15
    let start = receivedAt - 1_000_000_000 + UInt64(number) * 1_000
    scope.message(2) { span in
        span.identifier(1, trace, trace ^ 0x5555)
        span.identifier(2, UInt64(number) &* 0xD1B5_4A32_D192_ED03)
        span.identifier(4, UInt64(number / 2) &* 0xD1B5_4A32_D192_ED03)
        span.string(5, "GET /api/items/{id}")
        span.varint(6, 2)
        span.fixed64(7, start)
        span.fixed64(8, start + UInt64(number % 977) * 10_000)
        attribute(&span, 9, "http.request.method", number % 3 == 0 ? "POST" : "GET")
        attribute(&span, 9, "url.scheme", "https")
        attribute(&span, 9, "url.path", "/api/items/\(number)")
        attribute(&span, 9, "http.route", "/api/items/{id}")
        attribute(&span, 9, "server.address", "shop-\(number % 31).example.com")
        attribute(&span, 9, "network.protocol.version", "1.1")
        attribute(
            &span, 9, "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) r\(number % 99)")
        attribute(&span, 9, "client.address", "10.0.\(number % 200).\(number % 250)")
        span.message(9) { pair in
            pair.string(1, "http.response.status_code")
            pair.message(2) { $0.int(3, number % 50 == 0 ? 500 : 200) }
        }
        span.message(9) { pair in
            pair.string(1, "server.port")
            pair.message(2) { $0.int(3, 443) }
        }
    }
}

func attribute(_ parent: inout ProtobufWriter, _ field: Int, _ key: String, _ value: String) {
    parent.message(field) { pair in
        pair.string(1, key)
        pair.message(2) { $0.string(1, value) }
    }
}

func batch(_ signal: Signal, _ payload: [UInt8]) -> QueuedBatch {
    QueuedBatch(
        signal: signal, payload: payload, itemCount: itemsPerRequest,
        enqueuedAt: Instant(nanoseconds: 0), receivedAt: receivedAt)
}

func generated(_ signal: Signal) -> [QueuedBatch] {
    var generator = RequestGenerator(signal, serviceCount: 10, seed: 1, stream: 0)
    return (0..<requestCount).map { _ in
        batch(
            signal, generator.request(itemCount: itemsPerRequest, unixNanoseconds: receivedAt))
    }
}

func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Nanoseconds of CPU an item: the best round.
func best(_ rounds: Int, _ batches: [QueuedBatch], _ work: () -> Void) -> Double {
    let items = batches.reduce(0) { $0 + $1.itemCount }
    var best = Double.infinity
    for _ in 0..<rounds {
        let start = seconds()
        work()
        best = min(best, seconds() - start)
    }
    return (best / Double(items) * 1e10).rounded() / 10
}

let rounds = getenv("ROUNDS").flatMap { Int(String(cString: $0)) } ?? 40
let only = getenv("CASE").map { String(cString: $0) }
let cases: [(String, () -> [QueuedBatch])] = [
    (
        "ten",
        {
            (0..<requestCount).map {
                batch(.traces, tenAttributes(firstSpan: $0 * itemsPerRequest))
            }
        }
    ),
    ("spans", { generated(.traces) }), ("logs", { generated(.logs) }),
    ("points", { generated(.metrics) }),
]
for (name, make) in cases where only == nil || only == name {
    let batches = make()
    var index = TelemetryIndex()
    let indexing =
        getenv("ROUNDS") != nil
        ? 0
        : best(rounds, batches) {
            for batch in batches {
                guard (try? index.rebuild(over: batch.payload.rawSpan, as: batch.signal)) != nil
                else { fatalError("a payload is not valid") }
            }
        }
    let known = KnownRows()
    var encoder = RowEncoder(known: known, cardinality: Cardinality())
    var bytes = 0
    var rows = 0
    let whole = best(rounds, batches) {
        bytes = 0
        rows = 0
        // Lots of 5,000 items.
        for first in stride(from: 0, to: batches.count, by: 50) {
            encoder.removeAll(now: receivedAt)
            for batch in batches[first..<min(first + 50, batches.count)] { encoder.append(batch) }
            for insert in encoder.dictionaryInserts() {
                known.add(insert.ids, now: Int64(receivedAt))
            }
            for table in FactTable.allCases {
                bytes += encoder.tuples(of: table).byteCount
                rows += encoder.rowCount(of: table)
            }
        }
    }
    print(
        name, "index:", indexing, "ns/item; index and rows:", whole, "ns/item;",
        bytes / max(rows, 1), "bytes/row")
}
