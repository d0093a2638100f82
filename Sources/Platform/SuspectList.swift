/// Which records have ended the process, and how often.
///
/// The first crash makes every record of the lot that was being handled suspect: they are delivered
/// one by one from then on. A record that has then ended the process alone, and twice in all, is
/// quarantined. Nothing is ever quarantined only because it was near one at fault.
///
/// A record that was under way when the process was killed, which may have been for its memory, is
/// delivered in pieces from then on. People kill processes as well: it takes more of that.
public struct SuspectList: Equatable, Sendable {
    /// What to do with a record.
    public enum Verdict: Sendable {
        case deliver
        /// In a lot of its own.
        case deliverAlone
        /// Alone, and never as a whole: it may take too much memory.
        case deliverInPieces
        /// It would end the process again.
        case quarantine
    }

    public struct Entry: Hashable, Sendable {
        public var records: RecordRange
        /// Crashes with exactly these records under way; at least 1.
        public var crashCount: Int
        /// The process did not crash by itself: it was killed.
        public var wasKilled: Bool

        public init(_ records: RecordRange, crashCount: Int, wasKilled: Bool = false) {
            self.records = records
            self.crashCount = crashCount
            self.wasKilled = wasKilled
        }
    }

    /// The oldest goes first where more come. Each is at least one crash that nobody has got over.
    public static let entriesMax = 1024

    /// Counting further would tell nothing; a sum over all entries cannot overflow.
    static let crashCountMax = 1_000_000
    private static let quarantineCount = 2
    /// The first kill has a record delivered in pieces. When that has ended so three more times, it
    /// is not the pieces' number that takes the memory.
    private static let killQuarantineCount = 4

    /// In the order of their first crash.
    public private(set) var entries: [Entry] = []

    public init() {}

    public var isEmpty: Bool { entries.isEmpty }

    /// The process ended while these records were under way.
    public mutating func note(_ records: RecordRange, wasKilled: Bool = false) {
        if let index = entries.firstIndex(where: {
            $0.records == records && $0.wasKilled == wasKilled
        }) {
            entries[index].crashCount = min(entries[index].crashCount + 1, Self.crashCountMax)
            return
        }
        entries.append(Entry(records, crashCount: 1, wasKilled: wasKilled))
        if entries.count > Self.entriesMax { entries.removeFirst() }
    }

    /// - Precondition: `record` is a single one.
    public func verdict(on record: RecordRange) -> Verdict {
        precondition(record.isSingle, "BUG: a verdict on several records at once")
        var crashes = 0
        var crashesAlone = 0
        var kills = 0
        for entry in entries where entry.records.contains(record) {
            if entry.wasKilled {
                kills += entry.crashCount
                continue
            }
            crashes += entry.crashCount
            if entry.records.isSingle { crashesAlone += entry.crashCount }
        }
        if crashesAlone > 0, crashes >= Self.quarantineCount { return .quarantine }
        if kills >= Self.killQuarantineCount { return .quarantine }
        if kills > 0 { return .deliverInPieces }
        return crashes > 0 ? .deliverAlone : .deliver
    }

    mutating func append(_ entry: Entry) { entries.append(entry) }
}
