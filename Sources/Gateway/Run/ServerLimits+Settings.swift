import HTTPServer
import Platform
import Telemetry

extension LimitSettings {
    /// - Parameter connections: what the descriptors allow of `connectionsMax`.
    func serverLimits(connections: Int, clock: any Clock) -> ServerLimits {
        var limits = ServerLimits(
            bodies: PeerShares(
                ByteBudget(limit: requestBodiesMax, name: "request_bodies"), clock: clock),
            connectionMemory: PeerShares(
                ByteBudget(limit: connectionMemoryMax, name: "connection_memory"), clock: clock),
            connections: ConnectionLimit(connections))
        limits.bodyRateMin = bodyRateMin
        limits.bodyTimeout = bodyTimeout
        return limits
    }
}

extension ServerLimits {
    func register(in registry: MetricRegistry) {
        let connections = connections
        registry.observableGauge(
            "sluice_server_connections_limit", help: "Connections that receivers may have open."
        ).with().observe { Double(connections.max) }
        let refusals = registry.observableCounter(
            "sluice_server_memory_refusals",
            help: "Requests refused for memory: there was no room, or others had less.",
            labels: ["memory", "reason"])
        for (name, shares) in [("bodies", bodies), ("connections", connectionMemory)] {
            refusals.with(name, "room").observe { Double(shares.refusedCounts.room) }
            refusals.with(name, "share").observe { Double(shares.refusedCounts.share) }
        }
        registry.observableGauge(
            "sluice_server_connection_memory", help: "Heads and answers that are held.",
            unit: .bytes
        ).with().observe { [connectionMemory] in Double(connectionMemory.budget.used) }
    }
}
