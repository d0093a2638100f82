internal import CShims
internal import Glibc

/// An address as a person writes it: `localhost:4318`, `127.0.0.1:0`, `[::1]:4318`, `:4318`,
/// `unix:///run/sluice.sock`.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// An empty host means every interface.
        case host(String, port: UInt16)
        case unix(path: String)
    }

    public let kind: Kind

    public init(_ kind: Kind) { self.kind = kind }

    /// - Throws: `EndpointError`, which says what is wrong in words for the person who wrote it.
    public init(parsing text: String) throws(EndpointError) {
        if text.utf8.starts(with: "unix:".utf8) {
            var path = text.dropFirst("unix:".count)
            if path.utf8.starts(with: "//".utf8) { path = path.dropFirst(2) }
            guard !path.isEmpty else { throw EndpointError("a Unix socket needs a path") }
            guard path.utf8.count <= SocketAddress.unixPathBytesMax else {
                throw EndpointError(
                    "a Unix socket's path has at most \(SocketAddress.unixPathBytesMax) bytes")
            }
            kind = .unix(path: String(path))
            return
        }
        if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")),
            text.utf8[colon...].starts(with: "://".utf8)
        {
            let address = text[colon...].dropFirst(3).prefix { $0 != "/" }
            throw EndpointError(
                "'\(text)' has a scheme, and an address has none: write "
                    + (address.contains(":") ? String(address) : "\(address):PORT"))
        }
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else {
            throw EndpointError("'\(text)' has no port: write host:port")
        }
        var host = text[..<colon]
        let portText = text[text.utf8.index(after: colon)...]
        if host.utf8.first == UInt8(ascii: "[") {
            guard host.utf8.last == UInt8(ascii: "]"), host.utf8.count > 2 else {
                throw EndpointError("'\(host)' lacks its closing bracket")
            }
            host = host.dropFirst().dropLast()
        } else if host.utf8.contains(UInt8(ascii: ":")) {
            throw EndpointError("an IPv6 address stands in brackets: [\(host)]:\(portText)")
        }
        guard portText.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(portText)
        else {
            throw EndpointError("'\(portText)' is not a port: write a number from 0 to 65535")
        }
        kind = .host(String(host), port: port)
    }

    public var description: String {
        switch kind {
        case .host(let host, let port):
            host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix://\(path)"
        }
    }

    /// Where a listener for this endpoint binds. `localhost` is both loopback addresses; every
    /// interface is one IPv6 socket that takes IPv4 too. An address of a family that this machine
    /// lacks may be among them: a listener needs only one that works.
    public func listenAddresses() throws(EndpointError) -> [SocketAddress] {
        switch kind {
        case .unix(let path): [.unix(path)]
        case .host("localhost", let port): [.loopback(port: port), .loopback6(port: port)]
        case .host("", let port): [.ipv6(0, 0, port: port, scope: 0)]
        case .host(let host, let port): try Endpoint.resolve(host, port: port)
        }
    }

    /// Where a client connects, in the order to try. Asks the resolver, so it may block for
    /// seconds.
    public func connectAddresses() throws(EndpointError) -> [SocketAddress] {
        switch kind {
        case .unix(let path): [.unix(path)]
        case .host("", let port): [.loopback(port: port), .loopback6(port: port)]
        case .host(let host, let port): try Endpoint.resolve(host, port: port)
        }
    }

    private static func resolve(
        _ host: String, port: UInt16
    ) throws(EndpointError) -> [SocketAddress] {
        // SAFETY: the hints and the list outlive the call; an empty addrinfo means no wish.
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = unsafe getaddrinfo(host, nil, &hints, &list)
        guard result == 0 else {
            let reason = unsafe String(cString: gai_strerror(result))
            throw EndpointError("'\(host)' can't be resolved: \(reason)")
        }
        defer { unsafe freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = unsafe list
        // SAFETY: the list that getaddrinfo made, walked before it is freed; each ai_addr has
        // ai_addrlen bytes, and no form is longer than sockaddr_storage.
        while let entry = unsafe next {
            var storage = sockaddr_storage()
            let length = unsafe min(
                Int(entry.pointee.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { bytes in
                unsafe bytes.copyMemory(
                    from: UnsafeRawBufferPointer(start: entry.pointee.ai_addr, count: length))
            }
            if let address = SocketAddress(storage, length: socklen_t(length))?.withPort(port),
                !addresses.contains(address)
            {
                addresses.append(address)
            }
            unsafe next = entry.pointee.ai_next
        }
        return addresses
    }
}

/// Why an endpoint can't be used, in words.
public struct EndpointError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
