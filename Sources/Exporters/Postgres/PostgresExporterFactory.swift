public import Configuration
public import Pipeline

/// `postgres`: traces, metrics and logs into PostgreSQL or TimescaleDB.
public enum PostgresExporterFactory: ExporterFactory {
    public static let type = "postgres"
    public static let aliases = ["postgresql"]

    public static func read(_ reader: inout MappingReader) -> PostgresSettings {
        PostgresSettings(&reader)
    }

    public static func delivery(_ settings: PostgresSettings) -> DeliverySettings {
        settings.delivery
    }

    /// Needs no server: what comes waits in the log until there is one.
    public static func make(
        _ settings: PostgresSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Exporter {
        try PostgresExporter(settings, environment)
    }
}
