/// What is wrong with the bytes that came as a response (RFC 9112).
public enum HTTPResponseError: Error, Hashable, Sendable {
    /// The first line is not `HTTP/1.x`, a blank and three digits.
    case statusLine
    /// A header or trailer field is not a name, a colon and a value.
    case headerField
    /// Head, interim responses and trailers are longer than ``HTTPClientSettings/headBytesMax``.
    case headTooLarge
    /// `Content-Length` is not a number, or several that differ.
    case contentLength
    /// `Transfer-Encoding` is something else than `chunked`, or came with HTTP/1.0.
    case transferEncoding
    /// A chunk's size is not a hexadecimal number, or its data don't end where it says.
    case chunk
    /// 101, though no upgrade was asked for.
    case unexpectedUpgrade
    /// The connection ended before the response did.
    case endedEarly
}

extension HTTPResponseError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .statusLine: "the response is not HTTP/1.1"
        case .headerField: "a header field of the response is malformed"
        case .headTooLarge: "the head of the response is too large"
        case .contentLength: "the Content-Length of the response is invalid"
        case .transferEncoding: "the Transfer-Encoding of the response is not supported"
        case .chunk: "a chunk of the response is malformed"
        case .unexpectedUpgrade: "the response switches protocols, unasked"
        case .endedEarly: "the connection was closed before the response was complete"
        }
    }
}
