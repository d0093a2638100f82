public import DurableLog
import Platform

/// What became of the items that are sent again. They are in no cursor's totals.
public final class ReplayTally: Sendable {
    private struct State {
        var placeCount: UInt64 = 0
        var itemsOut = 0
        var totals = CursorTotals()
    }

    /// Of the places that its batches have in a ledger.
    private let epoch = LogEpoch.random()
    private let state = Monitor(State())

    public init() {}

    public var totals: CursorTotals { state.withLock { $0.totals } }

    /// A place in a ledger that nothing else has.
    func nextPosition() -> LogPosition {
        state.withLock { state in
            defer { state.placeCount += 1 }
            return LogPosition(epoch: epoch, number: state.placeCount)
        }
    }

    /// Counts items that are about to be delivered, once less than `itemsMax` are on their way.
    ///
    /// - Returns: false where it took longer than `limit`.
    public func begin(_ itemCount: Int, below itemsMax: Int, within limit: Duration) -> Bool {
        state.wait(until: .now + limit) { state -> Bool? in
            guard state.itemsOut == 0 || state.itemsOut + itemCount <= itemsMax else { return nil }
            state.itemsOut += itemCount
            return true
        } ?? false
    }

    /// Waits until nothing is on its way; false where it took longer than `limit`.
    public func finish(within limit: Duration) -> Bool {
        state.wait(until: .now + limit) { $0.itemsOut == 0 ? true : nil } ?? false
    }

    func settle(as totals: CursorTotals) {
        state.withLock { state in
            state.itemsOut -= totals.sum
            state.totals = state.totals + totals
        }
        state.notifyAll()
    }
}
