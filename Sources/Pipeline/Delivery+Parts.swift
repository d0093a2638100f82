import DurableLog
import OTLP
import Platform
import Synchronization
import Telemetry

/// What a destination does not take at once it may take in parts: of what is too large the parts
/// that are not, of what it rejects all but the items at fault.
extension Delivery {
    /// Why a batch is delivered in parts.
    enum PartsCause {
        /// The destination is known to find it too large; it was not sent.
        case untried
        case tooLarge(because: String)
        case rejected(because: String)
    }

    /// A batch on its way in parts.
    private struct InParts {
        let batch: QueuedBatch
        let parts: PayloadParts
        /// To be sent; the last goes next.
        var untried: [Range<Int>] = []
        var totals = CursorTotals()
        /// What is given up, by cause.
        var rejected: [(cause: StaticString, rejected: Rejected)] = []
        var tooLarge = TooLargeItems()
        var bytesLeft: Int

        init(_ batch: QueuedBatch, _ indexed: Batch) {
            self.batch = batch
            parts = PayloadParts(batch.payload, indexed.index)
            bytesLeft = max(Delivery.partsBytesMin, batch.payload.count * Delivery.partsFactor)
        }

        mutating func giveUp(_ items: Range<Int>, _ cause: StaticString, _ reason: String) {
            rejected.append((cause, Rejected(items: items, reason: reason)))
        }

        mutating func split(_ items: Range<Int>, bytesMax: Int) {
            var pieces = parts.split(items, bytesMax: bytesMax)
            if pieces.count == 1 {
                let middle = items.lowerBound + items.count / 2
                pieces = [items.lowerBound..<middle, middle..<items.upperBound]
            }
            untried += pieces.reversed()
        }
    }

    /// Each part repeats what encloses its items, so that those of one batch can be many times its
    /// size: beyond this what is left is set aside.
    static let partsFactor = 16
    static let partsBytesMin = 64 << 20

    func deliverInParts(
        _ batch: QueuedBatch, _ cause: PartsCause, _ slot: borrowing CrashSlot
    ) {
        let totals =
            batch.isIndexable
            ? inParts(batch, cause, slot) : inPieces(batch, slot)
        settle(batch, as: totals)
    }

    /// - Parameter totals: nil when there is no time any more.
    func settle(_ batch: QueuedBatch, as totals: CursorTotals?) {
        guard let totals else { return abandon(Lot([batch])) }
        if totals.exported > 0 { recovered() }
        batch.settle(as: totals)
    }

    /// - Returns: what became of the items; nil when there is no time any more.
    func inParts(
        _ batch: QueuedBatch, _ cause: PartsCause, _ slot: borrowing CrashSlot
    ) -> CursorTotals? {
        guard batch.wantedItemCount > 1, let indexed = batch.indexed() else {
            switch cause {
            case .untried: return setAside(batch, "rejected", "cannot be read")
            case .tooLarge(let reason): return setAside(batch, "too_large", reason)
            case .rejected(let reason): return setAside(batch, "rejected", reason)
            }
        }
        var work = InParts(batch, indexed)
        let whole = 0..<batch.itemCount
        switch cause {
        case .untried: work.untried = [whole]
        case .tooLarge: work.split(whole, bytesMax: max(1, batch.payload.count / 2))
        case .rejected(let reason):
            guard narrow(whole, rejectedBecause: reason, &work, slot) else { return nil }
        }
        while let items = work.untried.popLast() {
            guard send(items, of: &work, slot) else { return nil }
        }
        return finish(work)
    }

    /// - Returns: `false` when there is no time any more.
    private func send(
        _ items: Range<Int>, of work: inout InParts, _ slot: borrowing CrashSlot
    ) -> Bool {
        let bytes = work.parts.byteCount(of: items)
        if items.count > 1, let limit = size.withLock({ $0.limit }), bytes > limit {
            work.split(items, bytesMax: limit)
            return true
        }
        if items.count == 1, let reason = work.tooLarge.reason(for: bytes) {
            work.giveUp(items, "too_large", reason)
            return true
        }
        guard work.bytesLeft > 0 else {
            let reason = "its parts take more than \(Self.partsFactor) times its bytes"
            work.giveUp(items, "too_large", work.tooLarge.reason ?? reason)
            return true
        }
        var lot = part(items, of: &work)
        switch attempt(&lot, slot) {
        case .accepted(let rejectedItemCount, _): count(lot, rejectedItemCount, &work)
        case .tooLarge(let reason):
            if items.count > 1 {
                work.split(items, bytesMax: max(1, bytes / 2))
            } else {
                work.tooLarge.note(bytes, reason)
                work.giveUp(items, "too_large", reason)
            }
        case .rejected(let reason):
            return narrow(items, rejectedBecause: reason, &work, slot)
        case .givenUp(let cause, let reason): work.giveUp(items, cause, reason)
        case .left: return false
        }
        return true
    }

    /// Finds the items that the destination will not take, and delivers the others.
    ///
    /// - Returns: `false` when there is no time any more.
    private func narrow(
        _ items: Range<Int>, rejectedBecause reason: String, _ work: inout InParts,
        _ slot: borrowing CrashSlot
    ) -> Bool {
        var narrowing = Narrowing(
            work.parts, of: work.batch.payload, items, rejectedBecause: reason)
        while let piece = narrowing.next() {
            var lot = Lot([work.batch.part(piece.payload, items: piece.items)])
            switch attempt(&lot, slot) {
            case .accepted(let rejectedItemCount, _):
                narrowing.accepted()
                count(lot, rejectedItemCount, &work)
            case .rejected(let reason), .tooLarge(let reason), .givenUp(_, let reason):
                narrowing.rejected(because: reason)
            case .left: return false
            }
        }
        for (items, reason) in narrowing.rejected { work.giveUp(items, "rejected", reason) }
        return true
    }

    private func part(_ items: Range<Int>, of work: inout InParts) -> Lot {
        let payload = work.parts.part(items)
        work.bytesLeft -= payload.count
        return Lot([work.batch.part(payload, items: items)])
    }

    private func count(_ lot: Lot, _ rejectedItemCount: Int, _ work: inout InParts) {
        work.totals = work.totals + totals(of: lot, rejectedItemCount)
    }

    /// Of a part that was taken.
    func totals(of lot: Lot, _ rejectedItemCount: Int) -> CursorTotals {
        let part = lot.batches[0]
        var totals = part.exclusionTotals
        totals.exported += part.wantedItemCount - rejectedItemCount
        guard rejectedItemCount > 0 else { return totals }
        totals.dropped += rejectedItemCount
        dropped.with(id, part.signal.name, "partial_success").add(rejectedItemCount)
        metrics.sendFailed[part.signal].add(rejectedItemCount)
        return totals
    }

    /// Sets aside what is given up.
    private func finish(_ work: InParts) -> CursorTotals? {
        let batch = work.batch
        var totals = work.totals
        var causes: [StaticString] = []
        for (cause, _) in work.rejected
        where !causes.contains(where: { $0.description == cause.description }) {
            causes.append(cause)
        }
        for cause in causes {
            let rejected = work.rejected.filter { $0.cause.description == cause.description }
                .map(\.rejected).sorted { $0.items.lowerBound < $1.items.lowerBound }
            let letters = letters(of: batch, work.parts, rejected)
            guard !letters.isEmpty else { continue }
            guard let setAside = putAside(letters, cause, batch.signal) else { return nil }
            totals = totals + setAside
        }
        noteSent(work.totals, of: batch)
        return totals
    }

    /// - Parameter totals: of what was sent; what was given up is not among it.
    func noteSent(_ totals: CursorTotals, of batch: QueuedBatch) {
        metrics.sent[batch.signal].add(totals.exported + totals.dropped)
    }
}

/// Items that were too large alone: one that is no smaller need not be sent.
private struct TooLargeItems {
    /// After so many the others are judged by an eighth less: each costs what encloses it, and
    /// items can be made to be smaller one after the other.
    private static let exactMax = 16

    private var bytes = Int.max
    private var count = 0
    private(set) var reason: String?

    mutating func note(_ bytes: Int, _ reason: String) {
        self.bytes = min(self.bytes, bytes)
        self.reason = reason
        count += 1
    }

    /// Why an item of so many bytes, with what encloses it, need not be sent; nil where it may fit.
    func reason(for bytes: Int) -> String? {
        guard let reason else { return nil }
        let limit = count < Self.exactMax ? self.bytes : self.bytes - self.bytes / 8
        return bytes >= limit ? reason : nil
    }
}
