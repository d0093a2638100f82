public import HTTP

/// The final answer to one request.
public struct HTTPClientResponse: Hashable, Sendable {
    public var status: HTTPStatus
    public var headers: HTTPHeaders
    /// At most ``HTTPClientSettings/bodyBytesMax`` bytes.
    public var body: [UInt8]
    /// Whether the body went on beyond the limit. The rest was not read: the status is what most
    /// callers need, and an endless page of error text must not hide it.
    public var isBodyCut: Bool

    public init(
        status: HTTPStatus, headers: HTTPHeaders = [:], body: [UInt8] = [], isBodyCut: Bool = false
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.isBodyCut = isBodyCut
    }

    /// How long the server asks to wait before the next request (RFC 9110, section 10.2.3), if it
    /// does so in a form that can be read.
    ///
    /// - Parameter unixNanoseconds: the wall clock's time, for a server that names a date.
    public func retryAfter(unixNanoseconds: UInt64) -> Duration? {
        headers["Retry-After"].flatMap {
            RetryAfter(parsing: $0)?.delay(unixNanoseconds: unixNanoseconds)
        }
    }
}
