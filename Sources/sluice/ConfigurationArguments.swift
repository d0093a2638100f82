import Configuration
import Gateway

/// `--config` and `--set`, which several commands share.
struct ConfigurationArguments: Sendable {
    static let names: Set<String> = ["--config", "--set"]
    static let help = """
          --config FILE    a configuration file, or '-' for standard input; may be repeated:
                           mappings merge, lists replace (env:NAME and yaml:TEXT work too)
          --set KEY=VALUE  sets one key over all files: --set exporters.sqlite.path=/tmp/x.db
        """

    let configs: [String]
    let settings: [String]

    init(_ arguments: Arguments) {
        configs = arguments.values("--config")
        settings = arguments.values("--set")
    }

    var isDefault: Bool { configs.isEmpty }

    /// The plan with the tree that it was read from; nil where there are errors. What is wrong or
    /// odd goes to standard error, all at once.
    func load() -> (plan: GatewayPlan, root: ConfigurationNode, secrets: Set<ConfigurationPath>)? {
        let diagnostics = Diagnostics()
        let sources = isDefault ? ["yaml:" + GatewayPlan.defaultConfiguration] : configs
        let root = ConfigurationLoader().load(
            configs: sources, settings: settings, diagnostics: diagnostics)
        let plan = GatewayPlan(root, diagnostics: diagnostics)
        let report = diagnostics.report()
        if !report.isEmpty { printError(report) }
        return diagnostics.hasErrors ? nil : (plan, root, diagnostics.secretPaths)
    }
}
