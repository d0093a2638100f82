/// Why a request can't be read any further, as the client is told. The connection has lost its
/// place in the byte stream, so it closes after the answer.
public struct HTTPRejection: Error, Hashable, Sendable {
    public let status: HTTPStatus
    /// For the answer's body; holds nothing of what the client sent.
    public let message: String

    init(_ status: HTTPStatus, _ message: String) {
        self.status = status
        self.message = message
    }
}
