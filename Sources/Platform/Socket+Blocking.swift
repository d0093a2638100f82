internal import Glibc

/// Calls that wait, for threads of their own, such as an exporter's. A deadline that passes is a
/// `SystemError` whose `isTimeout` is true.
extension Socket {
    /// Connects, or fails by the deadline.
    public init(
        connectedTo address: SocketAddress, until deadline: Instant?
    ) throws(SystemError) {
        let socket = try Socket(for: address)
        let raw = socket.rawDescriptor
        do throws(SystemError) {
            try unsafe address.withSockaddr { pointer, length throws(SystemError) in
                _ = try systemCall("connect") { unsafe connect(raw, pointer, length) }
            }
        } catch {
            guard error.errno == EINPROGRESS else { throw error }
            guard try socket.descriptor.wait(for: CInt(POLLOUT), until: deadline) else {
                throw .timedOut("connect")
            }
            let code = try socket.takeError()
            if code != 0 { throw SystemError(call: "connect", errno: code) }
        }
        try socket.setNoDelay()
        self = socket
    }

    /// Waits for bytes and appends at most `count` of them; 0 when the other side has finished.
    public borrowing func receive(
        upTo count: Int, appendingTo buffer: inout [UInt8], until deadline: Instant?
    ) throws(SystemError) -> Int {
        while true {
            switch try receive(upTo: count, appendingTo: &buffer) {
            case .bytes(let received): return received
            case .end: return 0
            case .wouldBlock:
                guard try descriptor.wait(for: CInt(POLLIN), until: deadline) else {
                    throw .timedOut("recv")
                }
            }
        }
    }

    /// Sends all of `bytes`, waiting for room as it must.
    public borrowing func sendAll(
        _ bytes: RawSpan, until deadline: Instant?
    ) throws(SystemError) {
        var offset = 0
        while offset < bytes.byteCount {
            if let sent = try send(bytes.extracting(droppingFirst: offset)) {
                offset += sent
            } else if try !descriptor.wait(for: CInt(POLLOUT), until: deadline) {
                throw .timedOut("send")
            }
        }
    }

    /// True when an idle connection has become useless: the other side closed or reset it, or sent
    /// something that nobody asked for.
    public borrowing func isStale() -> Bool {
        var byte: UInt8 = 0
        // SAFETY: one byte, which outlives the call and is only looked at.
        let result = unsafe recv(
            rawDescriptor, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT))
        return result != -1 || (errno != EAGAIN && errno != EINTR)
    }
}
