import Bytes
import PostgresSchema

/// The schema as one script, for people whose gateway may not make it: what `PostgresMigrator`
/// would run on an empty database, or on one of a version.
public enum PostgresScript {
    /// - Parameters:
    ///   - schema: one that `PostgresSchema.accepts`.
    ///   - version: what the database has; 0 for nothing.
    public static func text(schema: String, after version: Int = 0) -> String {
        let quoted = PostgresNames.identifier(schema)
        var script = """
            -- Sluice's schema, version \(PostgresMigrator.version). Run it with
            --   psql --set ON_ERROR_STOP=1 --file FILE
            -- as the role that is to own it; 'sluice schema print --help' says more.

            """
        if version == 0 { script += "\nCREATE SCHEMA IF NOT EXISTS \(quoted);\n" }
        for migration in PostgresSchema.migrations where migration.version > version {
            script += transaction(
                PostgresSchema.sql(PostgresSchema.foundation + migration.sql, schema: schema),
                note(migration, quoted), schema)
        }
        for repeatable in PostgresSchema.repeatables {
            let sql = PostgresSchema.sql(repeatable.sql, schema: schema)
            script += transaction(sql, note(repeatable, sql, quoted), schema)
        }
        return script
    }

    /// Whether a schema may have the name.
    public static func accepts(schema: String) -> Bool { PostgresSchema.accepts(schema: schema) }

    private static func transaction(_ sql: String, _ note: String, _ schema: String) -> String {
        "\nBEGIN;\n\(lock(schema));\n\n\(sql)\n\(note);\nCOMMIT;\n"
    }

    /// Held by whoever changes the schema, to the end of the transaction.
    static func lock(_ schema: String) -> String {
        let key = PostgresNames.literal("sluice schema \(schema)")
        return "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(\(key), 0))"
    }

    static func note(_ migration: PostgresSchema.Migration, _ quotedSchema: String) -> String {
        """
        INSERT INTO \(quotedSchema).migration (version, name, oldest_writer)
        VALUES (\(migration.version), \(PostgresNames.literal(migration.name)), \
        \(migration.oldestWriter))
        ON CONFLICT (version) DO NOTHING
        """
    }

    /// - Parameter sql: what it is in this schema.
    static func note(
        _ repeatable: PostgresSchema.Repeatable, _ sql: String, _ quotedSchema: String
    ) -> String {
        """
        INSERT INTO \(quotedSchema).repeatable (name, content_hash, version)
        VALUES (\(PostgresNames.literal(repeatable.name)), '\(hash(sql))', \
        \(PostgresMigrator.version))
        ON CONFLICT (name) DO UPDATE SET content_hash = excluded.content_hash,
          version = excluded.version, applied_at = now(), applied_by = current_user
        """
    }

    /// To notice that a text is another.
    static func hash(_ text: String) -> String { String(FNV1a(text.utf8).value, radix: 16) }
}
