import Bytes
public import Configuration
public import OTLP
public import Pipeline

/// `span_limits`: bounds what one span may carry, as an SDK's span limits do at the source.
public struct SpanLimits: Processor {
    private let settings: SpanLimitsSettings
    private let metrics: SpanLimitsMetrics

    init(_ settings: SpanLimitsSettings, _ environment: ComponentEnvironment) {
        self.settings = settings
        metrics = SpanLimitsMetrics(environment.metrics, processor: environment.id)
    }

    public func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        var tally = SpanLimitsTally()
        try batch.apply(gather(batch.edit(), batch.index, batch.payload.rawSpan, &tally))
        metrics.add(tally)
    }

    private func gather(
        _ edit: consuming PayloadEdit, _ index: TelemetryIndex, _ payload: RawSpan,
        _ tally: inout SpanLimitsTally
    ) -> PayloadEdit {
        var edit = edit
        for (position, item) in index.items.enumerated() where !edit.isTooLarge {
            var trim = SpanTrim(settings, position, tally)
            trim.gather(item, payload, &edit)
            tally = trim.tally
        }
        return edit
    }
}

public enum SpanLimitsFactory: ProcessorFactory {
    public static let type = "span_limits"
    public static let signals: Set<Signal> = [.traces]

    public static func read(_ reader: inout MappingReader) -> SpanLimitsSettings {
        SpanLimitsSettings(&reader)
    }

    public static func make(
        _ settings: SpanLimitsSettings, _ environment: ComponentEnvironment
    ) -> any Processor {
        SpanLimits(settings, environment)
    }
}
