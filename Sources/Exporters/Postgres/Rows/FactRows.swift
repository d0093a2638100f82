import OTLP

/// The rows of one table, as tuples of COPY BINARY, and which item each of them is.
struct FactRows: ~Copyable {
    /// PostgreSQL holds no value of 1 GiB, and COPY no tuple.
    static let rowBytesMax = (1 << 30) - (1 << 16)
    /// Memory that stays between lots.
    static let keptBytesMax = 16 << 20

    /// A row that would be larger is left out.
    private let rowBytesMax: Int
    var tuple = TupleBuffer()
    private(set) var count = 0
    private var runs: [Run] = []
    private var next = RowItem(batch: -1, item: -1)
    /// Unix nanoseconds: of rows that are older, rollups have to be made again.
    private var lateBefore: UInt64 = 0
    /// Unix nanoseconds: rows that are older are over their retention already. Before `lateBefore`.
    private var expiredBefore: UInt64 = 0
    private(set) var expiredCount = 0
    /// The minutes of those rows, since 1970.
    private(set) var lateMinutes: Set<UInt64> = []
    /// The one that was noted last: rows of a backlog come sorted by and large.
    private var lastLateMinute: UInt64 = .max

    /// Rows that are consecutive items of one batch.
    private struct Run {
        let firstRow: Int
        let first: RowItem
    }

    init(rowBytesMax: Int) { self.rowBytesMax = rowBytesMax }

    mutating func removeAll(lateBefore: UInt64, expiredBefore: UInt64 = 0) {
        self.lateBefore = lateBefore
        self.expiredBefore = min(expiredBefore, lateBefore)
        expiredCount = 0
        lateMinutes.removeAll()
        lastLateMinute = .max
        tuple.removeAll(keptBytesMax: Self.keptBytesMax)
        count = 0
        runs.removeAll(keepingCapacity: true)
        next = RowItem(batch: -1, item: -1)
    }

    /// Counts the row that was written from `start` on, or takes it back.
    /// - Returns: false where it is larger than a row can be.
    @inline(__always)
    mutating func close(from start: Int, as item: RowItem) -> Bool {
        guard tuple.count &- start <= rowBytesMax else {
            tuple.truncate(to: start)
            return false
        }
        if item != next { runs.append(Run(firstRow: count, first: item)) }
        next = RowItem(batch: item.batch, item: item.item &+ 1)
        count &+= 1
        return true
    }

    @inline(__always)
    mutating func note(time: UInt64) {
        if time < lateBefore { note(lateTime: time) }
    }

    @inline(never)
    private mutating func note(lateTime time: UInt64) {
        if time < expiredBefore { expiredCount += 1 }
        let minute = time / 60_000_000_000
        guard minute != lastLateMinute else { return }
        lastLateMinute = minute
        lateMinutes.insert(minute)
    }

    /// - Parameter row: 0 for the first.
    func item(ofRow row: Int) -> RowItem? {
        guard row >= 0, row < count else { return nil }
        // The first run that begins after the row.
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].firstRow <= row { low = middle + 1 } else { high = middle }
        }
        let run = runs[low - 1]
        return RowItem(batch: run.first.batch, item: run.first.item + row - run.firstRow)
    }
}

/// Which item a row is.
struct RowItem: Hashable, Sendable {
    /// Of the encoder's batches, in the order in which they were appended, from 0.
    let batch: Int
    /// In `TelemetryIndex.items` of the batch.
    let item: Int
}
