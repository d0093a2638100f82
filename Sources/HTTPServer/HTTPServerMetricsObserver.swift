public import HTTP
public import Platform
public import Telemetry

/// Counts what a server does, by route.
public struct HTTPServerMetricsObserver: HTTPServerObserver {
    private let metrics: HTTPServerMetrics
    private let routes: [String: HTTPServerMetrics.Route]
    private let others: HTTPServerMetrics.Route

    /// - Parameter routes: as the handler names them; all take `POST`. What is none of them is
    ///   counted together.
    public init(_ metrics: HTTPServerMetrics, routes: [String], method: HTTPMethod = .post) {
        self.metrics = metrics
        self.routes = Dictionary(
            uniqueKeysWithValues: routes.map {
                ($0, metrics.route(method: method.rawValue, path: $0))
            })
        others = metrics.route(method: "_OTHER", path: "")
    }

    public func connectionOpened(_ peer: SocketAddress) {
        metrics.acceptedConnections.add()
        metrics.openConnections.add()
    }

    public func connectionClosed(_ peer: SocketAddress) { metrics.openConnections.subtract() }

    public func connectionRefused() { metrics.refusedConnections.with("limit").add() }

    public func connectionEvicted() { metrics.refusedConnections.with("evicted").add() }

    public func requestFinished(_ record: HTTPRequestRecord) {
        (routes[record.route] ?? others).observe(
            status: record.status.code, duration: record.duration, bodyBytes: record.requestBytes)
    }

    public func requestLost() { metrics.refusedConnections.with("closed_by_client").add() }
}
