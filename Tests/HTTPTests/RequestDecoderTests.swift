import Testing

@testable import HTTP

@Suite struct RequestDecoderTests {
    private static let good: [String] = [
        request("GET / HTTP/1.1"),
        request("POST /a HTTP/1.1", "Content-Length: 5", body: "hello"),
        request("POST /a HTTP/1.1", "Transfer-Encoding: chunked", body: "5\r\nhello\r\n0\r\n\r\n"),
        request(
            "POST /a HTTP/1.1", "Transfer-Encoding: chunked",
            body: "3;a=b\r\nhel\r\n002 ;x\r\nlo\r\n0;z\r\nTrailer: x\r\n\r\n"),
        request("POST /a HTTP/1.1", "Content-Length: 5", "Expect: 100-continue", body: "hello"),
        "\r\n\r\n" + request("GET /after-empty-lines HTTP/1.1"),
        "GET /old HTTP/1.0\r\n\r\n",
        "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /again HTTP/1.0\r\n\r\n",
        request("POST /a HTTP/1.1", "Content-Length: 2", body: "ab")
            + request("POST /b HTTP/1.1", "Transfer-Encoding: chunked", body: "1\r\nx\r\n0\r\n\r\n")
            + request("GET /c HTTP/1.1", "Connection: close") + "GET /ignored HTTP/1.1\r\n\r\n",
        request("POST /refuse HTTP/1.1", "Content-Length: 5", body: "hello")
            + request("GET /next HTTP/1.1"),
        request("POST /refuse HTTP/1.1", "Transfer-Encoding: chunked", body: "1\r\nx\r\n0\r\n\r\n")
            + request("GET /next HTTP/1.1"),
        request(
            "POST /large HTTP/1.1", "Content-Length: 1001",
            body: String(repeating: "x", count: 1001))
            + request("GET /next HTTP/1.1"),
        request("GET http://host/path?x=1 HTTP/1.1"),
        request("OPTIONS * HTTP/1.1"),
        request("GET /future HTTP/1.7"),
    ]

    private static let bad: [(input: String, status: Int)] = [
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\nHost: a\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET path HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\n\r\n", 505),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}", 400),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 4318\r\nGET / HTTP/1.1\r\n", 400),
        ("\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{c}", 400),
        ("\(String(repeating: "M", count: 33)) / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        (request("GET / HTTP/1.1", " folded"), 400),
        (request("GET / HTTP/1.1", "\tfolded"), 400),
        (request("GET / HTTP/1.1", "Name : x"), 400),
        (request("GET / HTTP/1.1", ": x"), 400),
        (request("GET / HTTP/1.1", "no colon"), 400),
        (request("GET / HTTP/1.1", "a: b\rc"), 400),
        (request("GET / HTTP/1.1", "a: b\0c"), 400),
        (request("POST / HTTP/1.1", "Content-Length: 1", "Content-Length: 1", body: "x"), 400),
        (request("POST / HTTP/1.1", "Content-Length: 1", "Content-Length: 2", body: "xx"), 400),
        (request("POST / HTTP/1.1", "Content-Length: 1, 1", body: "x"), 400),
        (request("POST / HTTP/1.1", "Content-Length: +1", body: "x"), 400),
        (request("POST / HTTP/1.1", "Content-Length: -1", body: "x"), 400),
        (request("POST / HTTP/1.1", "Content-Length: 0x1", body: "x"), 400),
        (request("POST / HTTP/1.1", "Content-Length: 1 1", body: "x"), 400),
        (request("POST / HTTP/1.1", "Content-Length:", body: "x"), 400),
        (
            request(
                "POST / HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked", body: "x"),
            400
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (request("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked"), 501),
        (request("POST / HTTP/1.1", "Transfer-Encoding: chunked, gzip"), 400),
        (request("POST / HTTP/1.1", "Transfer-Encoding: identity"), 400),
        (request("POST / HTTP/1.1", "Transfer-Encoding: chunked, chunked"), 400),
        (
            request("POST / HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
            400
        ),
        (request("POST / HTTP/1.1", "Transfer-Encoding: xchunked"), 400),
        (request("POST / HTTP/1.1", "Transfer-Encoding:\u{b}chunked"), 400),
        (request("POST / HTTP/1.1", "Expect: 200-ok"), 417),
        (chunked("g\r\n"), 400),
        (chunked("\r\n"), 400),
        (chunked(";x\r\n"), 400),
        (chunked("-1\r\n"), 400),
        (chunked("0x1\r\n"), 400),
        (chunked("1\nx\r\n"), 400),
        (chunked("1\r\nxx\r\n"), 400),
        (chunked("1\r\nx\n0\r\n\r\n"), 400),
        (chunked("1;a\u{1}\r\nx\r\n"), 400),
        (chunked("1;a\r\rx"), 400),
        (chunked("8000000000000000\r\n"), 413),
        (chunked("7fffffffffffffff\r\nx"), 413),
        (chunked("fffffffffffffffff\r\n"), 413),
        (chunked("00000000000000001\r\n"), 400),
        (chunked("3e9\r\n" + String(repeating: "x", count: 1001)), 413),
        (chunked("1;" + String(repeating: "e", count: 5000) + "\r\n"), 400),
        (chunked("0\r\nbad trailer\r\n\r\n"), 400),
        (chunked("0\r\n folded\r\n\r\n"), 400),
    ]

    private static func chunked(_ body: String) -> String {
        request("POST / HTTP/1.1", "Transfer-Encoding: chunked", body: body)
    }

    @Test func `A body of known length becomes a request`() {
        let lines = Transcript.of(
            request("POST /a?x=1 HTTP/1.1", "Content-Length: 5", body: "hello"))
        #expect(lines == ["head POST /a?x=1 2", "handle /a?x=1 hello"])
    }

    @Test func `Chunks, extensions and trailers become one body`() {
        #expect(Transcript.of(Self.good[3]).last == "handle /a hello")
    }

    @Test func `Pipelined requests come one after the other, up to a close`() {
        #expect(
            Transcript.of(Self.good[8]) == [
                "head POST /a 2", "handle /a ab", "head POST /b 2", "handle /b x", "head GET /c 2",
                "handle /c ",
            ])
    }

    @Test func `The body of a refused request is skipped when it is short`() {
        #expect(
            Transcript.of(Self.good[9]) == [
                "head POST /refuse 2", "refused true", "head GET /next 1", "handle /next ",
            ])
    }

    @Test func `The body of a refused request ends the connection when it is long`() {
        let lines = Transcript.of(request("POST /refuse HTTP/1.1", "Content-Length: 65537"))
        #expect(lines == ["head POST /refuse 2", "refused false"])
    }

    @Test func `A refused chunked body that turns out long closes the connection`() {
        let lines = Transcript.of(
            request(
                "POST /refuse HTTP/1.1", "Transfer-Encoding: chunked",
                body: "20000\r\n"))
        #expect(lines == ["head POST /refuse 2", "refused true", "close"])
    }

    @Test func `A refused request that expects 100-continue ends the connection`() {
        let lines = Transcript.of(
            request("POST /refuse HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"))
        #expect(lines.last == "refused false")
    }

    @Test func `A promised body over the limit is too large before it comes`() {
        for length in ["1001", "9223372036854775807", "99999999999999999999999"] {
            let lines = Transcript.of(
                request("POST / HTTP/1.1", "Content-Length: \(length)"))
            #expect(lines.last?.hasPrefix("too large") == true, "\(length)")
        }
    }

    @Test func `100-continue is asked for once the head was accepted`() {
        #expect(Transcript.of(Self.good[4])[1] == "continue")
    }

    @Test func `HTTP 1.0 keeps the connection only when asked`() {
        #expect(Transcript.of(Self.good[7]).count == 4)
        #expect(Transcript.of("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n").count == 2)
    }

    @Test(arguments: bad.indices)
    func `A malformed request is refused with the status that says why`(index: Int) {
        let (input, status) = Self.bad[index]
        let lines = Transcript.of(input)
        #expect(
            lines.last?.hasPrefix("reject \(status) ") == true,
            "\(input.debugDescription) → \(lines)")
    }

    @Test(arguments: good + bad.map(\.input))
    func `Where the pieces of the input end makes no difference`(input: String) {
        let whole = Transcript.of(input)
        for size in [1, 2, 3, 7, 16] {
            #expect(Transcript.of(input, piecesOf: size) == whole, "pieces of \(size)")
        }
    }

    @Test(arguments: good)
    func `A request cut off at any byte is a beginning, never an error`(input: String) {
        let whole = Transcript.of(input)
        for end in 0..<input.utf8.count {
            let lines = Transcript.of(String(decoding: Array(input.utf8)[..<end], as: UTF8.self))
            #expect(whole.starts(with: lines), "cut at \(end)")
        }
    }

    @Test(arguments: [1, 5, .max])
    func `A head at its limits passes, and one byte or field more is refused`(piece: Int) {
        var limits = HTTPLimits()
        limits.requestLineBytesMax = 20
        limits.headBytesMax = 60
        limits.headerCountMax = 2
        func last(_ input: String) -> String {
            String(Transcript.of(input, piecesOf: piece, limits: limits).last?.prefix(10) ?? "")
        }
        #expect(last(request("GET /234567 HTTP/1.1")) == "handle /23")
        #expect(last(request("GET /2345678 HTTP/1.1")) == "reject 414")
        #expect(last("GET /" + String(repeating: "x", count: 50)) == "reject 414")
        #expect(last(request("GET / HTTP/1.1", "a: b")) == "handle / ")
        #expect(last(request("GET / HTTP/1.1", "a: b", "c: d")) == "reject 431")
        let filled = 60 - request("GET / HTTP/1.1", "a: ").utf8.count
        #expect(
            last(request("GET / HTTP/1.1", "a: " + String(repeating: "x", count: filled)))
                == "handle / ")
        #expect(
            last(request("GET / HTTP/1.1", "a: " + String(repeating: "x", count: filled + 1)))
                == "reject 431")
        #expect(last(String(repeating: "\r\n", count: 31)) == "reject 431")
    }

    @Test func `An idle decoder waits for a head, and says so`() {
        var transcript = Transcript()
        #expect(transcript.decoder.phase == .idle)
        transcript.feed(Array("GET".utf8))
        #expect(transcript.decoder.phase == .head)
        transcript.feed(Array(" / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab".utf8))
        #expect(transcript.decoder.phase == .body)
        #expect(transcript.decoder.bodyBytesHeld == 2)
        transcript.feed(Array("c".utf8))
        #expect(transcript.decoder.phase == .idle)
    }

    @Test func `A body can be received straight into its array`() throws {
        var transcript = Transcript(bodyBytesMax: 1 << 20)
        transcript.feed(Array(request("POST /a HTTP/1.1", "Content-Length: 200000").utf8))
        var request: HTTPRequest?
        var rounds = 0
        while request == nil {
            let room = transcript.decoder.directBodyRoom
            request = transcript.decoder.receiveBody { body in
                body.append(contentsOf: repeatElement(UInt8(rounds), count: min(room, 60_000)))
            }
            rounds += 1
        }
        #expect(request?.body.count == 200_000)
        #expect(request?.body.last == 3)
        #expect(transcript.decoder.directBodyRoom == 0)
        #expect(transcript.decoder.phase == .idle)
    }

    @Test func `A lying Content-Length costs no more than the first step`() {
        var transcript = Transcript(bodyBytesMax: .max)
        transcript.feed(
            Array(request("POST /a HTTP/1.1", "Content-Length: 9000000000000", body: "x").utf8))
        var capacity = 0
        _ = transcript.decoder.receiveBody { capacity = $0.capacity }
        #expect(capacity < 2 * HTTPRequestDecoder.bodyFirstStepBytes)
    }

    @Test func `An abandoned body is skipped to the next request`() {
        var transcript = Transcript()
        transcript.feed(Array(request("POST /a HTTP/1.1", "Content-Length: 4", body: "ab").utf8))
        transcript.decoder.abandonBody()
        #expect(transcript.decoder.keepsAlive)
        transcript.feed(Array(("cd" + request("GET /next HTTP/1.1")).utf8))
        #expect(transcript.lines.last == "handle /next ")
    }
}
