import DurableLog
import OTLP
import Platform
import Telemetry

extension Delivery {
    /// Takes a batch out of the way that will not be delivered.
    func giveUp(
        _ batch: QueuedBatch, _ cause: StaticString, _ reason: String, isOpaque: Bool = false
    ) {
        guard let totals = setAside(batch, cause, reason, isOpaque: isOpaque) else {
            return abandon(Lot([batch]))
        }
        batch.settle(as: totals)
    }

    /// Sets a batch aside that will not be delivered.
    ///
    /// - Returns: nil when the time was over before there was room.
    func setAside(
        _ batch: QueuedBatch, _ cause: StaticString, _ reason: String, isOpaque: Bool = false
    ) -> CursorTotals? {
        guard let rest = batch.withoutExcluded() else { return CursorTotals() }
        let excluded = Set(batch.excludedItems)
        var letter = letter(
            batch, items: (0..<batch.itemCount).filter { !excluded.contains($0) }, rest.payload,
            reason)
        letter.isOpaque = isOpaque
        return putAside([letter], cause, batch.signal)
    }

    /// Sets items of a lot aside that an exporter will never take, and marks them as excluded.
    ///
    /// - Returns: `false` when the time was over before there was room for them.
    func exclude(_ rejected: [RejectedItem], from lot: inout Lot) -> Bool {
        let byBatch = Dictionary(grouping: rejected, by: \.batch)
        for (index, rejected) in byBatch.sorted(by: { $0.key < $1.key }) {
            let batch = lot.batches[index]
            // What the exporter could read can be read here; if not, it stays in the log.
            guard let indexed = batch.indexed() else { return false }
            let parts = PayloadParts(batch.payload, indexed.index)
            let letters = letters(
                of: batch, parts,
                rejected.sorted { $0.item < $1.item }.map {
                    Rejected(items: $0.item..<$0.item + 1, reason: $0.reason)
                })
            guard let totals = putAside(letters, "rejected", batch.signal) else { return false }
            lot.batches[index].exclude(rejected.map(\.item), as: totals)
        }
        return true
    }

    /// Items of a batch that its destination will never have, and why.
    struct Rejected {
        var items: Range<Int>
        var reason: String
    }

    /// A letter for each reason, so that what encloses items is kept once for all of them. Where
    /// the destination has as many reasons as items, as with an id of the request in each, that
    /// would be more than the batch itself: then there is one letter.
    ///
    /// - Parameter rejected: in the order of the items; what was set aside before is left out.
    func letters(
        of batch: QueuedBatch, _ parts: PayloadParts, _ rejected: [Rejected]
    ) -> [DeadLetter] {
        var places: [String: Int] = [:]
        var groups: [(reason: String, items: [Range<Int>])] = []
        for rejection in batch.withoutExcluded(rejected) {
            let place = places[rejection.reason] ?? groups.count
            if place == groups.count {
                places[rejection.reason] = place
                groups.append((rejection.reason, []))
            }
            groups[place].items.append(rejection.items)
        }
        let bytes = groups.reduce(0) { bytes, group in
            bytes + group.items.reduce(0) { $0 + parts.byteCount(of: $1) }
        }
        if groups.count > 1, bytes > Self.lettersFactor * batch.payload.count {
            let all = groups.flatMap(\.items).sorted { $0.lowerBound < $1.lowerBound }
            groups = [("\(groups[0].reason) (and \(groups.count - 1) other reasons)", all)]
        }
        return groups.map { group in
            letter(batch, items: group.items.flatMap { $0 }, parts.part(group.items), group.reason)
        }
    }

    /// Bytes of letters, as a multiple of the batch's.
    private static let lettersFactor = 2

    /// - Parameter items: indices of the batch's items, in ascending order.
    private func letter(
        _ batch: QueuedBatch, items: [Int], _ payload: [UInt8], _ reason: String
    ) -> DeadLetter {
        let first = batch.itemsOfRecord?.lowerBound ?? 0
        let items = items.map { first + $0 }
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
            payload: payload)
    }

    /// Puts letters aside, durably, and counts them; where that is not to be had, drops them. Waits
    /// for room, so that the exporter stops rather than lose anything.
    ///
    /// - Returns: nil when the time was over before there was room.
    func putAside(
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
                try write(letters, to: deadLetters)
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

    /// Writes letters in the memory that all exporters share.
    private func write(
        _ letters: [DeadLetter], to store: DeadLetters
    ) throws(DeadLetters.Failure) {
        let work = letters.reduce(0) { $0 + DeadLetterLine.workBytes($1) }
        guard work > DeliveryMemory.usualBytesMax else { return try store.setAside(letters) }
        let failure: DeadLetters.Failure? = safety.memory.with(work) {
            do throws(DeadLetters.Failure) {
                try store.setAside(letters)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
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
