import Glibc
import Platform
import Synchronization

/// Where detectors look, so that tests can say what they find.
struct DetectionSources: Sendable {
    var environment: @Sendable (String) -> String?
    /// nil where the file cannot be read.
    var file: @Sendable (String) -> String?
    var hostName: @Sendable () -> String
    /// What DNS makes of a host's name; nil where it makes nothing of it in time.
    var canonicalName: @Sendable (_ hostName: String, _ timeout: Duration) -> String?
    /// What DNS calls the addresses of a host's name; nil where it knows none in time.
    var reverseName: @Sendable (_ hostName: String, _ timeout: Duration) -> String?
    /// Those that are up, but for loopback.
    var interfaces: @Sendable () -> [NetworkInterface]

    /// A cgroup's list of mounts is the longest.
    private static let fileBytesMax = 1 << 20

    static let machine = DetectionSources(
        environment: { CurrentProcess.environment($0) },
        file: { path in
            guard let bytes = try? FileSystem.read(path, bytesMax: fileBytesMax) else {
                return nil
            }
            return String(decoding: bytes, as: UTF8.self)
        },
        hostName: { Machine.hostName },
        canonicalName: { NameLookup.name(of: $0, timeout: $1, NameLookup.canonicalName) },
        reverseName: { NameLookup.name(of: $0, timeout: $1, NameLookup.reverseName) },
        interfaces: { NetworkInterface.all() })
}

struct NetworkInterface: Sendable, Equatable {
    let name: String
    /// In text, IPv4 before IPv6.
    var addresses: [String]

    /// IFF_UP and IFF_LOOPBACK of netdevice(7).
    private static let (isUp, isLoopback): (UInt32, UInt32) = (1, 8)

    fileprivate static func all() -> [NetworkInterface] {
        // SAFETY: getifaddrs allocates a list, each entry of which points at a C string and at an
        // address or nothing; all of it is read before it is freed.
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var interfaces: [NetworkInterface] = []
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            let flags = unsafe entry.pointee.ifa_flags
            guard flags & isUp != 0, flags & isLoopback == 0 else { continue }
            let name = unsafe String(cString: entry.pointee.ifa_name)
            if !interfaces.contains(where: { $0.name == name }) {
                interfaces.append(NetworkInterface(name: name, addresses: []))
            }
            if let text = unsafe text(of: entry.pointee.ifa_addr),
                let index = interfaces.firstIndex(where: { $0.name == name })
            {
                interfaces[index].addresses.append(text)
            }
        }
        return interfaces
    }

    /// nil for an address that is none of the Internet's.
    private static func text(of address: UnsafeMutablePointer<sockaddr>?) -> String? {
        guard let address = unsafe address else { return nil }
        let family = unsafe Int32(address.pointee.sa_family)
        let size: Int
        switch family {
        case AF_INET: size = MemoryLayout<sockaddr_in>.size
        case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        // SAFETY: the address has the size of its family; the buffer has the size that is passed.
        let result = unsafe getnameinfo(
            address, socklen_t(size), &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
        guard result == 0 else { return nil }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        // Without the zone of a link-local address, which means something here alone.
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "%") }, as: UTF8.self)
    }
}

/// DNS, bounded in time: getaddrinfo has no deadline of its own.
private enum NameLookup {
    private struct State: Sendable {
        var isDone = false
        var name: String?
    }

    static func name(
        of host: String, timeout: Duration, _ resolve: @escaping @Sendable (String) -> String?
    ) -> String? {
        let state = Monitor(State())
        let thread = try? Thread(name: "name-lookup") {
            let name = resolve(host)
            state.withLock { $0 = State(isDone: true, name: name) }
            state.notifyAll()
        }
        guard let thread else { return nil }
        let name = state.wait(until: .now + timeout) { $0.isDone ? .some($0.name) : nil }
        // A lookup that is late is let go: it ends by itself, in its resolver's own time.
        if name == nil { abandoned.withLock { $0.append(thread) } } else { thread.join() }
        return name.flatMap(\.self)
    }

    /// Threads must not be let go without being joined; at most one for each start and reload.
    private static let abandoned = Mutex<[Thread]>([])

    @Sendable static func canonicalName(of host: String) -> String? {
        // SAFETY: the name is a C string for the length of the call, and the list that getaddrinfo
        // allocates on success is freed once its name was copied.
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_CANONNAME
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, nil, &hints, &list) == 0 else { return nil }
        defer { unsafe freeaddrinfo(list) }
        guard let name = unsafe list?.pointee.ai_canonname else { return nil }
        let text = unsafe String(cString: name)
        return text.isEmpty ? nil : text
    }
    /// Of the first address that has a name.
    @Sendable static func reverseName(of host: String) -> String? {
        // SAFETY: as above; each entry's address has the length that it says.
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, nil, &hints, &list) == 0 else { return nil }
        defer { unsafe freeaddrinfo(list) }
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ai_next
            var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            // SAFETY: the buffer has the size that is passed.
            let result = unsafe getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &buffer,
                socklen_t(buffer.count), nil, 0, NI_NAMEREQD)
            if result == 0 {
                return String(
                    decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
                    as: UTF8.self)
            }
        }
        return nil
    }
}
