public import DurableLog
import Platform

/// What became of the items that are sent again. They are in no cursor's totals.
public final class ReplayTally: Sendable {
    private struct State {
        var itemsOut = 0
        var totals = CursorTotals()
    }

    private let state = Monitor(State())

    public init() {}

    public var totals: CursorTotals { state.withLock { $0.totals } }

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
