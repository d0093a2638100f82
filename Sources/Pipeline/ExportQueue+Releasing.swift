import DurableLog
import Platform
import Synchronization

extension ExportQueue {
    /// What has room here may still be on its way into a log: who comes next is to find it there.
    /// Of a closed queue, which gives no more room.
    func waitForReservations() {
        _ = arrivals.wait { _ in hasReservations ? nil : true }
    }

    var hasReservations: Bool { outstanding.withLock { $0.reservedSum.records > 0 } }

    /// Lets the cursors go. No consumer is left, and lots that are still out are settled by nobody.
    func release(_ cursors: DeliveryLifecycle.Cursors) {
        guard cursors != .stay else { return }
        while let next = nextToRelease() { release(next, cursors) }
    }

    enum Releasable {
        case claim(Claim)
        case source(Source)
    }

    /// Takes one out, after which it is nobody's until it is released.
    func nextToRelease() -> Releasable? {
        reading.withLock { reading in
            reading.isReleased = true
            if let claim = reading.claims.popLast() { return .claim(claim) }
            return (reading.finished.popLast() ?? reading.sources.popLast())
                .map(Releasable.source)
        }
    }

    func release(_ one: Releasable, _ cursors: DeliveryLifecycle.Cursors) {
        switch one {
        case .claim(let waiting): waiting.log.withdraw(waiting.claim)
        case .source(let source):
            outstanding.withLock { $0.cursors.removeAll { $0.cursor === source.cursor } }
            let isUndone = cursors == .undo && source.cursor.isNew
            // What has nothing more to come is ended: a place would only hold segments.
            if cursors == .end || isUndone || source.cursor.isPast(source.end) {
                source.log.remove(source.cursor)
            } else {
                source.log.close(source.cursor)
            }
        }
    }
}
