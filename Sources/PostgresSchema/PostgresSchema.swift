/// The tables, functions and views that the `postgres` exporter keeps in PostgreSQL, as SQL.
///
/// Who applies them: in one transaction each, under an advisory lock on the schema's name and with
/// a `lock_timeout`, first every migration whose version `migration` doesn't have, in order, then
/// every repeatable file whose content hash is not the one in `repeatable`. Where something that
/// these files make was dropped, all of them run again: what is there they leave as it is.
/// Functions that only these files use are in a schema of their own. Two rules keep a
/// rolling upgrade and the way back safe:
/// - A gateway that knows fewer migrations than the database has runs no file at all, and writes
///   only where no migration's `oldest_writer` is above the newest version that it knows.
/// - A release that changes a repeatable file adds a migration, if only an empty one, so that the
///   older release doesn't put its own text back.
public enum PostgresSchema {
    /// A step that runs once in a database. It never rewrites facts.
    public struct Migration: Sendable {
        public let version: Int
        public let name: String
        /// The oldest newest-version that a gateway may have been built with to go on writing once
        /// this is applied: `version` where older gateways would fail or write what is wrong now.
        public let oldestWriter: Int
        /// With `@schema@` and `@internal@` for the schemas; `PostgresSchema.sql(_:schema:)` puts
        /// them in.
        public let sql: String
    }

    /// Functions and views: made anew whenever their text has changed.
    public struct Repeatable: Sendable {
        public let name: String
        public let sql: String
    }

    /// What migrations build with: run before each of them.
    public static let foundation = text(PackageResources.foundation_sql)

    /// Oldest first, numbered from 1 without gaps.
    public static let migrations = [
        migration(1, "tables", PackageResources._001_tables_sql),
        migration(2, "rollups", PackageResources._002_rollups_sql),
        migration(3, "service_latency", PackageResources._003_service_latency_sql),
        migration(4, "untimed_spans", PackageResources._004_untimed_spans_sql),
        migration(5, "internal_schema", PackageResources._005_internal_schema_sql),
        migration(6, "upkeep", PackageResources._006_upkeep_sql),
        migration(7, "id_key", PackageResources._007_id_key_sql),
    ]

    /// In the order in which they build on each other.
    public static let repeatables = [
        Repeatable(name: "foundation", sql: foundation),
        Repeatable(name: "maintenance", sql: text(PackageResources.maintenance_sql)),
        Repeatable(name: "settings", sql: text(PackageResources.settings_sql)),
        Repeatable(name: "views", sql: text(PackageResources.views_sql)),
        Repeatable(name: "functions", sql: text(PackageResources.functions_sql)),
        Repeatable(name: "functions_red", sql: text(PackageResources.functions_red_sql)),
        Repeatable(name: "functions_metrics", sql: text(PackageResources.functions_metrics_sql)),
    ]

    /// A relation or function that the files make, in a database of some editions.
    public struct Part: Sendable {
        public enum Kind: String, Sendable { case table, view, index, function }

        public let kind: Kind
        /// Of a function with the types of its arguments, as `regprocedure` reads it.
        public let name: String
        public let isInternal: Bool
        /// Of a table or view.
        public let columns: [String]
        public let editions: [String]
    }

    /// All parts but those that the upkeep makes. `test_postgres_schema.py` holds it to what a new
    /// database has, and writes it.
    public static let inventory: [Part] = text(PackageResources.inventory_txt)
        .split(separator: "\n").map { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count == 5, let kind = Part.Kind(rawValue: String(fields[1])) else {
                preconditionFailure("BUG: a line of the inventory is not one: \(line)")
            }
            return Part(
                kind: kind, name: String(fields[3]), isInternal: fields[2] == "internal",
                columns: fields[4].split(separator: ",").map(String.init),
                editions: fields[0].split(separator: ",").map(String.init))
        }

    /// The statements for a schema of this name: one string of many, for one transaction.
    ///
    /// The name must be one that `accepts(schema:)`.
    ///
    /// - Parameter internalSchema: the schema of what only these files use; nil for the usual one.
    public static func sql(
        _ sql: String, schema: String, internal internalSchema: String? = nil
    ) -> String {
        precondition(accepts(schema: schema), "a schema's name is checked where it is configured")
        let other = internalSchema ?? Self.internalSchema(of: schema)
        let marks = [
            (Array("@schema@".utf8), Array("\"\(schema)\"".utf8)),
            (Array("@internal@".utf8), Array("\"\(other)\"".utf8)),
        ]
        let source = Array(sql.utf8)
        var written: [UInt8] = []
        written.reserveCapacity(source.count + source.count / 8)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "@"),
                let (mark, name) = marks.first(where: { source[index...].starts(with: $0.0) })
            {
                written += name
                index += mark.count
            } else {
                written.append(source[index])
                index += 1
            }
        }
        return String(decoding: written, as: UTF8.self)
    }

    /// The schema of what only these files use.
    public static func internalSchema(of schema: String) -> String {
        let suffix = "_internal"
        guard schema.utf8.count + suffix.utf8.count > nameBytesMax else { return schema + suffix }
        // PostgreSQL would cut it, maybe to the schema's own name. The length tells two apart
        // whose names begin alike.
        let tail = "_\(schema.utf8.count)\(suffix)"
        return String(schema.prefix(nameBytesMax - tail.utf8.count)) + tail
    }

    /// PostgreSQL's NAMEDATALEN - 1.
    private static let nameBytesMax = 63

    /// Whether a name may stand in the statements, in quotes of both kinds: letters, digits and
    /// underscores, 63 at most, and none of PostgreSQL's own.
    public static func accepts(schema: String) -> Bool {
        guard (1...nameBytesMax).contains(schema.utf8.count), !schema.hasPrefix("pg_"),
            schema != "information_schema", let first = schema.utf8.first
        else { return false }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return !digits.contains(first)
            && schema.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "_") || digits.contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            }
    }

    private static func migration(
        _ version: Int, _ name: String, oldestWriter: Int = 1, _ sql: [UInt8]
    ) -> Migration {
        Migration(version: version, name: name, oldestWriter: oldestWriter, sql: text(sql))
    }

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}
