public import Platform

/// Why there is no response. The text names the server and the phase, and never a header's value
/// or a body.
public struct HTTPClientError: Error, Hashable, Sendable {
    public enum Phase: String, Hashable, Sendable {
        case resolve, connect, send, receive
    }

    public enum Reason: Hashable, Sendable {
        /// The request can't be written as HTTP/1.1: the same one never will be.
        case invalidRequest(String)
        /// The host's name has no address at present.
        case unresolved(String)
        /// A system call failed: refused, reset, unreachable …
        case system(SystemError)
        /// What came is no response, or not all of one.
        case malformedResponse(HTTPResponseError)
        /// The request's deadline, or the time to connect, has passed.
        case timedOut
        /// ``HTTPClient/cancel()`` was called.
        case cancelled
    }

    public let origin: HTTPOrigin
    public let phase: Phase
    public let reason: Reason

    public init(origin: HTTPOrigin, phase: Phase, reason: Reason) {
        self.origin = origin
        self.phase = phase
        self.reason = reason
    }

    /// Whether the server may have got the whole request and acted on it.
    public var mayHaveArrived: Bool { phase == .receive }
}

extension HTTPClientError: CustomStringConvertible {
    /// For people: `connect to localhost:4318: Connection refused`.
    public var description: String {
        let action =
            switch phase {
            case .resolve: "resolve"
            case .connect: "connect to"
            case .send: "send to"
            case .receive: "receive from"
            }
        let why =
            switch reason {
            case .invalidRequest(let text), .unresolved(let text): text
            case .system(let error): SystemError.text(of: error.errno)
            case .malformedResponse(let error): error.description
            case .timedOut: "timed out"
            case .cancelled: "cancelled"
            }
        return "\(action) \(origin): \(why)"
    }
}
