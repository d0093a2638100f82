import Compression
import HTTPClient
import OTLP
import Platform
import Testing

@testable import LoadGenerator

/// Against servers with sockets. A run is stopped by its server, so that no test waits for time.
struct LoadRunTests {
    private static let success = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    private func settings(
        _ address: SocketAddress, connections: Int = 1
    ) throws -> LoadSettings {
        var settings = LoadSettings(
            .traces, endpoint: try HTTPURL(parsing: "http://\(address)"), seed: 1)
        settings.duration = .seconds(600)
        settings.connections = connections
        settings.batch = 10
        return settings
    }

    /// Runs until `enough` requests have come to the server.
    private func run(
        at address: SocketAddress = .loopback(port: 0), connections: Int = 1, requests enough: Int,
        attemptTimeout: Duration = .seconds(30),
        _ serve: @escaping @Sendable (ScriptedServer.Peer) throws -> Void
    ) throws -> (summary: LoadSummary, server: ScriptedServer) {
        let server = try ScriptedServer(at: address, serve)
        defer { server.stop() }
        var settings = try settings(server.address, connections: connections)
        settings.attemptTimeout = attemptTimeout
        let run = try LoadRun(settings)
        server.wait { $0 >= enough }
        run.stop()
        return (try #require(run.wait(until: .now + .seconds(60))), server)
    }

    @Test(arguments: [SocketAddress.loopback(port: 0), .loopback6(port: 0)])
    func `Connections are kept, and each sends items of its own`(address: SocketAddress) throws {
        let (summary, server) = try run(at: address, connections: 4, requests: 40) { peer in
            while true {
                _ = try peer.readRequest()
                try peer.send(Self.success)
            }
        }
        #expect(server.connectionCount == 4)
        #expect(server.bodies.count >= 40)
        #expect(Set(server.bodies).count == server.bodies.count)
        #expect(summary.acceptedItems == server.bodies.count * 10)
        #expect(summary.statuses == [200: server.bodies.count])
        #expect(summary.isComplete)
        #expect(summary.sentBytes == server.bodies.reduce(0) { $0 + $1.count })
    }

    @Test func `The head says what the body is`() throws {
        let server = try ScriptedServer { peer in
            _ = try peer.readRequest()
            try peer.send(Self.success)
        }
        defer { server.stop() }
        var settings = try settings(server.address)
        settings.encoding = .json
        settings.compression = .zstd
        let run = try LoadRun(settings)
        server.wait { $0 >= 1 }
        run.stop()
        _ = run.wait()
        let head = try #require(server.heads.first)
        #expect(head.hasPrefix("POST /v1/traces HTTP/1.1\r\nHost: \(server.address)\r\n"))
        #expect(head.contains("\r\nContent-Type: application/json\r\n"))
        #expect(head.contains("\r\nContent-Encoding: zstd\r\n"))
    }

    @Test func `A kept connection that ends unanswered is no failure: the request goes again`()
        throws
    {
        // Each connection answers one request, and ends with the next one.
        let (summary, server) = try run(requests: 9) { peer in
            _ = try peer.readRequest()
            try peer.send(Self.success)
            _ = try peer.readRequest()
        }
        #expect(server.connectionCount >= 5)
        #expect(summary.failures.isEmpty)
        #expect(summary.retries == 0)
        #expect(server.bodies[1] == server.bodies[2])
    }

    @Test func `An answer that closes its connection is followed by a new one`() throws {
        let (summary, server) = try run(requests: 5) { peer in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        }
        #expect(server.connectionCount == server.bodies.count)
        #expect(summary.isComplete)
        #expect(summary.failures.isEmpty)
    }

    @Test(
        arguments: [
            ("", "the connection was closed before the response was complete"),
            ("HTTP/1.1 200 OK\r\nContent-", "closed before the response was complete"),
            ("SSH-2.0-OpenSSH_9.6\r\n", "the response is not HTTP/1.1"),
        ] as [(String, String)])
    func `What is no whole answer is a failure, and tried again`(
        answer: String, text: String
    ) throws {
        let (summary, server) = try run(requests: 2) { peer in
            _ = try peer.readRequest()
            try peer.send(answer)
        }
        #expect(Set(server.bodies).count == 1)
        #expect(summary.unsentItems == 10)
        #expect(summary.retries >= 1)
        let failures = summary.failures.keys
        #expect(failures.count == 1)
        #expect(failures.allSatisfy { $0.hasPrefix("receive from 127.") && $0.hasSuffix(text) })
    }

    @Test func `The time that the server asks for is waited`() throws {
        let (summary, server) = try run(requests: 3) { peer in
            while true {
                _ = try peer.readRequest()
                try peer.send(
                    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\n"
                        + "Content-Length: 0\r\n\r\n")
            }
        }
        #expect(server.connectionCount == 1)
        #expect(Set(server.bodies).count == 1)
        #expect(summary.statuses == [503: server.bodies.count])
        #expect(summary.unsentItems == 10)
        #expect(summary.retries == server.bodies.count - 1)
    }

    @Test func `An attempt ends with its time`() throws {
        let (summary, server) = try run(requests: 2, attemptTimeout: .milliseconds(50)) { peer in
            _ = try peer.readRequest()
            peer.hang()
        }
        #expect(server.connectionCount >= 2)
        #expect(!summary.failures.isEmpty)
        #expect(summary.failures.keys.allSatisfy { $0.hasSuffix(": timed out") })
        #expect(summary.unsentItems == 10)
    }

    @Test func `A refusal counts though the rest of the body could not be sent`() throws {
        let server = try ScriptedServer { peer in
            var bytes: [UInt8] = []
            try peer.receive(into: &bytes)
            try peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
            peer.noteRequest()
            // With unread bytes, closing is a reset.
        }
        defer { server.stop() }
        var settings = try settings(server.address)
        // More than the kernel's buffers hold.
        settings.batch = 20_000
        settings.preparedCount = 1
        let run = try LoadRun(settings)
        server.wait { $0 >= 2 }
        run.stop()
        let summary = try #require(run.wait(until: .now + .seconds(60)))
        #expect(summary.statuses[413, default: 0] >= 1)
        #expect(summary.failedItems == summary.statuses[413, default: 0] * 20_000)
    }

    @Test func `A server that cannot be reached is told, and every item is unsent`() throws {
        let listener = try Socket(listeningOn: .loopback(port: 0), sharingPort: false)
        let address = try listener.localAddress()
        _ = consume listener
        var settings = try settings(address)
        settings.duration = .milliseconds(150)
        let run = try LoadRun(settings)
        let summary = try #require(run.wait(until: .now + .seconds(60)))
        #expect(summary.acceptedItems == 0)
        #expect(summary.unsentItems == 10)
        #expect(
            Array(summary.failures.keys) == ["connect to \(address): Connection refused"])
    }

    @Test func `A name with several addresses is tried at each of them`() throws {
        let server = try ScriptedServer { peer in
            _ = try peer.readRequest()
            try peer.send(Self.success)
        }
        defer { server.stop() }
        // `localhost` is ::1, where nobody listens, and 127.0.0.1.
        let port = try #require(server.address.port)
        var settings = try settings(server.address)
        settings.endpoint = try HTTPURL(parsing: "http://localhost:\(port)")
        let run = try LoadRun(settings)
        server.wait { $0 >= 2 }
        run.stop()
        let summary = try #require(run.wait(until: .now + .seconds(60)))
        #expect(summary.failures.isEmpty)
        #expect(summary.acceptedItems >= 20)
    }
}
