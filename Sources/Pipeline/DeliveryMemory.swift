import OTLP
import Platform
import Synchronization

/// The memory that exporters work in: the index over a lot, and what they make of it.
///
/// A call of an exporter is given its share before it begins, all at once, and gives it back when
/// it ends. It waits for nothing while it has it, so that nobody waits in a circle.
public final class DeliveryMemory: Sendable {
    /// What the calls of all exporters have together.
    public static let bytesMax = 64 << 20
    /// What one call can have: all of it.
    public static let lotBytesMax = bytesMax
    /// What a call has that nothing is known to be unusual of, at most. An exporter can always have
    /// one such call, whatever others do.
    public static let usualBytesMax = 8 << 20

    public let limit: Int
    private let used = Monitor(0)
    private let waits = Atomic<Int>(0)

    public init(limit: Int = DeliveryMemory.bytesMax) { self.limit = limit }

    public var usedBytes: Int { used.withLock { $0 } }
    /// How often a call had to wait.
    public var waitCount: Int { waits.load(ordering: .relaxed) }

    /// What a lot usually takes: it is written once, in a longer form, and has an index. An item
    /// becomes a row of 200 bytes in the half of it that the output has.
    static func usualBytes(_ lot: Lot) -> Int {
        min(usualBytesMax, (256 << 10) + 4 * lot.byteCount + 400 * lot.itemCount)
    }

    func with<Result>(_ bytes: Int, _ body: () -> Result) -> Result {
        let bytes = min(bytes, limit)
        if !used.withLock({ Self.take(bytes, limit, &$0) }) {
            waits.add(1, ordering: .relaxed)
            _ = used.wait { Self.take(bytes, self.limit, &$0) ? true : nil }
        }
        defer {
            used.withLock { $0 -= bytes }
            used.notifyAll()
        }
        return body()
    }

    private static func take(_ bytes: Int, _ limit: Int, _ used: inout Int) -> Bool {
        guard bytes <= limit - used else { return false }
        used += bytes
        return true
    }
}
