public import Platform

/// What speaks a protocol over a `Connection`. All calls come on the loop's thread.
public protocol ConnectionHandler: AnyObject {
    /// What `init(connectingTo:)` began has succeeded. If it doesn't, `closed` comes instead.
    func connected(_ connection: Connection)
    /// Bytes, or the end, wait to be received.
    func readable(_ connection: Connection)
    /// All that was written has left; comes once after each time when it had to wait.
    func flushed(_ connection: Connection)
    func deadlinePassed(_ connection: Connection)
    /// The last call: the connection is closed, by either side.
    func closed(_ connection: Connection)
}

extension ConnectionHandler {
    /// What was accepted is connected from the beginning.
    public func connected(_ connection: Connection) {}
}

/// A stream socket of a loop, with a buffer for what the peer isn't ready to take.
///
/// The buffer is bounded by its user: while `isWriteBlocked` a handler produces nothing more. Of
/// the loop's thread alone.
public final class Connection: EventHandler {
    public let loop: EventLoop
    public let peer: SocketAddress
    private let handler: any ConnectionHandler
    private var socket: Socket?
    private var id: RegistrationID?
    /// This end has connected, and asks; the peer answers.
    private let isClient: Bool
    private var watched: Events
    private var isReadingPaused = false
    private var outgoing: [[UInt8]] = []
    /// Bytes of the first piece that have left already.
    private var sentOfFirst = 0
    /// What was written, and waits for the peer to take it.
    public private(set) var unsentBytes = 0
    private var phase: Phase
    private var lingerBytesLeft = 0
    private var lingersUntil = Instant.distantFuture
    /// The system's error that has ended the connection, or sending; `nil` where there was none.
    public private(set) var failure: SystemError?

    private enum Phase: Equatable {
        case connecting
        case open
        /// Close when the buffer is empty.
        case afterFlush(lingering: Bool)
        /// Everything was sent, and the end too: wait for the peer's end, so that the kernel has no
        /// unread bytes, which would make it send a reset that can overtake our answer.
        case lingering
        case closed
    }

    /// What is read and thrown away after the last answer, at most: as much as a request body may
    /// have by default. There are clients that write all of a body before they look for an answer.
    public static let lingerBytesMax = 64 << 20
    /// How long that may take.
    public static let lingerTimeout = Duration.seconds(10)
    /// How long the peer may send nothing in that time.
    public static let lingerQuietMax = Duration.seconds(2)
    /// Read and thrown away before other connections of the loop have their turn.
    private static let discardedPerTurnMax = 256 << 10

    /// Takes over the socket and begins to watch it.
    public init(
        _ socket: consuming Socket, peer: SocketAddress, loop: EventLoop,
        handler: any ConnectionHandler
    ) throws(SystemError) {
        self.loop = loop
        self.peer = peer
        self.handler = handler
        let raw = socket.rawDescriptor
        self.socket = consume socket
        isClient = false
        phase = .open
        watched = .readable
        id = try loop.register(raw, watched, self)
    }

    /// Begins to connect. Nothing can be written before the handler's `connected`.
    /// - Throws: what is known to fail at once; no call to the handler follows.
    public init(
        connectingTo address: SocketAddress, loop: EventLoop, handler: any ConnectionHandler
    ) throws(SystemError) {
        self.loop = loop
        peer = address
        self.handler = handler
        let socket = try Socket(connectingTo: address)
        let raw = socket.rawDescriptor
        self.socket = consume socket
        isClient = true
        phase = .connecting
        watched = .writable
        id = try loop.register(raw, watched, self)
    }

    public var isOpen: Bool { phase != .closed }

    /// The peer takes less than was written: produce no more until `flushed`.
    public var isWriteBlocked: Bool { !outgoing.isEmpty }

    // MARK: - Reading

    /// Appends at most `count` bytes to `buffer`. An error closes the connection and reads as its
    /// end.
    public func receive(upTo count: Int, appendingTo buffer: inout [UInt8]) -> Socket.Received {
        guard socket != nil else { return .end }
        do throws(SystemError) {
            return try socket!.receive(upTo: count, appendingTo: &buffer)
        } catch {
            close(because: error)
            return .end
        }
    }

    /// While reading is paused the kernel's window fills, and the peer waits.
    public func setReadingPaused(_ paused: Bool) {
        guard phase == .open else { return }
        isReadingPaused = paused
        watch()
    }

    // MARK: - Writing

    /// Sends both pieces, or keeps what the peer doesn't take yet.
    public func write(_ head: [UInt8], _ body: [UInt8] = []) {
        guard phase == .open, socket != nil else { return }
        guard outgoing.isEmpty else {
            enqueue(head)
            enqueue(body)
            return
        }
        do throws(SystemError) {
            // SAFETY: views of bytes as bytes, which the arrays outlive.
            let sent = try socket!.send(unsafe head.span.bytes, unsafe body.span.bytes) ?? 0
            if sent == head.count + body.count { return }
            if sent < head.count {
                enqueue(head)
                sentOfFirst = sent
                enqueue(body)
            } else {
                enqueue(body)
                sentOfFirst = sent - head.count
            }
            unsentBytes -= sentOfFirst
            watch()
        } catch {
            sendingFailed(error)
        }
    }

    private func enqueue(_ piece: [UInt8]) {
        guard !piece.isEmpty else { return }
        outgoing.append(piece)
        unsentBytes += piece.count
    }

    /// Closes when everything has been handed to the kernel, which sends it on.
    /// - Parameter lingering: the peer may still be sending: read that for a while first, so that
    ///   it gets to read its answer.
    public func closeAfterFlush(lingering: Bool = false) {
        guard phase == .open else { return }
        phase = .afterFlush(lingering: lingering)
        if outgoing.isEmpty { finish(lingering: lingering) } else { watch() }
    }

    /// Closes now; what was not sent yet is lost.
    public func close() {
        guard phase != .closed else { return }
        phase = .closed
        if let id { loop.deregister(id) }
        id = nil
        // Closes the descriptor, after the loop let go of it.
        socket = nil
        dropOutgoing()
        handler.closed(self)
    }

    private func close(because error: SystemError) {
        // The first one is why others follow.
        failure = failure ?? error
        close()
    }

    /// When the handler's `deadlinePassed` is called, unless it is set anew before.
    public func setDeadline(_ deadline: Instant?) {
        guard phase != .lingering, let id else { return }
        loop.setDeadline(id, deadline)
    }

    // MARK: - From the loop

    public func eventsArrived(_ events: Events) {
        if phase == .connecting { return finishConnecting() }
        if events.contains(.writable) { flush() }
        guard !events.isDisjoint(with: [.readable, .failed]), isOpen else { return }
        switch phase {
        case .lingering: discardIncoming()
        case .closed: break
        case .open where !isReadingPaused: handler.readable(self)
        // Nobody would read, so that level-triggered epoll would report the failure for ever.
        case .connecting, .open, .afterFlush: if events.contains(.failed) { close() }
        }
    }

    public func deadlinePassed() {
        if phase == .lingering { close() } else { handler.deadlinePassed(self) }
    }

    private func finishConnecting() {
        guard socket != nil else { return }
        do throws(SystemError) {
            try socket!.finishConnecting()
        } catch {
            return close(because: error)
        }
        phase = .open
        watch()
        if isOpen { handler.connected(self) }
    }

    private func flush() {
        do throws(SystemError) {
            while let first = outgoing.first {
                // SAFETY: a view of bytes as bytes, which the array outlives.
                let rest = unsafe first.span.bytes.extracting(droppingFirst: sentOfFirst)
                guard let sent = try socket!.send(rest) else { return }
                sentOfFirst += sent
                unsentBytes -= sent
                if sentOfFirst == first.count {
                    outgoing.removeFirst()
                    sentOfFirst = 0
                }
            }
        } catch {
            return sendingFailed(error)
        }
        watch()
        if case .afterFlush(let lingering) = phase { return finish(lingering: lingering) }
        handler.flushed(self)
    }

    /// The peer takes no more. Its answer to what it did get may be here nonetheless, such as a
    /// server's that refuses a large body.
    private func sendingFailed(_ error: SystemError) {
        failure = error
        dropOutgoing()
        if isClient, phase == .open { handler.readable(self) }
        close()
    }

    private func dropOutgoing() {
        outgoing = []
        sentOfFirst = 0
        unsentBytes = 0
    }

    private func finish(lingering: Bool) {
        guard lingering else { return close() }
        phase = .lingering
        lingerBytesLeft = Connection.lingerBytesMax
        isReadingPaused = false
        guard socket != nil else { return }
        do throws(SystemError) {
            try socket!.finishSending()
        } catch {
            return close()
        }
        watch()
        lingersUntil = loop.now + Connection.lingerTimeout
        discardIncoming()
    }

    private func discardIncoming() {
        var left = Connection.discardedPerTurnMax
        while left > 0, isOpen {
            let outcome = loop.withReceiveBuffer { buffer in
                receive(upTo: 64 << 10, appendingTo: &buffer)
            }
            guard case .bytes(let count) = outcome else {
                if outcome == .end { close() }
                break
            }
            left -= count
            lingerBytesLeft -= count
            if lingerBytesLeft <= 0 { return close() }
        }
        guard let id else { return }
        loop.setDeadline(id, min(lingersUntil, loop.now + Connection.lingerQuietMax))
    }

    /// Tells epoll what is of interest now, when that has changed.
    private func watch() {
        guard let id else { return }
        var wanted: Events = isReadingPaused ? [] : .readable
        if case .afterFlush = phase { wanted = [] }
        if !outgoing.isEmpty { wanted.insert(.writable) }
        guard wanted != watched else { return }
        watched = wanted
        do throws(SystemError) {
            try loop.setEvents(id, wanted)
        } catch {
            close()
        }
    }
}
