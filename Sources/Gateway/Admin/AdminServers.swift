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

    /// Bodies are not taken; a few scrapers and probes are all there is.
    private static let connectionsMax = 256

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
        var settings = HTTPServerSettings(
            endpoints: [endpoint], bodyBudget: ByteBudget(limit: 1 << 16))
        settings.connectionsMax = connectionsMax
        settings.unixMode = unixMode
        settings.readHeaderTimeout = .seconds(5)
        settings.idleTimeout = .seconds(120)
        let server = HTTPServer(settings, handler: handler, loops: loops)
        try server.start()
        return server
    }
}
