import Bytes
import OTLP
import Testing

@testable import LoadGenerator

struct RequestGeneratorTests {
    private static let now: UInt64 = 1_795_192_838_000_000_000

    private func index(_ payload: [UInt8], _ signal: Signal) throws -> TelemetryIndex {
        var index = TelemetryIndex()
        try index.rebuild(over: payload.rawSpan, as: signal)
        return index
    }

    private func spans(_ payload: [UInt8]) throws -> [SpanView] {
        let bytes = payload.rawSpan
        return try index(payload, .traces).items.map { SpanView($0.body, in: bytes) }
    }

    private func text(_ range: ByteRange, _ payload: [UInt8]) -> String {
        String(decoding: payload[range.lowerBound..<range.upperBound], as: UTF8.self)
    }

    @Test(arguments: Signal.allCases, [1, 7, 100, 1_000])
    func `A request has exactly the items asked for, all of them valid`(
        signal: Signal, count: Int
    ) throws {
        for serviceCount in [1, 3, 10, 25] {
            var generator = RequestGenerator(signal, serviceCount: serviceCount, seed: 1)
            for _ in 0..<3 {
                let payload = generator.request(itemCount: count, unixNanoseconds: Self.now)
                let index = try index(payload, signal)
                #expect(index.items.count == count)
                #expect(index.faultyItemCount == 0)
                #expect(index.textFaultCount == 0)
                #expect(index.resources.count <= serviceCount)
            }
        }
    }

    /// Readers are quick at what encoders write.
    @Test(arguments: Signal.allCases)
    func `An item's fields stand in the order of their numbers, as encoders write them`(
        signal: Signal
    ) throws {
        var generator = RequestGenerator(signal, serviceCount: 10, seed: 1)
        let payload = generator.request(itemCount: 2_000, unixNanoseconds: Self.now)
        for item in try index(payload, signal).items {
            var reader = WireReader(item.body)
            var numbers: [Int] = []
            while let field = try reader.next(in: payload.rawSpan) { numbers.append(field.number) }
            #expect(numbers == numbers.sorted())
        }
    }

    @Test(arguments: Signal.allCases)
    func `The seed alone decides what is made`(signal: Signal) {
        var one = RequestGenerator(signal, serviceCount: 10, seed: 42)
        var same = RequestGenerator(signal, serviceCount: 10, seed: 42)
        var other = RequestGenerator(signal, serviceCount: 10, seed: 43)
        var previous: [UInt8] = []
        for step in 0..<5 {
            let now = Self.now + UInt64(step) * 1_000
            let payload = one.request(itemCount: 50, unixNanoseconds: now)
            let isSame = payload == same.request(itemCount: 50, unixNanoseconds: now)
            let isOther = payload != other.request(itemCount: 50, unixNanoseconds: now)
            let isNew = payload != previous
            #expect(isSame && isOther && isNew)
            previous = payload
        }
    }

    @Test func `No span id comes twice in all streams of a run`() throws {
        var ids: Set<SpanID> = []
        for stream in 0..<3 {
            var generator = RequestGenerator(.traces, serviceCount: 10, seed: 5, stream: stream)
            for _ in 0..<20 {
                let payload = generator.request(itemCount: 500, unixNanoseconds: Self.now)
                for span in try spans(payload) { ids.insert(span.spanID) }
            }
        }
        #expect(ids.count == 30_000)
    }

    @Test func `Traces are whole across requests, and their spans nest`() throws {
        var generator = RequestGenerator(.traces, serviceCount: 10, seed: 9)
        var traces: [TraceID: [SpanView]] = [:]
        for _ in 0..<50 {
            let payload = generator.request(itemCount: 97, unixNanoseconds: Self.now)
            for span in try spans(payload) { traces[span.traceID, default: []].append(span) }
        }
        #expect(traces.count > 300)
        for spans in traces.values {
            let byID = Dictionary(uniqueKeysWithValues: spans.map { ($0.spanID, $0) })
            #expect(spans.filter { $0.parentSpanID.isZero }.count == 1)
            for span in spans {
                #expect(span.startTime <= span.endTime)
                #expect(span.endTime <= Self.now)
                if span.parentSpanID.isZero { continue }
                let parent = try #require(byID[span.parentSpanID])
                #expect(parent.startTime <= span.startTime)
                #expect(span.endTime <= parent.endTime)
            }
        }
    }

    @Test func `Spans are varied: every kind, errors with exceptions, events and links`() throws {
        var generator = RequestGenerator(.traces, serviceCount: 10, seed: 3)
        let payload = generator.request(itemCount: 20_000, unixNanoseconds: Self.now)
        let spans = try spans(payload)
        #expect(Set(spans.map(\.kind)) == [1, 2, 3, 4, 5])
        let failed = spans.filter { $0.statusCode == 2 }
        #expect((50..<2_000).contains(failed.count))
        #expect(failed.allSatisfy { $0.eventCount == 1 })
        #expect(spans.contains { $0.eventCount == 1 && $0.statusCode == 0 })
        #expect(spans.contains { $0.linkCount == 1 && $0.kind == 5 })
        #expect(try index(payload, .traces).resources.count == 10)
        let attributeCount = spans.reduce(0) { $0 + $1.attributeCount }
        #expect((6..<14).contains(attributeCount / spans.count))
        let bytes = payload.count / spans.count
        #expect((250..<700).contains(bytes), "\(bytes) bytes a span")
        let durations = spans.map { $0.endTime - $0.startTime }.sorted()
        #expect(durations[durations.count * 99 / 100] > 5 * durations[durations.count / 2])
    }

    @Test func `Metrics have all five types, and cumulative ones only grow`() throws {
        var generator = RequestGenerator(.metrics, serviceCount: 2, seed: 3)
        var kinds: Set<MetricKind> = []
        var counts: [String: UInt64] = [:]
        var growths = 0
        var exemplars = 0
        for step in 0..<40 {
            let payload = generator.request(
                itemCount: 33, unixNanoseconds: Self.now + UInt64(step) * 1_000_000)
            let bytes = payload.rawSpan
            let index = try index(payload, .metrics)
            for metric in index.metrics {
                kinds.insert(metric.kind)
                for item in index.items[metric.items] {
                    let point = DataPointView(item.body, metric.kind, in: bytes)
                    #expect(point.startTime == Self.now)
                    #expect(point.attributeCount == 3)
                    exemplars += point.exemplarCount
                    guard metric.kind == .histogram else { continue }
                    #expect(point.bucketCounts.reduce(0, +) == point.count)
                    #expect(point.bucketCounts.count == point.explicitBounds.count + 1)
                    let resource = index.resources[
                        Int(index.scopes[Int(metric.scope)].resource)]
                    let key =
                        text(resource.attributes, payload)
                        + text(item.attributes, payload)
                    if let before = counts[key] {
                        #expect(point.count > before)
                        growths += 1
                    }
                    counts[key] = point.count
                }
            }
        }
        #expect(kinds == [.gauge, .sum, .histogram, .exponentialHistogram, .summary])
        #expect(growths > 20)
        #expect(exemplars > 20)
    }

    @Test func `Exponential buckets hold every observation at its place`() throws {
        var random = LoadRandom(seed: 1)
        var series = MetricSeries()
        for _ in 0..<1_000 { series.advance(&random, LatencyDistribution()) }
        #expect(series.exponentialCounts.reduce(0, +) == series.count)
        let offset = Double(MetricSeries.exponentialOffset)
        let base = 1.090_507_732_665_257_7  // 2^(1/8)
        var estimate = 0.0
        var lower = 1.0
        for _ in 0..<Int(-offset) { lower /= base }
        for count in series.exponentialCounts {
            estimate += Double(count) * lower * (1 + base) / 2
            lower *= base
        }
        #expect((0.98...1.02).contains(estimate / series.sum))
    }

    @Test func `Logs have severities, bodies of two kinds, and mostly a trace`() throws {
        var generator = RequestGenerator(.logs, serviceCount: 10, seed: 3)
        let payload = generator.request(itemCount: 5_000, unixNanoseconds: Self.now)
        let bytes = payload.rawSpan
        let records = try index(payload, .logs).items.map { LogRecordView($0.body, in: bytes) }
        #expect(Set(records.map(\.severityNumber)) == [5, 9, 13, 17])
        #expect(records.allSatisfy { $0.content != .empty && $0.time <= Self.now })
        let traced = records.filter { !$0.traceID.isZero }
        #expect((4_000..<4_900).contains(traced.count))
        #expect(traced.allSatisfy { !$0.spanID.isZero })
        #expect(Set(traced.map(\.traceID)).count > 500)
        #expect(records.contains { text($0.eventName, payload) == "shop.cart.updated" })
        #expect(text(records[0].severityText, payload).isEmpty == false)
    }
}
