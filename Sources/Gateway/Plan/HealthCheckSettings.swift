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
        reader.ignored(
            "response_body", "check_collector_pipeline",
            because: "the answer tells the state of each exporter")
        reader.unsupported("tls", "TLS is not built yet; listen on localhost")
        reader.ignored(
            "read_timeout", "read_header_timeout", "write_timeout", "idle_timeout",
            "max_request_body_size", "keep_alives_enabled", "compression_algorithms",
            "include_metadata", "response_headers", "cors", "auth",
            because: "a health endpoint takes no bodies, and has fixed timeouts")
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
