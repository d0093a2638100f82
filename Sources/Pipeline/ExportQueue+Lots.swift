import DurableLog
import Platform

extension ExportQueue {
    /// More than this is not read ahead of what is handed out, whatever the lots ask for.
    public static let windowBytesMax = 4 << 20
    /// Read from a log at once.
    private static let readBytes = 256 << 10

    /// A log that could not be read is tried again after so long.
    private static let readRetryPause = Duration.seconds(1)

    func take(_ limits: LotLimits, _ isClosed: Bool, from reading: inout Reading) -> Step {
        dropEnded(&reading)
        for index in reading.sources.indices {
            refill(&reading.sources[index], limits)
        }
        let retryAt = reading.sources.compactMap(\.retryAt).min()
        let all = Array(reading.sources.indices)
        guard let (first, _) = Self.oldest(of: all, in: reading)
        else {
            return .nothing(retryAt: retryAt, isAwaitingCursor: !reading.claims.isEmpty)
        }
        let indexes = reading.sources.indices.filter {
            limits.mixesSignals || reading.sources[$0].window.first?.signal == first.signal
        }
        let items = indexes.reduce(0) { $0 + reading.sources[$1].windowItems }
        let bytes = indexes.reduce(0) { $0 + reading.sources[$1].windowBytes }
        let missingItems = limits.itemsMin - items
        let missingBytes = min(limits.bytesMin, Self.windowBytesMax) - bytes
        let ripe = first.enqueuedAt + limits.waitMax
        guard
            (missingItems <= 0 && missingBytes <= 0) || bytes >= Self.windowBytesMax || isClosed
                || ripe <= .now
        else {
            return .notBefore(
                min(ripe, retryAt ?? ripe), missingItems: missingItems, missingBytes: missingBytes)
        }
        let lot = fill(limits, indexes, from: &reading)
        return .lot(lot, isMoreWaiting: reading.sources.contains { !$0.window.isEmpty })
    }

    /// The batch that came first of those that were read and not handed out, and its source.
    private static func oldest(
        of indexes: [Int], in reading: Reading
    ) -> (batch: QueuedBatch, index: Int)? {
        indexes.compactMap { index in reading.sources[index].window.first.map { ($0, index) } }
            .min { $0.0.enqueuedAt < $1.0.enqueuedAt }
    }

    /// Reads ahead until there is enough for a lot, or no more.
    private func refill(_ source: inout Source, _ limits: LotLimits) {
        if let retryAt = source.retryAt {
            guard retryAt <= .now else { return }
            source.retryAt = nil
        }
        while source.windowBytes < Self.windowBytesMax, !source.hasReadAll,
            source.window.isEmpty || source.windowItems < limits.itemsMin
                || source.windowBytes < limits.bytesMin
        {
            let records: [PlacedRecord]
            do throws(LogReadError) {
                records = try source.cursor.read(bytesMax: Self.readBytes)
            } catch {
                // The log has noted it, for the operator.
                source.retryAt = .now + Self.readRetryPause
                return
            }
            guard let last = records.last else { return }
            source.hasReadAll = last.position.number + 1 >= source.end
            // What is read behind the end goes out with the rest: the log may be resumed.
            for record in records {
                let batch = QueuedBatch(record, from: source.log, source.cursor)
                source.window.append(batch)
                source.windowItems += batch.itemCount
                source.windowBytes += batch.payload.count
            }
        }
    }

    private func fill(
        _ limits: LotLimits, _ indexes: [Int], from reading: inout Reading
    ) -> Lot {
        var lot = Lot([])
        var items = 0
        var bytes = 0
        // Always the oldest first, so that no pipeline waits behind another.
        while lot.batches.count < limits.batchesMax,
            let (next, index) = Self.oldest(of: indexes, in: reading)
        {
            items += next.itemCount
            bytes += next.payload.count
            let fits = items <= limits.itemsMax && bytes <= limits.bytesMax
            guard lot.batches.isEmpty || fits else { break }
            _ = reading.sources[index].window.popFirst()
            reading.sources[index].windowItems -= next.itemCount
            reading.sources[index].windowBytes -= next.payload.count
            lot.batches.append(next)
            // For the next batch of the lot, or to know whether somebody is to be woken for more:
            // what came while a wake-up was under way has woken nobody.
            if reading.sources[index].window.isEmpty {
                refill(&reading.sources[index], LotLimits())
            }
        }
        return lot
    }
}
