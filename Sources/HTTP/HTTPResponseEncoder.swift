/// Writes an answer's head (RFC 9112, 4). The body follows as it is: no copy.
public struct HTTPResponseEncoder: Sendable {
    /// The interim answer to `Expect: 100-continue`.
    public static let continueResponse = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// What the request says about its answer.
    public struct Context: Hashable, Sendable {
        /// A HEAD request gets the length, but not the body.
        public var isHead: Bool
        public var version: HTTPVersion
        public var keepsAlive: Bool
        /// The `Date` field, when the server has a clock (RFC 9110, 6.6.1).
        public var date: String?

        public init(
            isHead: Bool = false, version: HTTPVersion = .http11, keepsAlive: Bool = true,
            date: String? = nil
        ) {
            self.isHead = isHead
            self.version = version
            self.keepsAlive = keepsAlive
            self.date = date
        }
    }

    /// The status line and fields up to the empty line. The answer's own `Content-Length`,
    /// `Transfer-Encoding` and `Connection` fields are left out: framing is decided here. A name or
    /// value with a byte that would break the framing is left out too, whole.
    public static func head(of response: HTTPResponse, _ context: Context) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256)
        append(&bytes, "HTTP/1.1 ")
        append(&bytes, String(response.status.code))
        append(&bytes, " ")
        append(&bytes, response.status.reason)
        append(&bytes, "\r\n")
        for field in response.headers.fields where isSendable(field) {
            appendField(&bytes, field.name, field.value)
        }
        if let date = context.date { appendField(&bytes, "Date", date) }
        if hasLength(response.status) {
            appendField(&bytes, "Content-Length", String(response.body.count))
        }
        if !context.keepsAlive {
            appendField(&bytes, "Connection", "close")
        } else if context.version == .http10 {
            appendField(&bytes, "Connection", "keep-alive")
        }
        append(&bytes, "\r\n")
        return bytes
    }

    /// Whether the body follows the head.
    public static func sendsBody(of response: HTTPResponse, _ context: Context) -> Bool {
        !context.isHead && hasLength(response.status) && !response.body.isEmpty
    }

    /// 1xx, 204 and 304 end at the empty line, whatever fields they have (RFC 9112, 6.3).
    private static func hasLength(_ status: HTTPStatus) -> Bool {
        status.code >= 200 && status != .noContent && status != .notModified
    }

    private static func isSendable(_ field: HTTPField) -> Bool {
        switch field.name.utf8.count {
        case 10 where HTTPHeaders.isSame(field.name, "connection"): return false
        case 14 where HTTPHeaders.isSame(field.name, "content-length"): return false
        case 17 where HTTPHeaders.isSame(field.name, "transfer-encoding"): return false
        default: break
        }
        // A line end in a value that came from configuration or a client would split the answer.
        return HTTPSyntax.isToken(field.name.utf8Span.span.bytesView)
            && HTTPSyntax.isFieldValue(field.value.utf8Span.span.bytesView)
    }

    private static func append(_ bytes: inout [UInt8], _ text: String) {
        bytes.append(text.utf8Span.span.bytesView)
    }

    private static func appendField(_ bytes: inout [UInt8], _ name: String, _ value: String) {
        append(&bytes, name)
        append(&bytes, ": ")
        append(&bytes, value)
        append(&bytes, "\r\n")
    }
}
