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
            notBuilt: [
                "zipkin": "isn't built yet; send OTLP to the 'otlp' receiver",
                "jaeger": "isn't built; Jaeger's clients are retired, send OTLP to 'otlp'",
                "kafka": "isn't built yet; send OTLP to the 'otlp' receiver",
                "prometheus": "isn't built; scrape with a Prometheus agent that exports OTLP",
                "hostmetrics": "isn't built; run a Collector agent that exports OTLP to 'otlp'",
                "filelog": "isn't built; run an agent that exports OTLP to 'otlp'",
            ]),
        .processor: ComponentCatalogue.Types(
            built: Set(processors.map { $0.type }),
            aliases: aliases(processors.map { ($0.type, $0.aliases) }),
            notBuilt: [
                "tail_sampling": "isn't built yet; 'probabilistic_sampler' samples at the head",
                "filter": "isn't built yet; 'attributes' and 'probabilistic_sampler' are",
                "transform": "isn't built yet; 'attributes' and 'resource' change attributes",
                "k8sattributes": "isn't built; 'resourcedetection' reads the downward API",
                "groupbytrace": "isn't built yet",
                "redaction": "isn't built yet; 'attributes' deletes and hashes attributes",
            ]),
        .exporter: ComponentCatalogue.Types(
            built: Set(exporters.map { $0.type }),
            aliases: aliases(exporters.map { ($0.type, $0.aliases) }),
            notBuilt: [
                "otlp": "is OTLP/gRPC, which isn't built yet; use 'otlp_http'",
                "otlp_grpc": "isn't built yet; use 'otlp_http'",
                "logging": "was renamed in the Collector; use 'debug'",
                "jaeger": "isn't built; Jaeger takes OTLP, use 'otlp_http'",
                "kafka": "isn't built yet; use 'otlp_http'",
                "prometheus": "isn't built; use 'otlp_http', which Prometheus takes",
                "prometheusremotewrite": "isn't built; use 'otlp_http', which Prometheus takes",
            ]),
        .extension: ComponentCatalogue.Types(
            built: [HealthCheckSettings.type, FileStorageSettings.type],
            notBuilt: [
                "basicauth": "isn't built yet; put an authenticating proxy before Sluice",
                "bearertokenauth": "isn't built yet; set 'headers' of the exporter",
                "pprof": "isn't built; profile with perf or valgrind",
                "zpages": "isn't built; see /ready and /metrics",
            ]),
        .connector: ComponentCatalogue.Types(),
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
        return lines.joined(separator: "\n")
    }
}
