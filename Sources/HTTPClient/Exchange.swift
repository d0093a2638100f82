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
        over connection: Connection, sending pieces: [[UInt8]],
        _ parser: consuming HTTPResponseParser, until deadline: Instant
    ) {
        self.connection = connection
        self.deadline = deadline
        self.parser = parser
        unsent = Unsent(pieces)
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

/// What is left to send of pieces, which are never copied.
private struct Unsent: ~Copyable {
    private let pieces: [[UInt8]]
    /// The first that is not sent whole, and what of it is sent.
    private var piece = 0
    private var sent = 0

    init(_ pieces: [[UInt8]]) {
        self.pieces = pieces.filter { !$0.isEmpty }
    }

    var isEmpty: Bool { piece == pieces.count }

    /// Sends what the kernel takes now.
    mutating func send(to socket: borrowing Socket) throws(SystemError) {
        while !isEmpty {
            guard let count = try sendNext(to: socket) else { return }
            sent += count
            while !isEmpty, sent >= pieces[piece].count {
                sent -= pieces[piece].count
                piece += 1
            }
        }
    }

    /// Two pieces a call, where there are two.
    private func sendNext(to socket: borrowing Socket) throws(SystemError) -> Int? {
        let first = pieces[piece]
        let rest = first.rawSpan.extracting(droppingFirst: sent)
        guard piece + 1 < pieces.count else { return try socket.send(rest) }
        let second = pieces[piece + 1]
        return try socket.send(rest, second.rawSpan, moreFollows: piece + 2 < pieces.count)
    }
}
