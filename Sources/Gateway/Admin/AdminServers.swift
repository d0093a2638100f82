import EventLoop
import HTTP
import HTTPServer
import Pipeline
import Platform
import Telemetry

/// `/health`, `/ready` and `/metrics` on one port, and the `health_check` extension on its own.
final class AdminServers: Sendable {
    private let servers: [HTTPServer]
    let boundAddresses: [SocketAddress]

    /// Bodies are not taken; a few scrapers and probes are all there is. Beyond it the connection
    /// that has waited longest for its client makes room, so that a probe always gets in.
    static let connectionsMax = 64
    /// What scrapers may leave unread of their answers.
    private static let connectionMemoryMax = 16 << 20

    init(_ plan: GatewayPlan, gateway: Gateway, loops: EventLoopGroup) throws(ComponentError) {
        var servers: [HTTPServer] = []
        do throws(HTTPServerError) {
            if let endpoint = plan.telemetry.admin {
                let handler = AdminHandler(gateway: gateway, names: plan.telemetry.names)
                servers.append(try Self.start(handler, on: endpoint, loops))
            }
            if let settings = plan.healthCheck {
                let handler = HealthCheckHandler(gateway: gateway, path: settings.path)
                servers.append(try Self.start(handler, on: settings.endpoint, loops))
            }
        } catch {
            for server in servers {
                server.stopAccepting()
                server.drain(until: .now)
            }
            throw ComponentError(
                "\(error); set service.telemetry.metrics.readers or extensions.health_check to "
                    + "another port")
        }
        boundAddresses = servers.flatMap(\.boundAddresses)
        if let control = ControlSocket.open(gateway: gateway, loops: loops) {
            servers.append(control)
        }
        self.servers = servers
        for address in boundAddresses {
            gateway.log.info(
                "health, readiness and metrics", LogField("address", address.description))
        }
    }

    func stop() {
        for server in servers { server.stopAccepting() }
        for server in servers { server.drain(until: .now + .seconds(1)) }
    }

    static func start(
        _ handler: any HTTPHandler, on endpoint: Endpoint, _ loops: EventLoopGroup,
        unixMode: UInt32? = nil
    ) throws(HTTPServerError) -> HTTPServer {
        let shared = ServerLimits(
            bodies: PeerShares(ByteBudget(limit: 1 << 16)),
            connectionMemory: PeerShares(ByteBudget(limit: connectionMemoryMax)),
            connections: ConnectionLimit(connectionsMax))
        var settings = HTTPServerSettings(endpoints: [endpoint], shared: shared)
        settings.evictionQuietMin = .zero
        // An answer may be a hundred kilobytes, and is made on the spot: one at a time.
        settings.pipelinedMax = 1
        settings.writeTimeout = .seconds(10)
        settings.unixMode = unixMode
        settings.readHeaderTimeout = .seconds(5)
        settings.idleTimeout = .seconds(120)
        let server = HTTPServer(settings, handler: handler, loops: loops)
        try server.start()
        return server
    }
}
