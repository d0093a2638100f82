import Glibc
import Platform
import Synchronization

/// A server whose behaviour, good or bad, is a closure that is called for each connection on a
/// thread of its own. The connection is closed when the closure returns. It remembers what it got.
final class ScriptedServer: Sendable {
    private struct State {
        var heads: [String] = []
        var bodies: [[UInt8]] = []
        /// Requests, and what the closure has noted as one.
        var requestCount = 0
        var connectionCount = 0
        var isStopping = false
        var threads: [Thread] = []
    }

    let address: SocketAddress
    private let listener: Socket
    private let state = Monitor(State())

    init(
        at address: SocketAddress = .loopback(port: 0),
        _ serve: @escaping @Sendable (Peer) throws -> Void
    ) throws {
        listener = try Socket(listeningOn: address, sharingPort: false)
        self.address = try listener.localAddress()
        let thread = try Thread(name: "test-server") { [self] in accept(serve) }
        state.withLock { $0.threads.append(thread) }
    }

    var heads: [String] { state.withLock(\.heads) }
    var bodies: [[UInt8]] { state.withLock(\.bodies) }
    var connectionCount: Int { state.withLock(\.connectionCount) }

    /// Returns when so many requests have come as `isEnough` wants.
    func wait(_ isEnough: (_ requestCount: Int) -> Bool) {
        let limit = Instant.now + .seconds(60)
        _ = state.wait(until: limit) { isEnough($0.requestCount) ? true : nil }
    }

    /// Ends all threads. Closures that wait for it return.
    func stop() {
        state.withLock { $0.isStopping = true }
        state.notifyAll()
        while let thread = state.withLock({ $0.threads.popLast() }) { thread.join() }
    }

    private var isStopping: Bool { state.withLock(\.isStopping) }

    private func accept(_ serve: @escaping @Sendable (Peer) throws -> Void) {
        while !isStopping {
            let slice = Instant.now + .milliseconds(20)
            guard let isReady = try? listener.descriptor.wait(for: POLLIN, until: slice), isReady,
                let connection = try? listener.accept()
            else { continue }
            state.withLock { $0.connectionCount += 1 }
            let peer = Peer(connection.takeSocket(), self)
            let thread = try? Thread(name: "test-peer") {
                try? serve(peer)
                peer.close()
            }
            if let thread { state.withLock { $0.threads.append(thread) } }
        }
    }

    /// The server's end of a connection.
    final class Peer: Sendable {
        struct Gone: Error {}

        private final class Open: Sendable {
            let socket: Socket
            init(_ socket: consuming Socket) { self.socket = socket }
        }

        private let open: Mutex<Open?>
        private let server: ScriptedServer

        fileprivate init(_ socket: consuming Socket, _ server: ScriptedServer) {
            open = Mutex(Open(socket))
            self.server = server
        }

        /// Reads one request; throws when the client has closed or the server stops.
        func readRequest() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while true {
                if let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
                    let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
                    let body = bytes[end.upperBound...]
                    if body.count >= Self.contentLength(head) {
                        server.state.withLock {
                            $0.heads.append(head)
                            $0.bodies.append(Array(body))
                        }
                        noteRequest()
                        return Array(body)
                    }
                }
                try receive(into: &bytes)
            }
        }

        func noteRequest() {
            server.state.withLock { $0.requestCount += 1 }
            server.state.notifyAll()
        }

        /// Waits for some bytes.
        func receive(into bytes: inout [UInt8]) throws {
            let connection = try connection()
            while !server.isStopping {
                let slice = Instant.now + .milliseconds(20)
                do throws(SystemError) {
                    let count = try connection.socket.receive(
                        upTo: 64 << 10, appendingTo: &bytes, until: slice)
                    if count > 0 { return }
                    break
                } catch {
                    guard error.isTimeout else { throw error }
                }
            }
            throw Gone()
        }

        func send(_ text: String) throws {
            // SAFETY: bytes seen as bytes.
            try connection().socket.sendAll(
                unsafe Array(text.utf8).span.bytes, until: .now + .seconds(10))
        }

        /// Returns when the test is over.
        func hang() { _ = server.state.wait { $0.isStopping ? true : nil } }

        func close() { open.withLock { $0 = nil } }

        private func connection() throws -> Open {
            guard let connection = open.withLock({ $0 }) else { throw Gone() }
            return connection
        }

        private static func contentLength(_ head: String) -> Int {
            for line in head.split(separator: "\r\n") where line.hasPrefix("Content-Length: ") {
                return Int(line.dropFirst("Content-Length: ".count)) ?? 0
            }
            return 0
        }
    }
}
