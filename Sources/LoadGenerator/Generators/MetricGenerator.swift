import Bytes
import OTLP

/// Makes metrics of the shop, of all five types, as `ExportMetricsServiceRequest`s.
struct MetricGenerator {
    private let services: [ShopService]
    private let latency = LatencyDistribution()
    private var random: LoadRandom
    private var identifiers: IdentifierSource
    private var envelopes: ServiceEnvelopes
    /// A series for each service and attribute set.
    private var series: [MetricSeries]
    /// The next data point: collection goes round and round, and a request takes a part of it.
    private var position = Position()
    private var startUnixNanoseconds: UInt64?
    private let stream: Int

    private struct Position {
        var service = 0
        var instrument = 0
        var attributeSet = 0
    }

    init(services: [ShopService], seed: UInt64, stream: Int) {
        self.services = services
        self.stream = stream
        random = LoadRandom(seed: seed &+ LoadRandom.mix(UInt64(stream)))
        identifiers = IdentifierSource(seed: seed, stream: stream)
        envelopes = ServiceEnvelopes(services: services)
        series = [MetricSeries](
            repeating: MetricSeries(), count: services.count * MetricAttributes.setCount)
    }

    /// A request of exactly `pointCount` data points.
    mutating func request(pointCount: Int, unixNanoseconds: UInt64) -> [UInt8] {
        let start = startUnixNanoseconds ?? unixNanoseconds
        startUnixNanoseconds = start
        var remaining = pointCount
        while remaining > 0 {
            let service = position.service
            let first = position.attributeSet
            let last = min(first + remaining, MetricAttributes.setCount)
            var writer = envelopes.take(service)
            writeMetric(
                MetricInstrument.all[position.instrument], attributeSets: first..<last,
                from: start, to: unixNanoseconds, &writer)
            envelopes.put(writer, service)
            remaining -= last - first
            advance(to: last)
        }
        return envelopes.request()
    }

    private mutating func advance(to attributeSet: Int) {
        position.attributeSet = attributeSet
        guard attributeSet == MetricAttributes.setCount else { return }
        position.attributeSet = 0
        position.instrument += 1
        guard position.instrument == MetricInstrument.all.count else { return }
        position.instrument = 0
        position.service = (position.service + 1) % services.count
    }

    /// `Metric metrics = 2` of `ScopeMetrics`, with its data points.
    private mutating func writeMetric(
        _ instrument: MetricInstrument, attributeSets: Range<Int>, from start: UInt64,
        to time: UInt64, _ writer: inout ProtobufWriter
    ) {
        let service = position.service
        writer.message(2) { metric in
            metric.string(1, instrument.name)
            metric.string(2, instrument.help)
            metric.string(3, instrument.unit)
            metric.message(instrument.kind.dataField) { data in
                for set in attributeSets {
                    let index = service * MetricAttributes.setCount + set
                    // A service is collected once a round: when its first instrument is.
                    if position.instrument == 0 { series[index].advance(&random, latency) }
                    let point = DataPoint(
                        series: series[index],
                        attributes: MetricAttributes.sets[set], stream: stream, start: start,
                        time: time, traceID: identifiers.traceID(), spanID: identifiers.spanID())
                    data.message(1) { point.write(instrument.kind, to: &$0) }
                }
                instrument.kind.writeTemporality(to: &data)
            }
        }
    }
}
