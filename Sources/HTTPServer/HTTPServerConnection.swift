internal import EventLoop
internal import HTTP
internal import Platform

/// One connection of a server: moves bytes between the socket and the decoder, performs what the
/// decoder says, and keeps the answers in order.
final class HTTPServerConnection: ConnectionHandler, TurnHandler, @unchecked Sendable {
    // SAFETY: everything but `loop` is touched on the loop's thread alone; an exchange that holds
    // this object on another thread only passes it back to the loop.

    /// Received with one call into the loop's shared buffer.
    private static let receiveBytes = 64 << 10
    /// A body with at least so much still to come is received straight into its array.
    private static let directBytesMin = 16 << 10
    /// Received first from a client whose last body came like that: a head, and little of the body
    /// behind it, which would have to be copied. The second call costs less than such a copy does.
    private static let headBytes = 1 << 10
    /// Received in a row before other connections of the loop have their turn.
    private static let turnBytesMax = 1 << 20

    let loop: EventLoop
    let account: PeerShares.Account
    /// Its index in the server's set of connections.
    var place: Int?
    let server: LoopServer
    var connection: Connection?
    var decoder: HTTPRequestDecoder
    var answers = AnswerQueue()
    /// What had arrived when the pipeline was full, and how much of it was processed since.
    var held: [UInt8] = []
    private var heldOffset = 0
    private var route = ""
    private var note = 0
    /// Reserved for the body that is arriving.
    private var charged = 0
    /// Reserved for what else the connection holds.
    var charge = ConnectionCharge()
    /// Has answers for the end of the turn.
    var isDue = false
    var hasServed = false
    private var expectsLargeBody = false
    private var fullSince: Instant?
    private var peerHasEnded = false
    var started: Instant
    var lastProgress: Instant
    var blockedSince: Instant?
    /// Of the body that is arriving, where a turn has ended before the body did.
    var pace: BodyPace?

    init(_ server: LoopServer, loop: EventLoop, account: PeerShares.Account) {
        self.server = server
        self.loop = loop
        self.account = account
        decoder = HTTPRequestDecoder(limits: server.settings.limits)
        started = loop.now
        lastProgress = loop.now
    }

    func open(_ socket: consuming Socket, peer: SocketAddress) throws(SystemError) {
        connection = try Connection(socket, peer: peer, loop: loop, handler: self)
        setDeadline()
    }

    // MARK: - Reading

    func readable(_ connection: Connection) {
        var turnBytes = 0
        while connection.isOpen, !isFull, !peerHasEnded, turnBytes < Self.turnBytesMax {
            let wanted: Int
            let received: Socket.Received
            let isDirect = decoder.directBodyRoom >= Self.directBytesMin
            if isDirect {
                wanted = min(decoder.directBodyRoom, Self.turnBytesMax)
                guard chargeBody(decoder.bodyBytesHeld + wanted) else { break }
                received = receiveBody(connection, upTo: wanted)
            } else {
                wanted = expectsLargeBody ? Self.headBytes : Self.receiveBytes
                received = loop.withReceiveBuffer { buffer in
                    let received = connection.receive(upTo: wanted, appendingTo: &buffer)
                    // SAFETY: a view of bytes as bytes, which the buffer outlives.
                    if case .bytes = received {
                        let processed = process(unsafe buffer.span.bytes, from: 0)
                        held.append(contentsOf: buffer[processed...])
                    }
                    return received
                }
            }
            guard case .bytes(let count) = received else {
                if received == .end { ended() }
                break
            }
            turnBytes += count
            pace?.received(count)
            // A short read has emptied the socket, and behind a body clients wait for its answer;
            // where there is more all the same, epoll says so.
            if count < wanted || isDirect && decoder.directBodyRoom == 0 { break }
        }
        if !isDue { settle() }
    }

    /// What may be received was charged.
    private func receiveBody(_ connection: Connection, upTo count: Int) -> Socket.Received {
        var received = Socket.Received.wouldBlock
        let request = decoder.receiveBody { body in
            received = connection.receive(upTo: count, appendingTo: &body)
        }
        if case .bytes = received { lastProgress = loop.now }
        if let request { handle(request) } else { refund(to: decoder.bodyBytesHeld) }
        return received
    }

    /// Requests wait for answers, or answers for the client, so that nothing more is read for now.
    var isFull: Bool {
        answers.count >= server.settings.pipelinedMax || (connection?.isWriteBlocked ?? true)
    }

    /// Returns how far it came: less than all when the pipeline is full.
    private func process(_ bytes: RawSpan, from start: Int) -> Int {
        lastProgress = loop.now
        var offset = start
        while connection?.isOpen ?? false {
            // Answers that only wait for the turn's end need not stop what is behind them.
            if isFull { sendAnswers() }
            if isFull { return offset }
            if decoder.phase == .idle { started = loop.now }
            let action = decoder.next(bytes, from: &offset)
            switch action {
            case .needMoreBytes:
                if chargeBody(decoder.bodyBytesHeld) { return bytes.byteCount }
            case .decide(let head): decide(head)
            case .handle(let request): handle(request)
            case .reject(let rejection, let head):
                release()
                let failure = HTTPFailure(
                    rejection.status, rejection.message, foreign: rejection.foreign)
                fail(head, failure, keepsAlive: false)
            case .close: closeWhenAnswered()
            }
        }
        return bytes.byteCount
    }

    private func decide(_ head: HTTPRequestHead) {
        route = ""
        pace = nil
        switch server.handler.admit(head, from: peer) {
        case .refuse(let response):
            decoder.refuse()
            append(response, head: head, keepsAlive: decoder.keepsAlive)
        case .accept(let bodyBytesMax, let route, let note):
            self.route = route
            self.note = note
            // More than all memory for bodies is never taken, also later.
            let largest = server.settings.shared.bodies.largest(isSmall: false)
            let bodyBytesMax = min(bodyBytesMax, max(largest, PeerShares.smallBytesMax))
            switch decoder.accept(bodyBytesMax: bodyBytesMax) {
            case .proceed: break
            case .sendContinue:
                _ = answers.append(
                    .init(content: .interim, head: nil, started: started, keepsAlive: true))
                sendAnswers()
            case .tooLarge:
                decoder.refuse()
                let message = "the request's body is larger than \(bodyBytesMax) bytes"
                fail(
                    head, HTTPFailure(.contentTooLarge, message), keepsAlive: decoder.keepsAlive)
            }
        }
    }

    private func handle(_ request: consuming HTTPRequest) {
        guard chargeBody(request.body.count, whole: request.head) else { return }
        refund(to: request.body.count)
        let bodyBytes = charged
        charged = 0
        let number = answers.append(
            .init(
                content: .awaited, head: request.head, headBytes: decoder.lastHeadBytes,
                route: route,
                requestBytes: request.body.count, started: started,
                keepsAlive: decoder.keepsAlive && server.settings.keepsAlive, isWhole: true))
        route = ""
        expectsLargeBody = request.body.count >= Self.headBytes + Self.directBytesMin
        let exchange = HTTPExchange(
            self, number: number, peer: peer, note: note, bodyBytes: bodyBytes)
        server.handler.handle(request, exchange)
    }

    var share: PeerShare { PeerShare(server.settings.shared.bodies, account) }

    private var peer: SocketAddress { connection?.peer ?? .unix("") }

    /// The peer sends no more. What it has asked is still answered.
    private func ended() {
        peerHasEnded = true
        if decoder.phase == .body { release() }
        decoder.end()
        if answers.isEmpty { connection?.closeAfterFlush() }
    }

    // MARK: - The budget

    /// Reserves what comes on top of what was reserved; `false` when there was no room, and 503 was
    /// answered.
    private func chargeBody(_ bytes: Int, whole head: HTTPRequestHead? = nil) -> Bool {
        let more = bytes - charged
        guard more > 0 else { return true }
        let isSmall = max(bytes, decoder.bodyBytesAnnounced) <= PeerShares.smallBytesMax
        if server.settings.shared.bodies.reserve(more, for: account, isSmall: isSmall) {
            charged += more
            return true
        }
        release()
        let refused = head ?? decoder.currentHead
        if head == nil { decoder.abandonBody() }
        let message = "the memory for request bodies is in use: try again"
        fail(
            refused, HTTPFailure(.serviceUnavailable, message),
            keepsAlive: decoder.keepsAlive)
        return false
    }

    private func refund(to bytes: Int) {
        guard charged > bytes else { return }
        server.settings.shared.bodies.release(charged - bytes, for: account)
        charged = bytes
    }

    func release() { refund(to: 0) }

    // MARK: - Answering

    /// From the exchange: `nil` when it was let go unanswered.
    func answer(_ number: Int, _ response: HTTPResponse?, bodyBytes: Int) {
        server.settings.shared.bodies.release(bodyBytes, for: account)
        guard let connection, connection.isOpen else { return }
        let response =
            response
            ?? server.handler.failure(
                HTTPFailure(.internalServerError, "the request was not answered"),
                answering: answers.head(number), from: connection.peer)
        answers.fill(number, with: response)
        guard !isDue else { return }
        isDue = true
        loop.atTurnsEnd(self)
    }

    func turnEnds() {
        isDue = false
        sendAnswers()
        resume()
    }

    func fail(
        _ head: HTTPRequestHead?, _ failure: HTTPFailure, keepsAlive: Bool
    ) {
        var response = server.handler.failure(failure, answering: head, from: peer)
        if failure.status == .serviceUnavailable, !response.headers.contains("Retry-After") {
            response.headers.add("Retry-After", "1")
        }
        append(response, head: head, keepsAlive: keepsAlive)
    }

    private func append(_ response: HTTPResponse, head: HTTPRequestHead?, keepsAlive: Bool) {
        _ = answers.append(
            .init(
                content: .ready(response), head: head, route: route, started: started,
                keepsAlive: keepsAlive && server.settings.keepsAlive))
        sendAnswers()
    }

    private func sendAnswers() {
        while let connection, connection.isOpen, let item = answers.popReady() {
            guard case .ready(let response) = item.content else {
                connection.write(HTTPResponseEncoder.continueResponse)
                continue
            }
            hasServed = true
            let closes = !item.keepsAlive || (server.isDraining && answers.isEmpty)
            let context = HTTPResponseEncoder.Context(
                isHead: item.head?.method == .head, version: item.head?.version ?? .http11,
                keepsAlive: !closes, date: server.date)
            let sendsBody = HTTPResponseEncoder.sendsBody(of: response, context)
            connection.write(
                HTTPResponseEncoder.head(of: response, context), sendsBody ? response.body : [])
            server.observer.requestFinished(
                HTTPRequestRecord(
                    method: item.head?.method, route: item.route, status: response.status,
                    requestBytes: item.requestBytes,
                    responseBytes: sendsBody ? response.body.count : 0,
                    duration: loop.clock.now - item.started, peer: connection.peer))
            if closes { return closeNow(lingering: !item.isWhole) }
        }
    }

    /// Goes on with what had to wait for an answer to be sent.
    private func resume() {
        if !held.isEmpty, !isFull {
            var bytes: [UInt8] = []
            swap(&bytes, &held)
            // SAFETY: a view of bytes as bytes, which the array outlives.
            heldOffset = process(unsafe bytes.span.bytes, from: heldOffset)
            if heldOffset < bytes.count { swap(&bytes, &held) } else { heldOffset = 0 }
        }
        settle()
    }

    /// After each change: what epoll watches, and the next deadline.
    func settle() {
        guard let connection, connection.isOpen else { return }
        if peerHasEnded, answers.isEmpty, held.isEmpty { return connection.closeAfterFlush() }
        if isFull != (fullSince != nil) { changedFullness() }
        if decoder.phase == .body { pace = pace ?? BodyPace(from: loop.now) }
        chargeConnection()
        guard connection.isOpen else { return }
        // What was to be skipped was too long, and the answers before it are out.
        if decoder.phase == .ended, answers.isEmpty { return closeNow(lingering: true) }
        connection.setReadingPaused(isFull || peerHasEnded || decoder.phase == .ended)
        blockedSince = connection.isWriteBlocked ? (blockedSince ?? loop.now) : nil
        setDeadline()
    }

    /// The time in which nothing was read was ours, not the client's.
    private func changedFullness() {
        if let since = fullSince {
            lastProgress = loop.now
            pace?.skip(from: since, to: loop.now)
            if decoder.phase == .head { started = loop.now }
        }
        fullSince = isFull ? loop.now : nil
    }

    func flushed(_ connection: Connection) {
        blockedSince = nil
        sendAnswers()
        resume()
    }

    private func closeWhenAnswered() {
        decoder.end()
        if answers.isEmpty { closeNow(lingering: true) }
    }

    func closeNow(lingering: Bool) {
        release()
        decoder.end()
        dropHeld()
        connection?.closeAfterFlush(lingering: lingering)
    }

    /// Idle connections go at once, others with the answer to their last request.
    func beginDraining() {
        guard let connection, connection.isOpen else { return }
        if answers.isEmpty, decoder.phase == .idle, held.isEmpty { connection.closeAfterFlush() }
    }

    func dropHeld() {
        held = []
        heldOffset = 0
    }

    func close() { connection?.close() }

    func closed(_ connection: Connection) {
        release()
        decoder.end()
        dropHeld()
        charge.release(server.settings.shared.connectionMemory)
        for _ in 0..<answers.removeAll() { server.observer.requestLost() }
        server.remove(self, peer: connection.peer)
        self.connection = nil
    }
}
