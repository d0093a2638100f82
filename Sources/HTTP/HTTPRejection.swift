/// Why a request can't be read any further, as the client is told. The connection has lost its
/// place in the byte stream, so it closes after the answer.
public struct HTTPRejection: Error, Hashable, Sendable {
    public let status: HTTPStatus
    /// For the answer's body; holds nothing of what the client sent.
    public let message: String
    /// What the client speaks in place of HTTP/1.1, where that is known.
    public let foreign: ForeignProtocol?

    init(_ status: HTTPStatus, _ message: String) {
        self.status = status
        self.message = message
        foreign = nil
    }

    init(_ foreign: ForeignProtocol) {
        status = foreign == .http2 ? .versionNotSupported : .badRequest
        message = "the client speaks \(foreign.name); \(foreign.advice)"
        self.foreign = foreign
    }
}
