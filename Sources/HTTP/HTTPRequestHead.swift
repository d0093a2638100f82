/// The request line and the header fields, after they were checked.
public struct HTTPRequestHead: Hashable, Sendable {
    public var method: HTTPMethod
    /// As sent: `/v1/traces?x=1`, `http://host/path`, `*`.
    public var target: String
    public var version: HTTPVersion
    public var headers: HTTPHeaders

    public init(
        method: HTTPMethod, target: String, version: HTTPVersion = .http11,
        headers: HTTPHeaders = [:]
    ) {
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
    }

    /// The target's path, still percent-encoded. An absolute-form target's scheme and authority
    /// are skipped; a path that is empty there is `/` (RFC 9110, 4.2.3).
    public var path: Substring { HTTPTarget(target).path }

    /// What follows the first `?`, still percent-encoded.
    public var query: Substring? { HTTPTarget(target).query }
}

/// A request whose body has arrived.
public struct HTTPRequest: Hashable, Sendable {
    public var head: HTTPRequestHead
    public var body: [UInt8]

    public init(head: HTTPRequestHead, body: [UInt8] = []) {
        self.head = head
        self.body = body
    }
}
