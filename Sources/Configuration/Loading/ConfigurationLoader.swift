/// Turns `--config` and `--set` arguments into one tree: parsed, merged in order, expanded.
public struct ConfigurationLoader {
    private let sources: ConfigurationSources

    public init(sources: ConfigurationSources = .process) {
        self.sources = sources
    }

    /// - Parameters:
    ///   - configs: Paths, or as in the Collector `file:path`, `env:NAME` or `yaml:text`.
    ///     Later ones win: mappings merge, lists replace.
    ///   - settings: `key.key=value` with a value in YAML, laid over all files in order. With `::`
    ///     instead of dots a key may hold a dot.
    /// - Returns: A mapping, as much of it as could be read. Faults are in `diagnostics`.
    public func load(
        configs: [String], settings: [String] = [], diagnostics: Diagnostics
    ) -> ConfigurationNode {
        let start = SourcePosition(file: configs.first ?? "configuration", line: 1, column: 1)
        var root = ConfigurationNode(.mapping([]), at: start)
        for config in configs {
            guard let node = read(config, diagnostics)?.splittingKeys() else {
                diagnostics.markIncomplete()
                continue
            }
            if node.entries != nil {
                root = root.merging(node)
            } else if node.isNull {
                diagnostics.warning(at: SourcePosition(file: config), "is empty")
            } else {
                diagnostics.error(
                    at: node.position,
                    "expected a mapping with receivers, exporters and service, found "
                        + node.summary)
            }
        }
        for (index, setting) in settings.enumerated() {
            let position = SourcePosition(file: "--set #\(index + 1)")
            do throws(YAMLError) {
                root = root.merging(try ConfigurationLoader.tree(of: setting, at: position))
            } catch {
                diagnostics.error(at: error.position, error.message)
            }
        }
        var expansion = Expansion(sources: sources, diagnostics: diagnostics)
        // What was fetched may have such keys too.
        return expansion.expand(root).splittingKeys()
    }

    private func read(_ config: String, _ diagnostics: Diagnostics) -> ConfigurationNode? {
        if config.hasPrefix("yaml:") {
            return YAML.parse(String(config.dropFirst(5)), file: "yaml:", diagnostics: diagnostics)
        }
        if config.hasPrefix("env:") {
            if let text = sources.environment(String(config.dropFirst(4))) {
                return YAML.parse(text, file: config, diagnostics: diagnostics)
            }
            diagnostics.error(
                at: SourcePosition(file: config), "the environment variable is not set")
            return nil
        }
        let path = config.hasPrefix("file:") ? String(config.dropFirst(5)) : config
        do throws(ConfigurationSources.ReadError) {
            return YAML.parse(try sources.readFile(path), file: path, diagnostics: diagnostics)
        } catch {
            diagnostics.error(at: SourcePosition(file: path), "can't be read: \(error.reason)")
            return nil
        }
    }

    /// `a.b=c` as the mapping `{a: {b: c}}`.
    private static func tree(
        of setting: String, at position: SourcePosition
    ) throws(YAMLError) -> ConfigurationNode {
        guard let equals = setting.firstIndex(of: "=") else {
            throw YAMLError(
                position: position,
                message: "expected key=value, for example exporters.otlp_http.timeout=5s")
        }
        let path = setting[..<equals]
        let keys = path.split(at: path.contains("::") ? "::" : ".")
        guard !keys.contains(where: \.isEmpty), keys.count <= YAMLComposer.depthMax else {
            throw YAMLError(
                position: position, message: "'\(String(path).shortened)' is no path of keys")
        }
        if keys.contains(where: { $0.hasSuffix("]") }) {
            throw YAMLError(
                position: position,
                message: "a list is set as a whole: \(keys[0].prefix { $0 != "[" })…='[a, b]'")
        }
        let text = setting[setting.index(after: equals)...]
        let (value, errors) = try YAMLComposer.compose(
            Array(text.utf8), file: position.file, fixedPosition: position)
        if let error = errors.first {
            throw YAMLError(position: position, message: error.message)
        }
        return keys.reversed().reduce(value) { tree, key in
            ConfigurationNode(
                .mapping([
                    ConfigurationNode.Entry(key: String(key), keyPosition: position, value: tree)
                ]), at: position)
        }
    }
}
