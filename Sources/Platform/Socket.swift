internal import CShims
internal import Glibc

/// A stream socket, nonblocking from its birth. Waiting is done by an event loop, or by the calls
/// in `Socket+Blocking.swift` that take a deadline.
public struct Socket: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    public init(owning descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// A new one, of the family of `address`, neither bound nor connected.
    public init(for address: SocketAddress) throws(SystemError) {
        let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let raw = try systemCall("socket") { socket(address.family, CInt(type), 0) }
        descriptor = FileDescriptor(owning: raw)
    }

    public var rawDescriptor: CInt { descriptor.rawValue }

    public consuming func takeDescriptor() -> FileDescriptor { descriptor }

    /// What a read had to say.
    public enum Received: Hashable, Sendable {
        case bytes(Int)
        /// The other side has finished sending.
        case end
        case wouldBlock
    }

    /// Appends at most `count` bytes to `buffer`, whose room grows by as much when it is short.
    public borrowing func receive(
        upTo count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Received {
        let raw = rawDescriptor
        var result: Int?
        try buffer.append(addingCapacity: count) { output throws(SystemError) in
            // SAFETY: recv writes at most `count` bytes into the room that was added, and says how
            // many it wrote.
            try unsafe output.withUnsafeMutableBufferPointer { room, used throws(SystemError) in
                let start = unsafe room.baseAddress.map { unsafe $0 + used }
                result = try nonblockingCall("recv") { unsafe recv(raw, start, count, 0) }
                used += result ?? 0
            }
        }
        return switch result {
        case nil: .wouldBlock
        case 0: .end
        case let count?: .bytes(count)
        }
    }

    /// Sends what the kernel takes now: the count, or `nil` when it takes nothing.
    public borrowing func send(_ bytes: RawSpan) throws(SystemError) -> Int? {
        let raw = rawDescriptor
        // SAFETY: the span is valid during the call. MSG_NOSIGNAL: a peer that is gone is an
        // error of this connection, not the end of the process.
        return try unsafe bytes.withUnsafeBytes { buffer throws(SystemError) in
            try nonblockingCall("send") {
                unsafe Glibc.send(raw, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
            }
        }
    }

    /// Sends two pieces with one call.
    ///
    /// - Parameter moreFollows: the kernel need not send what doesn't fill a segment yet.
    public borrowing func send(
        _ first: RawSpan, _ second: RawSpan, moreFollows: Bool = false
    ) throws(SystemError) -> Int? {
        let raw = rawDescriptor
        let flags = CInt(MSG_NOSIGNAL) | (moreFollows ? CInt(MSG_MORE) : 0)
        // SAFETY: both spans and the vectors are valid during the call, which only reads them.
        return try unsafe first.withUnsafeBytes { first throws(SystemError) in
            try unsafe second.withUnsafeBytes { second throws(SystemError) in
                var vectors = unsafe (
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: first.baseAddress),
                        iov_len: first.count),
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: second.baseAddress),
                        iov_len: second.count)
                )
                return try unsafe withUnsafeMutableBytes(of: &vectors) {
                    pointer throws(SystemError) in
                    var message = unsafe msghdr()
                    unsafe message.msg_iov = pointer.baseAddress?.assumingMemoryBound(
                        to: iovec.self)
                    unsafe message.msg_iovlen = 2
                    return try nonblockingCall("sendmsg") {
                        unsafe sendmsg(raw, &message, flags)
                    }
                }
            }
        }
    }

    /// No more will be sent; the other side reads an end.
    public borrowing func finishSending() throws(SystemError) {
        let raw = rawDescriptor
        try systemCall("shutdown") { shutdown(raw, CInt(SHUT_WR)) }
    }

    /// Small writes leave at once (Nagle's algorithm off). Harmless on a Unix socket.
    public borrowing func setNoDelay() throws(SystemError) {
        do throws(SystemError) {
            try set(CInt(IPPROTO_TCP), TCP_NODELAY, 1)
        } catch {
            if error.errno != EOPNOTSUPP && error.errno != ENOPROTOOPT { throw error }
        }
    }

    /// The error that an asynchronous connect or a reset left behind, or 0.
    public borrowing func takeError() throws(SystemError) -> CInt {
        let raw = rawDescriptor
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        try systemCall("getsockopt") {
            unsafe getsockopt(raw, SOL_SOCKET, SO_ERROR, &value, &length)
        }
        return value
    }

    public borrowing func localAddress() throws(SystemError) -> SocketAddress {
        try unsafe address("getsockname") { unsafe getsockname($0, $1, $2) }
    }

    public borrowing func peerAddress() throws(SystemError) -> SocketAddress {
        try unsafe address("getpeername") { unsafe getpeername($0, $1, $2) }
    }

    borrowing func set(_ level: CInt, _ option: CInt, _ value: CInt) throws(SystemError) {
        let raw = rawDescriptor
        var value = value
        // SAFETY: an option that is an int, which outlives the call.
        try systemCall("setsockopt") {
            unsafe setsockopt(raw, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
        }
    }

    private borrowing func address(
        _ name: StaticString,
        _ call: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) throws(SystemError) -> SocketAddress {
        let raw = rawDescriptor
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: the storage is made to be written as any sockaddr, and `length` is its size.
        try unsafe withUnsafeMutableBytes(of: &storage) { bytes throws(SystemError) in
            let pointer = unsafe bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            _ = try systemCall(name) { unsafe call(raw, pointer, &length) }
        }
        guard let address = SocketAddress(storage, length: length) else {
            throw SystemError(call: name.description, errno: EAFNOSUPPORT)
        }
        return address
    }
}
