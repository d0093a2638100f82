import Bytes
import Configuration
import OTLP
import Pipeline
import Platform
import Synchronization
import Telemetry

@testable import Exporters

/// What an exporter under test is made with, and what it logged and counted.
final class ExporterTesting: Sendable {
    let clock = ManualClock(unixNanoseconds: 1_795_192_837_123_456_789)
    let metrics = MetricRegistry()
    private let logged = Mutex<[String]>([])

    var logLines: [String] { logged.withLock { $0 } }

    func environment(_ id: String) -> ComponentEnvironment {
        let output = LogOutput(
            level: .debug, encoding: .text, clock: clock,
            sink: { [self] line in
                logged.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
                return true
            })
        return ComponentEnvironment(id: id, log: Logger(output), metrics: metrics, clock: clock)
    }

    /// The exporter that the YAML describes, which must be without errors.
    func make<Factory: ExporterFactory>(
        _ factory: Factory.Type, _ yaml: String
    ) throws -> any Exporter {
        let (settings, report) = read(factory, yaml)
        guard !report.contains("error:") else { throw ComponentError(report) }
        return try factory.make(settings, environment(factory.type))
    }
}

/// An exporter's settings under `exporters.test`, and what was said about them.
func read<Factory: ExporterFactory>(
    _ factory: Factory.Type, _ yaml: String
) -> (settings: Factory.Settings, report: String) {
    let diagnostics = Diagnostics()
    let root =
        YAML.parse(yaml, file: "test.yaml", diagnostics: diagnostics)
        ?? ConfigurationNode(.null, at: SourcePosition(file: "test.yaml"))
    let settings = MappingReader.read(
        root, path: ConfigurationPath("exporters", "test"), diagnostics: diagnostics
    ) { factory.read(&$0) }
    return (settings, diagnostics.report())
}

/// An OTLP request that a test writes as JSON.
func payload(_ signal: Signal, _ json: String) throws -> [UInt8] {
    try OTLPJSON.transcode(Array(json.utf8).rawSpan, as: signal, outputBytesMax: 1 << 20).protobuf
}

func batch(
    _ signal: Signal, _ payload: [UInt8], trace: TraceContext? = nil
) throws -> QueuedBatch {
    var index = TelemetryIndex()
    try index.rebuild(over: payload.rawSpan, as: signal)
    return QueuedBatch(
        signal: signal, payload: payload, itemCount: index.items.count,
        enqueuedAt: Instant(nanoseconds: 0), trace: trace)
}

func lot(_ signal: Signal, _ payloads: [UInt8]...) throws -> Lot {
    Lot(try payloads.map { try batch(signal, $0) })
}

/// A request with one span of that name, and a field that no .proto file knows.
func oneSpan(_ name: String = "GET /") throws -> [UInt8] {
    let span = """
        {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"\(name)"}
        """
    let known = try payload(
        .traces, #"{"resourceSpans":[{"scopeSpans":[{"spans":[\#(span)]}]}]}"#)
    var unknown = ProtobufWriter()
    unknown.string(99, "kept")
    return known + unknown.bytes
}
