import DurableLog
import OTLP
import Synchronization

extension ExportQueue {
    public var status: QueueStatus {
        let (reserved, cursors) = outstanding.withLock { ($0.reservedSum, $0.cursors) }
        var status = QueueStatus()
        var used = reserved
        for (signal, cursor) in cursors {
            let pending = cursor.pending
            used = used + pending
            status.itemsBySignal[Int(signal.rawValue)] += pending.items
            guard pending.records > 0, let oldest = cursor.oldestReceivedAt else { continue }
            status.oldestReceivedAt = min(status.oldestReceivedAt ?? .max, oldest)
        }
        status.batches = used.records
        status.items = used.items
        status.bytes = used.bytes
        status.size = limit.measure(used)
        status.capacity = limit.capacity == .max ? nil : limit.capacity
        status.isFull =
            used.records > 0 && (status.size >= limit.capacity || used.bytes >= limit.bytesMax)
        return status
    }
}

extension ExportQueue.Outstanding {
    var reservedSum: Backlog { reserved.values.reduce(Backlog(), +) }
    var sum: Backlog { cursors.reduce(reservedSum) { $0 + $1.cursor.pending } }
}

extension ExportQueue.Arrivals {
    var hasEnough: Bool { items >= wantedItems && bytes >= wantedBytes }

    /// Whether a sleeper has to be woken now. Where a wake-up is under way, no consumer has taken
    /// its view of the arrivals since (that ends it): whoever sleeps or is about to has an older
    /// one, so that one of them at least will look at the logs after this.
    mutating func beginWaking() -> Bool {
        guard !isWaking else { return false }
        isWaking = true
        wakeUps += 1
        return true
    }
}

extension Int {
    func addingClamped(_ other: Int) -> Int {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? (other > 0 ? .max : .min) : sum
    }
}
