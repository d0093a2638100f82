/// The limits of an ``HTTPClient``.
public struct HTTPClientSettings: Hashable, Sendable {
    /// For name resolution and connecting, within a request's deadline.
    public var connectTimeout: Duration = .seconds(10)

    /// Connections kept open between requests. 0 asks the server to close after each response.
    public var idleConnectionsMax = 16

    /// How long one of them is kept. It is closed when the client is next used after that.
    public var idleTimeout: Duration = .seconds(90)

    /// Bytes of a response's head, the interim responses before it and the trailers after it.
    public var headBytesMax = 64 << 10

    /// Bytes of a response's body that are kept: a longer one is cut, and its connection closed.
    /// OTLP's answers are a few hundred bytes.
    public var bodyBytesMax = 1 << 20

    public init() {}
}
