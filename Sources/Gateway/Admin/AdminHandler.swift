import HTTP
import HTTPServer
import Platform
import Telemetry

/// The port for probes and scrapers: everything is GET, small and made on the spot.
final class AdminHandler: HTTPHandler {
    private unowned let gateway: Gateway
    private let names: ExpositionNames
    private let pages = PageCache()

    init(gateway: Gateway, names: ExpositionNames) {
        self.gateway = gateway
        self.names = names
    }

    func admit(_ head: HTTPRequestHead, from peer: SocketAddress) -> HTTPAdmission {
        guard ["/health", "/ready", "/metrics", "/flow"].contains(head.path) else {
            return .refuse(
                .text(.notFound, "no such path; there are /health, /ready, /metrics, /flow\n"))
        }
        guard head.method == .get || head.method == .head else {
            var response = HTTPResponse.text(.methodNotAllowed, "only GET is answered here\n")
            response.headers["Allow"] = "GET, HEAD"
            return .refuse(response)
        }
        return .accept(bodyBytesMax: 0)
    }

    func handle(_ request: consuming HTTPRequest, _ exchange: HTTPExchange) {
        let head = request.head
        switch head.path {
        case "/health": exchange.respond(.json(.ok, #"{"status":"alive"}"#))
        case "/flow":
            exchange.respond(
                pages.page("flow", at: .now) { .json(.ok, gateway.flow.json + "\n") })
        case "/ready":
            exchange.respond(pages.page("ready", at: .now) { ReadinessReport(gateway).response })
        default:
            let format = ExpositionFormat(accept: head.headers["Accept"])
            exchange.respond(
                pages.page(format.contentType, at: .now) {
                    HTTPResponse(
                        status: .ok, headers: ["Content-Type": format.contentType],
                        body: gateway.metrics.exposition(format, names: names))
                })
        }
    }
}

/// The Collector's `health_check`: 200 while data is accepted, 503 otherwise.
final class HealthCheckHandler: HTTPHandler {
    private unowned let gateway: Gateway
    private let path: String

    init(gateway: Gateway, path: String) {
        self.gateway = gateway
        self.path = path
    }

    func admit(_ head: HTTPRequestHead, from peer: SocketAddress) -> HTTPAdmission {
        head.path == path
            ? .accept(bodyBytesMax: 0)
            : .refuse(.text(.notFound, "no such path; health is at \(path)\n"))
    }

    func handle(_ request: consuming HTTPRequest, _ exchange: HTTPExchange) {
        exchange.respond(ReadinessReport(gateway).response)
    }
}

extension HTTPResponse {
    static func json(_ status: HTTPStatus, _ text: String) -> HTTPResponse {
        HTTPResponse(
            status: status, headers: ["Content-Type": "application/json"],
            body: Array(text.utf8))
    }
}
