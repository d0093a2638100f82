public import Configuration
import OTLP
public import Pipeline
import Platform
import Synchronization

/// `debug`: prints telemetry for a person to read.
final class DebugExporter: Exporter {
    private let settings: DebugSettings
    private let clock: any Clock
    private let outputs: [TextOutput]
    private let sampler: Mutex<DebugSampler>

    init(_ settings: DebugSettings, clock: any Clock) throws(ComponentError) {
        self.settings = settings
        self.clock = clock
        var outputs: [TextOutput] = []
        for path in settings.outputPaths { outputs.append(try TextOutput(path)) }
        self.outputs = outputs
        sampler = Mutex(
            DebugSampler(
                initial: settings.samplingInitial, thereafter: settings.samplingThereafter))
    }

    func export(_ lot: Lot) -> ExportOutcome {
        let text: [UInt8]
        do throws(WireError) { text = try self.text(of: lot) } catch { return .unreadable(error) }
        guard !text.isEmpty else { return .accepted() }
        for output in outputs {
            do throws(SystemError) {
                try output.write(text, by: clock.now + TextOutput.writeTimeMax)
            } catch {
                let reason = "\(output.name): \(error)"
                // Nobody reads right now. Any other fault (a closed pipe, a full disk) must not
                // turn into a queue that refuses data for the sake of a print-out.
                return error.isTimeout
                    ? .retry(after: nil, because: reason) : .reject(because: reason)
            }
        }
        return .accepted()
    }

    func abort() { for output in outputs { output.abort() } }
    func close() {}

    private func text(of lot: Lot) throws(WireError) -> [UInt8] {
        var text = DebugText(
            time: CivilTime(unixNanoseconds: clock.unixNanoseconds), bytesMax: lot.workBytesMax)
        var index = TelemetryIndex()
        for batch in lot.batches {
            switch sampler.withLock({ $0.admit(at: clock.now) }) {
            case .suppress: continue
            case .print(let suppressedCount): text.noteSuppressed(suppressedCount)
            }
            try batch.index(into: &index, bytesMax: lot.workBytesMax)
            text.append(batch.payload, index, settings.verbosity)
        }
        return text.finish()
    }
}

public enum DebugExporterFactory: ExporterFactory {
    public static let type = "debug"
    /// What the Collector called it before.
    public static let aliases = ["logging"]

    public static func read(_ reader: inout MappingReader) -> DebugSettings {
        DebugSettings(&reader)
    }

    public static func delivery(_ settings: DebugSettings) -> DeliverySettings {
        settings.delivery
    }

    public static func make(
        _ settings: DebugSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Exporter {
        try DebugExporter(settings, clock: environment.clock)
    }
}
