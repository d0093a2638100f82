import DurableLog
import OTLP
import Platform
import Telemetry

/// A record that an earlier run has taken, with other limits, may need more memory for its index
/// than there is.
extension Delivery {
    private static let pieceItemsMax = 50_000
    private static let pieceBytesMax = 4 << 20

    /// For what an earlier process was killed with.
    func deliverInPieces(_ batch: QueuedBatch, _ slot: borrowing CrashSlot) {
        settle(batch, as: inPieces(batch, slot))
    }

    /// Works through a batch in pieces, each as if it had come alone.
    ///
    /// - Returns: what became of its items; nil when there is no time any more.
    func inPieces(_ batch: QueuedBatch, _ slot: borrowing CrashSlot) -> CursorTotals? {
        environment.log.rateLimited.warn(
            "a record may take more memory than there is; it is delivered in pieces",
            LogField("items", batch.itemCount), LogField("bytes", batch.payload.count))
        var pieces = PayloadPieces(
            of: batch.payload, as: batch.signal, itemsMax: Self.pieceItemsMax,
            bytesMax: Self.pieceBytesMax)
        var totals = CursorTotals()
        var done = 0
        var next = pieces.next()
        while let piece = next {
            next = pieces.next()
            let part = batch.piece(piece, isLast: next == nil && pieces.isWhole)
            guard let came = outcome(of: part, slot) else { return nil }
            totals = totals + came
            done = piece.items.upperBound
        }
        guard done < batch.itemCount else { return totals }
        // Items that nobody finds: the bytes are not those of a request, or not of so many items.
        let rest = batch.part(batch.payload, items: done..<batch.itemCount)
        guard let setAside = setAside(rest, "rejected", "cannot be taken apart", isOpaque: true)
        else { return nil }
        return totals + setAside
    }

    private func outcome(of part: QueuedBatch, _ slot: borrowing CrashSlot) -> CursorTotals? {
        var lot = Lot([part])
        switch attempt(&lot, slot) {
        case .accepted(let rejectedItemCount, _):
            let totals = totals(of: lot, rejectedItemCount)
            noteSent(totals, of: part)
            return totals
        case .rejected(let reason): return inParts(part, .rejected(because: reason), slot)
        case .tooLarge(let reason): return inParts(part, .tooLarge(because: reason), slot)
        case .givenUp(let cause, let reason): return setAside(part, cause, reason)
        case .left: return nil
        }
    }
}
