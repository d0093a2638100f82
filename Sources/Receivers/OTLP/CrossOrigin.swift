import HTTP

/// Cross-origin requests from browsers (the Fetch standard, "CORS protocol").
struct CrossOrigin: Sendable {
    private let settings: OTLPReceiverSettings.CORS

    init(_ settings: OTLPReceiverSettings.CORS) { self.settings = settings }

    /// The answer to a preflight; nil where the request is none.
    func preflight(_ head: HTTPRequestHead) -> HTTPResponse? {
        guard head.method == .options, let origin = head.headers["Origin"],
            head.headers.contains("Access-Control-Request-Method")
        else { return nil }
        var headers: HTTPHeaders = ["Vary": "Origin, Access-Control-Request-Headers"]
        guard isAllowed(origin) else { return HTTPResponse(status: .noContent, headers: headers) }
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Methods"] = "POST"
        let wanted = head.headers.elements("Access-Control-Request-Headers")
        if wanted.allSatisfy(isAllowedHeader), !wanted.isEmpty {
            headers["Access-Control-Allow-Headers"] = wanted.joined(separator: ", ")
        }
        if settings.maxAge > 0 { headers["Access-Control-Max-Age"] = String(settings.maxAge) }
        return HTTPResponse(status: .noContent, headers: headers)
    }

    /// Adds what lets a browser show the answer to its page.
    func mark(_ response: inout HTTPResponse, answering head: HTTPRequestHead) {
        guard let origin = head.headers["Origin"], isAllowed(origin) else { return }
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers.add("Vary", "Origin")
        if !settings.exposedHeaders.isEmpty {
            response.headers["Access-Control-Expose-Headers"] =
                settings.exposedHeaders.joined(separator: ", ")
        }
    }

    private func isAllowed(_ origin: String) -> Bool {
        settings.allowedOrigins.contains { Self.matches($0[...], origin[...]) }
    }

    private func isAllowedHeader(_ name: Substring) -> Bool {
        // What OTLP's own exporters send needs no configuration.
        let own = ["content-type", "content-encoding", "traceparent", "tracestate"]
        return own.contains { HTTPHeaders.isSame($0, name) }
            || settings.allowedHeaders.contains { $0 == "*" || HTTPHeaders.isSame($0, name) }
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
