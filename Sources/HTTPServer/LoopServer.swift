internal import EventLoop
internal import HTTP
internal import Platform

/// The part of a server that lives on one loop: its listeners and its connections.
final class LoopServer: @unchecked Sendable {
    // SAFETY: the constants are Sendable; the rest is touched on the loop's thread alone.

    let loop: EventLoop
    let settings: HTTPServerSettings
    let handler: any HTTPHandler
    let observer: any HTTPServerObserver
    private let openConnections: Monitor<Int>
    /// Of the shared limit, half as much again as its part of it. The kernel gives each loop about
    /// as many connections as the others; those that came first to one are not turned away because
    /// another was quicker to take them all.
    private let connectionsMax: Int
    private var listeners: [Listener] = []
    private var connections = ConnectionSet()
    private(set) var isDraining = false
    private var dateSecond: UInt64 = 0
    private var dateText = ""

    init(
        loop: EventLoop, settings: HTTPServerSettings, handler: any HTTPHandler,
        observer: any HTTPServerObserver, openConnections: Monitor<Int>, loopCount: Int
    ) {
        let shared = settings.shared.connections.max
        connectionsMax = loopCount == 1 ? shared : shared * 3 / (loopCount * 2) + 1
        self.loop = loop
        self.settings = settings
        self.handler = handler
        self.observer = observer
        self.openConnections = openConnections
    }

    /// For the `Date` field, made once a second.
    var date: String? {
        guard settings.sendsDate else { return nil }
        let second = loop.clock.unixNanoseconds / 1_000_000_000
        if second != dateSecond {
            dateSecond = second
            dateText = HTTPDate.text(unixSeconds: second)
        }
        return dateText
    }

    /// - Parameter accepted: gets each new connection, `serve` by default.
    func listen(
        _ socket: consuming Socket,
        accepted: ((consuming Socket, SocketAddress) -> Void)? = nil
    ) throws(SystemError) {
        let listener = try Listener(
            socket, loop: loop,
            accepted: accepted ?? { [unowned self] in serve($0, peer: $1) },
            refused: { [unowned self] in
                settings.shared.connections.refused(at: loop.now)
                observer.connectionRefused()
            })
        listeners.append(listener)
    }

    func serve(_ socket: consuming Socket, peer: SocketAddress) {
        let account = settings.shared.bodies.open(Peer(peer))
        guard admit() || makeRoom(for: account) && admit() else {
            settings.shared.bodies.close(account)
            return refuse(socket, peer)
        }
        let connection = HTTPServerConnection(self, loop: loop, account: account)
        connections.insert(connection)
        observer.connectionOpened(peer)
        do throws(SystemError) {
            try socket.setNoDelay()
            try connection.open(socket, peer: peer)
        } catch {
            // The peer is gone already, or epoll has no memory for one more.
            remove(connection, peer: peer)
        }
    }

    private func admit() -> Bool {
        guard connections.count < connectionsMax, settings.shared.connections.acquire() else {
            return false
        }
        let isAdmitted = openConnections.withLock { count in
            guard count < settings.connectionsMax, !isDraining else { return false }
            count += 1
            return true
        }
        if !isAdmitted { settings.shared.connections.release() }
        return isAdmitted
    }

    /// Closes a connection of this loop that only waits for its client.
    private func makeRoom(for account: PeerShares.Account) -> Bool {
        guard !isDraining else { return false }
        let since = loop.now + (.zero - settings.evictionQuietMin)
        guard let connection = connections.dispensable(since: since, users: account.users - 1)
        else { return false }
        observer.connectionEvicted()
        connection.close()
        return true
    }

    func remove(_ connection: HTTPServerConnection, peer: SocketAddress) {
        guard connections.remove(connection) else { return }
        settings.shared.bodies.close(connection.account)
        settings.shared.connections.release()
        observer.connectionClosed(peer)
        let isLast = openConnections.withLock { count in
            count -= 1
            return count == 0
        }
        if isLast { openConnections.notifyAll() }
    }

    /// Says why, as far as the kernel's buffer takes it, which for a new socket it does.
    private func refuse(_ socket: consuming Socket, _ peer: SocketAddress) {
        settings.shared.connections.refused(at: loop.now)
        observer.connectionRefused()
        var response = handler.failure(
            HTTPFailure(.serviceUnavailable, "too many connections: try again"), answering: nil,
            from: peer)
        response.headers["Retry-After"] = "1"
        let head = HTTPResponseEncoder.head(
            of: response, .init(keepsAlive: false, date: date))
        // SAFETY: views of bytes as bytes, which the arrays outlive.
        _ = try? socket.send(unsafe head.span.bytes, unsafe response.body.span.bytes)
        try? socket.finishSending()
    }

    func stopAccepting() {
        for listener in listeners { listener.close() }
        listeners = []
    }

    func beginDraining() {
        isDraining = true
        for connection in connections.all { connection.beginDraining() }
    }

    func closeAll() {
        for connection in connections.all { connection.close() }
    }
}
