public import Configuration
public import Pipeline

/// `nop`: takes everything and keeps nothing. For measuring, and for trying out a configuration.
final class NopExporter: Exporter {
    func export(_ lot: Lot) -> ExportOutcome { .accepted() }
    func abort() {}
    func close() {}
    var encodes: Bool { false }
}

public enum NopExporterFactory: ExporterFactory {
    public struct Settings: Sendable {}

    public static let type = "nop"

    public static func read(_ reader: inout MappingReader) -> Settings { Settings() }

    public static func delivery(_ settings: Settings) -> DeliverySettings {
        var delivery = DeliverySettings()
        delivery.consumerCount = 1
        // Nothing is gained by looking at batches one by one, or at once.
        delivery.lots = LotLimits(
            itemsMin: 8192, waitMax: .milliseconds(20), mixesSignals: true)
        return delivery
    }

    public static func make(
        _ settings: Settings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Exporter { NopExporter() }
}
