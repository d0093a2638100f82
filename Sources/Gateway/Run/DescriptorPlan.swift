import Pipeline
import Platform
import Telemetry

/// How many of the process's descriptors clients may have: what is left when the logs, the
/// exporters and the admin port have theirs.
struct DescriptorPlan {
    /// What the process may have open.
    let limit: Int
    /// For everything but clients.
    let kept: Int
    /// For clients: as many as are wanted, where there are enough.
    let connections: Int
    private let wanted: Int

    /// Standard streams, the lock, the control socket, what a resolver opens for a moment …
    private static let others = 32
    /// Of a loop: epoll, its mailbox, a listener and its spare for each of two addresses.
    private static let eachLoop = 6
    /// Of a log: segments that are written and deleted, its directory, files that replace others.
    private static let eachLog = 6
    /// Of an exporter in a log: its segment, and the next.
    private static let eachCursor = 2
    /// However few there are, clients have this part.
    private static let connectionsPartMin = 4

    init(_ plan: GatewayPlan, loopCount: Int, limit: Int) {
        self.limit = limit
        wanted = plan.limits.connectionsMax
        let cursors = plan.pipelines.reduce(0) { $0 + $1.exporters.count }
        let consumers = plan.exporters.reduce(0) { $0 + $1.delivery.consumerCount }
        kept =
            Self.others + AdminServers.connectionsMax + (loopCount + 1) * Self.eachLoop
            + (plan.pipelines.count + 1) * Self.eachLog + cursors * Self.eachCursor + consumers
        connections = min(wanted, max(limit - kept, limit / Self.connectionsPartMin, 1))
    }

    func warn(_ log: Logger) {
        guard connections < wanted else { return }
        log.warn(
            """
            fewer connections than service.limits.connections: raise the limit on open files \
            (ulimit -n, LimitNOFILE=, docker run --ulimit nofile=), or lower the key
            """,
            LogField("connections", connections), LogField("wanted", wanted),
            LogField("open_files_limit", limit), LogField("open_files_needed", wanted + kept))
    }
}
