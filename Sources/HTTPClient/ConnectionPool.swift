import Platform
import Synchronization

/// Connections that wait for their next request, the youngest at the end: it is taken first, so
/// that those beyond what the load needs grow old and go.
final class ConnectionPool: Sendable {
    private struct Idle {
        let connection: Connection
        let since: Instant
    }

    private let idleConnectionsMax: Int
    private let idleTimeout: Duration
    private let idle = Mutex<[Idle]>([])

    init(idleConnectionsMax: Int, idleTimeout: Duration) {
        self.idleConnectionsMax = idleConnectionsMax
        self.idleTimeout = idleTimeout
    }

    var count: Int { idle.withLock(\.count) }

    /// A connection that, as far as one can see from this end, is still good.
    func take(now: Instant) -> Connection? {
        while let connection = takeYoungest(now: now) {
            if !connection.socket.isStale() { return connection }
        }
        return nil
    }

    /// Closes what is too much: the oldest first.
    func put(_ connection: Connection, now: Instant) {
        idle.withLock { idle in
            removeExpired(&idle, now: now)
            guard idleConnectionsMax > 0 else { return }
            if idle.count == idleConnectionsMax { idle.removeFirst() }
            idle.append(Idle(connection: connection, since: now))
        }
    }

    func removeAll() {
        idle.withLock { $0 = [] }
    }

    private func takeYoungest(now: Instant) -> Connection? {
        idle.withLock { idle in
            removeExpired(&idle, now: now)
            return idle.popLast()?.connection
        }
    }

    /// They stand in the order of their age.
    private func removeExpired(_ idle: inout [Idle], now: Instant) {
        let expiredCount = idle.firstIndex { $0.since + idleTimeout > now } ?? idle.count
        idle.removeFirst(expiredCount)
    }
}
