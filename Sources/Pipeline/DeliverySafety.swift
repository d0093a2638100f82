import DurableLog
public import Platform

/// What keeps one bad record from stopping the good ones: where it is put aside, and how it is
/// known after it has ended the process. Nothing of it is there where logs are in memory alone.
public struct DeliverySafety: Sendable {
    public var deadLetters: DeadLetters?
    public var crashMark: CrashMark?
    /// Records that were under way when an earlier process crashed.
    public var suspects = SuspectList()

    /// What the calls of all exporters work in.
    public var memory = DeliveryMemory()

    public init() {}

    func verdict(on batch: QueuedBatch) -> SuspectList.Verdict {
        guard !suspects.isEmpty, let record = batch.origin?.recordRange else { return .deliver }
        return suspects.verdict(on: record)
    }
}

extension BatchOrigin {
    var recordRange: RecordRange {
        let epoch = position.epoch.value
        return RecordRange(
            // Of the exporter as well as the log: what one cannot bear another may.
            log: cursor.identity,
            epoch: (
                high: UInt64(truncatingIfNeeded: epoch >> 64),
                low: UInt64(truncatingIfNeeded: epoch)
            ),
            first: position.number, last: position.number)
    }
}

extension Lot {
    /// The records of it that come from the first one's log and run.
    var recordRange: RecordRange? {
        guard let first = batches.first?.origin else { return nil }
        var range = first.recordRange
        for batch in batches.dropFirst() {
            guard let record = batch.origin?.recordRange, record.log == range.log,
                record.epochHigh == range.epochHigh, record.epochLow == range.epochLow
            else { continue }
            range.first = min(range.first, record.first)
            range.last = max(range.last, record.last)
        }
        return range
    }
}
