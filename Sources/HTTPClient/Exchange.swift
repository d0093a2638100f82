import Bytes
import Glibc
import HTTP
import Platform

/// A request on its way out and its response on its way in, over one connection.
///
/// Both go at the same time: a server that refuses a large body answers without reading it.
struct Exchange: ~Copyable {
    /// For one read. The kernel's buffers hold the rest meanwhile.
    private static let receiveBytesMax = 16 << 10

    private let connection: Connection
    private let deadline: Instant
    private var unsent: Unsent
    private var parser: HTTPResponseParser
    private var buffer: [UInt8] = []
    private var hasAnswer = false
    /// The server doesn't take the rest. Its answer to what it did get may be waiting nonetheless.
    private var sendError: SystemError?

    init(
        over connection: Connection, head: [UInt8], body: [UInt8],
        _ parser: consuming HTTPResponseParser, until deadline: Instant
    ) {
        self.connection = connection
        self.deadline = deadline
        self.parser = parser
        unsent = Unsent(head: head, body: body)
    }

    mutating func run() throws(Connection.Failure) -> (
        response: HTTPClientResponse, isReusable: Bool
    ) {
        while true {
            send()
            if sendError == nil {
                try connection.wait(
                    for: unsent.isEmpty ? POLLIN : POLLIN | POLLOUT, phase, until: deadline)
            }
            if case .complete(let response, let isReusable) = try receive() {
                return (response, isReusable && unsent.isEmpty)
            }
        }
    }

    private var phase: HTTPClientError.Phase { unsent.isEmpty ? .receive : .send }

    private mutating func send() {
        guard sendError == nil else { return }
        do throws(SystemError) {
            try unsent.send(to: connection.socket)
        } catch {
            sendError = error
        }
    }

    private mutating func receive() throws(Connection.Failure) -> HTTPResponseParser.Progress {
        let received: Socket.Received
        buffer.removeAll(keepingCapacity: true)
        do throws(SystemError) {
            received = try connection.socket.receive(
                upTo: Self.receiveBytesMax, appendingTo: &buffer)
        } catch {
            throw failure(.system(sendError ?? error))
        }
        do throws(HTTPResponseError) {
            switch received {
            case .bytes:
                hasAnswer = true
                let bytes = buffer
                return try parser.receive(bytes.span)
            case .end:
                return try parser.receiveEnd()
            case .wouldBlock:
                break
            }
        } catch {
            throw failure(.malformedResponse(error))
        }
        if let sendError { throw failure(.system(sendError)) }
        return .needMoreBytes
    }

    private func failure(_ reason: HTTPClientError.Reason) -> Connection.Failure {
        let isEnd =
            switch reason {
            case .malformedResponse(.endedEarly): true
            case .system(let error): error.errno == ECONNRESET || error.errno == EPIPE
            default: false
            }
        return Connection.Failure(
            phase: phase, reason: reason, wasClosedUnanswered: isEnd && !hasAnswer)
    }
}

/// What is left to send of a head and a body, which is never copied.
private struct Unsent: ~Copyable {
    private let head: [UInt8]
    private let body: [UInt8]
    private var sent = 0

    init(head: [UInt8], body: [UInt8]) {
        self.head = head
        self.body = body
    }

    var isEmpty: Bool { sent == head.count + body.count }

    /// Sends what the kernel takes now.
    mutating func send(to socket: borrowing Socket) throws(SystemError) {
        // References of this call's own, for spans that outlive changes of `sent`.
        let (headArray, bodyArray) = (self.head, self.body)
        let head = headArray.rawSpan
        let body = bodyArray.rawSpan
        while !isEmpty {
            let count =
                sent < head.byteCount
                ? try socket.send(head.extracting(sent..<head.byteCount), body)
                : try socket.send(body.extracting((sent - head.byteCount)..<body.byteCount))
            guard let count else { return }
            sent += count
        }
    }
}
