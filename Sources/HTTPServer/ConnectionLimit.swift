public import Platform
internal import Synchronization

/// A ceiling on connections, shared between servers and their loops.
public final class ConnectionLimit: Sendable {
    public let max: Int
    private let openCount = Atomic<Int>(0)
    private let refusals = Mutex(RefusalStreak())

    public init(_ max: Int) { self.max = max }

    public var open: Int { openCount.load(ordering: .relaxed) }

    func acquire() -> Bool {
        guard openCount.add(1, ordering: .relaxed).newValue <= max else {
            release()
            return false
        }
        return true
    }

    func release() { openCount.subtract(1, ordering: .relaxed) }

    func refused(at now: Instant) { refusals.withLock { $0.note(at: now) } }

    /// Clients have been turned away for longer than a moment, and still are.
    public func isRefusing(at now: Instant) -> Bool {
        refusals.withLock { $0.isLasting(at: now) }
    }
}
