public import OTLP

/// One counter for each kind of item: `…_spans`, `…_metric_points`, `…_log_records`.
public struct SignalCounters: Sendable {
    public let spans: Counter
    public let metricPoints: Counter
    public let logRecords: Counter

    public subscript(_ signal: Signal) -> Counter {
        switch signal {
        case .traces: spans
        case .metrics: metricPoints
        case .logs: logRecords
        }
    }

    /// - Parameters:
    ///   - prefix: what stands before the item, such as `otelcol_receiver_accepted_`.
    ///   - help: a sentence with `%` where the item's name goes.
    init(
        _ registry: MetricRegistry, prefix: String, help: String,
        labels: KeyValuePairs<String, String>
    ) {
        func counter(_ signal: Signal) -> Counter {
            let words = signal.itemNoun.split(separator: "_").joined(separator: " ")
            return registry.counter(
                prefix + signal.itemNoun,
                help: help.split(separator: "%").joined(separator: words),
                labels: labels.map(\.key)
            ).with(labels.map(\.value))
        }
        spans = counter(.traces)
        metricPoints = counter(.metrics)
        logRecords = counter(.logs)
    }
}
