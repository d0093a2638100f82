import Bytes
import Glibc
import Platform
import Synchronization

/// An HTTP server that answers as it was told, for better or worse, and keeps what it was sent.
final class ReplyServer: Sendable {
    enum Reply: Sendable {
        case bytes([UInt8])
        /// Nothing, until the server stops.
        case hang
        /// The connection ends without an answer.
        case close
    }

    struct Request: Sendable {
        var target = ""
        /// Names in lower case.
        var headers: [String: String] = [:]
        var body: [UInt8] = []
    }

    let port: UInt16
    var url: String { "http://127.0.0.1:\(port)" }
    private let listener: Socket
    private let replies: Mutex<[Reply]>
    private let state = Monitor(State())
    private let threads = Mutex<[Thread]>([])

    private struct State {
        var requests: [Request] = []
        var isStopping = false
    }

    /// - Parameter replies: one a request; the last for all that follow.
    init(_ replies: Reply...) throws {
        self.replies = Mutex(replies)
        listener = try Socket(listeningOn: .loopback(port: 0), sharingPort: false)
        guard case .ipv4(_, let port) = try listener.localAddress() else {
            preconditionFailure("BUG: loopback is IPv4")
        }
        self.port = port
        let thread = try Thread(name: "reply-server") { [self] in accept() }
        threads.withLock { $0.append(thread) }
    }

    var requests: [Request] { state.withLock { $0.requests } }

    /// Waits for that many requests, for ten seconds at most.
    func waitForRequests(_ count: Int) {
        _ = state.wait(until: .now + .seconds(10)) { $0.requests.count >= count ? true : nil }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        state.notifyAll()
        while let thread = threads.withLock({ $0.popLast() }) { thread.join() }
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    private func accept() {
        while !isStopping {
            let slice = Instant.now + .milliseconds(20)
            guard (try? listener.descriptor.wait(for: POLLIN, until: slice)) == true,
                let socket = (try? listener.accept())?.takeSocket()
            else { continue }
            let connection = Connection(socket)
            if let thread = try? Thread(name: "reply-peer", { [self] in serve(connection) }) {
                threads.withLock { $0.append(thread) }
            }
        }
    }

    private final class Connection: Sendable {
        let socket: Mutex<Socket?>
        init(_ socket: consuming Socket) { self.socket = Mutex(socket) }
        func close() { socket.withLock { $0 = nil } }
    }

    private func serve(_ connection: Connection) {
        defer { connection.close() }
        var pending: [UInt8] = []
        while let request = nextRequest(connection, &pending) {
            state.withLock { $0.requests.append(request) }
            state.notifyAll()
            switch replies.withLock({ $0.count > 1 ? $0.removeFirst() : $0[0] }) {
            case .bytes(let bytes):
                connection.socket.withLock { socket in
                    _ = try? socket?.sendAll(bytes.rawSpan, until: .now + .seconds(5))
                }
            case .hang: _ = state.wait { $0.isStopping ? true : nil }
            case .close: return
            }
        }
    }

    /// `nil` when the client has closed or the server stops.
    private func nextRequest(_ connection: Connection, _ pending: inout [UInt8]) -> Request? {
        while !isStopping {
            if let request = Self.takeRequest(&pending) { return request }
            let count: Int? = connection.socket.withLock { socket in
                do throws(SystemError) {
                    return try socket?.receive(
                        upTo: 64 << 10, appendingTo: &pending, until: .now + .milliseconds(20)) ?? 0
                } catch {
                    return error.isTimeout ? nil : 0
                }
            }
            if count == 0 { return nil }
        }
        return nil
    }

    private static func takeRequest(_ bytes: inout [UInt8]) -> Request? {
        let end = Array("\r\n\r\n".utf8)
        guard bytes.count >= 4,
            let headEnd = (0...bytes.count - 4).first(where: { Array(bytes[$0..<$0 + 4]) == end })
        else { return nil }
        let lines = String(decoding: bytes[..<headEnd], as: UTF8.self).split(separator: "\r\n")
        var request = Request()
        request.target = String(lines[0].split(separator: " ")[1])
        for line in lines.dropFirst() {
            let colon = line.firstIndex(of: ":")!
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            request.headers[line[..<colon].lowercased()] = String(value)
        }
        let bodyEnd = headEnd + 4 + (Int(request.headers["content-length"] ?? "0") ?? 0)
        guard bytes.count >= bodyEnd else { return nil }
        request.body = Array(bytes[(headEnd + 4)..<bodyEnd])
        bytes.removeFirst(bodyEnd)
        return request
    }
}

extension ReplyServer.Reply {
    static func response(
        _ status: Int, _ headers: [String: String] = [:], body: [UInt8] = []
    ) -> ReplyServer.Reply {
        var text = "HTTP/1.1 \(status) Whatever\r\nContent-Length: \(body.count)\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        return .bytes(Array((text + "\r\n").utf8) + body)
    }

    static func response(
        _ status: Int, type: String, _ body: String
    ) -> ReplyServer.Reply {
        response(status, ["Content-Type": type], body: Array(body.utf8))
    }

    static let ok = response(200, ["Content-Type": "application/x-protobuf"])
}
