public import Configuration
import HTTPServer
import OTLP
public import Pipeline
import Platform

/// `receivers.otlp`: OTLP over HTTP, in protobuf and JSON.
public enum OTLPReceiverFactory: ReceiverFactory {
    public static let type = "otlp"

    public static func read(_ reader: inout MappingReader) -> OTLPReceiverSettings {
        OTLPReceiverSettings(&reader)
    }

    public static func bodyBytesMax(_ settings: OTLPReceiverSettings) -> Int {
        settings.bodyBytesMax
    }

    public static func make(
        _ settings: OTLPReceiverSettings, _ environment: ReceiverEnvironment
    ) throws(ComponentError) -> any Receiver {
        OTLPReceiver(settings, environment)
    }
}

final class OTLPReceiver: Receiver {
    private let server: HTTPServer
    private let handler: OTLPHTTPHandler

    init(_ settings: OTLPReceiverSettings, _ environment: ReceiverEnvironment) {
        handler = OTLPHTTPHandler(settings, environment)
        var server = HTTPServerSettings(
            endpoints: [settings.endpoint], shared: environment.limits)
        server.inheritedAddresses = environment.inheritedAddresses
        server.readHeaderTimeout = settings.readHeaderTimeout
        server.readTimeout = settings.readTimeout
        server.writeTimeout = settings.writeTimeout
        server.idleTimeout = settings.idleTimeout
        server.keepsAlive = settings.keepsAlive
        let routes = settings.paths.values.map { $0 }
        self.server = HTTPServer(
            server, handler: handler, loops: environment.loops,
            observer: HTTPServerMetricsObserver(environment.httpMetrics, routes: routes))
    }

    func start() throws(ComponentError) {
        do throws(HTTPServerError) {
            try server.start()
        } catch {
            throw ComponentError(error.description)
        }
    }

    var boundAddresses: [SocketAddress] { server.boundAddresses }

    func feed(_ intakes: [Signal: Intake]) { handler.feed(intakes) }

    func trim() { handler.trim() }

    func stopAccepting() { server.stopAccepting() }

    func drain(until deadline: Instant) -> Bool { server.drain(until: deadline) }
}
