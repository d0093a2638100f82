public import OTLP

/// Makes requests of one signal, full of varied telemetry of one shop.
///
/// Pure: the same seed, stream and times give the same bytes. Two streams of one seed share no id.
/// Every request is valid OTLP, so that whatever a receiver rejects is the receiver's mistake.
public struct RequestGenerator {
    private enum Generator {
        case traces(TraceGenerator)
        case metrics(MetricGenerator)
        case logs(LogGenerator)
        /// Taken out, while it makes a request.
        case none
    }

    private var generator: Generator

    /// - Parameters:
    ///   - serviceCount: at least 1, at most `Shop.servicesMax`.
    ///   - stream: which of several generators this is, such as the connection's number.
    public init(_ signal: Signal, serviceCount: Int, seed: UInt64, stream: Int = 0) {
        let shop = Shop(serviceCount: serviceCount)
        generator =
            switch signal {
            case .traces: .traces(TraceGenerator(shop: shop, seed: seed, stream: stream))
            case .metrics:
                .metrics(MetricGenerator(services: shop.services, seed: seed, stream: stream))
            case .logs: .logs(LogGenerator(services: shop.services, seed: seed, stream: stream))
            }
    }

    /// An `Export…ServiceRequest` in protobuf with exactly `itemCount` spans, data points or log
    /// records, none later than `unixNanoseconds`.
    public mutating func request(itemCount: Int, unixNanoseconds: UInt64) -> [UInt8] {
        switch generator {
        case .traces(var traces):
            // The generator is taken out for a moment: two references would copy its buffers.
            generator = .none
            defer { generator = .traces(traces) }
            return traces.request(spanCount: itemCount, unixNanoseconds: unixNanoseconds)
        case .metrics(var metrics):
            generator = .none
            defer { generator = .metrics(metrics) }
            return metrics.request(pointCount: itemCount, unixNanoseconds: unixNanoseconds)
        case .logs(var logs):
            generator = .none
            defer { generator = .logs(logs) }
            return logs.request(recordCount: itemCount, unixNanoseconds: unixNanoseconds)
        case .none: preconditionFailure("BUG: a request was made within another")
        }
    }
}
