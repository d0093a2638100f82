import Glibc
import HTTP
import Platform
import Testing

@testable import HTTPClient

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

private func origin(_ address: SocketAddress) throws -> HTTPOrigin {
    HTTPOrigin(try Endpoint(parsing: address.description))
}

private func post(_ body: [UInt8] = Array("data".utf8), to target: String = "/v1/traces")
    -> HTTPRequest
{
    HTTPRequest(
        head: HTTPRequestHead(
            method: .post, target: target, headers: ["Content-Type": "application/x-protobuf"]),
        body: body)
}

private var soon: Instant { .now + .seconds(10) }

/// Runs `test` with a client of a server that behaves as `serve` says.
private func withServer(
    at address: SocketAddress = .loopback(port: 0),
    settings: HTTPClientSettings = HTTPClientSettings(),
    _ serve: @escaping @Sendable (TestServer.Peer) throws -> Void,
    test: (HTTPClient, TestServer) throws -> Void
) throws {
    let server = try TestServer(at: address, serve)
    defer { server.stop() }
    try test(HTTPClient(origin: origin(server.address), settings: settings), server)
}

/// Answers every request in the same way until the client closes.
private func answering(_ text: String) -> @Sendable (TestServer.Peer) throws -> Void {
    { peer in
        while true {
            _ = try peer.readRequest()
            try peer.send(text)
        }
    }
}

private func expectOK(_ client: HTTPClient) throws {
    let response = try client.send(post(), deadline: soon)
    #expect(response.status == .ok)
}

private func reason(_ body: () throws -> Void) -> HTTPClientError.Reason? {
    #expect(throws: HTTPClientError.self) { try body() }?.reason
}

@Suite struct `The HTTP client` {
    @Test func `A request arrives as it was meant`() throws {
        let seen = Monitor<String>("")
        try withServer { peer in
            let (head, body) = try peer.readRequest()
            seen.withLock { $0 = head + "|" + String(decoding: body, as: UTF8.self) }
            try peer.send(ok)
        } test: { client, server in
            let response = try client.send(post(to: "/v1/traces?x=1"), deadline: soon)
            #expect(response.status == .ok)
            #expect(response.body == Array("ok".utf8))
            let expected =
                "POST /v1/traces?x=1 HTTP/1.1\r\nHost: \(server.address)\r\n"
                + "Content-Type: application/x-protobuf\r\nContent-Length: 4|data"
            #expect(seen.withLock { $0 } == expected)
        }
    }

    @Test func `A body in pieces arrives as one`() throws {
        // Some that are empty, and more than the kernel takes at once.
        let pieces = [0, 1, 0, 70_000, 3_000_000, 5, 0].enumerated().map { number, count in
            (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3 &+ number) }
        }
        let body = Array(pieces.joined())
        let seen = Monitor<[UInt8]>([])
        try withServer { peer in
            // Not through readRequest, which looks at all it has again and again.
            var bytes: [UInt8] = []
            while bytes.count < body.count { try peer.receive(into: &bytes) }
            seen.withLock { $0 = Array(bytes.suffix(body.count)) }
            try peer.send(ok)
            for _ in 0..<2 {
                let (_, body) = try peer.readRequest()
                seen.withLock { $0 += body }
                try peer.send(ok)
            }
        } test: { client, server in
            for body in [pieces, [[]], [Array("da".utf8), Array("ta".utf8)]] {
                let response = try client.send(post().head, body: body, deadline: soon)
                #expect(response.status == .ok)
            }
            #expect(server.connectionCount == 1)
            #expect(seen.withLock { $0 == body + Array("data".utf8) })
        }
    }

    @Test func `A large body arrives whole`() throws {
        let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
        let isEqual = Monitor(false)
        try withServer { peer in
            // Not through readRequest, which looks at all it has again and again.
            var bytes: [UInt8] = []
            while bytes.count < body.count { try peer.receive(into: &bytes) }
            isEqual.withLock { $0 = Array(bytes.suffix(body.count)) == body }
            try peer.send(ok)
        } test: { client, _ in
            let response = try client.send(post(body), deadline: soon)
            #expect(response.status == .ok)
            #expect(isEqual.withLock { $0 })
        }
    }

    @Test func `A connection is used again`() throws {
        try withServer(answering(ok)) { client, server in
            for _ in 0..<20 {
                try expectOK(client)
            }
            #expect(server.connectionCount == 1)
            #expect(client.idleConnectionCount == 1)
        }
    }

    @Test func `A Unix socket works as well`() throws {
        let path = "/tmp/sluice-client-test-\(getpid()).sock"
        try withServer(at: .unix(path), answering(ok)) { client, _ in
            try expectOK(client)
            try expectOK(client)
        }
    }

    @Test func `Without idle connections each request has its own and says so`() throws {
        var settings = HTTPClientSettings()
        settings.idleConnectionsMax = 0
        let heads = Monitor<[String]>([])
        try withServer(settings: settings) { peer in
            let head = try peer.readRequest().head
            heads.withLock { $0.append(head) }
            try peer.send(ok)
            peer.hang()
        } test: { client, server in
            for _ in 0..<3 { _ = try client.send(post(), deadline: soon) }
            #expect(server.connectionCount == 3)
            #expect(heads.withLock { $0 }.allSatisfy { $0.contains("\r\nConnection: close") })
        }
    }

    @Test func `No more connections are kept than the settings say`() throws {
        var settings = HTTPClientSettings()
        settings.idleConnectionsMax = 2
        let waiting = Monitor(0)
        try withServer(settings: settings) { peer in
            _ = try peer.readRequest()
            // Answers when all five are there, so that each needs a connection of its own.
            waiting.withLock { $0 += 1 }
            waiting.notifyAll()
            _ = waiting.wait(until: soon) { $0 >= 5 ? true : nil }
            try peer.send(ok)
            peer.hang()
        } test: { client, server in
            let threads = try (0..<5).map { _ in
                try Thread(name: "test-client") { _ = try? client.send(post(), deadline: soon) }
            }
            for thread in threads { thread.join() }
            #expect(server.connectionCount == 5)
            #expect(client.idleConnectionCount == 2)
        }
    }

    @Test func `A connection that was idle for too long is closed`() throws {
        var settings = HTTPClientSettings()
        settings.idleTimeout = .zero
        try withServer(settings: settings, answering(ok)) { client, server in
            for _ in 0..<3 { _ = try client.send(post(), deadline: soon) }
            #expect(server.connectionCount == 3)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ok + "surplus",
    ])
    func `A connection that is over is not kept`(answer: String) throws {
        try withServer(answering(answer)) { client, server in
            for _ in 0..<3 {
                let response = try client.send(post(), deadline: soon)
                #expect(response.body == Array("ok".utf8))
            }
            #expect(server.connectionCount == 3)
        }
    }

    @Test func `A kept connection that the server has closed is replaced`() throws {
        try withServer { peer in
            _ = try peer.readRequest()
            try peer.send(ok)
        } test: { client, server in
            for _ in 0..<5 { try expectOK(client) }
            #expect(server.connectionCount == 5)
        }
    }

    @Test(arguments: [false, true])
    func `A kept connection that ends on the next request is replaced, once`(
        resets: Bool
    ) throws {
        try withServer { peer in
            _ = try peer.readRequest()
            try peer.send(ok)
            // Only now, when the client already took it for good.
            _ = try peer.readRequest()
            if resets { try peer.reset() }
        } test: { client, server in
            _ = try client.send(post(), deadline: soon)
            try expectOK(client)
            #expect(server.connectionCount == 2)
        }
    }

    @Test func `A new connection that ends unanswered is an error`() throws {
        try withServer { peer in
            _ = try peer.readRequest()
        } test: { client, server in
            #expect(
                reason { _ = try client.send(post(), deadline: soon) }
                    == .malformedResponse(.endedEarly))
            #expect(server.connectionCount == 1)
        }
    }

    @Test func `A kept connection that ends within the response is an error`() throws {
        try withServer { peer in
            _ = try peer.readRequest()
            try peer.send(ok)
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        } test: { client, server in
            _ = try client.send(post(), deadline: soon)
            #expect(
                reason { _ = try client.send(post(), deadline: soon) }
                    == .malformedResponse(.endedEarly))
            #expect(server.connectionCount == 1)
        }
    }

    @Test func `A server that answers before it has read the body is heard`() throws {
        try withServer { peer in
            var bytes: [UInt8] = []
            try peer.receive(into: &bytes)
            try peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
            peer.hang()
        } test: { client, _ in
            let body = [UInt8](repeating: 1, count: 30_000_000)
            let response = try client.send(post(body), deadline: soon)
            #expect(response.status == .contentTooLarge)
            // What was not sent would be taken for the next request.
            #expect(client.idleConnectionCount == 0)
        }
    }
}

@Suite struct `A server that misbehaves` {
    /// What a client must survive, and how it ends: an error, by the deadline.
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let expected: HTTPClientError.Reason
        let serve: @Sendable (TestServer.Peer) throws -> Void
    }

    static let faults: [Fault] = [
        Fault(testDescription: "never reads", expected: .timedOut) { $0.hang() },
        Fault(testDescription: "never answers", expected: .timedOut) { peer in
            _ = try peer.readRequest()
            peer.hang()
        },
        Fault(testDescription: "drips its head", expected: .timedOut) { peer in
            try peer.send("HTTP/1.1 200 OK\r\nX-A: ")
            while peer.goesOn {
                try peer.send("a")
                peer.dawdle()
            }
        },
        Fault(testDescription: "stops within its body", expected: .timedOut) { peer in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            peer.hang()
        },
        Fault(testDescription: "sends garbage", expected: .malformedResponse(.statusLine)) { peer in
            _ = try peer.readRequest()
            try peer.send("+OK POP3 server ready\r\n")
            peer.hang()
        },
        Fault(
            testDescription: "sends an endless line", expected: .malformedResponse(.headTooLarge)
        ) { peer in
            while peer.goesOn { try peer.send([UInt8](repeating: 0x20, count: 1 << 16)) }
        },
        Fault(
            testDescription: "sends endless interim responses",
            expected: .malformedResponse(.headTooLarge)
        ) { peer in
            while peer.goesOn { try peer.send("HTTP/1.1 100 Continue\r\n\r\n") }
        },
        Fault(
            testDescription: "closes within its head", expected: .malformedResponse(.endedEarly)
        ) { peer in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Le")
        },
        Fault(
            testDescription: "resets",
            expected: .system(SystemError(call: "recv", errno: ECONNRESET))
        ) { peer in
            _ = try peer.readRequest()
            try peer.reset()
        },
    ]

    @Test(arguments: faults)
    func `The call ends with the reason, by the deadline`(fault: Fault) throws {
        try withServer(fault.serve) { client, server in
            let start = Instant.now
            // "never reads" has to fill the kernel's buffers first.
            let request = post([UInt8](repeating: 7, count: 20_000_000))
            let isTimeout = fault.expected == .timedOut
            let body = fault.testDescription == "never reads" ? request : post()
            let error = #expect(throws: HTTPClientError.self) {
                try client.send(body, deadline: start + .milliseconds(isTimeout ? 300 : 10_000))
            }
            #expect(error?.reason == fault.expected)
            #expect(error?.origin == client.origin)
            #expect(error?.description.contains(server.address.description) == true)
            if isTimeout { #expect(Instant.now - start < .seconds(5)) }
            #expect(client.idleConnectionCount == 0)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 500 Oops\r\n\r\n", "HTTP/1.1 500 Oops\r\nContent-Length: 99999999999\r\n\r\n",
    ])
    func `An endless body is cut and its status kept`(head: String) throws {
        var settings = HTTPClientSettings()
        settings.bodyBytesMax = 100_000
        try withServer(settings: settings) { peer in
            _ = try peer.readRequest()
            try peer.send(head)
            while peer.goesOn { try peer.send([UInt8](repeating: 0x20, count: 1 << 16)) }
        } test: { client, _ in
            let response = try client.send(post(), deadline: soon)
            #expect(response.status == .internalServerError)
            #expect(response.isBodyCut)
            #expect(response.body.count == 100_000)
            #expect(client.idleConnectionCount == 0)
        }
    }

    @Test func `An endless body in tiny chunks ends at the limit as well`() throws {
        var settings = HTTPClientSettings()
        settings.bodyBytesMax = 1_000
        try withServer(settings: settings) { peer in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while peer.goesOn { try peer.send("1\r\nx\r\n") }
        } test: { client, _ in
            let response = try client.send(post(), deadline: soon)
            #expect(response.isBodyCut)
            #expect(response.body.count == 1_000)
        }
    }
}

@Suite struct `A server that can't be reached` {
    /// An address where nobody listens: one that was free a moment ago.
    private static func freeAddress() throws -> SocketAddress {
        try Socket(listeningOn: .loopback(port: 0), sharingPort: false).localAddress()
    }

    @Test func `A refused connection says so, with the server's name`() throws {
        let address = try Self.freeAddress()
        let client = try HTTPClient(origin: origin(address))
        let error = #expect(throws: HTTPClientError.self) {
            try client.send(post(), deadline: soon)
        }
        #expect(error?.phase == .connect)
        #expect(error?.description == "connect to \(address): Connection refused")
        #expect(error?.mayHaveArrived == false)
    }

    @Test func `A name that does not exist can't be resolved`() throws {
        let endpoint = try Endpoint(parsing: "no-such-host.invalid:4318")
        let client = try HTTPClient(origin: HTTPOrigin(endpoint))
        let error = #expect(throws: HTTPClientError.self) {
            try client.send(post(), deadline: soon)
        }
        #expect(error?.phase == .resolve)
        #expect(error?.description.contains("no-such-host.invalid") == true)
    }

    @Test func `A missing Unix socket is an error of connecting`() throws {
        let endpoint = try Endpoint(parsing: "unix:///nonexistent/sluice.sock")
        let client = try HTTPClient(origin: HTTPOrigin(endpoint))
        let error = #expect(throws: HTTPClientError.self) {
            try client.send(post(), deadline: soon)
        }
        #expect(error?.phase == .connect)
    }

    @Test func `A deadline in the past is a timeout`() throws {
        try withServer(answering(ok)) { client, _ in
            #expect(reason { _ = try client.send(post(), deadline: .now) } == .timedOut)
        }
    }

    @Test(arguments: ["localhost", "127.0.0.1"])
    func `All addresses of a name are tried`(host: String) throws {
        // localhost may be ::1 first, where this server does not listen.
        try withServer(answering(ok)) { _, server in
            let port = try #require(server.address.port)
            let endpoint = try Endpoint(parsing: "\(host):\(port)")
            let client = try HTTPClient(origin: HTTPOrigin(endpoint))
            try expectOK(client)
        }
    }
}

@Suite struct `Cancelling` {
    @Test func `Calls in progress end at once, and so do later ones`() throws {
        let arrived = Monitor(false)
        try withServer { peer in
            _ = try peer.readRequest()
            arrived.withLock { $0 = true }
            arrived.notifyAll()
            peer.hang()
        } test: { client, _ in
            let outcome = Monitor<HTTPClientError.Reason?>(nil)
            let thread = try Thread(name: "test-client") {
                do throws(HTTPClientError) {
                    _ = try client.send(post(), deadline: .now + .seconds(60))
                } catch {
                    outcome.withLock { $0 = error.reason }
                }
            }
            #expect(arrived.wait(until: soon) { $0 ? true : nil } == true)
            let start = Instant.now
            client.cancel()
            client.cancel()
            thread.join()
            #expect(Instant.now - start < .seconds(5))
            #expect(outcome.withLock { $0 } == .cancelled)
            #expect(reason { _ = try client.send(post(), deadline: soon) } == .cancelled)
        }
    }
}

@Suite struct `Requests that can't be sent` {
    @Test(arguments: [
        ("X-A", "a\r\nX-B: b"), ("X-A", "a\nb"), ("X-A", "a\0"), ("X A", "a"), ("", "a"),
        ("X-A\r\nX-B", "a"), ("X:A", "a"), ("Content-Length", "5"), ("connection", "close"),
        ("Transfer-Encoding", "chunked"),
    ])
    func `A header can't smuggle anything in`(name: String, value: String) throws {
        var request = post()
        request.head.headers.add(name, value)
        let client = try HTTPClient(origin: origin(.loopback(port: 9)))
        let error = #expect(throws: HTTPClientError.self) {
            try client.send(request, deadline: soon)
        }
        guard case .invalidRequest = error?.reason else {
            Issue.record("not refused: \(String(describing: error))")
            return
        }
        #expect(HTTPClient.problem(in: request.head.headers) != nil)
    }

    @Test func `A problem is told without the value`() {
        let problem = HTTPClient.problem(in: ["Authorization": "Bearer secret\u{1}"])
        #expect(problem?.contains("Authorization") == true)
        #expect(problem?.contains("secret") == false)
        #expect(HTTPClient.problem(in: ["Authorization": "Bearer sécret"]) == nil)
    }

    @Test(arguments: ["", "v1", "http://a/", "/a b", "/a\r\n", "/ä"])
    func `A target is a path in printable ASCII`(target: String) throws {
        let client = try HTTPClient(origin: origin(.loopback(port: 9)))
        let error = #expect(throws: HTTPClientError.self) {
            try client.send(post(to: target), deadline: soon)
        }
        guard case .invalidRequest = error?.reason else {
            Issue.record("not refused: \(String(describing: error))")
            return
        }
    }
}
