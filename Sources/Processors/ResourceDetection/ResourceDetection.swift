public import Configuration
public import Pipeline
import Telemetry

/// `resourcedetection`: adds what is known of the place that the gateway runs in to every resource.
public struct ResourceDetection: Processor {
    private let editor: ResourceEditor

    init(
        _ settings: ResourceDetectionSettings, _ environment: ComponentEnvironment,
        _ sources: DetectionSources
    ) {
        var detection = Detection(settings, sources)
        detection.run()
        for problem in detection.problems {
            environment.log.warn("resource detection", LogField("problem", problem))
        }
        let found = detection.attributes.list
        editor = ResourceEditor(
            actions: found.map { key, value in
                let source = ValueSource.constant(value.encoded)
                return AttributeAction(
                    key: Array(key.utf8),
                    kind: settings.overrides ? .upsert(source) : .insert(source))
            })
        // Keys alone: a variable's values may be nobody's business.
        environment.log.info(
            "resource detected", LogField("keys", found.map(\.key).joined(separator: ",")))
    }

    public func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        _ = try editor.edit(&batch, context)
    }

    public func growth(of batch: Batch, _ context: RequestContext) -> Int {
        editor.growth(of: batch, context)
    }
}

public enum ResourceDetectionFactory: ProcessorFactory {
    public static let type = "resourcedetection"
    /// The Collector's new name for it.
    public static let aliases = ["resource_detection"]

    public static func read(_ reader: inout MappingReader) -> ResourceDetectionSettings {
        ResourceDetectionSettings(&reader)
    }

    public static func make(
        _ settings: ResourceDetectionSettings, _ environment: ComponentEnvironment
    ) -> any Processor {
        ResourceDetection(settings, environment, .machine)
    }
}
