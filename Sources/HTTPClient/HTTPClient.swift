public import HTTP
public import Platform

/// A blocking HTTP/1.1 client for one server: for threads that have nothing else to do meanwhile,
/// such as an exporter's. Any number of them may call it at once, each on its own connection.
///
/// Connections are kept and used again. Whatever the server does, a call ends by its deadline and
/// takes no more memory than the settings say, with one exception: the system's resolver, which a
/// host's name needs, has a timeout of its own.
public final class HTTPClient: Sendable {
    public let origin: HTTPOrigin
    public let settings: HTTPClientSettings

    private let pool: ConnectionPool
    private let cancellation: Cancellation

    /// Connects to nothing yet. Fails only when the process has no descriptors left.
    public init(
        origin: HTTPOrigin, settings: HTTPClientSettings = HTTPClientSettings()
    ) throws(SystemError) {
        self.origin = origin
        self.settings = settings
        pool = ConnectionPool(
            idleConnectionsMax: settings.idleConnectionsMax, idleTimeout: settings.idleTimeout)
        cancellation = try Cancellation()
    }

    /// Sends `request` and waits for the final response, whatever its status.
    ///
    /// `Host`, `Content-Length` and `Connection` are added. No content coding is asked for, none
    /// is undone, and no redirect is followed.
    ///
    /// A request over a kept connection that ends before any byte of the response is sent again,
    /// once, over a new one. In rare cases the server has then got it twice, as with every other
    /// retry of an exporter.
    public func send(
        _ request: HTTPRequest, deadline: Instant
    ) throws(HTTPClientError) -> HTTPClientResponse {
        try send(request.head, body: [request.body], deadline: deadline)
    }

    /// As ``send(_:deadline:)``, with a body in pieces, which are sent from where they are.
    public func send(
        _ head: HTTPRequestHead, body: [[UInt8]], deadline: Instant
    ) throws(HTTPClientError) -> HTTPClientResponse {
        if let problem = RequestHead.problem(in: head) {
            throw error(.send, .invalidRequest(problem))
        }
        let start = RequestHead.serialize(
            head, bodyByteCount: body.reduce(0) { $0 + $1.count }, authority: origin.authority,
            keepsAlive: settings.idleConnectionsMax > 0)
        let pieces = [start] + body
        do throws(Connection.Failure) {
            if let connection = pool.take(now: .now) {
                do throws(Connection.Failure) {
                    return try exchange(pieces, head.method, over: connection, until: deadline)
                } catch {
                    guard error.wasClosedUnanswered else { throw error }
                }
            }
            return try exchange(
                pieces, head.method, over: connect(until: deadline), until: deadline)
        } catch {
            throw self.error(error.phase, error.reason)
        }
    }

    /// Ends every call, those in progress and those to come, with
    /// ``HTTPClientError/Reason/cancelled``: for a process that has to end.
    public func cancel() {
        cancellation.cancel()
        pool.removeAll()
    }

    /// Connections that are kept at present.
    public var idleConnectionCount: Int { pool.count }

    /// What keeps these headers from being sent, in words and without their values; `nil` if
    /// nothing does. For a check of the configuration: ``send(_:deadline:)`` refuses them too.
    public static func problem(in headers: HTTPHeaders) -> String? {
        RequestHead.problem(in: headers)
    }

    private func exchange(
        _ pieces: [[UInt8]], _ method: HTTPMethod, over connection: Connection,
        until deadline: Instant
    ) throws(Connection.Failure) -> HTTPClientResponse {
        let parser = HTTPResponseParser(
            requestMethod: method, headBytesMax: settings.headBytesMax,
            bodyBytesMax: settings.bodyBytesMax)
        var exchange = Exchange(over: connection, sending: pieces, parser, until: deadline)
        let (response, isReusable) = try exchange.run()
        if isReusable { pool.put(connection, now: .now) }
        return response
    }

    /// Tries the server's addresses in the resolver's order. Each gets an equal share of the time
    /// that is left, so that one that swallows packets doesn't hide the others.
    private func connect(until deadline: Instant) throws(Connection.Failure) -> Connection {
        let deadline = min(deadline, .now + settings.connectTimeout)
        let addresses = try resolve()
        var failure = Connection.Failure(
            phase: .resolve, reason: .unresolved("the name has no address"))
        for (index, address) in addresses.enumerated() {
            let now = Instant.now
            let share = (deadline - now) / (addresses.count - index)
            do throws(Connection.Failure) {
                return try Connection(to: address, cancellation, until: now + share)
            } catch {
                if error.reason == .cancelled { throw error }
                failure = error
            }
        }
        throw failure
    }

    private func resolve() throws(Connection.Failure) -> [SocketAddress] {
        do throws(EndpointError) {
            return try origin.endpoint.connectAddresses()
        } catch {
            throw Connection.Failure(phase: .resolve, reason: .unresolved(error.description))
        }
    }

    private func error(
        _ phase: HTTPClientError.Phase, _ reason: HTTPClientError.Reason
    ) -> HTTPClientError {
        HTTPClientError(origin: origin, phase: phase, reason: reason)
    }
}
