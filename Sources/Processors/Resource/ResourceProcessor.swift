public import Configuration
public import Pipeline

/// `resource`: changes the attributes of resources.
public struct ResourceProcessor: Processor {
    private let editor: ResourceEditor
    private let metrics: PatternMetrics

    init(_ settings: ResourceProcessorSettings, _ environment: ComponentEnvironment) {
        editor = ResourceEditor(actions: settings.actions)
        metrics = PatternMetrics(environment.metrics, processor: environment.id)
    }

    public func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        metrics.add(limitReached: try editor.edit(&batch, context))
    }

    public func growth(of batch: Batch, _ context: RequestContext) -> Int {
        editor.growth(of: batch, context)
    }
}

public struct ResourceProcessorSettings: Sendable {
    var actions: [AttributeAction]
}

public enum ResourceProcessorFactory: ProcessorFactory {
    public static let type = "resource"

    public static func read(_ reader: inout MappingReader) -> ResourceProcessorSettings {
        let actions = reader.list("attributes", read: AttributeAction.read)
        if actions.isEmpty { reader.miss("attributes", "attributes must list one action at least") }
        return ResourceProcessorSettings(actions: actions.compactMap(\.self))
    }

    public static func make(
        _ settings: ResourceProcessorSettings, _ environment: ComponentEnvironment
    ) -> any Processor {
        ResourceProcessor(settings, environment)
    }
}
