import Bytes
import DurableLog
import Pipeline

/// Which records of which log have their rows in the file. It is written in the transaction of the
/// rows, so that a record has all of its rows once or none, whatever ends the process and wherever
/// lots are cut when they come again.
final class SQLiteLedger {
    private struct Key: Hashable {
        var exporter: String
        var log: String
        var epoch: LogEpoch
    }

    private var delivered: [Key: PositionRanges] = [:]
    /// Of the transaction under way.
    private var added: [Key: PositionRanges] = [:]
    private let reading: SQLiteStatement
    private let deleting: SQLiteStatement
    private let inserting: SQLiteStatement

    init(_ connection: SQLiteConnection) throws(SQLiteError) {
        reading = try SQLiteStatement(
            connection, "SELECT exporter, log, epoch, first, last FROM ingested",
            "read what was ingested")
        deleting = try SQLiteStatement(
            connection,
            """
            DELETE FROM ingested
            WHERE exporter = ? AND log = ? AND epoch = ? AND first BETWEEN ? AND ?
            """, "join what was ingested")
        inserting = try SQLiteStatement(
            connection, "INSERT INTO ingested VALUES (?, ?, ?, ?, ?)", "note what was ingested")
    }

    /// Reads what the file has.
    func load() throws(SQLiteError) {
        delivered = [:]
        added = [:]
        while try reading.step() {
            guard let epoch = LogEpoch(reading.text(2)) else { continue }
            let key = Key(exporter: reading.text(0), log: reading.text(1), epoch: epoch)
            let first = UInt64(bitPattern: reading.integer(3))
            let last = UInt64(bitPattern: reading.integer(4))
            delivered[key, default: PositionRanges()].insert(first...max(first, last))
        }
    }

    func contains(_ origin: BatchOrigin) -> Bool {
        let key = Self.key(origin)
        let number = origin.position.number
        return delivered[key]?.contains(number) == true || added[key]?.contains(number) == true
    }

    /// To be called for each record whose rows are written, in their transaction.
    func note(_ origin: BatchOrigin) {
        let number = origin.position.number
        added[Self.key(origin), default: PositionRanges()].insert(number...number)
    }

    /// Writes what was noted, before the transaction is committed.
    func write() throws(SQLiteError) {
        for (key, ranges) in added {
            var all = delivered[key] ?? PositionRanges()
            for range in ranges.ranges {
                let merged = all.insert(range)
                try bind(key, merged, to: deleting)
                try bind(key, merged, to: inserting)
            }
        }
    }

    /// After the transaction was committed.
    func commit() {
        for (key, ranges) in added {
            for range in ranges.ranges { delivered[key, default: PositionRanges()].insert(range) }
        }
        added = [:]
    }

    func rollBack() { added = [:] }

    private func bind(
        _ key: Key, _ range: ClosedRange<UInt64>, to statement: SQLiteStatement
    ) throws(SQLiteError) {
        let exporter = Array(key.exporter.utf8)
        let log = Array(key.log.utf8)
        let epoch = Array(key.epoch.description.utf8)
        statement.bind(exporter.rawSpan)
        statement.bind(log.rawSpan)
        statement.bind(epoch.rawSpan)
        statement.bind(Int64(bitPattern: range.lowerBound))
        statement.bind(Int64(bitPattern: range.upperBound))
        try statement.run()
        // The arrays must be there until the statement has run.
        withExtendedLifetime((exporter, log, epoch)) {}
    }

    private static func key(_ origin: BatchOrigin) -> Key {
        Key(
            exporter: origin.cursorName, log: origin.log.name, epoch: origin.position.epoch)
    }
}
