import Platform

/// When a connection's next request is due. Requests are due by the clock, not by the answer to
/// the last one, so that a slow server is offered as much as a fast one.
struct Pacer {
    /// How far it falls behind at most: after a stall it catches up for this long, no more.
    static let lagMax = Duration.seconds(1)

    /// Zero for as fast as possible.
    private let interval: Duration
    private var due: Instant

    /// - Parameter stream: this connection's number: they start one after the other.
    init(_ settings: LoadSettings, stream: Int, start: Instant) {
        guard settings.rate > 0 else {
            interval = .zero
            due = start
            return
        }
        let step = Duration.seconds(settings.batch) / settings.rate
        interval = step * settings.connections
        due = start + step * stream
    }

    /// When to send next. To be asked once a request.
    mutating func next(now: Instant) -> Instant {
        guard interval > .zero else { return now }
        if now - due > Self.lagMax { due = now + (.zero - Self.lagMax) }
        let this = due
        due = due + interval
        return this
    }
}
