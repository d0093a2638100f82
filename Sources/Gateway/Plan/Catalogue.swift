import Configuration
import Exporters
import OTLP
import Pipeline
import Processors
import Receivers

/// The components that are built, and what to say of those that are not.
public enum Catalogue {
    public static let receivers = Receivers.all
    public static let processors = Processors.all
    public static let exporters = Exporters.all

    public static let components = ComponentCatalogue([
        .receiver: ComponentCatalogue.Types(
            built: Set(receivers.map { $0.type }),
            aliases: aliases(receivers.map { ($0.type, $0.aliases) }),
            notBuilt: UnbuiltTypes.receivers),
        .processor: ComponentCatalogue.Types(
            built: Set(processors.map { $0.type }),
            aliases: aliases(processors.map { ($0.type, $0.aliases) }),
            notBuilt: UnbuiltTypes.processors),
        .exporter: ComponentCatalogue.Types(
            built: Set(exporters.map { $0.type }),
            aliases: aliases(exporters.map { ($0.type, $0.aliases) }),
            outdated: ["logging"],
            notBuilt: UnbuiltTypes.exporters),
        .extension: ComponentCatalogue.Types(
            built: [HealthCheckSettings.type, FileStorageSettings.type],
            notBuilt: UnbuiltTypes.extensions,
            ignored: UnbuiltTypes.ignoredExtensions),
        .connector: ComponentCatalogue.Types(notBuilt: UnbuiltTypes.connectors),
    ])

    private static func aliases(_ types: [(type: String, aliases: [String])]) -> [String: String] {
        var table: [String: String] = [:]
        for (type, aliases) in types {
            for alias in aliases { table[alias] = type }
        }
        return table
    }
}

extension Catalogue {
    /// The components as YAML, for `sluice components`.
    public static var listing: String {
        func section(_ name: String, _ types: [(String, [String], Set<Signal>)]) -> [String] {
            ["\(name):"]
                + types.sorted { $0.0 < $1.0 }.map { type, aliases, signals in
                    let names = Signal.allCases.filter(signals.contains).map(\.name)
                    let alias = aliases.isEmpty ? "" : "  # also \(aliases.joined(separator: ", "))"
                    return "  \(type): [\(names.joined(separator: ", "))]\(alias)"
                }
        }
        let lines =
            section("receivers", receivers.map { ($0.type, $0.aliases, $0.signals) })
            + section("processors", processors.map { ($0.type, $0.aliases, $0.signals) })
            + section("exporters", exporters.map { ($0.type, $0.aliases, $0.signals) })
            + ["extensions:", "  \(FileStorageSettings.type)", "  \(HealthCheckSettings.type)"]
            + UnbuiltTypes.ignoredExtensions.keys.sorted().map {
                "  \($0)  # accepted, does nothing"
            }
        return lines.joined(separator: "\n")
    }
}
