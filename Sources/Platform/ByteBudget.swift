internal import Synchronization

/// A ceiling on bytes in use, shared between threads: what all requests in flight may take.
///
/// Whoever makes something whose size a client can influence reserves its bytes first.
public final class ByteBudget: Sendable {
    /// Why bytes were refused.
    public enum Shortage: Error, Sendable, Equatable {
        /// Others have them now.
        case later
        /// The budget as a whole is smaller.
        case never(limit: Int)
    }

    /// As metrics and the log call it.
    public let name: String
    public let limit: Int
    private let usedBytes = Atomic<Int>(0)
    private let highestBytes = Atomic<Int>(0)
    private let refusedForNow = Atomic<Int>(0)
    private let refusedForGood = Atomic<Int>(0)
    /// On the monotonic clock, in nanoseconds: since when it has been full; 0 while it is not.
    private let fullSinceTime = Atomic<UInt64>(0)
    private let fullBytes: Int

    /// - Parameter limit: bytes; `Int.max` for no ceiling.
    public init(limit: Int, name: String = "") {
        precondition(limit >= 0, "BUG: a budget can't be negative")
        self.limit = limit
        self.name = name
        fullBytes = limit - limit / 16
    }

    public var used: Int { usedBytes.load(ordering: .relaxed) }
    /// The most that was ever in use.
    public var highest: Int { highestBytes.load(ordering: .relaxed) }

    /// How often bytes were refused that others had, and that the whole budget has not.
    public var refusals: (later: Int, never: Int) {
        (
            refusedForNow.load(ordering: .relaxed), refusedForGood.load(ordering: .relaxed)
        )
    }

    /// Since when fifteen sixteenths of it have been in use without a break; nil while they are
    /// not.
    public var fullSince: Instant? {
        let time = fullSinceTime.load(ordering: .relaxed)
        return time == 0 ? nil : Instant(nanoseconds: time)
    }

    /// Takes all of `bytes`, or nothing and returns `false`.
    public func reserve(_ bytes: Int) -> Bool {
        precondition(bytes >= 0, "BUG: a reservation can't be negative")
        var current = usedBytes.load(ordering: .relaxed)
        while true {
            guard bytes <= limit - current else {
                noteRefusal(isForGood: bytes > limit)
                return false
            }
            let (exchanged, original) = usedBytes.weakCompareExchange(
                expected: current, desired: current + bytes, ordering: .acquiringAndReleasing)
            if exchanged {
                note(current, current + bytes)
                return true
            }
            current = original
        }
    }

    /// Takes all of `bytes` for somebody who has `held` already, or nothing.
    public func reserve(_ bytes: Int, besides held: Int) throws(Shortage) {
        guard bytes <= limit - held else {
            noteRefusal(isForGood: true)
            throw .never(limit: limit)
        }
        guard reserve(bytes) else { throw .later }
    }

    public func release(_ bytes: Int) {
        let (old, new) = usedBytes.wrappingSubtract(bytes, ordering: .acquiringAndReleasing)
        precondition(bytes >= 0 && old >= bytes, "BUG: more was released than was reserved")
        if _slowPath(old >= fullBytes && new < fullBytes) {
            fullSinceTime.store(0, ordering: .relaxed)
        }
    }

    private func noteRefusal(isForGood: Bool) {
        if isForGood {
            refusedForGood.add(1, ordering: .relaxed)
        } else {
            refusedForNow.add(1, ordering: .relaxed)
        }
    }

    private func note(_ old: Int, _ new: Int) {
        if new > highestBytes.load(ordering: .relaxed) {
            highestBytes.max(new, ordering: .relaxed)
        }
        if _slowPath(new >= fullBytes && old < fullBytes) {
            fullSinceTime.store(Instant.now.nanoseconds, ordering: .relaxed)
        }
    }
}
