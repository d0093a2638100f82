import HTTPClient
import Platform
import Testing

@Suite struct `HTTP URLs` {
    @Test(arguments: [
        ("http://localhost:4318/v1/traces", "localhost:4318", "/v1/traces"),
        ("http://localhost:4318", "localhost:4318", "/"),
        ("HTTP://Collector/", "Collector", "/"),
        ("http://collector:80/x", "collector", "/x"),
        ("http://collector:/x", "collector", "/x"),
        ("http://10.0.0.1:1?a=b&c=%20", "10.0.0.1:1", "/?a=b&c=%20"),
        ("http://[::1]:4318/a?b", "[::1]:4318", "/a?b"),
        ("http://[::1]/a", "[::1]", "/a"),
        ("unix:///run/sluice.sock", "localhost", "/"),
    ])
    func `A URL gives an authority and a target`(
        text: String, authority: String, target: String
    ) throws {
        let url = try HTTPURL(parsing: text)
        #expect(url.origin.authority == authority)
        #expect(url.target == target)
        #expect(try HTTPURL(parsing: url.description) == url)
    }

    @Test(arguments: [
        ("https://collector:4318", "https is not built yet: TLS"),
        ("HTTPS://collector", "https is not built yet: TLS"),
        ("collector:4318", "begins with http://"), ("", "begins with http://"),
        ("grpc://collector:4317", "begins with http://"),
        ("http://", "no host"), ("http:///v1", "no host"), ("http://:4318", "no host"),
        ("http://a:b", "not a port"), ("http://a:65536", "not a port"),
        ("http://::1:80/", "brackets"), ("http://[::1", "bracket"), ("http://a b", "blanks"),
        ("http://a/\r\nX: y", "blanks"), ("http://ä/", "non-ASCII"), ("http://a/#b", "fragment"),
        ("http://user:secret@a/", "Authorization"), ("unix:", "path"),
    ])
    func `What is wrong with a URL is said in words`(text: String, words: String) {
        let error = #expect(throws: HTTPURLError.self) { try HTTPURL(parsing: text) }
        #expect(error?.description.contains(words) == true, "\(String(describing: error))")
        #expect(error?.description.contains("secret") == false)
    }

    @Test(arguments: [
        ("http://a", "http://a/v1/logs"), ("http://a/", "http://a/v1/logs"),
        ("http://a/otlp", "http://a/otlp/v1/logs"), ("http://a/otlp//", "http://a/otlp/v1/logs"),
        ("http://a/otlp?t=1", "http://a/otlp/v1/logs?t=1"),
    ])
    func `A path is appended with one slash`(base: String, expected: String) throws {
        let url = try HTTPURL(parsing: base)
        #expect(url.appending(path: "/v1/logs").description == expected)
        #expect(url.appending(path: "v1/logs").description == expected)
    }
}
