import Configuration
import Platform
import Telemetry

/// `service.telemetry`: Sluice's own logs, metrics and spans.
struct TelemetrySettings: Sendable, Equatable {
    var logLevel = LogLevel.info
    var logEncoding = LogEncoding.text
    /// Where `/health`, `/ready` and `/metrics` are; nil turns them off.
    var admin: Endpoint? = Endpoint(.host("localhost", port: 8888))
    var names = ExpositionNames.collectorDefault
    /// Exporters that take the spans of Sluice's own.
    var spanExporters: [String] = []
    var resource = TelemetrySettings.standardResource

    init() {}

    init(_ reader: inout MappingReader, exporters: [String]) {
        var settings = TelemetrySettings()
        _ = reader.mapping("logs") { settings.readLogs(&$0) }
        _ = reader.mapping("metrics") { settings.readMetrics(&$0) }
        _ = reader.mapping("traces") { settings.readTraces(&$0, exporters: exporters) }
        _ = reader.mapping("resource") { settings.readResource(&$0) }
        self = settings
    }

    private mutating func readLogs(_ reader: inout MappingReader) {
        if let name = reader.string("level"), !name.isEmpty {
            if let level = LogLevel(name: name) {
                logLevel = level
            } else if ["dpanic", "panic", "fatal"].contains(name.lowercased()) {
                logLevel = .error
                reader.warning(at: "level", "is taken for error, the highest there is")
            } else {
                reader.error(at: "level", "expected debug, info, warn or error, found '\(name)'")
            }
        }
        if let name = reader.string("encoding") {
            if let encoding = LogEncoding(name: name) {
                logEncoding = encoding
            } else {
                reader.error(at: "encoding", "expected console, text or json, found '\(name)'")
            }
        }
        reader.ignored(
            "development", "disable_caller", "disable_stacktrace", "initial_fields",
            "disable_zap_resource",
            because: "lines carry neither callers nor stack traces")
        reader.ignored("sampling", because: "what a client can cause is rate limited always")
        reader.ignored(
            "output_paths", "error_output_paths", because: "the log goes to standard error")
        reader.ignored("processors", because: "the log goes to standard error; collect it there")
    }

    private mutating func readMetrics(_ reader: inout MappingReader) {
        enum Level: String, CaseIterable { case none, basic, normal, detailed }
        let level = reader.oneOfIgnoringCase("level", default: Level.normal)
        if let address = reader.string("address") {
            reader.warning(at: "address", "is the Collector's older form; use 'readers'")
            admin = parse(address, at: "address", &reader)
        }
        if level != .none, reader.node("readers")?.list?.isEmpty == true {
            reader.error(
                at: "readers", "is empty: leave it out, or turn metrics off with 'level: none'")
        }
        var readerCount = 0
        for pull in reader.list("readers", read: { Self.readReader(&$0) }) {
            guard let pull else { continue }
            readerCount += 1
            if readerCount > 1 {
                reader.error(at: "readers", "only one Prometheus reader is built")
            }
            admin = pull.endpoint
            names = pull.names
        }
        reader.ignored("views", because: "the metrics are fixed")
        if level == .none {
            reader.warning(at: "level", "turns off /metrics, and /health and /ready with it")
            admin = nil
        }
    }

    private static func readReader(
        _ reader: inout MappingReader
    ) -> (endpoint: Endpoint, names: ExpositionNames)? {
        if reader.node("periodic") != nil {
            reader.warning(
                at: "periodic", "is ignored: pushing metrics is not built yet; scrape /metrics")
        }
        var found: (endpoint: Endpoint, names: ExpositionNames)?
        _ = reader.mapping("pull", null: .absent) { pull in
            _ = pull.mapping("exporter") { exporter in
                found = exporter.mapping("prometheus") { readPrometheus(&$0) }
                exporter.ignored("opencensus", because: "OpenCensus is retired")
            }
            pull.ignored("producers", "cardinality_limits", because: "the metrics are fixed")
        }
        return found
    }

    private static func readPrometheus(
        _ reader: inout MappingReader
    ) -> (endpoint: Endpoint, names: ExpositionNames) {
        let host = reader.string("host", default: "localhost")
        let port = reader.int("port", default: 8888, in: 0...65_535)
        let names = ExpositionNames(
            hasTypeSuffix: !reader.bool("without_type_suffix", default: false),
            hasUnitSuffix: !reader.bool("without_units", default: false))
        reader.ignored(
            "without_scope_info", "without_target_info", "with_resource_constant_labels",
            "translation_strategy",
            because: "scope and resource labels are not shown")
        return (Endpoint(.host(host, port: UInt16(port))), names)
    }

    private mutating func readTraces(_ reader: inout MappingReader, exporters: [String]) {
        spanExporters = reader.strings("exporters", default: [])
        for id in spanExporters where !exporters.contains(id) {
            reader.error(
                at: "exporters", "'\(id)' is not an exporter that a pipeline uses")
        }
        if reader.isGiven("processors") {
            reader.warning(
                at: "processors",
                "is ignored: name exporters of this file, 'exporters: [otlp_http]'")
        }
        reader.ignored("level", because: "spans are recorded where the client samples its trace")
        reader.ignored("sampler", because: "the client's sampling decision is followed")
        reader.ignored("propagators", because: "W3C trace context is used")
    }

    private func parse(_ text: String, at key: String, _ reader: inout MappingReader) -> Endpoint? {
        do throws(EndpointError) {
            return try Endpoint(parsing: text)
        } catch {
            reader.error(at: key, error.description)
            return admin
        }
    }
}
