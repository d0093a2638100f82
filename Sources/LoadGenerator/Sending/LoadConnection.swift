import EventLoop
import Glibc
import HTTP
import HTTPClient
import Platform

/// Does what its stream says, over one connection at a time, which is kept between requests. Of
/// the loop's thread alone.
///
/// Like `HTTPClient`, it sends a request again, once and over a new connection, when a kept one
/// ends before a byte of the response came: a server may give it up just as it is used again.
final class LoadConnection: ConnectionHandler {
    /// An attempt to send a request, from connecting to the answer.
    private struct Attempt {
        let head: [UInt8]
        let body: [UInt8]
        let started: Instant
        let deadline: Instant
        var phase = HTTPClientError.Phase.connect
        /// Where else to connect, when the present address fails.
        var addressesLeft: ArraySlice<SocketAddress> = []
        /// The connection has carried a request before.
        var isKept = false
        /// Some of the response has come.
        var hasAnswer = false
    }

    private static let limits = HTTPClientSettings()
    /// For one read: an answer has a few hundred bytes.
    private static let receiveBytesMax = 16 << 10

    private let loop: EventLoop
    private let server: LoadServer
    private let attemptTimeout: Duration
    private let finished: (LoadSummary) -> Void
    private var stream: LoadStream
    private var timer: LoopTimer?
    private var connection: Connection?
    private var attempt: Attempt?
    private var parser = LoadConnection.makeParser()

    /// Prepares what the settings want prepared.
    /// - Parameter finished: called once, at the end.
    init(
        _ settings: LoadSettings, number: Int, to server: LoadServer, loop: EventLoop,
        finished: @escaping (LoadSummary) -> Void
    ) {
        self.loop = loop
        self.server = server
        self.finished = finished
        attemptTimeout = settings.attemptTimeout
        stream = LoadStream(
            settings, number: number, unixNanoseconds: loop.clock.unixNanoseconds)
        timer = LoopTimer(loop) { [unowned self] in timePassed() }
    }

    func begin(at start: Instant) {
        stream.begin(at: start)
        proceed()
    }

    func stop() {
        stream.stop()
        if attempt == nil, timer != nil { proceed() }
    }

    private func proceed() {
        let action = stream.next(
            now: loop.clock.now, unixNanoseconds: loop.clock.unixNanoseconds)
        switch action {
        case .send(let body): begin(body)
        case .wait(let instant): timer?.set(instant)
        case .finished:
            timer?.close()
            timer = nil
            disconnect()
            finished(stream.summary)
        }
    }

    private func timePassed() {
        guard let attempt else { return proceed() }
        // A part of the time, where there are other addresses to try.
        if attempt.phase == .connect {
            disconnect()
            connectToNext(after: .timedOut)
        } else {
            fail(.timedOut)
        }
    }

    // MARK: - An attempt

    private func begin(_ body: [UInt8]) {
        let now = loop.clock.now
        attempt = Attempt(
            head: server.requestHead(for: body), body: body, started: now,
            deadline: now + attemptTimeout)
        if let connection {
            attempt?.isKept = true
            send(over: connection)
        } else {
            connect()
        }
    }

    private func connect() {
        do throws(EndpointError) {
            attempt?.addressesLeft = try server.addresses(now: loop.clock.now)[...]
        } catch {
            attempt?.phase = .resolve
            return fail(.unresolved(error.description))
        }
        attempt?.phase = .connect
        attempt?.isKept = false
        connectToNext(after: .unresolved("the name has no address"))
    }

    /// Tries the server's addresses in the resolver's order. Each gets an equal share of the time
    /// that is left, so that one that swallows packets doesn't hide the others.
    private func connectToNext(after reason: HTTPClientError.Reason) {
        var reason = reason
        while let attempt, let address = attempt.addressesLeft.first {
            let now = loop.clock.now
            let end = min(attempt.deadline, attempt.started + Self.limits.connectTimeout)
            timer?.set(now + (end - now) / attempt.addressesLeft.count)
            self.attempt?.addressesLeft.removeFirst()
            do throws(SystemError) {
                connection = try Connection(connectingTo: address, loop: loop, handler: self)
                return
            } catch {
                reason = .system(error)
            }
        }
        server.nobodyAnswered()
        fail(reason)
    }

    func connected(_ connection: Connection) { send(over: connection) }

    private func send(over connection: Connection) {
        guard let attempt else { return }
        self.attempt?.phase = .send
        timer?.set(attempt.deadline)
        parser = Self.makeParser()
        connection.write(attempt.head, attempt.body)
        // Where writing failed, another connection may be at work by now.
        if connection === self.connection, !connection.isWriteBlocked { flushed(connection) }
    }

    func flushed(_ connection: Connection) { attempt?.phase = .receive }

    func readable(_ connection: Connection) {
        // The end of an idle connection, or what nobody has asked for.
        guard attempt != nil else { return disconnect() }
        let result = loop.withReceiveBuffer { buffer in receive(from: connection, &buffer) }
        // An error has closed it, and `closed` has seen to the rest.
        guard connection === self.connection else { return }
        switch result {
        case .success(.needMoreBytes): break
        case .success(.complete(let response, let isReusable)):
            if !isReusable || attempt?.phase != .receive { disconnect() }
            let retryAfter = response.retryAfter(unixNanoseconds: loop.clock.unixNanoseconds)
            finish(
                .answered(
                    status: response.status.code, body: response.body, retryAfter: retryAfter))
        case .failure(let error): lost(.malformedResponse(error))
        }
    }

    private func receive(
        from connection: Connection, _ buffer: inout [UInt8]
    ) -> Result<HTTPResponseParser.Progress, HTTPResponseError> {
        let received = connection.receive(upTo: Self.receiveBytesMax, appendingTo: &buffer)
        guard connection === self.connection else { return .success(.needMoreBytes) }
        do throws(HTTPResponseError) {
            switch received {
            case .bytes:
                attempt?.hasAnswer = true
                return .success(try parser.receive(buffer.span))
            case .end: return .success(try parser.receiveEnd())
            case .wouldBlock: return .success(.needMoreBytes)
            }
        } catch {
            return .failure(error)
        }
    }

    func deadlinePassed(_ connection: Connection) {}

    func closed(_ connection: Connection) {
        guard connection === self.connection else { return }
        self.connection = nil
        let error = connection.failure
        lost(error.map { .system($0) } ?? .malformedResponse(.endedEarly))
    }

    // MARK: - Its end

    /// The connection is of no more use; the request may be, over another one.
    private func lost(_ reason: HTTPClientError.Reason) {
        disconnect()
        guard let attempt else { return }
        if attempt.phase == .connect {
            connectToNext(after: reason)
        } else if attempt.isKept, !attempt.hasAnswer, reason.isEndOfConnection {
            connect()
        } else {
            fail(reason)
        }
    }

    private func fail(_ reason: HTTPClientError.Reason) {
        disconnect()
        guard let phase = attempt?.phase else { return }
        finish(.failed(server.error(phase, reason)))
    }

    private func finish(_ answer: LoadAnswer) {
        guard let started = attempt?.started else { return }
        attempt = nil
        // The answer was here when the loop's turn began: its time ends there, not when others that
        // had come as well have been seen to.
        stream.answered(answer, took: loop.now - started, now: loop.now)
        proceed()
    }

    private func disconnect() {
        let connection = self.connection
        // First, so that `closed` knows that nothing is lost.
        self.connection = nil
        connection?.close()
    }

    private static func makeParser() -> HTTPResponseParser {
        HTTPResponseParser(
            requestMethod: .post, headBytesMax: limits.headBytesMax,
            bodyBytesMax: limits.bodyBytesMax)
    }
}

extension HTTPClientError.Reason {
    /// What is seen of a server that gives up an idle connection.
    fileprivate var isEndOfConnection: Bool {
        switch self {
        case .malformedResponse(.endedEarly): true
        case .system(let error): error.errno == ECONNRESET || error.errno == EPIPE
        default: false
        }
    }
}
