import Bytes
public import Configuration
public import OTLP
public import Pipeline
import Telemetry

/// `probabilistic_sampler`: keeps a share of the traces, or of the log records.
public struct ProbabilisticSampler: Processor {
    let settings: ProbabilisticSamplerSettings
    let sampler: Sampler
    let hash: SamplingHash
    public var isSampling: Bool { true }
    private let metrics: SamplingMetrics
    private let log: Logger

    init(_ settings: ProbabilisticSamplerSettings, _ environment: ComponentEnvironment) {
        self.settings = settings
        sampler = Sampler(settings)
        hash = SamplingHash(seed: settings.hashSeed)
        metrics = SamplingMetrics(environment.metrics, attribute: settings.fromAttribute)
        log = environment.log
    }

    public func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        var tally = SamplingTally()
        switch batch.signal {
        case .traces:
            try batch.apply(
                gatherSpans(batch.edit(), batch.index, batch.payload.rawSpan, &tally))
        case .logs:
            try batch.apply(
                gatherLogRecords(batch.edit(), batch.index, batch.payload.rawSpan, &tally))
        case .metrics: preconditionFailure("BUG: a sampler in a pipeline of metrics")
        }
        metrics.add(tally, batch.signal)
        if tally.faultCount > 0 {
            log.rateLimited.debug(
                "items whose sampling information could not be used were decided by fail_closed",
                LogField("count", tally.faultCount))
        }
    }
}

public enum ProbabilisticSamplerFactory: ProcessorFactory {
    public static let type = "probabilistic_sampler"
    public static let signals: Set<Signal> = [.traces, .logs]

    public static func read(_ reader: inout MappingReader) -> ProbabilisticSamplerSettings {
        ProbabilisticSamplerSettings(&reader)
    }

    public static func make(
        _ settings: ProbabilisticSamplerSettings, _ environment: ComponentEnvironment
    ) -> any Processor {
        ProbabilisticSampler(settings, environment)
    }
}
