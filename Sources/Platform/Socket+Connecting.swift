internal import CShims
internal import Glibc

/// Connecting in two steps, for callers that wait in a way of their own.
extension Socket {
    /// Begins to connect. The socket becomes writable when that has ended, well or badly: then
    /// `finishConnecting` tells.
    public init(connectingTo address: SocketAddress) throws(SystemError) {
        let socket = try Socket(for: address)
        let raw = socket.rawDescriptor
        do throws(SystemError) {
            // SAFETY: connect(2) reads `length` bytes of an address that is lent for the call.
            try unsafe address.withSockaddr { pointer, length throws(SystemError) in
                _ = try systemCall("connect") { unsafe connect(raw, pointer, length) }
            }
        } catch {
            guard error.errno == EINPROGRESS else { throw error }
        }
        self = socket
    }

    /// - Throws: why the connection did not come about.
    public borrowing func finishConnecting() throws(SystemError) {
        let code = try takeError()
        if code != 0 { throw SystemError(call: "connect", errno: code) }
        try setNoDelay()
    }
}
