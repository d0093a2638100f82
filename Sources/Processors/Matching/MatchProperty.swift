import Configuration
import OTLP

/// A key of `include` and `exclude` that items are compared by.
enum MatchProperty: String, CaseIterable {
    case services, resources, libraries, attributes
    case spanNames = "span_names"
    case spanKinds = "span_kinds"
    case logBodies = "log_bodies"
    case logSeverityTexts = "log_severity_texts"
    case logSeverityNumber = "log_severity_number"
    case metricNames = "metric_names"

    /// Those whose items may be compared by it, as in the Collector.
    var signals: Set<Signal> {
        switch self {
        case .resources: [.traces, .logs, .metrics]
        case .attributes, .libraries: [.traces, .logs]
        case .services, .spanNames, .spanKinds: [.traces]
        case .logBodies, .logSeverityTexts, .logSeverityNumber: [.logs]
        case .metricNames: [.metrics]
        }
    }

    static func names(for signal: Signal) -> String {
        allCases.filter { $0.signals.contains(signal) }.map(\.rawValue).joined(separator: ", ")
    }
}

/// A property that the configuration gives, and where.
struct GivenMatchProperty: Sendable {
    let property: MatchProperty
    let position: SourcePosition
    let path: ConfigurationPath

    /// nil where a pipeline of the signal may have it.
    func fault(for signal: Signal) -> Diagnostics.Diagnostic? {
        if property.signals.contains(signal) { return nil }
        let hint =
            property == .services ? "; 'resources: [{key: service.name, value: …}]' is" : ""
        return Diagnostics.Diagnostic(
            .error, at: position, path: path,
            "is not for \(signal.name), and a pipeline of \(signal.name) names this processor; "
                + "known there: \(MatchProperty.names(for: signal))\(hint)")
    }
}
