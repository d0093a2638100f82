internal import Platform

/// Whether a body, also one that is thrown away, comes fast enough for what it holds.
///
/// Three rules: it is there in time; no stretch brings less than the least rate; and while memory
/// is scarce, no short stretch does.
struct BodyPace {
    struct Limits {
        /// From its first byte to its last; none where it is zero.
        var time: Duration
        /// A stretch; none where it is zero.
        var stretch: Duration
        /// Bytes a second that a stretch brings at least.
        var rateMin: Int
    }

    /// While memory is scarce, who holds some has this long to bring the least rate.
    static let shortStretch = Duration.seconds(2)

    private var started: Instant
    private var stretchStart: Instant
    private var stretchBytes = 0
    private var shortStart: Instant
    private var shortBytes = 0

    init(from now: Instant) {
        started = now
        stretchStart = now
        shortStart = now
    }

    mutating func received(_ bytes: Int) {
        stretchBytes += bytes
        shortBytes += bytes
    }

    /// The time from `start` to `now` was ours, not the client's.
    mutating func skip(from start: Instant, to now: Instant) {
        started = started + (now - start)
        self.stretch(from: now)
        short(from: now)
    }

    /// When `isTooSlow` has to be asked again.
    func nextLook(_ limits: Limits) -> Instant {
        var next = shortStart + Self.shortStretch
        if limits.stretch > .zero { next = min(next, stretchStart + limits.stretch) }
        if limits.time > .zero { next = min(next, started + limits.time) }
        return next
    }

    mutating func isTooSlow(at now: Instant, _ limits: Limits, isScarce: Bool) -> Bool {
        if limits.time > .zero, now >= started + limits.time { return true }
        if limits.stretch > .zero, now >= stretchStart + limits.stretch {
            if isBelow(limits.rateMin, stretchBytes, since: stretchStart, now) { return true }
            stretch(from: now)
        }
        guard now >= shortStart + Self.shortStretch else { return false }
        if isScarce, isBelow(limits.rateMin, shortBytes, since: shortStart, now) { return true }
        short(from: now)
        return false
    }

    /// Nothing at all is too slow in any case.
    private func isBelow(_ rate: Int, _ bytes: Int, since start: Instant, _ now: Instant) -> Bool {
        bytes == 0 || Double(bytes) < Double(rate) * (now - start).seconds
    }

    private mutating func stretch(from now: Instant) {
        stretchStart = now
        stretchBytes = 0
    }

    private mutating func short(from now: Instant) {
        shortStart = now
        shortBytes = 0
    }
}
