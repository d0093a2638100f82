import Testing

@testable import HTTP

@Suite struct HTTPMessageTests {
    @Test func `Header names are found whatever their case`() {
        var headers: HTTPHeaders = ["Content-Type": "a", "X": "1"]
        headers.add("x", "2, 3 ,,4")
        #expect(headers["CONTENT-TYPE"] == "a")
        #expect(headers.values("x") == ["1", "2, 3 ,,4"])
        #expect(headers.elements("X") == ["1", "2", "3", "4"])
        #expect(headers.only("content-TYPE") == "a")
        #expect(headers.only("x") == nil && headers.only("y") == nil)
        headers["x"] = nil
        #expect(headers.count == 1)
    }

    @Test(arguments: [
        ("/v1/traces", "/v1/traces", nil),
        ("/v1/traces?a=b?c", "/v1/traces", "a=b?c"),
        ("http://host:1/p?q", "/p", "q"),
        ("http://host", "/", nil),
        ("http://host?q", "/", "q"),
        ("*", "*", nil),
        ("/a?u=http://x/y", "/a", "u=http://x/y"),
        ("?", "/", ""),
    ])
    func `A target is split into path and query`(target: String, path: String, query: String?) {
        #expect(HTTPTarget(target).path == path)
        #expect(HTTPTarget(target).query.map(String.init) == query)
    }

    @Test func `Query items are decoded, and wrong escapes stay as they are`() {
        let items = HTTPTarget("/?a=b+c&d%20e=%C3%A9&f&g=%zz").queryItems
        #expect(items.map(\.name) == ["a", "d e", "f", "g"])
        #expect(items.map(\.value) == ["b c", "é", "", "%zz"])
    }

    @Test(arguments: [("%2Fa", "/a"), ("a%", nil), ("%4", nil), ("%g0", nil), ("%ff", nil)])
    func `Percent escapes are two hex digits that make UTF-8`(text: String, decoded: String?) {
        #expect(HTTPTarget.percentDecoded(text) == decoded)
    }

    private func text(
        _ response: HTTPResponse, _ context: HTTPResponseEncoder.Context = .init()
    ) -> String {
        String(decoding: HTTPResponseEncoder.head(of: response, context), as: UTF8.self)
    }

    @Test func `An answer carries its length, and the framing is the encoder's`() {
        let response = HTTPResponse(
            status: .ok,
            headers: [
                "A": "b", "content-length": "9", "Connection": "x", "Transfer-Encoding": "y",
            ],
            body: [1, 2, 3])
        #expect(text(response) == "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n")
    }

    @Test func `A header that would split the answer is left out`() {
        let response = HTTPResponse(
            status: .ok, headers: ["A": "b\r\nSet-Cookie: x", "B\r\n": "c", "D": "e"])
        #expect(text(response) == "HTTP/1.1 200 OK\r\nD: e\r\nContent-Length: 0\r\n\r\n")
    }

    @Test func `No content has no length, and a HEAD's answer no body`() {
        #expect(text(HTTPResponse(status: .noContent)) == "HTTP/1.1 204 No Content\r\n\r\n")
        let response = HTTPResponse.text(.ok, "x")
        let context = HTTPResponseEncoder.Context(isHead: true)
        #expect(text(response, context).contains("Content-Length: 1\r\n"))
        #expect(!HTTPResponseEncoder.sendsBody(of: response, context))
        #expect(HTTPResponseEncoder.sendsBody(of: response, .init()))
    }

    @Test func `Connection says what the peer can't assume`() {
        let response = HTTPResponse(status: .ok)
        #expect(text(response, .init(keepsAlive: false)).contains("Connection: close\r\n"))
        #expect(text(response, .init(version: .http10)).contains("Connection: keep-alive\r\n"))
        #expect(!text(response).contains("Connection"))
    }

    @Test(
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] as [(UInt64, String)])
    func `Dates are as RFC 9110 writes them`(seconds: UInt64, text: String) {
        #expect(HTTPDate.text(unixSeconds: seconds) == text)
    }
}
