internal import HTTP
internal import Platform

/// From endpoints to listening sockets.
enum Binding {
    /// For `localhost:0`: the port that the kernel chose for IPv4 may be taken for IPv6.
    private static let portTriesMax = 16

    /// A listening socket for one loop, owned by whoever takes it.
    struct Listening: Sendable {
        let rawDescriptor: CInt
        let loopIndex: Int
        /// It is the only one, so its connections go to all loops.
        let isShared: Bool
    }

    static func addresses(of endpoint: Endpoint) throws(HTTPServerError) -> [SocketAddress] {
        do throws(EndpointError) {
            return try endpoint.listenAddresses()
        } catch {
            throw HTTPServerError(endpoint, error)
        }
    }

    /// - Parameter inherited: addresses that this process may share with itself.
    static func bind(
        _ endpoint: Endpoint, _ addresses: [SocketAddress], listenersEach count: Int,
        inherited: [SocketAddress], unixMode: UInt32?
    ) throws(HTTPServerError) -> ([Listening], [SocketAddress]) {
        var tries = 0
        while true {
            do throws(SystemError) {
                return try bindAll(
                    addresses, listenersEach: count, inherited: inherited, unixMode: unixMode)
            } catch {
                tries += 1
                let mayRetry = addresses.count > 1 && addresses[0].port == 0
                guard mayRetry, error.isAddressInUse, tries < portTriesMax else {
                    throw HTTPServerError(endpoint, error)
                }
            }
        }
    }

    private static func bindAll(
        _ addresses: [SocketAddress], listenersEach count: Int, inherited: [SocketAddress],
        unixMode: UInt32?
    ) throws(SystemError) -> ([Listening], [SocketAddress]) {
        var sockets: [Listening] = []
        var local: [SocketAddress] = []
        var unavailable: SystemError?
        do throws(SystemError) {
            for address in addresses {
                // All addresses of an endpoint have one port, also when the kernel chooses it.
                let port = address.port == 0 ? local.first?.port ?? 0 : address.port ?? 0
                do throws(SystemError) {
                    let (opened, bound) = try listeners(
                        address.withPort(port), count: count, inherited: inherited,
                        unixMode: unixMode)
                    sockets += opened
                    local.append(bound)
                } catch {
                    // A machine without IPv6 has no [::1].
                    guard error.isAddressUnavailable else { throw error }
                    unavailable = error
                }
            }
            if local.isEmpty, let unavailable { throw unavailable }
        } catch {
            close(sockets)
            throw error
        }
        return (sockets, local)
    }

    private static func listeners(
        _ address: SocketAddress, count: Int, inherited: [SocketAddress], unixMode: UInt32?
    ) throws(SystemError) -> ([Listening], SocketAddress) {
        let isShared = address.port == nil
        let isInherited = inherited.contains(address)
        if address.port != 0, !isInherited { try Socket.checkFree(address) }
        let first: Socket
        let bound: SocketAddress
        if case .unix(let path) = address, isInherited {
            first = try UnixSocketFile.takeOver(path, mode: unixMode)
            bound = address
        } else {
            first = try firstListener(address, sharingPort: !isShared, unixMode)
            bound = try first.localAddress()
        }
        var sockets = [
            Listening(
                rawDescriptor: first.takeDescriptor().release(), loopIndex: 0, isShared: isShared)
        ]
        guard !isShared else { return (sockets, bound) }
        for index in 1..<max(1, count) {
            do throws(SystemError) {
                let next = try Socket(listeningOn: bound, sharingPort: true)
                sockets.append(
                    Listening(
                        rawDescriptor: next.takeDescriptor().release(), loopIndex: index,
                        isShared: false))
            } catch {
                close(sockets)
                throw error
            }
        }
        return (sockets, bound)
    }

    /// Every interface is one IPv6 socket, or an IPv4 one on a machine without IPv6.
    private static func firstListener(
        _ address: SocketAddress, sharingPort: Bool, _ unixMode: UInt32?
    ) throws(SystemError) -> Socket {
        do throws(SystemError) {
            return try Socket(listeningOn: address, sharingPort: sharingPort, mode: unixMode)
        } catch {
            guard case .ipv6(0, 0, let port, _) = address, error.isAddressUnavailable else {
                throw error
            }
            return try Socket(listeningOn: .ipv4(0, port: port), sharingPort: sharingPort)
        }
    }

    private static func close(_ sockets: [Listening]) {
        for socket in sockets { _ = FileDescriptor(owning: socket.rawDescriptor) }
    }
}
