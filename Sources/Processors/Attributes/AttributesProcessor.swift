import Bytes
public import Configuration
public import OTLP
public import Pipeline

/// `attributes`: changes the attributes of the spans, log records or data points that match.
public struct AttributesProcessor: Processor {
    private let settings: AttributesProcessorSettings
    private let metrics: PatternMetrics

    init(_ settings: AttributesProcessorSettings, _ environment: ComponentEnvironment) {
        self.settings = settings
        metrics = PatternMetrics(environment.metrics, processor: environment.id)
    }

    public func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        let actions = AttributeActions(settings.actions, context)
        var selection = ItemSelection(include: settings.include, exclude: settings.exclude)
        try batch.apply(
            gather(actions, &selection, batch.edit(), batch.index, batch.payload.rawSpan))
        metrics.add(limitReached: actions.limitReachedCount + selection.limitReachedCount)
    }

    public func growth(of batch: Batch, _ context: RequestContext) -> Int {
        batch.itemCount * AttributeActions.addedBytes(settings.actions, context)
    }

    private func gather(
        _ actions: AttributeActions, _ selection: inout ItemSelection,
        _ edit: consuming PayloadEdit, _ index: TelemetryIndex, _ payload: RawSpan
    ) -> PayloadEdit {
        var edit = edit
        var set = AttributeSet()
        for (position, item) in index.items.enumerated() where !edit.isTooLarge {
            guard selection.contains(item, index, payload) else { continue }
            let field = index.attributesField(of: item)
            set.load(item.attributes, field: field, in: payload)
            actions.apply(to: &set, in: payload)
            let end =
                item.attributeCount > 0 ? item.attributes.upperBound : item.body.upperBound
            set.write(to: &edit, field: field, end: end, inside: .item(position), in: payload)
        }
        return edit
    }
}

public struct AttributesProcessorSettings: Sendable {
    var include: ItemMatcher?
    var exclude: ItemMatcher?
    var actions: [AttributeAction]
}

public enum AttributesProcessorFactory: ProcessorFactory {
    public static let type = "attributes"

    public static func read(_ reader: inout MappingReader) -> AttributesProcessorSettings {
        let include = reader.mapping("include", null: .absent, read: ItemMatcher.read)
        let exclude = reader.mapping("exclude", null: .absent, read: ItemMatcher.read)
        let actions = reader.list("actions", read: AttributeAction.read)
        if actions.isEmpty { reader.miss("actions", "actions must list one action at least") }
        return AttributesProcessorSettings(
            include: include, exclude: exclude, actions: actions.compactMap(\.self))
    }

    public static func faults(
        in settings: AttributesProcessorSettings, for signal: Signal
    ) -> [Diagnostics.Diagnostic] {
        [settings.include, settings.exclude].compactMap(\.self)
            .flatMap { $0.faults(for: signal) }
    }

    public static func make(
        _ settings: AttributesProcessorSettings, _ environment: ComponentEnvironment
    ) -> any Processor {
        AttributesProcessor(settings, environment)
    }
}
