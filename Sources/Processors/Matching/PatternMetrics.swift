import Telemetry

/// What processors with patterns count.
struct PatternMetrics: Sendable {
    private let limitReached: Counter

    init(_ registry: MetricRegistry, processor: String) {
        limitReached = registry.counter(
            "sluice_processor_pattern_limit_reached",
            help:
                "Matches of regular expressions that were given up at a limit, and did not match.",
            labels: ["processor"]
        ).with(processor)
    }

    func add(limitReached count: Int) {
        if count > 0 { limitReached.add(count) }
    }
}
