import OTLP
import Telemetry

/// One batch's decisions, counted before they are added to the metrics.
struct SamplingTally {
    /// By policy: not kept, kept.
    private(set) var counts = [Int](repeating: 0, count: 2 * SamplingPolicy.allCases.count)
    private(set) var faultCount = 0

    mutating func count(_ policy: SamplingPolicy, isKept: Bool, isFaulty: Bool) {
        counts[2 * policy.rawValue + (isKept ? 1 : 0)] += 1
        if isFaulty { faultCount += 1 }
    }
}

/// The Collector's counters, by policy and outcome.
struct SamplingMetrics: Sendable {
    private let families: [Signal: MetricFamily<Counter>]
    private let attribute: String

    init(_ registry: MetricRegistry, attribute: String) {
        families = [
            .traces: registry.counter(
                "otelcol_processor_probabilistic_sampler_count_traces_sampled",
                help: "Count of spans that were sampled or not.",
                labels: ["policy", "sampled"]),
            .logs: registry.counter(
                "otelcol_processor_probabilistic_sampler_count_logs_sampled",
                help: "Count of log records that were sampled or not.",
                labels: ["policy", "sampled"]),
        ]
        self.attribute = attribute
    }

    /// Looks a series up for each policy that decided something: a batch has one or two.
    func add(_ tally: SamplingTally, _ signal: Signal) {
        guard let family = families[signal] else { return }
        for policy in SamplingPolicy.allCases {
            for (offset, outcome) in ["false", "true"].enumerated() {
                let count = tally.counts[2 * policy.rawValue + offset]
                guard count > 0 else { continue }
                family.with(policy.name(attribute: attribute), outcome).add(count)
            }
        }
    }
}
