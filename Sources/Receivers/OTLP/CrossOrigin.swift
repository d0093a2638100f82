import HTTP

/// Cross-origin requests from browsers (the Fetch standard, "CORS protocol"), answered as the
/// Collector answers them (github.com/rs/cors with credentials).
struct CrossOrigin: Sendable {
    private let origins: [String]
    private let allowedHeaders: [String]
    private let allowsAllHeaders: Bool
    private let exposedHeaders: String?
    private let maxAge: Int

    init(_ settings: OTLPReceiverSettings.CORS) {
        origins = settings.allowedOrigins.map(Self.normalized)
        allowedHeaders = Self.ownHeaders + settings.allowedHeaders
        allowsAllHeaders = settings.allowedHeaders.contains("*")
        exposedHeaders =
            settings.exposedHeaders.isEmpty ? nil : settings.exposedHeaders.joined(separator: ", ")
        maxAge = settings.maxAge
    }

    /// What OTLP's own exporters send, and what browsers may add by themselves, needs no
    /// configuration.
    private static let ownHeaders = [
        "accept", "content-type", "content-encoding", "origin", "traceparent", "tracestate",
        "x-requested-with",
    ]

    /// The answer to a preflight; nil where the request is none.
    func preflight(_ head: HTTPRequestHead) -> HTTPResponse? {
        guard head.method == .options, let origin = head.headers["Origin"],
            let method = head.headers["Access-Control-Request-Method"]
        else { return nil }
        var headers: HTTPHeaders = [
            "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        ]
        let wanted = head.headers.elements("Access-Control-Request-Headers")
        // A browser that reads none of the fields below asks no further.
        guard isAllowed(origin), method == "POST", wanted.allSatisfy(isAllowedHeader) else {
            return HTTPResponse(status: .noContent, headers: headers)
        }
        headers.add("Access-Control-Allow-Origin", origin)
        headers.add("Access-Control-Allow-Credentials", "true")
        headers.add("Access-Control-Allow-Methods", "POST")
        if !wanted.isEmpty {
            headers.add("Access-Control-Allow-Headers", wanted.joined(separator: ", "))
        }
        if maxAge > 0 { headers.add("Access-Control-Max-Age", String(maxAge)) }
        return HTTPResponse(status: .noContent, headers: headers)
    }

    /// Adds what lets a browser show the answer to its page, errors too.
    ///
    /// With credentials, which `sendBeacon` and so the JavaScript exporter always asks for, a
    /// browser takes no `*` for the origin: it is named, also where all are allowed.
    func mark(_ response: inout HTTPResponse, answering head: HTTPRequestHead) {
        response.headers.add("Vary", "Origin")
        guard let origin = head.headers["Origin"], isAllowed(origin) else { return }
        response.headers.add("Access-Control-Allow-Origin", origin)
        response.headers.add("Access-Control-Allow-Credentials", "true")
        if let exposedHeaders {
            response.headers.add("Access-Control-Expose-Headers", exposedHeaders)
        }
    }

    private func isAllowed(_ origin: String) -> Bool {
        let origin = Self.normalized(origin)
        return origins.contains { Self.matches($0[...], origin[...]) }
    }

    private func isAllowedHeader(_ name: Substring) -> Bool {
        allowsAllHeaders || allowedHeaders.contains { HTTPHeaders.isSame($0, name) }
    }

    /// An origin as a browser writes it: in lower case, without the scheme's own port, without a
    /// slash behind it.
    static func normalized(_ origin: String) -> String {
        var text = Substring(origin.lowercased())
        while text.utf8.last == UInt8(ascii: "/") { text.removeLast() }
        for (scheme, port) in [("https://", ":443"), ("http://", ":80")]
        where text.hasPrefix(scheme) && text.hasSuffix(port) {
            text.removeLast(port.count)
        }
        return String(text)
    }

    /// A `*` stands for any run of characters. Linear: after a mismatch only the last star moves.
    static func matches(_ pattern: Substring, _ text: Substring) -> Bool {
        let pattern = Array(pattern.utf8)
        let text = Array(text.utf8)
        var (p, t) = (0, 0)
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
