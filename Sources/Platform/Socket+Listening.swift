internal import CShims
internal import Glibc

extension Socket {
    /// Connections that the kernel may hold before they are accepted; it caps this by
    /// net.core.somaxconn.
    public static let backlogMax: CInt = 4096

    /// Binds and listens.
    /// - Parameter sharingPort: several listeners, one per event loop, share the address
    ///   (`SO_REUSEPORT`), and the kernel spreads connections over them. Not for Unix sockets.
    /// - Parameter mode: who may connect to a Unix socket; nil is up to the umask.
    public init(
        listeningOn address: SocketAddress, sharingPort: Bool, mode: UInt32? = nil
    ) throws(SystemError) {
        let socket = try Socket(for: address)
        if address.family != AF_UNIX {
            try socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
            if sharingPort { try socket.set(SOL_SOCKET, SO_REUSEPORT, 1) }
        }
        if case .ipv6(let high, let low, _, _) = address {
            // Every interface means IPv4 too; any other address means only itself.
            try socket.set(CInt(IPPROTO_IPV6), IPV6_V6ONLY, high == 0 && low == 0 ? 0 : 1)
        }
        let raw = socket.rawDescriptor
        // Before the file is there: bind(2) gives it the mode that its socket has.
        if address.family == AF_UNIX, let mode { try systemCall("fchmod") { fchmod(raw, mode) } }
        try unsafe address.withSockaddr { pointer, length throws(SystemError) in
            _ = try systemCall("bind") { unsafe bind(raw, pointer, length) }
        }
        try systemCall("listen") { listen(raw, Socket.backlogMax) }
        self = socket
    }

    /// Fails when somebody listens on `address`. With `SO_REUSEPORT` a second process of the same
    /// user could bind it too, and would be given half of the first one's connections: so look
    /// before binding with it.
    public static func checkFree(_ address: SocketAddress) throws(SystemError) {
        if case .unix(let path) = address { return try UnixSocketFile.removeStale(path) }
        let socket = try Socket(for: address)
        try socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        let raw = socket.rawDescriptor
        // SAFETY: the address is valid during the call.
        try unsafe address.withSockaddr { pointer, length throws(SystemError) in
            _ = try systemCall("bind") { unsafe bind(raw, pointer, length) }
        }
    }

    /// The next connection and its peer, or `nil` when there is none now.
    public borrowing func accept() throws(SystemError) -> Accepted? {
        let listener = rawDescriptor
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: the storage is made to be written as any sockaddr, and `length` is its size.
        let raw = try unsafe withUnsafeMutableBytes(of: &storage) { bytes throws(SystemError) in
            let pointer = unsafe bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            return try nonblockingCall("accept4") {
                unsafe sluice_accept(listener, pointer, &length)
            }
        }
        guard let raw else { return nil }
        return Accepted(
            socket: Socket(owning: FileDescriptor(owning: raw)),
            peer: SocketAddress(storage, length: length) ?? .unix(""))
    }

    /// What a listener accepted.
    public struct Accepted: ~Copyable {
        public let socket: Socket
        public let peer: SocketAddress

        public consuming func takeSocket() -> Socket { socket }
    }
}

extension SystemError {
    /// The connection went away before it was accepted: of no concern to the listener
    /// (accept(2), "Error handling").
    public var isLostBeforeAccept: Bool {
        switch errno {
        case ECONNABORTED, ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
            EOPNOTSUPP, ENETUNREACH, EPERM, ETIMEDOUT:
            true
        default: false
        }
    }

    /// The process or the machine has no descriptor, or no memory, left for another socket.
    public var isOutOfDescriptors: Bool {
        switch errno {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: true
        default: false
        }
    }

    /// The address is in use, so that another port may work.
    public var isAddressInUse: Bool { errno == EADDRINUSE }

    /// This machine has no such address or no such family, IPv6 perhaps.
    public var isAddressUnavailable: Bool { errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT }
}
