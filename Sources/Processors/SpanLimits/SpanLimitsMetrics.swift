import Telemetry

/// What the limits took from one batch.
struct SpanLimitsTally {
    var attributes = 0
    var events = 0
    var links = 0
    /// Values that were cut.
    var values = 0
}

struct SpanLimitsMetrics: Sendable {
    private let attributes: Counter
    private let events: Counter
    private let links: Counter
    private let values: Counter

    init(_ registry: MetricRegistry, processor: String) {
        let dropped = registry.counter(
            "sluice_processor_span_limits_dropped",
            help: "Parts of spans that were dropped because the span had too many.",
            labels: ["processor", "part"])
        attributes = dropped.with(processor, "attribute")
        events = dropped.with(processor, "event")
        links = dropped.with(processor, "link")
        values = registry.counter(
            "sluice_processor_span_limits_shortened_values",
            help: "Attribute values that were cut because they were too long.",
            labels: ["processor"]
        ).with(processor)
    }

    func add(_ tally: SpanLimitsTally) {
        attributes.add(tally.attributes)
        events.add(tally.events)
        links.add(tally.links)
        values.add(tally.values)
    }
}
