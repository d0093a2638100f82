import Glibc
import Platform
import Synchronization

/// A server whose behaviour, good or bad, is a closure that is called for each connection on a
/// thread of its own. The connection is closed when the closure returns.
final class TestServer: Sendable {
    let address: SocketAddress
    private let listener: Socket
    private let stopping = Monitor(false)
    private let threads = Mutex<[Thread]>([])
    private let accepted = Atomic<Int>(0)

    init(
        at address: SocketAddress = .loopback(port: 0),
        _ serve: @escaping @Sendable (Peer) throws -> Void
    ) throws {
        listener = try Socket(listeningOn: address, sharingPort: false)
        self.address = try listener.localAddress()
        let thread = try Thread(name: "test-server") { [self] in accept(serve) }
        threads.withLock { $0.append(thread) }
    }

    /// Connections so far.
    var connectionCount: Int { accepted.load(ordering: .relaxed) }

    /// Ends all threads. Closures that wait for it return.
    func stop() {
        stopping.withLock { $0 = true }
        stopping.notifyAll()
        while let thread = threads.withLock({ $0.popLast() }) { thread.join() }
        // SAFETY: a string as a C string, for the time of the call.
        if case .unix(let path) = address { unsafe unlink(path) }
    }

    private func accept(_ serve: @escaping @Sendable (Peer) throws -> Void) {
        while !stopping.withLock({ $0 }) {
            let slice = Instant.now + .milliseconds(20)
            guard let isReady = try? listener.descriptor.wait(for: POLLIN, until: slice), isReady,
                let connection = try? listener.accept()
            else { continue }
            let index = accepted.add(1, ordering: .relaxed).oldValue
            let peer = Peer(connection.takeSocket(), index, stopping)
            let thread = try? Thread(name: "test-peer") {
                try? serve(peer)
                peer.close()
            }
            if let thread { threads.withLock { $0.append(thread) } }
        }
    }

    /// The server's end of a connection.
    final class Peer: Sendable {
        /// How many connections came before.
        let index: Int
        private let open: Mutex<Open?>
        private let stopping: Monitor<Bool>

        struct Gone: Error {}

        private final class Open: Sendable {
            let socket: Socket

            init(_ socket: consuming Socket) { self.socket = socket }
        }

        fileprivate init(_ socket: consuming Socket, _ index: Int, _ stopping: Monitor<Bool>) {
            open = Mutex(Open(socket))
            self.index = index
            self.stopping = stopping
        }

        /// Reads one request; throws when the client has closed or the server stops.
        func readRequest() throws -> (head: String, body: [UInt8]) {
            var bytes: [UInt8] = []
            while true {
                let text = String(decoding: bytes, as: UTF8.self)
                if let end = text.firstRange(of: "\r\n\r\n") {
                    let head = String(text[..<end.lowerBound])
                    let headBytes = head.utf8.count + 4
                    if bytes.count - headBytes >= Self.contentLength(head) {
                        return (head, Array(bytes[headBytes...]))
                    }
                }
                try receive(into: &bytes)
            }
        }

        /// Waits for some bytes.
        func receive(into bytes: inout [UInt8]) throws {
            let connection = try connection()
            while goesOn {
                let slice = Instant.now + .milliseconds(20)
                var received: [UInt8] = []
                let count: Int?
                do throws(SystemError) {
                    count = try connection.socket.receive(
                        upTo: 64 << 10, appendingTo: &received, until: slice)
                } catch {
                    guard error.isTimeout else { throw error }
                    count = nil
                }
                guard let count else { continue }
                guard count > 0 else { throw Gone() }
                bytes += received
                return
            }
            throw Gone()
        }

        func send(_ text: String) throws { try send(Array(text.utf8)) }

        func send(_ bytes: [UInt8]) throws {
            // SAFETY: bytes seen as bytes.
            try connection().socket.sendAll(unsafe bytes.span.bytes, until: .now + .seconds(10))
        }

        /// Returns when the test is over.
        func hang() { _ = stopping.wait { $0 ? true : nil } }

        /// What a slow server does between two bytes.
        func dawdle() {
            _ = stopping.wait(until: .now + .milliseconds(10)) { $0 ? true : nil }
        }

        /// True until the test is over.
        var goesOn: Bool { !stopping.withLock { $0 } }

        func close() { open.withLock { $0 = nil } }

        /// Closes without the courtesy of an orderly end: the client gets a reset.
        func reset() throws {
            var option = linger(l_onoff: 1, l_linger: 0)
            // SAFETY: a linger, which outlives the call.
            let result = try unsafe setsockopt(
                connection().socket.rawDescriptor, SOL_SOCKET, SO_LINGER, &option,
                socklen_t(MemoryLayout<linger>.size))
            precondition(result == 0, "BUG: SO_LINGER was refused")
            close()
        }

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
