public import Platform

/// Accepts connections on one loop.
public final class Listener: EventHandler {
    /// Accepted in a row before others on the loop have their turn.
    private static let acceptsPerTurnMax = 64
    /// How long to wait after the machine ran out of descriptors.
    private static let shortagePause = Duration.milliseconds(100)

    private let loop: EventLoop
    private var socket: Socket?
    private var id: RegistrationID?
    /// Kept open for nothing but this: without a descriptor to spare there is no way to accept the
    /// connection that waits, not even to close it, and level-triggered epoll would report it for
    /// ever.
    private var reserve: FileDescriptor?
    private let accepted: (consuming Socket, SocketAddress) -> Void
    private let refused: () -> Void

    /// Begins to accept. On the loop's thread.
    /// - Parameters:
    ///   - accepted: gets each new connection.
    ///   - refused: counts one that was closed at once for want of a descriptor.
    public init(
        _ socket: consuming Socket, loop: EventLoop,
        accepted: @escaping (consuming Socket, SocketAddress) -> Void,
        refused: @escaping () -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.accepted = accepted
        self.refused = refused
        let raw = socket.rawDescriptor
        self.socket = consume socket
        reserve = try? FileDescriptor(opening: "/dev/null", .read)
        id = try loop.register(raw, .readable, self)
    }

    /// Takes what the kernel has completed, so that it isn't reset, then closes.
    public func close() {
        guard let id else { return }
        acceptAll(atMost: Int(Socket.backlogMax))
        loop.deregister(id)
        self.id = nil
        socket = nil
        reserve = nil
    }

    public func eventsArrived(_ events: Events) {
        acceptAll(atMost: Listener.acceptsPerTurnMax)
    }

    /// The shortage may be over.
    public func deadlinePassed() {
        guard let id else { return }
        try? loop.setEvents(id, .readable)
    }

    private func acceptAll(atMost count: Int) {
        for _ in 0..<count {
            guard socket != nil else { return }
            do throws(SystemError) {
                guard let next = try socket!.accept() else { return }
                let peer = next.peer
                accepted(next.takeSocket(), peer)
            } catch {
                if error.isLostBeforeAccept { continue }
                // Out of descriptors or memory; anything else, too, is better met after a pause.
                return shed()
            }
        }
    }

    /// Out of descriptors: accept one connection with the spare one, close it, and look away for a
    /// moment, in which others may end.
    private func shed() {
        if reserve != nil {
            reserve = nil
            if socket != nil, (try? socket!.accept()) != nil { refused() }
            reserve = try? FileDescriptor(opening: "/dev/null", .read)
        }
        guard let id else { return }
        try? loop.setEvents(id, [])
        loop.setDeadline(id, loop.now + Listener.shortagePause)
    }
}
