internal import EventLoop
internal import HTTP
internal import Platform

extension HTTPServerConnection {
    func setDeadline() {
        guard let connection else { return }
        // Field by field: a copy of all settings would cost more than the rest.
        let server = server
        let deadline: Instant
        if let blockedSince {
            deadline = Self.after(blockedSince, server.settings.writeTimeout)
        } else {
            switch decoder.phase {
            case _ where isFull: deadline = .distantFuture
            case .idle where !answers.isEmpty: deadline = .distantFuture
            case .idle where hasServed:
                deadline = Self.after(lastProgress, server.settings.idleTimeout)
            case .idle, .head:
                let timeout = server.settings.readHeaderTimeout
                deadline = min(Self.after(started, timeout), readDeadline)
            case .body:
                let look = pace?.nextLook(server.settings.bodyPace) ?? .distantFuture
                deadline = min(look, readDeadline)
            case .decision, .ended: deadline = .distantFuture
            }
        }
        connection.setDeadline(deadline)
    }

    private static func after(_ start: Instant, _ timeout: Duration) -> Instant {
        timeout > .zero ? start + timeout : .distantFuture
    }

    private var readDeadline: Instant { Self.after(started, server.settings.readTimeout) }

    func deadlinePassed(_ connection: Connection) {
        // What it was set for has come in this turn, whose end sets the next one.
        if isDue { return }
        if connection.isWriteBlocked { return connection.close() }
        switch decoder.phase {
        case .body where !isBodyTooSlow: setDeadline()
        // It was answered before.
        case .body where decoder.isSkipping:
            decoder.end()
            settle()
        case .head, .body:
            let head = decoder.currentHead
            release()
            decoder.end()
            let failure = HTTPFailure(.requestTimeout, "the request took too long to arrive")
            fail(head, failure, keepsAlive: false)
            settle()
        case .idle, .decision, .ended: connection.closeAfterFlush()
        }
    }

    private var isBodyTooSlow: Bool {
        if loop.now >= readDeadline { return true }
        let settings = server.settings
        let isScarce = decoder.bodyBytesHeld > 0 && settings.shared.bodies.isScarce
        return pace?.isTooSlow(at: loop.now, settings.bodyPace, isScarce: isScarce) ?? false
    }

    /// Since when it waits for its client, and for nothing else: it can be closed without harm. Nil
    /// while a request has come, in part, or is being worked on.
    var waitsSince: Instant? {
        if let blockedSince { return blockedSince }
        switch decoder.phase {
        case .idle where answers.isEmpty: return lastProgress
        // A head that is not there after seconds never will be.
        case .head where answers.isEmpty: return started
        default: return nil
        }
    }

    /// Connections that its peer has.
    var peerUsers: Int { account.users }
}
