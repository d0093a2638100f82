internal import EventLoop
internal import HTTP
internal import Platform

/// What a connection has reserved for itself, besides the body that is arriving.
struct ConnectionCharge {
    /// Of the peer, while the connection holds more than it may for nothing.
    private var account: PeerShares.Account?
    private(set) var bytes = 0

    /// Brings what is reserved to `wanted`; `false` where there is no room for more.
    mutating func set(_ wanted: Int, for peer: Peer, _ shares: PeerShares) -> Bool {
        guard wanted != bytes else { return true }
        guard wanted > 0 else {
            release(shares)
            return true
        }
        let account = account ?? shares.open(peer)
        self.account = account
        if wanted < bytes {
            shares.release(bytes - wanted, for: account)
        } else if !shares.reserve(wanted - bytes, for: account, isSmall: true) {
            return false
        }
        bytes = wanted
        return true
    }

    mutating func release(_ shares: PeerShares) {
        guard let account else { return }
        shares.release(bytes, for: account)
        shares.close(account)
        self.account = nil
        bytes = 0
    }
}

extension HTTPServerConnection {
    /// Reserves what the connection holds: heads, bytes that wait to be read, answers that wait to
    /// be sent. Where there is no room for it the request is refused, or the connection closed.
    func chargeConnection() {
        let held =
            decoder.headBytesHeld + answers.headBytes + self.held.count
            + (connection?.unsentBytes ?? 0)
        let isMuch = held > server.settings.connectionBytesFree
        // Nearly always, on the way of each request.
        if !isMuch, charge.bytes == 0 { return }
        setCharge(isMuch ? held : 0)
    }

    private func setCharge(_ wanted: Int) {
        if charge.set(wanted, for: account.peer, server.settings.shared.connectionMemory) { return }
        guard let connection, !connection.isWriteBlocked else {
            self.connection?.close()
            return
        }
        // It reads no more, and what it holds goes with its answers.
        if decoder.phase == .ended { return }
        let head = decoder.currentHead
        release()
        decoder.end()
        dropHeld()
        let message = "the memory for request heads and answers is in use: try again"
        fail(head, HTTPFailure(.serviceUnavailable, message), keepsAlive: false)
    }
}
