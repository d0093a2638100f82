/// A request's method: case matters (RFC 9110, 9.1).
@frozen public struct HTTPMethod: RawRepresentable, Hashable, Sendable {
    public var rawValue: String

    @inlinable public init(rawValue: String) { self.rawValue = rawValue }

    public static let get = HTTPMethod(rawValue: "GET")
    public static let head = HTTPMethod(rawValue: "HEAD")
    public static let post = HTTPMethod(rawValue: "POST")
    public static let put = HTTPMethod(rawValue: "PUT")
    public static let delete = HTTPMethod(rawValue: "DELETE")
    public static let options = HTTPMethod(rawValue: "OPTIONS")
}

/// The two versions that are spoken here.
@frozen public enum HTTPVersion: Hashable, Sendable, CustomStringConvertible {
    case http10, http11

    public var description: String { self == .http10 ? "HTTP/1.0" : "HTTP/1.1" }
}
