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
        guard batch.wantedItemCount > 1, let indexed = batch.indexed() else {
            return giveUp(batch, "rejected", reason)
        }
        var narrowing = Narrowing(indexed, rejectedBecause: reason)
        var totals = CursorTotals()
        while let piece = narrowing.next() {
            var lot = Lot([batch.part(piece.payload, items: piece.items)])
            switch attempt(&lot, slot) {
            case .accepted(let rejectedItemCount, _):
                narrowing.accepted()
                totals.exported += lot.batches[0].wantedItemCount - rejectedItemCount
                totals = totals + lot.batches[0].exclusionTotals
                totals.dropped += rejectedItemCount
                dropped.with(id, batch.signal.name, "partial_success").add(rejectedItemCount)
                metrics.sendFailed[batch.signal].add(rejectedItemCount)
            case .rejected(let reason), .givenUp(_, let reason):
                narrowing.rejected(because: reason)
            case .left: return abandon(Lot([batch]))
            }
        }
        let letters = narrowing.rejectedPieces.compactMap { rejected in
            letter(
                batch.part(rejected.piece.payload, items: rejected.piece.items), rejected.reason)
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
        guard var letter = letter(batch, reason) else { return batch.settle(as: CursorTotals()) }
        letter.isOpaque = isOpaque
        guard let totals = putAside([letter], cause, batch.signal) else {
            return abandon(Lot([batch]))
        }
        batch.settle(as: totals)
    }

    /// Sets items of a lot aside that an exporter will never take, and marks them as excluded.
    ///
    /// - Returns: `false` when the time was over before there was room for them.
    func exclude(_ rejected: [RejectedItem], from lot: inout Lot) -> Bool {
        let byBatch = Dictionary(grouping: rejected, by: \.batch)
        for (index, rejected) in byBatch.sorted(by: { $0.key < $1.key }) {
            let batch = lot.batches[index]
            // What was indexed before is not read twice in two ways; then it waits, and is tried again.
            guard let indexed = batch.indexed() else { return false }
            let letters = rejected.compactMap { rejected in
                let items = rejected.item..<rejected.item + 1
                var edit = PayloadEdit()
                edit.keepOnly(items, of: batch.itemCount)
                let payload = edit.apply(to: batch.payload, index: indexed.index)
                return letter(batch.part(payload, items: items), rejected.reason)
            }
            guard let totals = putAside(letters, "rejected", batch.signal) else { return false }
            lot.batches[index].exclude(rejected.map(\.item), as: totals)
        }
        return true
    }

    /// Nil where all items were set aside before.
    private func letter(_ whole: QueuedBatch, _ reason: String) -> DeadLetter? {
        guard let batch = whole.withoutExcluded() else { return nil }
        let items = (0..<whole.itemCount).filter { !whole.excludedItems.contains($0) }
            .map { (whole.itemsOfRecord?.lowerBound ?? 0) + $0 }
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

extension Lot {
    /// Of items that an exporter wants excluded those that are in the lot and not yet excluded.
    func known(_ items: [RejectedItem]) -> [RejectedItem] {
        var seen: Set<[Int]> = []
        return items.filter { item in
            batches.indices.contains(item.batch)
                && (0..<batches[item.batch].itemCount).contains(item.item)
                && !batches[item.batch].excludedItems.contains(item.item)
                && seen.insert([item.batch, item.item]).inserted
        }
    }
}
