/// What is added to names in a scrape.
///
/// The Collector's own default reader translates names without suffixes (`createDefaultConfig` of
/// its `service/telemetry/otelconftelemetry`; a published scrape of v0.160 agrees):
/// `otelcol_receiver_accepted_spans` without `_total`, `otelcol_process_uptime` without
/// `_seconds`. As soon as a configuration names a Prometheus reader itself,
/// `without_type_suffix` and `without_units` are false there, and the names become
/// `…_spans_total` and `…_uptime_seconds_total` (its issue 13867). So both are needed.
public struct ExpositionNames: Sendable, Equatable {
    /// Counters end in `_total`: `without_type_suffix: false`.
    public let hasTypeSuffix: Bool
    /// `_seconds` and `_bytes`: `without_units: false`.
    public let hasUnitSuffix: Bool

    public init(hasTypeSuffix: Bool, hasUnitSuffix: Bool) {
        self.hasTypeSuffix = hasTypeSuffix
        self.hasUnitSuffix = hasUnitSuffix
    }

    /// What the Collector shows when its configuration says nothing about readers.
    public static let collectorDefault = ExpositionNames(
        hasTypeSuffix: false, hasUnitSuffix: false)
    /// What the Collector shows for a reader that its configuration names.
    public static let configuredReader = ExpositionNames(hasTypeSuffix: true, hasUnitSuffix: true)

    /// The name of a family, without the `_total` that a counter's sample may get.
    func base(_ description: MetricDescription) -> String {
        guard hasUnitSuffix, description.unit != .none else { return description.name }
        let suffix = "_\(description.unit.rawValue)"
        return description.name.hasSuffix(suffix) ? description.name : description.name + suffix
    }
}

extension MetricRegistry {
    /// All metrics, as the body of an answer with `format.contentType`.
    public func exposition(
        _ format: ExpositionFormat, names: ExpositionNames = .collectorDefault
    ) -> [UInt8] {
        var samples = SampleWriter(format: format, names: names)
        for family in sortedFamilies() {
            samples.start(family.description)
            family.write(&samples)
        }
        return samples.finish()
    }
}
