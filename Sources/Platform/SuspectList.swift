/// Which records have ended the process, and how often.
///
/// The first crash makes every record of the lot that was being handled suspect: they are delivered
/// one by one from then on. A record that has then ended the process alone, and twice in all, is
/// quarantined. Nothing is ever quarantined only because it was near one at fault.
public struct SuspectList: Equatable, Sendable {
    /// What to do with a record.
    public enum Verdict: Sendable {
        case deliver
        /// In a lot of its own.
        case deliverAlone
        /// It would end the process again.
        case quarantine
    }

    public struct Entry: Hashable, Sendable {
        public var records: RecordRange
        /// Crashes with exactly these records under way; at least 1.
        public var crashCount: Int

        public init(_ records: RecordRange, crashCount: Int) {
            self.records = records
            self.crashCount = crashCount
        }
    }

    /// The oldest goes first where more come. Each is at least one crash that nobody has got over.
    public static let entriesMax = 1024

    /// Counting further would tell nothing; a sum over all entries cannot overflow.
    static let crashCountMax = 1_000_000
    private static let quarantineCount = 2

    /// In the order of their first crash.
    public private(set) var entries: [Entry] = []

    public init() {}

    public var isEmpty: Bool { entries.isEmpty }

    /// The process ended while these records were under way.
    public mutating func note(_ records: RecordRange) {
        if let index = entries.firstIndex(where: { $0.records == records }) {
            entries[index].crashCount = min(entries[index].crashCount + 1, Self.crashCountMax)
            return
        }
        entries.append(Entry(records, crashCount: 1))
        if entries.count > Self.entriesMax { entries.removeFirst() }
    }

    /// - Precondition: `record` is a single one.
    public func verdict(on record: RecordRange) -> Verdict {
        precondition(record.isSingle, "BUG: a verdict on several records at once")
        var crashes = 0
        var crashesAlone = 0
        for entry in entries where entry.records.contains(record) {
            crashes += entry.crashCount
            if entry.records.isSingle { crashesAlone += entry.crashCount }
        }
        if crashesAlone > 0, crashes >= Self.quarantineCount { return .quarantine }
        return crashes > 0 ? .deliverAlone : .deliver
    }

    mutating func append(_ entry: Entry) { entries.append(entry) }
}
