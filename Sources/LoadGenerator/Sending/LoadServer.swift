import Compression
import HTTP
import HTTPClient
import Platform

/// What the connections of one loop know of the server. Of the loop's thread alone.
final class LoadServer {
    /// Names are not asked for more often.
    private static let resolvingInterval = Duration.seconds(1)

    let origin: HTTPOrigin
    private let head: HTTPRequestHead
    private var addresses: Result<[SocketAddress], EndpointError>?
    private var resolved = Instant(nanoseconds: 0)
    private var isDoubtful = false

    init(_ settings: LoadSettings) {
        origin = settings.url.origin
        var headers: HTTPHeaders = [
            "Content-Type": settings.encoding.contentType, "User-Agent": "sluice-generate",
        ]
        if settings.compression != .identity {
            headers.add("Content-Encoding", settings.compression.name)
        }
        head = HTTPRequestHead(method: .post, target: settings.url.target, headers: headers)
    }

    /// The bytes before the body of a request.
    func requestHead(for body: [UInt8]) -> [UInt8] {
        RequestHead.serialize(
            head, bodyByteCount: body.count, authority: origin.authority, keepsAlive: true)
    }

    /// Where to connect, in the order to try.
    ///
    /// The resolver blocks the loop; so it is asked once, and again only while nobody answers at
    /// what it said, when there is little else to do.
    func addresses(now: Instant) throws(EndpointError) -> [SocketAddress] {
        if let addresses, !isDoubtful || now < resolved + Self.resolvingInterval {
            return try addresses.get()
        }
        let answer = Result { () throws(EndpointError) in try origin.endpoint.connectAddresses() }
        addresses = answer
        resolved = now
        isDoubtful = (try? answer.get()) == nil
        return try answer.get()
    }

    /// No address could be connected to.
    func nobodyAnswered() { isDoubtful = true }

    func error(_ phase: HTTPClientError.Phase, _ reason: HTTPClientError.Reason) -> String {
        HTTPClientError(origin: origin, phase: phase, reason: reason).description
    }
}
