import HTTP
import Testing

@testable import HTTPClient

private typealias Progress = HTTPResponseParser.Progress

/// Feeds `text` in pieces of `size` bytes, then perhaps the end of the connection.
private func parse(
    _ text: String, pieces size: Int = .max, end: Bool = false, method: HTTPMethod = .post
) throws(HTTPResponseError) -> Progress {
    try parse(Array(text.utf8), pieces: size, end: end, method: method)
}

private func parse(
    _ bytes: [UInt8], pieces size: Int = .max, end: Bool = false, method: HTTPMethod = .post
) throws(HTTPResponseError) -> Progress {
    var parser = HTTPResponseParser(requestMethod: method, headBytesMax: 4096, bodyBytesMax: 100)
    var progress = Progress.needMoreBytes
    var offset = 0
    while offset < bytes.count {
        let next = offset + min(size, bytes.count - offset)
        progress = try parser.receive(Array(bytes[offset..<next]).span)
        offset = next
    }
    return end ? try parser.receiveEnd() : progress
}

private func complete(
    _ status: Int, _ headers: HTTPHeaders, _ body: String = "", isCut: Bool = false,
    isReusable: Bool = true
) -> Progress {
    let response = HTTPClientResponse(
        status: HTTPStatus(status), headers: headers, body: Array(body.utf8), isBodyCut: isCut)
    return .complete(response, isReusable: isReusable)
}

struct Sample: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    var method = HTTPMethod.post
    var endsWithConnection = false
    let expected: HTTPResponseParser.Progress

    var testDescription: String { name }
}

@Suite struct `The response parser` {
    static let hundred = String(repeating: "x", count: 100)

    static let samples: [Sample] = [
        Sample(
            name: "a length", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            expected: complete(200, ["Content-Length": "5"], "hello")),
        Sample(
            name: "an empty body", text: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            expected: complete(200, ["Content-Length": "0"])),
        Sample(
            name: "no phrase", text: "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
            expected: complete(404, ["Content-Length": "0"])),
        Sample(
            name: "bare LF", text: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
            expected: complete(200, ["Content-Length": "2"], "hi")),
        Sample(
            name: "equal lengths",
            text: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\ncontent-length: 2\r\n\r\nhi",
            expected: complete(200, ["Content-Length": "2, 2", "content-length": "2"], "hi")),
        Sample(
            name: "chunks, extensions and a trailer",
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
                + "3;a=b\r\nhel\r\n02 \r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n",
            expected: complete(200, ["Transfer-Encoding": "Chunked"], "hello")),
        Sample(
            name: "chunks and a length",
            text: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "1\r\na\r\n0\r\n\r\n",
            expected: complete(
                200, ["Content-Length": "9", "Transfer-Encoding": "chunked"], "a",
                isReusable: false)),
        Sample(
            name: "a body up to the end", text: "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhello",
            endsWithConnection: true,
            expected: complete(200, ["Server": "x"], "hello", isReusable: false)),
        Sample(
            name: "an answer to HEAD", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            method: .head, expected: complete(200, ["Content-Length": "5"])),
        Sample(
            name: "204 with a length", text: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            expected: complete(204, ["Content-Length": "5"])),
        Sample(
            name: "304 with chunks",
            text: "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
            expected: complete(304, ["Transfer-Encoding": "chunked"])),
        Sample(
            name: "interim responses",
            text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
                + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            expected: complete(200, ["Content-Length": "1"], "x")),
        Sample(
            name: "Connection: close",
            text: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n",
            expected: complete(
                200, ["Connection": "foo, Close", "Content-Length": "0"], isReusable: false)),
        Sample(
            name: "HTTP/1.0", text: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
            expected: complete(200, ["Content-Length": "1"], "x", isReusable: false)),
        Sample(
            name: "HTTP/1.0, kept alive",
            text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
            expected: complete(200, ["Connection": "keep-alive", "Content-Length": "0"])),
        Sample(
            name: "a folded value",
            text: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b \r\n\t c\r\n\r\n",
            expected: complete(200, ["Content-Length": "0", "A": "b c"])),
        Sample(
            name: "a length over the limit",
            text: "HTTP/1.1 500 Oops\r\nContent-Length: 300\r\n\r\n" + hundred + hundred + hundred,
            expected: complete(
                500, ["Content-Length": "300"], hundred, isCut: true, isReusable: false)),
        Sample(
            name: "an endless body", text: "HTTP/1.1 500 Oops\r\nA: b\r\n\r\n" + hundred + "x",
            expected: complete(500, ["A": "b"], hundred, isCut: true, isReusable: false)),
        Sample(
            name: "a body of exactly the limit",
            text: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + hundred,
            expected: complete(200, ["Content-Length": "100"], hundred)),
    ]

    @Test(arguments: samples, [Int.max, 1, 2, 7])
    func `A response is read whatever its pieces are`(sample: Sample, size: Int) throws {
        let progress = try parse(
            sample.text, pieces: size, end: sample.endsWithConnection, method: sample.method)
        #expect(progress == sample.expected)
    }

    @Test(arguments: samples)
    func `A response that is cut anywhere is not complete`(sample: Sample) throws {
        // One over the limit is complete before its end, by design.
        guard case .complete(let response, _) = sample.expected, !response.isBodyCut else { return }
        let bytes = Array(sample.text.utf8)
        // One that ends with the connection is complete at any point of its body.
        let end = sample.endsWithConnection ? bytes.count - response.body.count : bytes.count
        for count in 0..<end {
            let cut = Array(bytes[..<count])
            #expect(try parse(cut, method: sample.method) == .needMoreBytes)
            #expect(throws: HTTPResponseError.endedEarly) {
                try parse(cut, end: true, method: sample.method)
            }
        }
    }

    static let malformed: [(String, HTTPResponseError)] = [
        ("SSH-2.0-OpenSSH_9.2\r\n", .statusLine),
        ("\r\n", .statusLine),
        ("HTTP/2 200\r\n", .statusLine),
        ("HTTP/1.1 20\r\n", .statusLine),
        ("HTTP/1.1 2000\r\n", .statusLine),
        ("HTTP/1.1 099 \r\n", .statusLine),
        ("HTTP/1.1 600 \r\n", .statusLine),
        ("HTTP/1.1  200\r\n", .statusLine),
        ("http/1.1 200 OK\r\n", .statusLine),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", .unexpectedUpgrade),
        ("HTTP/1.1 200 OK\r\nno colon\r\n", .headerField),
        ("HTTP/1.1 200 OK\r\n: empty\r\n", .headerField),
        ("HTTP/1.1 200 OK\r\nA : b\r\n", .headerField),
        ("HTTP/1.1 200 OK\r\nA: b\0c\r\n", .headerField),
        ("HTTP/1.1 200 OK\r\nA: b\rc\r\n", .headerField),
        ("HTTP/1.1 200 OK\r\n folded: first\r\n", .headerField),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", .contentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", .contentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n", .contentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", .contentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", .contentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", .contentLength),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .transferEncoding),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n", .transferEncoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncoding),
    ]

    @Test(arguments: malformed, [Int.max, 1])
    func `A malformed head is refused`(sample: (String, HTTPResponseError), size: Int) {
        #expect(throws: sample.1) { try parse(sample.0, pieces: size) }
    }

    @Test(arguments: [
        "\r\n", ";a\r\n", "g\r\n", "-1\r\n", "0x1\r\n", "1_\r\n", "8000000000000000\r\n",
        "ffffffffffffffffff\r\n", "1\r\nab\r\n", "1\r\na0\r\n\r\n",
        "1;" + String(repeating: "x", count: 5000),
    ])
    func `A malformed chunk is refused`(chunk: String) {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for size in [Int.max, 1] {
            #expect(throws: HTTPResponseError.chunk) { try parse(head + chunk, pieces: size) }
        }
    }

    @Test func `A malformed trailer is refused`() {
        #expect(throws: HTTPResponseError.headerField) {
            try parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\noops\r\n\r\n")
        }
    }

    @Test func `The limit of the head counts everything that is not the body`() {
        let field = "A: \(Self.hundred)\r\n"
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        for text in [
            String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 200),
            "HTTP/1.1 200 " + String(repeating: "x", count: 5000),
            "HTTP/1.1 200 OK\r\n" + String(repeating: field, count: 50),
            chunked + String(repeating: field, count: 50),
        ] {
            for size in [Int.max, 1] {
                #expect(throws: HTTPResponseError.headTooLarge) { try parse(text, pieces: size) }
            }
        }
    }

    @Test func `Bytes after the response spoil the connection`() throws {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
        let expected = complete(200, ["Content-Length": "1"], "x", isReusable: false)
        #expect(try parse(text + "H") == expected)
    }

    @Test func `Random damage never traps, and pieces make no difference to it`() {
        var state: UInt64 = 7
        for round in 0..<3_000 {
            var bytes = Array(Self.samples[round % Self.samples.count].text.utf8)
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 20)
            }
            let whole = Result { () throws(HTTPResponseError) in try parse(bytes) }
            let dripped = Result { () throws(HTTPResponseError) in try parse(bytes, pieces: 1) }
            #expect(whole == dripped)
        }
    }
}
