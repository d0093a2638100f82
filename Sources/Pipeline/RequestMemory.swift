public import Platform
import Synchronization

/// What one request has of the memory for requests beside its body as it came: the decompressed
/// body, its protobuf, the index, copies that repairs and edits make.
///
/// Each is taken before it is allocated, and given back when it is gone, the whole of it with the
/// answer at the latest. Nobody waits for memory: what is not there now is refused.
public final class RequestMemory: Sendable {
    /// What a single request may have.
    public struct Limits: Sendable, Equatable {
        /// Resources, scopes, metrics, what describes them, and items.
        public var messagesMax: Int

        public init(messagesMax: Int = 500_000) { self.messagesMax = messagesMax }
    }

    public let limits: Limits
    private let share: PeerShare
    private let bodyBytes: Int
    private let heldBytes = Atomic<Int>(0)

    /// - Parameters:
    ///   - share: of the peer that has sent it.
    ///   - bodyBytes: what the request has of the budget already, for its body; whoever has
    ///     reserved that releases it.
    public init(_ share: PeerShare, _ limits: Limits = Limits(), bodyBytes: Int = 0) {
        self.share = share
        self.limits = limits
        self.bodyBytes = bodyBytes
    }

    public convenience init(_ budget: ByteBudget, _ limits: Limits = Limits(), bodyBytes: Int = 0) {
        self.init(PeerShare(whole: budget), limits, bodyBytes: bodyBytes)
    }

    /// For telemetry that comes from no client.
    public static var unlimited: RequestMemory {
        RequestMemory(ByteBudget(limit: .max), Limits(messagesMax: .max))
    }

    deinit { giveBackAll() }

    public var held: Int { heldBytes.load(ordering: .relaxed) }

    public func take(_ bytes: Int) throws(ByteBudget.Shortage) {
        try share.reserve(bytes, besides: bodyBytes + held)
        heldBytes.add(bytes, ordering: .relaxed)
    }

    public func giveBack(_ bytes: Int) {
        let (old, _) = heldBytes.wrappingSubtract(bytes, ordering: .relaxed)
        precondition(bytes >= 0 && old >= bytes, "BUG: a request gives back more than it has")
        share.release(bytes)
    }

    public func giveBackAll() {
        let bytes = heldBytes.exchange(0, ordering: .relaxed)
        if bytes > 0 { share.release(bytes) }
    }
}
