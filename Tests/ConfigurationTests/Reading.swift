import Configuration

/// Reads a text as one component's settings under `exporters.test`; gives the value and the report.
func reading<Value>(
    _ yaml: String, _ read: (inout MappingReader) -> Value
) -> (value: Value, report: String) {
    let diagnostics = Diagnostics()
    let root =
        YAML.parse(yaml, file: "test.yaml", diagnostics: diagnostics)
        ?? ConfigurationNode(.null, at: SourcePosition(file: "test.yaml"))
    let value = MappingReader.read(
        root, path: ConfigurationPath("exporters", "test"), diagnostics: diagnostics, read)
    return (value, diagnostics.report())
}

/// Only the report, for tables of errors.
func report(_ yaml: String, _ read: (inout MappingReader) -> Void) -> String {
    reading(yaml, read).report
}

/// The tree of a valid text.
func parsed(_ yaml: String) -> ConfigurationNode? {
    let diagnostics = Diagnostics()
    let root = YAML.parse(yaml, file: "test.yaml", diagnostics: diagnostics)
    return diagnostics.hasErrors ? nil : root
}

/// What parsing reports.
func parseReport(_ yaml: [UInt8]) -> String {
    let diagnostics = Diagnostics()
    _ = YAML.parse(yaml, file: "test.yaml", diagnostics: diagnostics)
    return diagnostics.report()
}
