import DurableLog
import EventLoop
import HTTPServer
import Platform
import Telemetry

/// The control socket in the data directory.
enum ControlSocket {
    /// Nil where there is none: nothing else depends on it, so that this is no reason not to start.
    static func open(gateway: Gateway, loops: EventLoopGroup) -> HTTPServer? {
        let settings = gateway.data.settings
        guard settings.log.durability != .memory else { return nil }
        let path = settings.controlSocketPath
        guard path.utf8.count <= SocketAddress.unixPathBytesMax else {
            gateway.log.warn(
                "no control socket: its path is too long; give the data directory a shorter one",
                LogField("path", path), LogField("bytes_max", SocketAddress.unixPathBytesMax))
            return nil
        }
        let handler = ControlHandler(gateway: gateway)
        do throws(HTTPServerError) {
            return try AdminServers.start(
                handler, on: Endpoint(.unix(path: path)), loops, unixMode: 0o600)
        } catch {
            gateway.log.warn("no control socket", LogField("reason", "\(error)"))
            return nil
        }
    }
}
