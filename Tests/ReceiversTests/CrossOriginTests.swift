import HTTP
import Testing

@testable import Receivers

@Suite struct CrossOriginTests {
    private static func crossOrigin(_ origins: String..., headers: [String] = []) -> CrossOrigin {
        var settings = OTLPReceiverSettings.CORS()
        settings.allowedOrigins = origins
        settings.allowedHeaders = headers
        settings.maxAge = 60
        return CrossOrigin(settings)
    }

    private static func preflight(
        _ origin: String, _ method: String = "POST", asking headers: String? = nil
    ) -> HTTPRequestHead {
        var head = HTTPRequestHead(method: .options, target: "/v1/traces")
        head.headers = ["Origin": origin, "Access-Control-Request-Method": method]
        head.headers["Access-Control-Request-Headers"] = headers
        return head
    }

    /// What `sendBeacon` needs: the origin by its name, and that credentials are allowed.
    private static func isAllowed(_ headers: HTTPHeaders, _ origin: String) -> Bool {
        headers["Access-Control-Allow-Origin"] == origin
            && headers["Access-Control-Allow-Credentials"] == "true"
    }

    @Test(arguments: [
        ("https://app.example.com", "https://app.example.com", true),
        ("https://App.Example.com/", "https://app.example.com", true),
        ("https://app.example.com:443", "https://app.example.com", true),
        ("http://app.example.com:80", "http://app.example.com", true),
        ("http://app.example.com:443", "http://app.example.com", false),
        ("https://app.example.com:8443", "https://app.example.com:8443", true),
        ("https://app.example.com", "http://app.example.com", false),
        ("https://*.example.com", "https://a.b.example.com", true),
        ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://a.example.com.evil", false),
        ("http://localhost:*", "http://localhost:3000", true),
        ("*", "https://anything.example", true), ("*", "null", true),
        ("https://app.example.com", "null", false),
    ])
    func `Origins are compared as browsers write them, in preflights and answers`(
        configured: String, origin: String, allowed: Bool
    ) throws {
        let crossOrigin = Self.crossOrigin(configured)
        let answer = try #require(crossOrigin.preflight(Self.preflight(origin)))
        #expect(answer.status == .noContent)
        #expect(Self.isAllowed(answer.headers, origin) == allowed)
        #expect(
            answer.headers["Vary"]
                == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
        #expect(answer.headers.contains("Access-Control-Max-Age") == allowed)
        var response = HTTPResponse(status: .serviceUnavailable)
        var head = HTTPRequestHead(method: .post, target: "/v1/traces")
        head.headers["Origin"] = origin
        crossOrigin.mark(&response, answering: head)
        #expect(Self.isAllowed(response.headers, origin) == allowed)
        #expect(response.headers["Vary"] == "Origin")
    }

    @Test(arguments: [
        ("content-type", [], true), ("Content-Type,traceparent, tracestate", [], true),
        ("x-own", [], false), ("x-own", ["X-Own"], true), ("x-own, x-other", ["X-Own"], false),
        ("x-own, x-other", ["*"], true),
    ])
    func `A preflight that asks for another header is allowed nothing`(
        asked: String, configured: [String], allowed: Bool
    ) throws {
        let crossOrigin = Self.crossOrigin("https://a.example", headers: configured)
        let head = Self.preflight("https://a.example", asking: asked)
        let answer = try #require(crossOrigin.preflight(head))
        #expect(Self.isAllowed(answer.headers, "https://a.example") == allowed)
        #expect(answer.headers.contains("Access-Control-Allow-Headers") == allowed)
    }

    @Test func `A preflight for another method is allowed nothing`() throws {
        let crossOrigin = Self.crossOrigin("https://a.example")
        let answer = try #require(crossOrigin.preflight(Self.preflight("https://a.example", "PUT")))
        #expect(!answer.headers.contains("Access-Control-Allow-Origin"))
    }

    @Test func `An answer to nobody's page still varies by the origin`() {
        var response = HTTPResponse(status: .ok)
        Self.crossOrigin("https://a.example").mark(
            &response, answering: HTTPRequestHead(method: .post, target: "/v1/traces"))
        #expect(response.headers["Vary"] == "Origin")
        #expect(!response.headers.contains("Access-Control-Allow-Origin"))
    }
}
