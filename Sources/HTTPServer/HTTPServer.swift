public import EventLoop
public import Platform
internal import Synchronization

/// An HTTP/1.1 server over event loops, which other servers may share.
///
/// `start`, then `stopAccepting` and `drain`; none of them from a loop's thread. After `drain`, and
/// only then, the loops may be stopped.
public final class HTTPServer: Sendable {
    private let settings: HTTPServerSettings
    private let parts: [LoopServer]
    private let openConnections = Monitor(0)
    private let bound = Mutex<[SocketAddress]>([])
    private let socketFiles = Mutex<[UnixSocketFile]>([])
    private let turn = Atomic<Int>(0)

    public init(
        _ settings: HTTPServerSettings, handler: any HTTPHandler, loops: EventLoopGroup,
        observer: any HTTPServerObserver = NoHTTPServerObserver()
    ) {
        self.settings = settings
        let openConnections = openConnections
        parts = loops.loops.map {
            LoopServer(
                loop: $0, settings: settings, handler: handler, observer: observer,
                openConnections: openConnections, loopCount: loops.loops.count)
        }
    }

    /// Binds every endpoint and begins to accept. When one can't be bound, none is.
    public func start() throws(HTTPServerError) {
        do throws(HTTPServerError) {
            for endpoint in settings.endpoints {
                let addresses = try Binding.addresses(of: endpoint)
                let (sockets, local) = try Binding.bind(
                    endpoint, addresses, listenersEach: parts.count,
                    inherited: settings.inheritedAddresses, unixMode: settings.unixMode)
                bound.withLock { $0 += local }
                for case .unix(let path) in local {
                    socketFiles.withLock { $0.append(UnixSocketFile(at: path)) }
                }
                try listen(sockets, at: endpoint)
            }
        } catch {
            stopAccepting()
            throw error
        }
    }

    /// What was bound, with the ports that the kernel chose for port 0.
    public var boundAddresses: [SocketAddress] { bound.withLock { $0 } }

    /// Connections that are open now.
    public var connectionCount: Int { openConnections.withLock { $0 } }

    /// Closes the listeners. What the kernel had accepted is still served.
    public func stopAccepting() {
        onEachLoop { $0.stopAccepting() }
        // Once: later a file of the same number may be another process's.
        let files = socketFiles.withLock { files in
            defer { files = [] }
            return files
        }
        for file in files { file.remove() }
    }

    /// Ends idle connections now and the others with their last answer. At the deadline (on the
    /// system's monotonic clock) those that are left are cut, and the result is `false`.
    @discardableResult
    public func drain(until deadline: Instant) -> Bool {
        onEachLoop { $0.beginDraining() }
        if waitForLast(until: deadline) { return true }
        onEachLoop { $0.closeAll() }
        return false
    }

    private func waitForLast(until deadline: Instant) -> Bool {
        openConnections.wait(until: deadline) { $0 == 0 ? true : nil } ?? false
    }

    /// One listener a loop, or one alone whose connections go to the loops in turn.
    private func listen(
        _ sockets: [Binding.Listening], at endpoint: Endpoint
    ) throws(HTTPServerError) {
        let failure = Mutex<SystemError?>(nil)
        for socket in sockets {
            let part = parts[socket.loopIndex]
            let raw = socket.rawDescriptor
            perform(on: part) { [self] part in
                do throws(SystemError) {
                    let owned = Socket(owning: FileDescriptor(owning: raw))
                    if socket.isShared {
                        try part.listen(owned) { [unowned self] in spread($0, peer: $1) }
                    } else {
                        try part.listen(owned)
                    }
                } catch {
                    failure.withLock { $0 = error }
                }
            }
        }
        if let error = failure.withLock({ $0 }) { throw HTTPServerError(endpoint, error) }
    }

    private func spread(_ socket: consuming Socket, peer: SocketAddress) {
        let (number, _) = turn.wrappingAdd(1, ordering: .relaxed)
        let part = parts[Int(UInt(bitPattern: number) % UInt(parts.count))]
        if part.loop.isCurrent { return part.serve(socket, peer: peer) }
        let raw = socket.takeDescriptor().release()
        part.loop.execute {
            part.serve(Socket(owning: FileDescriptor(owning: raw)), peer: peer)
        }
    }

    private func onEachLoop(_ body: @escaping @Sendable (LoopServer) -> Void) {
        for part in parts { perform(on: part, body) }
    }

    /// Runs `body` on the part's loop and waits for its end.
    private func perform(
        on part: LoopServer, _ body: @escaping @Sendable (LoopServer) -> Void
    ) {
        precondition(!part.loop.isCurrent, "BUG: a loop's thread would wait for itself")
        let isDone = Monitor(false)
        part.loop.execute {
            body(part)
            isDone.withLock { $0 = true }
            isDone.notifyAll()
        }
        _ = isDone.wait { $0 ? true : nil }
    }
}

/// Why a server can't listen, in words for whoever wrote the endpoint.
public struct HTTPServerError: Error, Hashable, Sendable, CustomStringConvertible {
    public let endpoint: Endpoint
    public let reason: String

    init(_ endpoint: Endpoint, _ error: SystemError) {
        self.endpoint = endpoint
        reason = error.description
    }

    init(_ endpoint: Endpoint, _ error: EndpointError) {
        self.endpoint = endpoint
        reason = error.description
    }

    public var description: String { "can't listen on \(endpoint): \(reason)" }
}
