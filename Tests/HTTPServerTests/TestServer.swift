import EventLoop
import HTTP
import HTTPServer
import Platform
import Synchronization
import Testing

/// A server on loopback whose handler echoes, waits, or refuses as the path says.
final class TestServer: Sendable {
    let loops: EventLoopGroup
    let server: HTTPServer
    let handler: TestHandler
    let counts: Counts
    let budget: ByteBudget

    init(
        endpoints: [String] = ["127.0.0.1:0"], budget: Int = .max, loops count: Int = 1,
        clock: any Clock = SystemClock(), _ change: (inout HTTPServerSettings) -> Void = { _ in }
    ) throws {
        loops = try EventLoopGroup(count: count, name: "test", clock: clock)
        self.budget = ByteBudget(limit: budget)
        var settings = HTTPServerSettings(
            endpoints: try endpoints.map { try Endpoint(parsing: $0) },
            shared: ServerLimits(bodies: PeerShares(self.budget, clock: clock)))
        change(&settings)
        handler = TestHandler(clock)
        counts = Counts()
        server = HTTPServer(settings, handler: handler, loops: loops, observer: counts)
        do {
            try server.start()
        } catch {
            loops.stop()
            throw error
        }
    }

    var address: SocketAddress { server.boundAddresses[0] }

    func connect() throws -> TestClient { try TestClient(address) }

    /// Makes the loops look at the clock.
    func wake() {
        for loop in loops.loops {
            let isDone = Monitor(false)
            loop.execute {
                isDone.withLock { $0 = true }
                isDone.notifyAll()
            }
            _ = isDone.wait { $0 ? true : nil }
        }
    }

    /// Lets the first loop find in one turn what `body` does.
    func inOneTurn(_ body: () throws -> Void) rethrows {
        let isDone = Monitor(false)
        loops.loops[0].execute { _ = isDone.wait { $0 ? true : nil } }
        defer {
            isDone.withLock { $0 = true }
            isDone.notifyAll()
        }
        try body()
    }

    /// Ends everything that a test has left.
    func stop() {
        server.stopAccepting()
        server.drain(until: .now)
        loops.stop()
    }

    /// Until `condition`, for at most ten seconds.
    func eventually(_ condition: (Counts.Values) -> Bool) -> Bool {
        counts.values.wait(until: .now + .seconds(10)) { condition($0) ? true : nil } ?? false
    }
}

final class TestHandler: HTTPHandler {
    let waiting = Monitor<[HTTPExchange]>([])
    private let clock: any Clock

    init(_ clock: any Clock) { self.clock = clock }

    func admit(_ head: HTTPRequestHead, from peer: SocketAddress) -> HTTPAdmission {
        switch head.path {
        case "/refuse": .refuse(.text(.notFound, "no"))
        case "/small": .accept(bodyBytesMax: 10, route: "small")
        default: .accept(bodyBytesMax: 64 << 20, route: "any")
        }
    }

    func handle(_ request: consuming HTTPRequest, _ exchange: HTTPExchange) {
        switch request.head.path {
        case "/wait":
            waiting.withLock { $0.append(exchange) }
            waiting.notifyAll()
        case "/forget": break
        case "/long", "/short":
            let isLong = request.head.path == "/long"
            (clock as? ManualClock)?.advance(by: isLong ? EventLoop.turnMax : .microseconds(1))
            exchange.respond(.text(.ok, ""))
        case "/count": exchange.respond(.text(.ok, "\(request.body.count)"))
        case "/big":
            exchange.respond(
                HTTPResponse(status: .ok, body: [UInt8](repeating: 0x62, count: 4 << 20)))
        default: exchange.respond(HTTPResponse(status: .ok, body: request.body))
        }
    }

    /// The exchanges of `/wait`, once there are so many.
    func takeWaiting(_ count: Int) throws -> [HTTPExchange] {
        try #require(
            waiting.wait(until: .now + .seconds(10)) { exchanges in
                guard exchanges.count >= count else { return nil }
                defer { exchanges = [] }
                return exchanges
            })
    }
}

final class Counts: HTTPServerObserver {
    struct Values: Sendable {
        var opened = 0
        var closed = 0
        var refused = 0
        var evicted = 0
        var lost = 0
        var records: [HTTPRequestRecord] = []
    }

    let values = Monitor(Values())

    private func change(_ body: (inout Values) -> Void) {
        values.withLock { body(&$0) }
        values.notifyAll()
    }

    func connectionOpened(_ peer: SocketAddress) { change { $0.opened += 1 } }
    func connectionClosed(_ peer: SocketAddress) { change { $0.closed += 1 } }
    func connectionRefused() { change { $0.refused += 1 } }
    func connectionEvicted() { change { $0.evicted += 1 } }
    func requestFinished(_ record: HTTPRequestRecord) { change { $0.records.append(record) } }
    func requestLost() { change { $0.lost += 1 } }
}

/// A blocking client that sees the bytes as they are.
final class TestClient {
    private let socket: Socket
    private var received: [UInt8] = []
    private let deadline = Instant.now + .seconds(20)

    init(_ address: SocketAddress) throws {
        socket = try Socket(connectedTo: address, until: .now + .seconds(10))
    }

    func send(_ bytes: [UInt8]) throws {
        // SAFETY: a view of bytes as bytes, which the array outlives.
        try socket.sendAll(unsafe bytes.span.bytes, until: deadline)
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func post(_ path: String, _ body: String = "", fields: String = "") throws {
        try send(
            "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n"
                + body)
    }

    func finishSending() throws { try socket.finishSending() }

    /// The next answer: its status, the text of its head, its body. Status 0 at the end.
    func answer() throws -> (status: Int, head: String, body: String) {
        while true {
            let text = String(decoding: received, as: UTF8.self)
            if let end = headEnd() {
                let head = String(decoding: received[..<end], as: UTF8.self)
                let length = head.split(separator: "\r\n").compactMap {
                    $0.hasPrefix("Content-Length: ") ? Int($0.dropFirst(16)) : nil
                }.first
                let whole = end + (length ?? 0)
                if received.count >= whole {
                    let body = String(decoding: received[end..<whole], as: UTF8.self)
                    received.removeFirst(whole)
                    return (Int(head.dropFirst(9).prefix(3)) ?? -1, head, body)
                }
            }
            guard try more() else { return (0, text, "") }
        }
    }

    /// True when the server has closed, after nothing more.
    func isAtEnd() throws -> Bool {
        if !received.isEmpty { return false }
        return try !more()
    }

    private func more() throws -> Bool {
        do throws(SystemError) {
            return try socket.receive(upTo: 1 << 20, appendingTo: &received, until: deadline) > 0
        } catch {
            if error.isTimeout { throw error }
            return false
        }
    }

    private func headEnd() -> Int? {
        let mark = Array("\r\n\r\n".utf8)
        guard received.count >= 4 else { return nil }
        for start in 0...(min(received.count, 4096) - 4)
        where received[start..<(start + 4)].elementsEqual(mark) {
            return start + 4
        }
        return nil
    }
}
