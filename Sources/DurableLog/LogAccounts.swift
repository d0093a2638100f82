import Platform

/// What a log and its cursors have done with all items, at one moment.
public struct LogAccounts: Sendable {
    /// Items that the log has ever had, and those of them that came in this run.
    public var items: Int
    public var itemsSinceOpen: Int
    public var cursors: [CursorAccount]
}

/// What became of the items of a log since one cursor began.
public struct CursorAccount: Sendable {
    public var name: String
    /// No exporter of this configuration has it.
    public var isOrphan: Bool
    /// The number of the first record that is not done with.
    public var base: UInt64
    /// Items that the log has had since the cursor began.
    public var items: Int
    public var totals: CursorTotals
    public var pending: Backlog
    /// Bytes of the log that are kept for it: an estimate, by the segment.
    public var heldBytes: Int
    /// Wall time of receipt of the oldest record that is not done with.
    public var oldestReceivedAt: UInt64?

    /// items == exported + dropped + set aside + skipped + lost + pending
    public var isBalanced: Bool { items == totals.sum + pending.items }
}

extension DurableLog {
    public var accounts: LogAccounts { state.withLock { $0.accounts(sinceItem: itemsAtOpen) } }
}

extension DurableLog.State {
    /// - Parameter itemsAtOpen: items that the log had before this run.
    func accounts(sinceItem itemsAtOpen: UInt64) -> LogAccounts {
        let open = cursors.map { cursor in
            let (place, pending, oldest) = cursor.standing
            return account(
                cursor.name, isOrphan: false, place, pending, oldest ?? receivedAt(of: place.base))
        }
        let orphans = orphans.map { name, saved in
            let place = place(saved)
            return account(
                name, isOrphan: true, place, backlog(from: place), receivedAt(of: place.base))
        }
        return LogAccounts(
            items: Int(clamping: itemsEnd), itemsSinceOpen: Int(clamping: itemsEnd - itemsAtOpen),
            cursors: (open + orphans).sorted { $0.name < $1.name })
    }

    fileprivate func account(
        _ name: String, isOrphan: Bool, _ place: LogCursor.Place, _ pending: Backlog,
        _ oldestReceivedAt: UInt64?
    ) -> CursorAccount {
        CursorAccount(
            name: name, isOrphan: isOrphan, base: place.base,
            items: Int(truncatingIfNeeded: itemsEnd &- place.itemsBefore), totals: place.totals,
            pending: pending, heldBytes: backlog(from: place).bytes,
            oldestReceivedAt: pending.items > 0 ? oldestReceivedAt : nil)
    }

    /// Where the record is not in memory, the time of the first of its segment: no later.
    fileprivate func receivedAt(of number: UInt64) -> UInt64? {
        if let first = recent.first, first.position.number <= number {
            let index = Int(number - first.position.number)
            return index < recent.count ? recent[index].record.receivedAt : nil
        }
        return segments.first { $0.endPosition > number }?.firstReceivedAt
    }
}
