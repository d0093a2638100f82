public import Pipeline

/// Every exporter that a configuration can name.
public enum Exporters {
    public static let all: [any ExporterFactory.Type] = [
        DebugExporterFactory.self,
        FileExporterFactory.self,
        NopExporterFactory.self,
        OTLPHTTPExporterFactory.self,
        PostgresExporterFactory.self,
        SQLiteExporterFactory.self,
        ZipkinExporterFactory.self,
    ]
}
