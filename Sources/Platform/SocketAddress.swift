internal import CShims
internal import Glibc

/// Where a socket is bound or connected: plain values, no kernel structure.
public enum SocketAddress: Hashable, Sendable {
    /// Four bytes in network order, as a number: 127.0.0.1 is `0x7f00_0001`.
    case ipv4(UInt32, port: UInt16)
    /// Sixteen bytes in network order, as two numbers; `scope` is for link-local addresses.
    case ipv6(UInt64, UInt64, port: UInt16, scope: UInt32)
    /// A path; empty for a client's end, which has no name.
    case unix(String)

    public static func loopback(port: UInt16) -> SocketAddress { .ipv4(0x7f00_0001, port: port) }
    public static func loopback6(port: UInt16) -> SocketAddress {
        .ipv6(0, 1, port: port, scope: 0)
    }

    /// `nil` for a Unix socket.
    public var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, _, let port, _): port
        case .unix: nil
        }
    }

    public func withPort(_ port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let high, let low, _, let scope): .ipv6(high, low, port: port, scope: scope)
        case .unix: self
        }
    }

    /// The address without its port, as text: `127.0.0.1`, `::1`, or the path.
    public var host: String {
        switch self {
        case .ipv4(let address, _):
            return stride(from: 24, through: 0, by: -8)
                .map { String(UInt8(truncatingIfNeeded: address >> $0)) }.joined(separator: ".")
        case .ipv6(let high, let low, _, _): return SocketAddress.text(high, low)
        case .unix(let path): return path
        }
    }

    private static func text(_ high: UInt64, _ low: UInt64) -> String {
        var address = in6_addr()
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        // SAFETY: 16 bytes are written to an in6_addr; inet_ntop writes at most `text.count`.
        unsafe withUnsafeMutableBytes(of: &address) { bytes in
            unsafe bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
            unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        unsafe inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
        let end = text.firstIndex(of: 0) ?? 0
        return String(decoding: text[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    var family: CInt {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:4318`, `[::1]:4318`, `unix:///run/sluice.sock`: an `Endpoint` can parse it.
    public var description: String {
        switch self {
        case .ipv4(_, let port): "\(host):\(port)"
        case .ipv6(_, _, let port, _): "[\(host)]:\(port)"
        case .unix(let path): "unix://\(path)"
        }
    }
}

// MARK: - The kernel's form

extension SocketAddress {
    /// The longest path that a Unix socket can have: sun_path without its NUL.
    public static let unixPathBytesMax = MemoryLayout<sockaddr_un>.size - 3

    /// Calls `body` with the kernel's form of the address.
    /// - Throws: `ENAMETOOLONG` for a Unix path that doesn't fit.
    func withSockaddr<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        var storage = sockaddr_storage()
        let length = try encode(into: &storage)
        // SAFETY: sockaddr_storage is made to be read as any sockaddr; `length` is within it.
        return try unsafe withUnsafePointer(to: &storage) { pointer throws(SystemError) in
            try unsafe body(
                UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), length)
        }
    }

    private func encode(into storage: inout sockaddr_storage) throws(SystemError) -> socklen_t {
        // SAFETY: each store is at a field's offset within the 128 bytes of sockaddr_storage.
        switch self {
        case .ipv4(let address, let port):
            var form = sockaddr_in()
            form.sin_family = sa_family_t(AF_INET)
            form.sin_port = port.bigEndian
            form.sin_addr.s_addr = address.bigEndian
            unsafe withUnsafeMutableBytes(of: &storage) {
                unsafe $0.storeBytes(of: form, as: sockaddr_in.self)
            }
            return socklen_t(MemoryLayout<sockaddr_in>.size)
        case .ipv6(let high, let low, let port, let scope):
            var form = sockaddr_in6()
            form.sin6_family = sa_family_t(AF_INET6)
            form.sin6_port = port.bigEndian
            form.sin6_scope_id = scope
            unsafe withUnsafeMutableBytes(of: &form.sin6_addr) {
                unsafe $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                unsafe $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            unsafe withUnsafeMutableBytes(of: &storage) {
                unsafe $0.storeBytes(of: form, as: sockaddr_in6.self)
            }
            return socklen_t(MemoryLayout<sockaddr_in6>.size)
        case .unix(let path):
            let bytes = Array(path.utf8)
            guard bytes.count <= SocketAddress.unixPathBytesMax, !bytes.contains(0) else {
                throw SystemError(call: "bind", errno: ENAMETOOLONG)
            }
            storage.ss_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &storage) { raw in
                for (offset, byte) in bytes.enumerated() { unsafe raw[2 + offset] = byte }
            }
            // One more for the NUL, which is there: the storage began as zeros.
            return socklen_t(2 + bytes.count + 1)
        }
    }

    /// From what accept, getsockname or getaddrinfo left; `nil` for another family.
    init?(_ storage: sockaddr_storage, length: socklen_t) {
        var storage = storage
        switch CInt(storage.ss_family) {
        case AF_INET:
            // SAFETY: the family says which form the storage has.
            let form = unsafe withUnsafeBytes(of: &storage) {
                unsafe $0.loadUnaligned(as: sockaddr_in.self)
            }
            self = .ipv4(
                UInt32(bigEndian: form.sin_addr.s_addr), port: UInt16(bigEndian: form.sin_port))
        case AF_INET6:
            // SAFETY: as above; an in6_addr is two UInt64.
            var form = unsafe withUnsafeBytes(of: &storage) {
                unsafe $0.loadUnaligned(as: sockaddr_in6.self)
            }
            let (high, low) = unsafe withUnsafeBytes(of: &form.sin6_addr) {
                unsafe (
                    $0.loadUnaligned(as: UInt64.self),
                    $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                )
            }
            self = .ipv6(
                UInt64(bigEndian: high), UInt64(bigEndian: low),
                port: UInt16(bigEndian: form.sin6_port), scope: form.sin6_scope_id)
        case AF_UNIX:
            // SAFETY: at most `length` bytes, which the kernel wrote, within the storage.
            let path = unsafe withUnsafeBytes(of: &storage) { raw in
                let end = min(Int(length), raw.count)
                return end <= 2 ? [] : unsafe Array(raw[2..<end].prefix { $0 != 0 })
            }
            self = .unix(String(decoding: path, as: UTF8.self))
        default:
            return nil
        }
    }
}
