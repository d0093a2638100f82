import Compression
import HTTP
import HTTPClient
import Platform

/// What became of one attempt to send a request.
enum LoadAnswer: Sendable {
    case answered(status: Int, body: [UInt8], retryAfter: Duration?)
    /// No answer, and why in a few words that are the same each time.
    case failed(String)
}

/// Carries requests to the server. Used by several threads at once.
protocol LoadTransport: Sendable {
    func send(_ body: [UInt8], deadline: Instant) -> LoadAnswer
}

/// Over HTTP, as an OpenTelemetry SDK would.
struct HTTPTransport: LoadTransport {
    private let client: HTTPClient
    private let head: HTTPRequestHead
    private let clock: any Clock

    init(_ settings: LoadSettings, clock: any Clock) throws(SystemError) {
        var clientSettings = HTTPClientSettings()
        clientSettings.idleConnectionsMax = settings.connections
        client = try HTTPClient(origin: settings.url.origin, settings: clientSettings)
        self.clock = clock
        var headers: HTTPHeaders = [
            "Content-Type": settings.encoding.contentType, "User-Agent": "sluice-generate",
        ]
        if settings.compression != .identity {
            headers.add("Content-Encoding", settings.compression.name)
        }
        head = HTTPRequestHead(method: .post, target: settings.url.target, headers: headers)
    }

    func send(_ body: [UInt8], deadline: Instant) -> LoadAnswer {
        do throws(HTTPClientError) {
            let response = try client.send(HTTPRequest(head: head, body: body), deadline: deadline)
            return .answered(
                status: response.status.code, body: response.body,
                retryAfter: response.retryAfter(unixNanoseconds: clock.unixNanoseconds))
        } catch {
            return .failed(error.description)
        }
    }
}
