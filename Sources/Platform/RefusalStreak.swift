/// Refusals that follow one another: whether they are more than a moment.
public struct RefusalStreak: Sendable {
    /// A streak that has lasted so long is more than a moment.
    public static let moment = Duration.milliseconds(500)
    /// It ends when nothing was refused for so long.
    public static let quiet = Duration.seconds(1)

    private var first: Instant?
    private var last: Instant?

    public init() {}

    public mutating func note(at now: Instant) {
        if last.map({ now - $0 >= Self.quiet }) ?? true { first = now }
        last = now
    }

    public func isLasting(at now: Instant) -> Bool {
        guard let first, let last else { return false }
        return now - last < Self.quiet && now - first >= Self.moment
    }
}
