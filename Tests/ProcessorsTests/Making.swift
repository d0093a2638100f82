import Configuration
import OTLP
import Pipeline
import Platform
import Telemetry

/// What a processor under test is given, and what it leaves there.
struct Bench {
    let clock = ManualClock()
    let metrics = MetricRegistry()

    var environment: ComponentEnvironment {
        let output = LogOutput(level: .error, encoding: .text, clock: clock, sink: { _ in true })
        return ComponentEnvironment(
            id: "test", log: Logger(output), metrics: metrics, clock: clock)
    }

    func make<Factory: ProcessorFactory>(
        _ factory: Factory.Type, _ yaml: String
    ) throws -> any Processor {
        let (settings, report) = reading(yaml, Factory.read)
        if report.contains("error") { throw ComponentError(report) }
        return try Factory.make(settings, environment)
    }

    /// The value of a series as `/metrics` shows it; nil where there is none.
    func sample(_ series: String) -> String? {
        String(decoding: metrics.exposition(.prometheusText), as: UTF8.self)
            .split(separator: "\n")
            .first { $0.hasPrefix(series + " ") }
            .map { String($0.dropFirst(series.count + 1)) }
    }
}

/// Reads a text as one processor's settings; gives the value and what the diagnostics say.
func reading<Value>(
    _ yaml: String, _ read: (inout MappingReader) -> Value
) -> (value: Value, report: String) {
    let diagnostics = Diagnostics()
    let root =
        YAML.parse(yaml, file: "test.yaml", diagnostics: diagnostics)
        ?? ConfigurationNode(.null, at: SourcePosition(file: "test.yaml"))
    let value = MappingReader.read(
        root, path: ConfigurationPath("processors", "test"), diagnostics: diagnostics, read)
    return (value, diagnostics.report())
}

/// What one processor makes of a batch.
func processed<Factory: ProcessorFactory>(
    _ factory: Factory.Type, _ yaml: String, _ batch: Batch,
    _ context: RequestContext = RequestContext(receivedAt: 0), bench: Bench = Bench()
) throws -> Batch {
    var batch = batch
    try bench.make(factory, yaml).process(&batch, context)
    return batch
}
