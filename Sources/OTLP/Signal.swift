/// The kinds of telemetry that OTLP carries. A parameter everywhere, never a reason for a copy.
@frozen
public enum Signal: UInt8, Sendable, CaseIterable, Hashable {
    case traces = 0
    case metrics = 1
    case logs = 2

    /// As pipelines are called in the configuration: `traces`, `metrics`, `logs`.
    public var name: String {
        switch self {
        case .traces: "traces"
        case .metrics: "metrics"
        case .logs: "logs"
        }
    }

    /// What is counted, as the Collector's metrics name it: `spans`, `metric_points`,
    /// `log_records`.
    public var itemNoun: String {
        switch self {
        case .traces: "spans"
        case .metrics: "metric_points"
        case .logs: "log_records"
        }
    }
}
