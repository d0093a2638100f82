import Bytes
import Compression
import Configuration
import HTTP
import HTTPClient
import Pipeline
import Platform
import Telemetry

/// Posts an exporter's bodies to one URL.
final class HTTPSender: Sendable {
    private let url: HTTPURL
    private let client: HTTPClient
    private let headers: HTTPHeaders
    private let timeout: Duration
    private let compressors: CompressorPool

    init(
        _ url: HTTPURL, _ settings: HTTPDeliverySettings, contentType: String,
        compressors: CompressorPool
    ) throws(ComponentError) {
        self.url = url
        timeout = settings.timeout
        self.compressors = compressors
        do throws(SystemError) {
            client = try HTTPClient(origin: url.origin, settings: settings.client)
        } catch {
            throw ComponentError("cannot set up connections to \(url.origin): \(error)")
        }
        var headers: HTTPHeaders = [
            "Content-Type": contentType, "User-Agent": UserAgent.name,
        ]
        if settings.compression != .identity {
            headers["Content-Encoding"] = settings.compression.name
        }
        for header in settings.headers { headers[header.name] = header.value.reveal() }
        self.headers = headers
    }

    /// - Parameters:
    ///   - body: in pieces; they are copied only where they are compressed together.
    ///   - trace: what the request continues, so that it can be followed across gateways.
    func post(
        _ body: [[UInt8]], continuing trace: TraceContext?
    ) throws(HTTPClientError) -> HTTPClientResponse {
        var headers = headers
        if let trace {
            headers["traceparent"] = trace.traceparent
            if !trace.traceState.isEmpty { headers["tracestate"] = trace.traceState }
        }
        return try client.send(
            HTTPRequestHead(method: .post, target: url.target, headers: headers),
            body: compressors.compress(body), deadline: .now + timeout)
    }

    /// Gives back memory that is kept between requests.
    func trim() { compressors.trim() }

    /// Ends calls that wait, and those to come.
    func abort() { client.cancel() }
}

/// What requests call themselves.
enum UserAgent {
    static let name = "Sluice/\(Version.current)"
}
