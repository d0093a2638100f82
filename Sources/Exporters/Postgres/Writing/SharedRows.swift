import Pipeline
import Platform
import PostgresSchema
import Synchronization
import Telemetry

/// What an exporter's consumers share to make rows.
final class SharedRows: Sendable {
    let known = KnownRows()
    let cardinality: Cardinality
    let window: TimeWindow
    let clock: any Clock
    let deduplicatesSpans: Bool
    private let schema: String
    /// As many as consumers were ever at work at once.
    private let idle = Mutex<[LotRows]>([])
    /// Statements, by what they are before the schema's name is in.
    private let statements = Mutex<[String: String]>([:])
    /// Nil until the first session has read it.
    private let identity = Mutex<HashKey?>(nil)
    private let kept = Mutex(RowRetention())

    /// Of the database that is written to.
    var key: HashKey { identity.withLock { $0 } ?? .fixed }

    var isIdentified: Bool { identity.withLock { $0 != nil } }

    /// For a database that may be another than it was: its key, and none of what was known.
    func reload(from connection: PostgresConnection) throws(PostgresError) {
        known.removeAll()
        let found = try connection.execute(
            inSchema("SELECT replace(key::text, '-', '') FROM @schema@.id_key()"), [],
            "read the key of the ids")
        guard let key = HashKey(hexadecimal: found.text(0, 0) ?? "") else {
            throw PostgresError(
                kind: .schema, message: "the database has no key of the ids",
                operation: "read the key of the ids", hint: "run 'sluice schema apply'")
        }
        identity.withLock { $0 = key }
    }

    init(_ settings: PostgresSettings, _ clock: any Clock) {
        cardinality = Cardinality(
            seriesPerService: settings.seriesPerServiceMax,
            operationsPerService: settings.operationsPerServiceMax)
        window = TimeWindow(past: UInt64(clamping: settings.timeWindow.nanoseconds))
        self.clock = clock
        deduplicatesSpans = settings.deduplication == .spans
        schema = settings.schema
    }

    /// How long rows are kept; see `reloadRetention`.
    var retention: RowRetention { kept.withLock { $0 } }

    /// Reads how long rows are kept: another gateway or a person may have changed it.
    func reloadRetention(from connection: PostgresConnection) throws(PostgresError) {
        let found = try connection.execute(
            inSchema(
                """
                SELECT key, extract(epoch FROM value::interval)::int8 FROM @schema@.setting \
                WHERE key IN ('retain_span', 'retain_log', 'retain_metric')
                """), [], "read the retention")
        var retention = RowRetention()
        for row in 0..<found.rowCount {
            let seconds = UInt64(clamping: found.integer(row, 1) ?? 0)
            switch found.text(row, 0) {
            case "retain_span": retention.spans = seconds
            case "retain_log": retention.logs = seconds
            default: retention.metrics = seconds
            }
        }
        kept.withLock { $0 = retention }
    }

    /// Lets in the series that the database knows from the last day, so that their limits go on
    /// where they were. Of operations those are let in that come first.
    func seed(from connection: PostgresConnection) throws(PostgresError) {
        let now = clock.unixNanoseconds
        let rows = try connection.execute(
            inSchema(
                """
                SELECT service_name, series_id FROM @schema@.metric_series \
                WHERE last_seen > now() - interval '1 day' \
                  AND first_seen >= (SELECT made_at FROM @schema@.id_key()) \
                ORDER BY service_name LIMIT \(Cardinality.seriesMax)
                """), [], "read the series of the last day")
        var row = 0
        while row < rows.rowCount {
            guard let service = rows.text(row, 0) else { break }
            var ids: [Int64] = []
            while row < rows.rowCount, rows.text(row, 0) == service {
                if let id = rows.integer(row, 1) { ids.append(id) }
                row += 1
            }
            cardinality.seed(series: ids, ofService: service, now: now)
        }
    }

    func take() -> LotRows { idle.withLock { $0.popLast() } ?? LotRows(self) }

    func give(back rows: LotRows) { idle.withLock { $0.append(rows) } }

    /// Lets go of the buffers that no consumer uses now.
    func trim() { idle.withLock { $0 = [] } }

    func inSchema(_ statement: String) -> String {
        statements.withLock { statements in
            if let known = statements[statement] { return known }
            let text = PostgresSchema.sql(statement, schema: schema)
            statements[statement] = text
            return text
        }
    }
}
