public import Configuration
import OTLP
import Pipeline
import Receivers
public import Telemetry

/// A whole configuration, read and checked, from which a gateway can be made. Making a plan opens
/// nothing and starts nothing: it is all that `sluice validate` does.
public struct GatewayPlan: Sendable {
    struct ReceiverPlan: Sendable {
        var id: String
        var settings: ConfigurationNode
        var bodyBytesMax: Int
        var make: @Sendable (ReceiverEnvironment) throws(ComponentError) -> any Receiver
    }

    struct ProcessorPlan: Sendable {
        var id: String
        /// What is wrong with its settings in a pipeline of the signal.
        var faults: @Sendable (Signal) -> [Diagnostics.Diagnostic]
        var make: @Sendable (ComponentEnvironment) throws(ComponentError) -> any Processor
    }

    struct ExporterPlan: Sendable {
        var id: String
        var settings: ConfigurationNode
        var delivery: DeliverySettings
        /// Those that its settings have a destination for.
        var signals: Set<Signal>
        var make: @Sendable (ComponentEnvironment) throws(ComponentError) -> any Exporter

        /// The name of its places in the logs.
        var cursor: String { delivery.cursor ?? id }
    }

    struct PipelinePlan: Sendable {
        var id: String
        var signal: Signal
        var receivers: [String]
        var processors: [String]
        var exporters: [String]
    }

    var receivers: [ReceiverPlan] = []
    var processors: [ProcessorPlan] = []
    var exporters: [ExporterPlan] = []
    var pipelines: [PipelinePlan] = []
    var healthCheck: HealthCheckSettings?
    private var fileStorage: FileStorageSettings?
    var telemetry = TelemetrySettings()
    var limits = LimitSettings()
    var log = LogDirectorySettings()

    /// Reads a loaded configuration. What is wrong goes to `diagnostics`; a plan with errors must
    /// not be run. Components that no pipeline uses are read, and left out.
    public init(_ root: ConfigurationNode, diagnostics: Diagnostics) {
        let service = ServiceConfiguration(
            root, catalogue: Catalogue.components, diagnostics: diagnostics)
        readComponents(of: service, diagnostics)
        for pipeline in service.pipelines { read(pipeline, diagnostics) }
        let used = Set(pipelines.flatMap(\.exporters))
        exporters.removeAll { !used.contains($0.id) }
        let fed = Set(pipelines.flatMap(\.receivers))
        receivers.removeAll { !fed.contains($0.id) }
        telemetry = MappingReader.read(
            service.telemetry, path: ConfigurationPath("service", "telemetry"),
            diagnostics: diagnostics
        ) { TelemetrySettings(&$0, exporters: exporters.map(\.id)) }
        limits = MappingReader.read(
            service.limits, path: ConfigurationPath("service", "limits"), diagnostics: diagnostics
        ) { LimitSettings(&$0) }
        if let directory = fileStorage?.directory { log.directory = directory }
        log = MappingReader.read(
            service.log, path: ConfigurationPath("service", "log"), diagnostics: diagnostics
        ) {
            LogDirectorySettings(
                &$0, standard: log, bodyBytesMax: receivers.map(\.bodyBytesMax).max() ?? 0)
        }
        checkCursors(service, diagnostics)
    }

    private mutating func readComponents(
        of service: ServiceConfiguration, _ diagnostics: Diagnostics
    ) {
        for component in service.components {
            switch component.kind {
            case .receiver:
                for factory in Catalogue.receivers where factory.type == component.id.type {
                    receivers.append(Self.plan(factory, component, diagnostics))
                }
            case .processor:
                for factory in Catalogue.processors where factory.type == component.id.type {
                    processors.append(Self.plan(factory, component, diagnostics))
                }
            case .exporter:
                for factory in Catalogue.exporters where factory.type == component.id.type {
                    exporters.append(Self.plan(factory, component, diagnostics))
                }
            case .extension:
                let use = service.extensions.first { $0.id == component.id }
                readExtension(component, use, diagnostics)
            case .connector: continue
            }
        }
    }

    /// - Parameter use: where the service names it; one that it doesn't name is read, and left out.
    private mutating func readExtension(
        _ component: ServiceConfiguration.Component, _ use: ServiceConfiguration.Reference?,
        _ diagnostics: Diagnostics
    ) {
        switch component.id.type {
        case FileStorageSettings.type:
            let settings = component.read(diagnostics) { FileStorageSettings(&$0) }
            guard let use else { return }
            if let first = fileStorage {
                diagnostics.warning(
                    at: use.position, path: use.path,
                    "every queue is in one log, whose directory is that of the first "
                        + "file_storage, '\(first.directory ?? log.directory)'")
            } else {
                fileStorage = settings
            }
        default:
            let settings = component.read(diagnostics) { HealthCheckSettings(&$0) }
            guard let use else { return }
            if healthCheck != nil {
                diagnostics.error(
                    at: use.position, path: use.path, "there can be one health_check; remove this")
            } else {
                healthCheck = settings
            }
        }
    }

    /// Two exporters of a pipeline cannot share a place in its log.
    private func checkCursors(_ service: ServiceConfiguration, _ diagnostics: Diagnostics) {
        for pipeline in service.pipelines {
            var owners: [String: String] = [:]
            for reference in pipeline.exporters {
                guard let exporter = exporters.first(where: { $0.id == reference.id.written })
                else { continue }
                if let owner = owners.updateValue(exporter.id, forKey: exporter.cursor) {
                    diagnostics.error(
                        at: reference.position, path: reference.path,
                        "'\(exporter.id)' has the same sending_queue.cursor as '\(owner)'")
                }
            }
        }
    }

    private static func plan<Factory: ReceiverFactory>(
        _ factory: Factory.Type, _ component: ServiceConfiguration.Component,
        _ diagnostics: Diagnostics
    ) -> ReceiverPlan {
        let settings = component.read(diagnostics) { factory.read(&$0) }
        return ReceiverPlan(
            id: component.id.written, settings: component.settings,
            bodyBytesMax: factory.bodyBytesMax(settings)
        ) { environment throws(ComponentError) in try factory.make(settings, environment)
        }
    }

    private static func plan<Factory: ProcessorFactory>(
        _ factory: Factory.Type, _ component: ServiceConfiguration.Component,
        _ diagnostics: Diagnostics
    ) -> ProcessorPlan {
        let settings = component.read(diagnostics) { factory.read(&$0) }
        return ProcessorPlan(
            id: component.id.written, faults: { factory.faults(in: settings, for: $0) }
        ) { environment throws(ComponentError) in try factory.make(settings, environment) }
    }

    private static func plan<Factory: ExporterFactory>(
        _ factory: Factory.Type, _ component: ServiceConfiguration.Component,
        _ diagnostics: Diagnostics
    ) -> ExporterPlan {
        let settings = component.read(diagnostics) { factory.read(&$0) }
        return ExporterPlan(
            id: component.id.written, settings: component.settings,
            delivery: factory.delivery(settings), signals: factory.signals(settings)
        ) { environment throws(ComponentError) in try factory.make(settings, environment) }
    }

    private mutating func read(
        _ pipeline: ServiceConfiguration.Pipeline, _ diagnostics: Diagnostics
    ) {
        let signal = Signal(pipeline.id.signal)
        for reference in pipeline.receivers {
            check(reference, signal, Catalogue.receivers.map { ($0.type, $0.signals) }, diagnostics)
        }
        for reference in pipeline.processors {
            check(
                reference, signal, Catalogue.processors.map { ($0.type, $0.signals) }, diagnostics)
            let processor = processors.first { $0.id == reference.id.written }
            for fault in processor?.faults(signal) ?? [] { diagnostics.report(fault) }
        }
        for reference in pipeline.exporters {
            check(reference, signal, Catalogue.exporters.map { ($0.type, $0.signals) }, diagnostics)
            checkSettings(of: reference, signal, diagnostics)
        }
        pipelines.append(
            PipelinePlan(
                id: pipeline.id.description, signal: signal,
                receivers: pipeline.receivers.map(\.id.written),
                processors: pipeline.processors.map(\.id.written),
                exporters: pipeline.exporters.map(\.id.written)))
    }

    /// A type that is for a signal may have been configured without a destination for it.
    private func checkSettings(
        of reference: ServiceConfiguration.Reference, _ signal: Signal, _ diagnostics: Diagnostics
    ) {
        guard let exporter = exporters.first(where: { $0.id == reference.id.written }),
            let type = Catalogue.exporters.first(where: { $0.type == reference.id.type }),
            type.signals.contains(signal), !exporter.signals.contains(signal)
        else { return }
        diagnostics.error(
            at: reference.position, path: reference.path,
            "'\(reference.id.written)' has no endpoint for \(signal.name); set its 'endpoint' or "
                + "'\(signal.name)_endpoint'")
    }

    private func check(
        _ reference: ServiceConfiguration.Reference, _ signal: Signal,
        _ types: [(type: String, signals: Set<Signal>)], _ diagnostics: Diagnostics
    ) {
        guard let type = types.first(where: { $0.type == reference.id.type }),
            !type.signals.contains(signal)
        else { return }
        let others = Signal.allCases.filter(type.signals.contains).map(\.name)
        diagnostics.error(
            at: reference.position, path: reference.path,
            "'\(reference.id.written)' is not for \(signal.name), only for "
                + others.joined(separator: " and "))
    }
}

extension Signal {
    /// Of a pipeline's id, `signal[/name]`, or of the log of Sluice's own spans.
    init?(pipeline id: String) {
        let name = id.prefix { $0 != "/" }
        let signal = Signal.allCases.first { $0.name == name }
        guard let signal = signal ?? (id == GraphBuilder.ownSpansLog ? .traces : nil) else {
            return nil
        }
        self = signal
    }

    init(_ signal: PipelineSignal) {
        switch signal {
        case .traces: self = .traces
        case .metrics: self = .metrics
        case .logs: self = .logs
        }
    }
}

extension GatewayPlan {
    /// What the process needs to know before there is a gateway.
    public var logLevel: LogLevel { telemetry.logLevel }
    public var logEncoding: LogEncoding { telemetry.logEncoding }
    /// How long SIGTERM may take to deliver what was acknowledged.
    public var shutdownTimeout: Duration { limits.shutdownTimeout }
}
