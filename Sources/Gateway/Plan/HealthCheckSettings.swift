import Configuration
import Platform

/// `extensions.health_check`: the Collector's own health endpoint, beside `/health` and `/ready`.
struct HealthCheckSettings: Sendable, Equatable {
    static let type = "health_check"

    var endpoint = Endpoint(.host("localhost", port: 13133))
    var path = "/"

    init(_ reader: inout MappingReader) {
        endpoint = reader.endpoint("endpoint", default: endpoint)
        path = reader.string("path", default: path)
        if !path.hasPrefix("/") { reader.error(at: "path", "must begin with '/'") }
        reader.ignored("response_body", because: "the answer tells the state of each exporter")
        reader.unsupported(
            "port", "was dropped by the Collector; write 'endpoint: localhost:13133'")
        readPipelineCheck(&reader)
        reader.ignored(
            "component_health", because: "the answer tells the state of each exporter")
        for key in ["use_v2", "http", "grpc"] {
            guard reader.isGiven(key), reader.node(key)?.bool != false else { continue }
            reader.warning(at: key, "is ignored: there is one form of health_check, over HTTP")
        }
        reader.unsupported("tls", "TLS is not built yet; listen on localhost")
        reader.ignored(
            "read_timeout", "read_header_timeout", "write_timeout", "idle_timeout",
            "max_request_body_size", "keep_alives_enabled", "compression_algorithms",
            "include_metadata", "response_headers", "cors", "auth", "middlewares", "transport",
            because: "a health endpoint takes no bodies, and has fixed timeouts")
    }

    private func readPipelineCheck(_ reader: inout MappingReader) {
        let isOn = reader.mapping("check_collector_pipeline", null: .absent) { check in
            let isEnabled = check.bool("enabled", default: false)
            _ = check.duration("interval")
            _ = check.int("exporter_failure_threshold", in: 0...Int.max)
            return isEnabled
        }
        if isOn == true {
            reader.warning(
                at: "check_collector_pipeline",
                "is ignored: the answer tells the state of each exporter")
        }
    }
}

extension MappingReader {
    mutating func endpoint(_ key: String, default standard: Endpoint) -> Endpoint {
        guard let text = string(key) else { return standard }
        do throws(EndpointError) {
            return try Endpoint(parsing: text)
        } catch {
            self.error(at: key, error.description)
            return standard
        }
    }
}
