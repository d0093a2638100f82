import Configuration

/// Loads from a dictionary of files and one of variables.
func loading(
    files: [String: String], settings: [String] = [], environment: [String: String] = [:],
    configs: [String]? = nil
) -> (root: ConfigurationNode, report: String) {
    let sources = ConfigurationSources(
        environment: { environment[$0] },
        readFile: { (path) throws(ConfigurationSources.ReadError) in
            guard let text = files[path] else {
                throw ConfigurationSources.ReadError(reason: "No such file or directory")
            }
            return Array(text.utf8)
        })
    let diagnostics = Diagnostics()
    let root = ConfigurationLoader(sources: sources).load(
        configs: configs ?? files.keys.sorted(), settings: settings, diagnostics: diagnostics)
    return (root, diagnostics.report())
}
