import Configuration
import Pipeline
import Platform
import PostgresSchema
import Synchronization
import Telemetry

/// Makes the schema what this version writes to: for an exporter when it first connects, and for
/// `sluice schema`.
///
/// Each migration is a transaction of its own under an advisory lock, so that gateways that start
/// at once run it once. A gateway of the version before goes on writing beside: what it may not
/// know of is said by `oldest_writer`.
final class PostgresMigrator: Sendable {
    private let schema: String
    private let applies: Bool
    private let log: Logger
    private let isPrepared = Mutex(false)

    /// - Parameters:
    ///   - schema: its plain name.
    ///   - applies: whether what is missing is made, or reported as an error.
    init(schema: String, applies: Bool, log: Logger) {
        self.schema = schema
        self.applies = applies
        self.log = log
    }

    /// What this program writes to.
    static let version = PostgresSchema.migrations.last?.version ?? 0

    private var quotedSchema: String { PostgresNames.identifier(schema) }

    /// Makes the schema, with whichever connection comes first; the others look whether it is
    /// still one that this version may write to.
    func prepare(_ connection: PostgresConnection) throws(PostgresError) {
        let found = try state(connection)
        if let problem = found.problem(applies: applies) { throw problem }
        try isPrepared.withLock { isPrepared throws(PostgresError) in
            guard !isPrepared || found.version < PostgresMigrator.version else { return }
            if applies, found.version <= PostgresMigrator.version { try apply(connection) }
            announce(try state(connection), connection)
            isPrepared = true
        }
    }

    /// What a database has.
    struct State {
        /// 0 where there is nothing.
        var version = 0
        /// The least version of a gateway that may write to it.
        var oldestWriter = 0
        var edition = ""
        var applied: [(version: Int, name: String, at: String, by: String)] = []

        func problem(applies: Bool) -> PostgresError? {
            if oldestWriter > PostgresMigrator.version {
                return PostgresError(
                    kind: .schema,
                    message: "the schema is at version \(version) and takes no rows of this "
                        + "gateway, which knows \(PostgresMigrator.version)",
                    operation: "look at the schema", hint: "upgrade this gateway")
            }
            if version < PostgresMigrator.version, !applies {
                return PostgresError(
                    kind: .schema,
                    message: "the schema is at version \(version), and this gateway writes to "
                        + "\(PostgresMigrator.version)",
                    operation: "look at the schema",
                    hint: "run 'sluice schema apply', or set schema.apply to true")
            }
            return nil
        }
    }

    func state(_ connection: PostgresConnection) throws(PostgresError) -> State {
        let operation = "look at the schema"
        let table = PostgresNames.literal("\(quotedSchema).migration")
        let isThere = try connection.execute(
            "SELECT pg_catalog.to_regclass(\(table)) IS NOT NULL", [], operation)
        var state = State()
        guard isThere.text(0, 0) == "t" else { return state }
        let rows = try connection.execute(
            """
            SELECT version, name, oldest_writer, applied_at, applied_by
            FROM \(quotedSchema).migration ORDER BY version
            """, [], operation)
        for row in 0..<rows.rowCount {
            state.version = Int(rows.integer(row, 0) ?? 0)
            state.oldestWriter = max(state.oldestWriter, Int(rows.integer(row, 2) ?? 0))
            state.applied.append(
                (
                    state.version, rows.text(row, 1) ?? "", rows.text(row, 3) ?? "",
                    rows.text(row, 4) ?? ""
                ))
        }
        if state.version > 0 {
            state.edition =
                try connection.execute("SELECT \(quotedSchema).edition()", [], operation).text(0, 0)
                ?? ""
        }
        return state
    }

    /// Runs what is missing. It is no work where nothing is.
    ///
    /// - Parameter mends: whether all runs again where something was dropped. For people: what a
    ///   gateway finds renamed may be about to come back.
    func apply(_ connection: PostgresConnection, mends: Bool = false) throws(PostgresError) {
        let answerTimeout = connection.answerTimeout
        connection.answerTimeout = Self.answerTimeout
        defer { connection.answerTimeout = answerTimeout }
        try makeSchema(connection)
        let internalSchema = try internalSchema(connection)
        let dropped = mends ? try missing(connection) : []
        for migration in PostgresSchema.migrations {
            let isNew = try inTransaction(connection) { () throws(PostgresError) in
                let found = try state(connection)
                guard found.version < migration.version || !dropped.isEmpty else { return false }
                if found.version > 0, migration.oldestWriter > found.oldestWriter {
                    // Gateways that must not write any more are fenced out, when they have ended
                    // what they have begun; each looks at the schema before it comes again.
                    try connection.execute(
                        "UPDATE \(quotedSchema).writer_slot SET holder = NULL", [],
                        "turn writers away")
                }
                try connection.execute(
                    PostgresSchema.sql(
                        PostgresSchema.foundation + migration.sql, schema: schema,
                        internal: internalSchema), [],
                    "migration \(migration.version), \(migration.name)")
                try connection.execute(
                    PostgresScript.note(migration, quotedSchema), [], "note a migration")
                return found.version < migration.version
            }
            if isNew {
                log.info(
                    "the database's schema was migrated", LogField("schema", schema),
                    LogField("version", migration.version), LogField("name", migration.name))
            }
        }
        try applyRepeatables(connection, internalSchema, again: !dropped.isEmpty)
        guard !dropped.isEmpty else { return }
        log.warn(
            "what was dropped of the database's schema was made anew, without what it had",
            LogField("schema", schema), LogField("lacked", dropped.joined(separator: ", ")))
    }

    /// What the database lacks of what this version has made in it, such as `table span`. Empty
    /// where it is of another version.
    func missing(_ connection: PostgresConnection) throws(PostgresError) -> [String] {
        let found = try state(connection)
        guard found.version == PostgresMigrator.version else { return [] }
        let inventory = SchemaInventory(edition: found.edition)
        let rows = try connection.execute(
            SchemaInventory.query,
            [inventory.json, schema, try internalSchema(connection)], "look at the schema")
        return (0..<rows.rowCount).compactMap { rows.text($0, 0) }
    }

    private static let answerTimeout = Duration.seconds(600)
    private static let lockTimeout = Duration.seconds(10)

    /// Needs no right to make schemas where it is there.
    private func makeSchema(_ connection: PostgresConnection) throws(PostgresError) {
        let name = PostgresNames.literal(schema)
        let found = try connection.execute(
            "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = \(name)", [], "make the schema")
        guard found.rowCount == 0 else { return }
        _ = try inTransaction(connection) { () throws(PostgresError) in
            try connection.execute(
                "CREATE SCHEMA IF NOT EXISTS \(quotedSchema)", [], "make the schema")
            return true
        }
    }

    /// Where functions that only the schema's files use are: in a schema of their own, or, where
    /// it is not there and the role may not make it, beside the others.
    private func internalSchema(
        _ connection: PostgresConnection
    ) throws(PostgresError) -> String {
        let name = PostgresSchema.internalSchema(of: schema)
        let found = try connection.execute(
            """
            SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace
                WHERE nspname = \(PostgresNames.literal(name)))
              OR pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
            """, [], "look at the schema")
        return found.text(0, 0) == "t" ? name : schema
    }

    /// Views and functions: made anew where they are not what this version has.
    private func applyRepeatables(
        _ connection: PostgresConnection, _ internalSchema: String, again: Bool
    ) throws(PostgresError) {
        let table = "\(quotedSchema).repeatable"
        for repeatable in PostgresSchema.repeatables {
            let name = PostgresNames.literal(repeatable.name)
            let sql = PostgresSchema.sql(
                repeatable.sql, schema: schema, internal: internalSchema)
            let isNew = try inTransaction(connection) { () throws(PostgresError) in
                let known = try connection.execute(
                    """
                    SELECT 1 FROM \(table) WHERE name = \(name)
                      AND (content_hash = '\(PostgresScript.hash(sql))'
                        OR version > \(PostgresMigrator.version))
                    """, [], "look at \(repeatable.name)")
                guard known.rowCount == 0 || again else { return false }
                try connection.execute(sql, [], "make \(repeatable.name)")
                try connection.execute(
                    PostgresScript.note(repeatable, sql, quotedSchema), [],
                    "note \(repeatable.name)")
                return true
            }
            if isNew {
                log.info(
                    "functions and views of the database were made", LogField("schema", schema),
                    LogField("file", repeatable.name))
            }
        }
    }

    private func inTransaction(
        _ connection: PostgresConnection, _ body: () throws(PostgresError) -> Bool
    ) throws(PostgresError) -> Bool {
        do throws(PostgresError) {
            try connection.execute(
                """
                BEGIN;
                SET LOCAL lock_timeout = \(Self.lockTimeout.milliseconds);
                SET LOCAL statement_timeout = 0;
                SET LOCAL client_min_messages = warning;
                \(PostgresScript.lock(schema))
                """, [], "wait for other migrations")
            let result = try body()
            try connection.execute("COMMIT", [], "commit a migration")
            return result
        } catch {
            if !error.endsSession { try connection.execute("ROLLBACK", [], error.operation) }
            throw error
        }
    }

    private func announce(_ state: State, _ connection: PostgresConnection) {
        let consequence =
            switch state.edition {
            case "timescale": "hypertables, columnstore, continuous aggregates and policies"
            case "apache":
                "TimescaleDB, Apache edition: hypertables; Sluice keeps rollups and retention"
            default: "no TimescaleDB: partitions by day, rollups and retention are kept by Sluice"
            }
        log.info(
            "connected to PostgreSQL", LogField("place", connection.place),
            LogField("server", "\(connection.serverVersion / 10_000)"),
            LogField("schema_version", state.version), LogField("edition", state.edition),
            LogField("means", consequence))
    }
}
