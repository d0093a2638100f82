/// Names one registration with one loop for ever: the slot is used again, the generation is not.
///
///     63           32 31            0
///     | generation   | slot index   |
///
/// It is what epoll hands back with an event and what other threads keep, so neither a stale event
/// nor a late answer can reach a new connection that got the old one's slot and descriptor. A
/// generation comes again after 2^32 registrations, hours of nothing but connecting.
@frozen public struct RegistrationID: Hashable, Sendable {
    let rawValue: UInt64

    init(slot: Int, generation: UInt32) {
        rawValue = UInt64(generation) << 32 | UInt64(UInt32(slot))
    }

    init(rawValue: UInt64) { self.rawValue = rawValue }

    var slot: Int { Int(UInt32(truncatingIfNeeded: rawValue)) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
}
