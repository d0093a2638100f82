/// The status line and the header fields of an answer.
public struct HTTPResponseHead: Hashable, Sendable {
    public var status: HTTPStatus
    public var version: HTTPVersion
    public var headers: HTTPHeaders

    public init(
        status: HTTPStatus, version: HTTPVersion = .http11, headers: HTTPHeaders = [:]
    ) {
        self.status = status
        self.version = version
        self.headers = headers
    }
}

/// A whole answer. `Content-Length` and `Connection` are the serializer's business: leave them out.
public struct HTTPResponse: Hashable, Sendable {
    public var status: HTTPStatus
    public var headers: HTTPHeaders
    public var body: [UInt8]

    public init(status: HTTPStatus, headers: HTTPHeaders = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Text for people.
    public static func text(_ status: HTTPStatus, _ text: String) -> HTTPResponse {
        HTTPResponse(
            status: status, headers: ["Content-Type": "text/plain; charset=utf-8"],
            body: Array(text.utf8))
    }
}
