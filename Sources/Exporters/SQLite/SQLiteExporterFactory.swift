public import Configuration
public import Pipeline

/// `sqlite`: all telemetry into one SQLite file.
public enum SQLiteExporterFactory: ExporterFactory {
    public static let type = "sqlite"

    public static func read(_ reader: inout MappingReader) -> SQLiteSettings {
        SQLiteSettings(&reader)
    }

    public static func delivery(_ settings: SQLiteSettings) -> DeliverySettings {
        settings.delivery
    }

    /// Opens the file, makes what is missing, and migrates it.
    public static func make(
        _ settings: SQLiteSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Exporter {
        try SQLiteExporter(settings, environment)
    }
}
