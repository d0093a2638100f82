/// What an HTTP server measures of itself, as OpenTelemetry's HTTP conventions name it.
///
/// Unlike the Collector's own these names carry their unit always: that is how the conventions
/// read in Prometheus, and what dashboards for HTTP servers look for.
public struct HTTPServerMetrics: Sendable {
    /// Requests that are being read or answered.
    public let activeRequests: Gauge
    public let openConnections: Gauge
    public let acceptedConnections: Counter
    /// Connections turned away or cut, by reason: a limit, a timeout.
    public let refusedConnections: MetricFamily<Counter>
    private let durations: MetricFamily<Histogram>
    private let bodySizes: MetricFamily<Histogram>

    public init(_ registry: MetricRegistry) {
        activeRequests = registry.gauge(
            "http_server_active_requests", help: "Requests being read or answered.")
        openConnections = registry.gauge(
            "http_server_open_connections", help: "Connections that are open.")
        acceptedConnections = registry.counter(
            "http_server_accepted_connections", help: "Connections accepted.")
        refusedConnections = registry.counter(
            "http_server_refused_connections", help: "Connections turned away or cut, by reason.",
            labels: ["reason"])
        durations = registry.histogram(
            "http_server_request_duration_seconds", help: "Duration of requests.", unit: .seconds,
            bounds: Histogram.durationBounds,
            labels: ["http_request_method", "http_route", "http_response_status_code"])
        bodySizes = registry.histogram(
            "http_server_request_body_size_bytes", help: "Size of request bodies as received.",
            unit: .bytes, bounds: Histogram.byteBounds,
            labels: ["http_request_method", "http_route"])
    }

    /// What is measured of one route. To be kept by the server.
    /// - Parameters:
    ///   - method: a method that the route knows; `_OTHER` for all else, so that a client's
    ///     invention does not become a series.
    ///   - path: the route as configured; never what the client wrote.
    public func route(method: String, path: String) -> Route {
        Route(
            method: method, path: path, durations: durations,
            bodySizes: bodySizes.with(method, path))
    }

    /// The series of one method and route.
    public struct Route: Sendable {
        private let method: String
        private let path: String
        private let durations: MetricFamily<Histogram>
        private let success: Histogram
        private let bodySizes: Histogram

        init(
            method: String, path: String, durations: MetricFamily<Histogram>, bodySizes: Histogram
        ) {
            self.method = method
            self.path = path
            self.durations = durations
            self.bodySizes = bodySizes
            success = durations.with(method, path, "200")
        }

        /// Counts a request that has been answered.
        public func observe(status: Int, duration: Duration, bodyBytes: Int) {
            // Only the usual answer is worth keeping at hand; the others look theirs up.
            let series = status == 200 ? success : durations.with(method, path, String(status))
            series.observe(duration)
            bodySizes.observe(Double(bodyBytes))
        }
    }
}
