import OTLP
import Pipeline
import Platform
import Telemetry

/// A lot's rows, made by one consumer and sent through whatever session it gets.
final class LotRows: @unchecked Sendable {
    // SAFETY: the consumer that has taken it is the only one with a reference to it until it gives
    // it back, through a lock.
    private var encoder: RowEncoder
    private let shared: SharedRows
    private var pieces: [LotPlan.Piece] = []
    private var inserts: [DictionaryInsert] = []
    private var madeAt: Int64 = 0

    init(_ shared: SharedRows) {
        self.shared = shared
        encoder = RowEncoder(
            known: shared.known, cardinality: shared.cardinality, window: shared.window)
    }

    /// Makes the rows of `plan`, in place of those before.
    ///
    /// - Returns: why the lot cannot be delivered, where a batch of it cannot be read.
    func make(_ plan: LotPlan, of lot: Lot) -> ExportOutcome? {
        let now = shared.clock.unixNanoseconds
        encoder.removeAll(now: now, key: shared.key, retention: shared.retention)
        madeAt = Int64(clamping: now)
        pieces = plan.pieces
        for piece in pieces {
            let batch = lot.batches[piece.batch]
            encoder.append(
                batch, items: piece.items, except: batch.excludedItems,
                indexBytesMax: lot.workBytesMax)
        }
        inserts = encoder.dictionaryInserts()
        return encoder.unreadable.map { .unreadable($0) }
    }

    /// Items that no row can hold, for a reason that needs no server to say.
    var oversized: [RejectedItem] {
        encoder.oversized.map {
            RejectedItem(
                batch: pieces[$0.batch].batch, item: $0.item,
                reason: "larger than a row of PostgreSQL can be")
        }
    }

    /// Writes resources, scopes and series that the database may not have, in the order of their
    /// ids, so that gateways that do the same don't wait for each other in circles.
    func writeDictionaries(_ connection: PostgresConnection) throws(PostgresError) {
        for insert in inserts {
            try connection.execute(
                shared.inSchema(insert.sql), binary: insert.parameters,
                types: insert.parameterTypes, "insert into \(insert.table.name)")
            shared.known.add(insert.ids, now: madeAt)
        }
    }

    func writeFacts(_ connection: PostgresConnection, until deadline: Instant) throws(PostgresError)
    {
        for table in FactTable.allCases where encoder.rowCount(of: table) > 0 {
            if table == .span, shared.deduplicatesSpans {
                try writeNewSpans(connection, until: deadline)
            } else {
                try encoder.send(
                    table, by: shared.inSchema(table.copyStatement), connection, until: deadline)
            }
            let minutes = encoder.lateMinutes(of: table)
            guard !minutes.isEmpty else { continue }
            try connection.execute(
                shared.inSchema(Self.refreshStatement),
                [table.name, "{\(minutes.map { "\($0 * 60)" }.joined(separator: ","))}"],
                "queue a refresh of \(table.name)")
        }
    }

    private static let refreshStatement = """
        SELECT @schema@.queue_refresh($1, ARRAY(SELECT to_timestamp(unnest($2::float8[]))))
        """

    /// Spans are the same that have trace id, span id and start in common. They go to a table of
    /// the session first, and one transaction at a time looks which of them are new: a span and its
    /// repetition may come in two lots at once.
    private func writeNewSpans(
        _ connection: PostgresConnection, until deadline: Instant
    ) throws(PostgresError) {
        let columns = FactTable.span.columns.joined(separator: ", ")
        try connection.execute(
            shared.inSchema(
                """
                CREATE TEMP TABLE IF NOT EXISTS sluice_span (LIKE @schema@.span) \
                ON COMMIT DELETE ROWS
                """), [], "make a table of the session")
        try encoder.send(
            .span, by: "COPY pg_temp.sluice_span (\(columns)) FROM STDIN (FORMAT binary)",
            connection, until: deadline)
        try connection.execute(
            shared.inSchema(
                """
                SELECT pg_advisory_xact_lock(hashtextextended('sluice deduplicate @schema@', 0));
                INSERT INTO @schema@.span (\(columns))
                SELECT DISTINCT ON (trace_id, span_id, start_time, start_ns) \(columns)
                FROM pg_temp.sluice_span new WHERE NOT EXISTS (
                  SELECT FROM @schema@.span old WHERE old.trace_id = new.trace_id
                    AND old.span_id = new.span_id AND old.start_time = new.start_time
                    AND old.start_ns = new.start_ns)
                """), [], FactTable.span.operation)
    }

    /// The item of the row that an error of COPY names.
    func item(of error: PostgresError) -> (batch: Int, item: Int)? {
        guard let row = error.row,
            let table = FactTable.allCases.first(where: { $0.operation == error.operation }),
            let item = encoder.item(ofRow: row, in: table)
        else { return nil }
        return (pieces[item.batch].batch, item.item)
    }

    /// Rows that the next upkeep drops, of those that were committed.
    var expiredCount: Int {
        FactTable.allCases.reduce(0) { $0 + encoder.expiredCount(of: $1) }
    }

    /// Counts rows that were committed.
    func note(_ metrics: PostgresMetrics) {
        metrics.transactions.add()
        for table in FactTable.allCases {
            metrics.note(rows: encoder.rowCount(of: table), of: table.name)
            metrics.note(expired: encoder.expiredCount(of: table), of: table.name)
        }
        encoder.noteFolded()
        let tally = encoder.takeTally()
        metrics.note(changed: tally.replacedNULs, "nul")
        metrics.note(changed: tally.clampedIntegers, "clamped")
        metrics.note(changed: tally.cutNames, "cut")
        metrics.note(changed: tally.timesOutsideWindow, "time")
    }
}

extension RowEncoder {
    fileprivate func send(
        _ table: FactTable, by statement: String, _ connection: PostgresConnection,
        until deadline: Instant
    ) throws(PostgresError) {
        try connection.copy(statement, tuples(of: table), until: deadline, table.operation)
    }
}

extension FactTable {
    fileprivate var operation: String { "copy into \(name)" }
}
