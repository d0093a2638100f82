import Bytes
import OTLP
import Pipeline

/// Writes the items of batches as rows, within a transaction that its caller began.
///
/// Statements are prepared once. Text goes from the payload to SQLite without a copy; only JSON is
/// built, in a buffer that is used again for each row.
final class RowWriter {
    /// Of the row that comes next, in whichever fact table.
    var nextID: Int64 = 1
    /// Nanoseconds since 1970 when this transaction began.
    var now: Int64 = 0
    var dictionary = DictionaryCache()
    /// How many log records without any content the row that comes next stands for.
    var emptyCount = 1
    /// Numbers beyond 2^63 - 1 that became 2^63 - 1.
    var clampedCount = 0

    let spans: SQLiteStatement
    let logs: SQLiteStatement
    let points: PointStatements
    let resources: SQLiteStatement
    let scopes: SQLiteStatement
    let series: SQLiteStatement

    var json = ValueJSON(.text)
    private var index = TelemetryIndex()
    /// Of the file.
    private let key: HashKey

    init(_ connection: SQLiteConnection) throws(SQLiteError) {
        spans = try Self.insert(connection, into: "span", Self.spanColumns)
        logs = try Self.insert(connection, into: "log", Self.logColumns)
        points = try PointStatements(connection)
        resources = try Self.upsert(connection, into: "resource", Self.resourceColumns)
        scopes = try Self.upsert(connection, into: "scope", Self.scopeColumns)
        series = try Self.upsert(connection, into: "metric_series", Self.seriesColumns)
        let text = try connection.text("SELECT key FROM id_key", "read the key of the ids")
        guard let key = HashKey(hexadecimal: text) else { throw .noKey }
        self.key = key
    }

    /// Gives back memory that is kept between lots.
    func trim() {
        index = TelemetryIndex()
        json = ValueJSON(.text)
    }

    /// Writes all items of a batch, but those that no row can hold.
    /// - Returns: how many those were.
    func write(_ batch: QueuedBatch, indexBytesMax: Int) throws(SQLiteError) -> Int {
        let bytes = batch.payload.rawSpan
        do throws(WireError) {
            try batch.index(into: &index, bytesMax: indexBytesMax)
        } catch {
            throw .unreadable(error)
        }
        var rejectedCount = 0
        var resource: ResourceContext?
        var resourceIndex: Int32 = -1
        for (scopeIndex, scope) in index.scopes.enumerated() where !scope.items.isEmpty {
            do throws(SQLiteError) {
                if scope.resource != resourceIndex || resource == nil {
                    resourceIndex = scope.resource
                    resource = nil
                    let entry = index.resources[Int(resourceIndex)]
                    let context = ResourceContext(entry, in: index, bytes, key)
                    try write(context, bytes)
                    resource = context
                }
                let context = ScopeContext(scope, in: index, bytes, key)
                try write(context, bytes)
                rejectedCount += try writeItems(of: scopeIndex, resource!, context, bytes)
            } catch {
                guard error.isTooBig else { throw error }
                rejectedCount += scope.items.count
            }
        }
        return rejectedCount
    }

    private func writeItems(
        of scopeIndex: Int, _ resource: ResourceContext, _ scope: ScopeContext,
        _ bytes: RawSpan
    ) throws(SQLiteError) -> Int {
        var rejectedCount = 0
        var metric: MetricContext?
        let items = index.items[index.scopes[scopeIndex].items]
        var next = items.startIndex
        while next < items.endIndex {
            let item = items[next]
            next += 1
            emptyCount = 1
            if index.signal == .logs, item.body.isEmpty {
                // Nothing tells one of them from another.
                while next < items.endIndex, items[next].body.isEmpty {
                    next += 1
                    emptyCount += 1
                }
            }
            json.removeAll()
            do throws(SQLiteError) {
                switch index.signal {
                case .traces: try write(span: item, resource, scope, bytes)
                case .logs: try write(log: item, resource, scope, bytes)
                case .metrics:
                    if metric?.position != item.parent {
                        metric = MetricContext(at: item.parent, in: index, bytes, key)
                    }
                    try write(point: item, metric!, resource, scope, bytes)
                }
                nextID += 1
            } catch {
                guard error.isTooBig else { throw error }
                rejectedCount += emptyCount
            }
        }
        return rejectedCount
    }

    /// Times and counts are unsigned on the wire; SQLite's integers are not.
    func signed(_ value: UInt64) -> Int64 {
        if value > UInt64(Int64.max) { clampedCount += 1 }
        return Int64(clamping: value)
    }

    /// JSON that was built for the current row; NULL for an empty range.
    func bindJSON(_ statement: SQLiteStatement, _ range: Range<Int>) {
        if range.isEmpty {
            statement.bindNull()
        } else {
            // The text stays where it is: `json` is left alone until the row is in.
            statement.bind(json, range)
        }
    }

    /// Writes to the row's JSON what `body` writes, and says where.
    func building(_ body: (inout ValueJSON) -> Void) -> Range<Int> {
        let start = json.output.count
        body(&json)
        return start..<json.output.count
    }

    static func insert(
        _ connection: SQLiteConnection, into table: String, _ columns: [String]
    ) throws(SQLiteError) -> SQLiteStatement {
        let places = columns.map { _ in "?" }.joined(separator: ",")
        return try SQLiteStatement(
            connection,
            "INSERT INTO \(table) (\(columns.joined(separator: ","))) VALUES (\(places))",
            "insert into \(table)")
    }

    /// The columns end with first_seen and last_seen; a row that exists gets a new last_seen.
    private static func upsert(
        _ connection: SQLiteConnection, into table: String, _ columns: [String]
    ) throws(SQLiteError) -> SQLiteStatement {
        let places = columns.map { _ in "?" }.joined(separator: ",")
        return try SQLiteStatement(
            connection,
            """
            INSERT INTO \(table) (\(columns.joined(separator: ","))) VALUES (\(places)) \
            ON CONFLICT (\(columns[0])) DO UPDATE SET last_seen = excluded.last_seen
            """, "insert into \(table)")
    }
}
