internal import Platform

/// The connections of a server on one loop: any of them is removed, or looked at, at the same cost.
struct ConnectionSet {
    private var connections: [HTTPServerConnection] = []
    /// Where the last look for one that can go has ended.
    private var lookedAt = 0

    /// Looked at to find one that makes room.
    private static let looksMax = 32

    var count: Int { connections.count }
    var all: [HTTPServerConnection] { connections }

    mutating func insert(_ connection: HTTPServerConnection) {
        connection.place = connections.count
        connections.append(connection)
    }

    /// False where it is not in the set.
    mutating func remove(_ connection: HTTPServerConnection) -> Bool {
        guard let place = connection.place else { return false }
        connection.place = nil
        // Each connection's place is its index, so that this one is in the array, and so is the
        // last.
        let last = connections.removeLast()
        if last !== connection {
            connections[place] = last
            last.place = place
        }
        return true
    }

    /// Of some connections that have waited for their client since `time` or earlier, the one that
    /// can be missed best: of the peer with the most, and of those the one that has waited longest.
    /// Of peers with fewer than `users` none.
    mutating func dispensable(since time: Instant, users: Int) -> HTTPServerConnection? {
        var best: (connection: HTTPServerConnection, users: Int, since: Instant)?
        for _ in 0..<min(Self.looksMax, connections.count) {
            lookedAt = (lookedAt + 1) % connections.count
            let candidate = connections[lookedAt]
            guard let since = candidate.waitsSince, since <= time, candidate.peerUsers >= users
            else { continue }
            let isBetter = best.map {
                (candidate.peerUsers, $0.since.nanoseconds) > ($0.users, since.nanoseconds)
            }
            if isBetter ?? true { best = (candidate, candidate.peerUsers, since) }
        }
        return best?.connection
    }
}
