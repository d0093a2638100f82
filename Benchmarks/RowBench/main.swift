// Measures the rows of the `postgres` exporter: from payloads, 300 distinct requests a case, to
// COPY BINARY. A line a case: ns an item, and bytes of a row.
//
//     swift build -c release --product RowBench --scratch-path .build/testing \
//         -Xswiftc -enable-testing
//     ROUNDS=2 CASE=spans RowBench        for counting instructions: a round is the same work again
import BenchPayloads
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
                batch(
                    .traces,
                    tenAttributes(
                        firstSpan: $0 * itemsPerRequest, spanCount: itemsPerRequest,
                        before: receivedAt))
            }
        }
    ),
    ("spans", { generated(.traces) }), ("logs", { generated(.logs) }),
    ("points", { generated(.metrics) }),
]
for (name, make) in cases where only == nil || only == name {
    let batches = make()
    let known = KnownRows()
    var encoder = RowEncoder(known: known, cardinality: Cardinality())
    var bytes = 0
    var rows = 0
    let nanoseconds = best(rounds, batches) {
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
    print(name, nanoseconds, "ns/item;", bytes / max(rows, 1), "bytes/row")
}
