public import Platform

/// The server's part of a URL: where to connect, and what the `Host` field says.
public struct HTTPOrigin: Hashable, Sendable {
    public let endpoint: Endpoint
    /// `host`, or `host:port` where the port is not 80 (RFC 9110, section 7.2); `localhost` for a
    /// Unix socket.
    public let authority: String

    public init(_ endpoint: Endpoint) {
        self.endpoint = endpoint
        switch endpoint.kind {
        case .unix: authority = "localhost"
        case .host(_, port: 80): authority = String(endpoint.description.dropLast(":80".count))
        case .host: authority = endpoint.description
        }
    }
}

extension HTTPOrigin: CustomStringConvertible {
    public var description: String { endpoint.description }
}

/// An `http` URL as a person writes it: `http://collector:4318/v1/traces?tenant=1`, or
/// `unix:///run/sluice.sock` for a Unix socket, whose target then is `/`.
public struct HTTPURL: Hashable, Sendable {
    public let origin: HTTPOrigin
    /// Path and query as they are sent: `/v1/traces?tenant=1`. At least `/`.
    public let target: String

    public init(origin: HTTPOrigin, target: String) {
        precondition(target.utf8.first == UInt8(ascii: "/"), "BUG: a target begins with a slash")
        self.origin = origin
        self.target = target
    }

    /// - Throws: ``HTTPURLError``, which says what is wrong and never repeats user information.
    public init(parsing text: String) throws(HTTPURLError) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw HTTPURLError("a URL has no blanks, control or non-ASCII characters")
        }
        if text.hasPrefix("unix:") {
            self.init(origin: HTTPOrigin(try Self.endpoint(text)), target: "/")
            return
        }
        let lowercased = text.prefix("https://".count).lowercased()
        guard lowercased != "https://" else {
            throw HTTPURLError(
                "https is not built yet: TLS comes with a later version; use http://, through a"
                    + " local proxy that speaks TLS if need be")
        }
        guard lowercased.hasPrefix("http://") else {
            throw HTTPURLError("a URL begins with http:// (or unix:// for a Unix socket)")
        }
        let rest = text.dropFirst("http://".count)
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        let authority = rest[..<end]
        let target = rest[end...]
        guard !authority.contains("@") else {
            throw HTTPURLError(
                "a URL holds no user or password: send them in an Authorization header")
        }
        guard !target.contains("#") else { throw HTTPURLError("a URL holds no fragment (#)") }
        self.init(
            origin: HTTPOrigin(try Self.endpoint(Self.withPort(authority))),
            target: target.hasPrefix("/") ? String(target) : "/" + target)
    }

    /// The same server with `suffix` after the path, and one slash between them; the query stays.
    public func appending(path suffix: String) -> HTTPURL {
        let mark = target.firstIndex(of: "?") ?? target.endIndex
        var path = target[..<mark]
        while path.hasSuffix("/") { path.removeLast() }
        let separator = suffix.hasPrefix("/") ? "" : "/"
        return HTTPURL(origin: origin, target: path + separator + suffix + target[mark...])
    }

    /// 80 where no port is given (RFC 9110, section 4.2.1).
    private static func withPort(_ authority: Substring) throws(HTTPURLError) -> String {
        guard !authority.isEmpty, !authority.hasPrefix(":") || authority.hasPrefix("::") else {
            throw HTTPURLError("the URL has no host")
        }
        let afterAddress = authority.lastIndex(of: "]").map { authority[$0...] } ?? authority
        if afterAddress.hasSuffix(":") { return authority + "80" }
        return afterAddress.contains(":") ? String(authority) : authority + ":80"
    }

    private static func endpoint(_ text: String) throws(HTTPURLError) -> Endpoint {
        do {
            return try Endpoint(parsing: text)
        } catch {
            throw HTTPURLError(error.description)
        }
    }
}

extension HTTPURL: CustomStringConvertible {
    public var description: String {
        switch origin.endpoint.kind {
        case .unix: origin.description
        case .host: "http://\(origin.authority)\(target)"
        }
    }
}

/// Why a URL can't be used, in words.
public struct HTTPURLError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
