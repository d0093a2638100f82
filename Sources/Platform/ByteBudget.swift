internal import Synchronization

/// A ceiling on bytes in use, shared between threads: what all request bodies in flight may take.
public final class ByteBudget: Sendable {
    public let limit: Int
    private let usedBytes = Atomic<Int>(0)

    /// - Parameter limit: bytes; `Int.max` for no ceiling.
    public init(limit: Int) {
        precondition(limit >= 0, "BUG: a budget can't be negative")
        self.limit = limit
    }

    public var used: Int { usedBytes.load(ordering: .relaxed) }

    /// Takes all of `bytes`, or nothing and returns `false`.
    public func reserve(_ bytes: Int) -> Bool {
        precondition(bytes >= 0, "BUG: a reservation can't be negative")
        var current = usedBytes.load(ordering: .relaxed)
        while true {
            guard bytes <= limit - current else { return false }
            let (exchanged, original) = usedBytes.weakCompareExchange(
                expected: current, desired: current + bytes, ordering: .acquiringAndReleasing)
            if exchanged { return true }
            current = original
        }
    }

    public func release(_ bytes: Int) {
        let (old, _) = usedBytes.wrappingSubtract(bytes, ordering: .acquiringAndReleasing)
        precondition(bytes >= 0 && old >= bytes, "BUG: more was released than was reserved")
    }
}
