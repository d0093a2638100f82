import DurableLog
import OTLP
import Platform
import Telemetry

extension Delivery {
    /// Finds the items of a rejected batch that the destination will not take, delivers the others,
    /// and gives those up.
    func narrow(
        _ batch: QueuedBatch, rejectedBecause reason: String, _ slot: borrowing CrashSlot
    ) {
        guard batch.itemCount > 1, let indexed = batch.indexed() else {
            return giveUp(batch, "rejected", reason)
        }
        var narrowing = Narrowing(indexed, rejectedBecause: reason)
        var totals = CursorTotals()
        while let piece = narrowing.next() {
            let part = batch.part(piece.payload, itemCount: piece.itemCount)
            switch attempt(Lot([part]), slot) {
            case .accepted(let rejectedItemCount, _):
                narrowing.accepted()
                totals.exported += piece.itemCount - rejectedItemCount
                totals.dropped += rejectedItemCount
                dropped.with(id, batch.signal.name, "partial_success").add(rejectedItemCount)
                metrics.sendFailed[batch.signal].add(rejectedItemCount)
            case .rejected(let reason), .givenUp(_, let reason):
                narrowing.rejected(because: reason)
            case .left: return abandon(Lot([batch]))
            }
        }
        let letters = narrowing.rejectedPieces.map { rejected in
            letter(
                batch.part(rejected.piece.payload, itemCount: rejected.piece.itemCount),
                rejected.reason, items: Array(rejected.piece.items))
        }
        let count = letters.reduce(0) { $0 + $1.itemCount }
        if count > 0 {
            guard let setAside = putAside(letters, "rejected", batch.signal) else {
                return abandon(Lot([batch]))
            }
            totals = totals + setAside
        }
        metrics.sent[batch.signal].add(totals.exported + totals.dropped)
        batch.settle(as: totals)
    }

    /// Takes a batch out of the way that will not be delivered.
    func giveUp(
        _ batch: QueuedBatch, _ cause: StaticString, _ reason: String, isOpaque: Bool = false
    ) {
        var letter = letter(batch, reason, items: Array(0..<batch.itemCount))
        letter.isOpaque = isOpaque
        guard let totals = putAside([letter], cause, batch.signal) else {
            return abandon(Lot([batch]))
        }
        batch.settle(as: totals)
    }

    private func letter(_ batch: QueuedBatch, _ reason: String, items: [Int]) -> DeadLetter {
        var position = batch.letter?.position
        // Of the record's items those that are left of the letter's.
        if let known = position?.items, known.count > items.last ?? 0 {
            position?.items = items.map { known[$0] }
        }
        if let record = batch.origin?.recordRange {
            position = DeadLetter.Position(
                epoch: (high: record.epochHigh, low: record.epochLow), number: record.first,
                items: items)
        }
        return DeadLetter(
            exporter: id, pipeline: batch.origin?.log.name ?? batch.letter?.pipeline ?? "",
            signal: batch.signal, reason: reason, itemCount: items.count, position: position,
            payload: batch.payload)
    }

    /// Puts letters aside, durably, and counts them; where that is not to be had, drops them. Waits
    /// for room, so that the exporter stops rather than lose anything.
    ///
    /// - Returns: nil when the time was over before there was room.
    private func putAside(
        _ letters: [DeadLetter], _ cause: StaticString, _ signal: Signal
    ) -> CursorTotals? {
        let count = letters.reduce(0) { $0 + $1.itemCount }
        let reason = letters.first?.reason ?? ""
        note(reason, isFailing: false)
        metrics.sendFailed[signal].add(count)
        guard let deadLetters = safety.deadLetters else {
            dropped.with(id, signal.name, cause.description).add(count)
            environment.log.rateLimited.error(
                "items dropped", LogField("cause", cause.description), LogField("reason", reason),
                LogField("items", count))
            return CursorTotals(dropped: count)
        }
        while true {
            do throws(DeadLetters.Failure) {
                try deadLetters.setAside(letters)
                break
            } catch {
                let text =
                    switch error {
                    case .full(let bytesMax):
                        "dead-letter/ has reached service.log.dead_letters_max_size, \(bytesMax) "
                            + "bytes; send its letters again or remove files"
                    case .system(let error): "dead-letter/: \(error)"
                    }
                note(text, isFailing: true)
                environment.log.rateLimited.error(
                    "items cannot be set aside, the exporter waits", LogField("reason", text),
                    LogField("items", count))
                if mustLeave() { return nil }
                wait(Self.deadLettersPause)
                if mustLeave() { return nil }
            }
        }
        setAside.with(id, signal.name, cause.description).add(count)
        environment.log.rateLimited.error(
            "items set aside in dead-letter/", LogField("cause", cause.description),
            LogField("reason", reason), LogField("items", count))
        return CursorTotals(setAside: count)
    }

    private static let deadLettersPause = Duration.seconds(1)
}
