import PostgresSchema

/// What this version's schema consists of, to find what was dropped.
struct SchemaInventory {
    /// An array of objects for `query`.
    let json: String

    /// - Parameter edition: the database's; of another nothing is known.
    init(edition: String) {
        json =
            "["
            + PostgresSchema.inventory.filter { $0.editions.contains(edition) }.map { part in
                let columns = part.columns.map { "\"\($0)\"" }.joined(separator: ",")
                return """
                    {"kind":"\(part.kind.rawValue)","name":"\(part.name)",\
                    "internal":\(part.isInternal),"columns":[\(columns)]}
                    """
            }.joined(separator: ",") + "]"
    }

    /// $1: the inventory. $2, $3: the names of the schemas.
    static let query = """
        WITH wanted AS (
          SELECT w.kind, w.name, w.columns, pg_catalog.format('%I.', CASE WHEN w.internal THEN $3
            ELSE $2 END) || CASE w.kind WHEN 'function' THEN w.name
            ELSE pg_catalog.quote_ident(w.name) END AS full_name
          FROM pg_catalog.jsonb_to_recordset($1::jsonb)
            AS w (kind text, name text, internal bool, columns text[])),
        relations AS MATERIALIZED (
          SELECT w.name, w.columns, CASE WHEN w.kind <> 'function'
            THEN pg_catalog.to_regclass(w.full_name) END AS relation
          FROM wanted w)
        SELECT w.kind || ' ' || w.name FROM wanted w
        WHERE CASE w.kind WHEN 'function' THEN pg_catalog.to_regprocedure(w.full_name) IS NULL
          ELSE pg_catalog.to_regclass(w.full_name) IS NULL END
        UNION ALL
        SELECT 'column ' || r.name || '.' || c.name
        FROM relations r, unnest(r.columns) AS c (name)
        WHERE r.relation IS NOT NULL AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.relation
            AND a.attname = c.name AND NOT a.attisdropped)
        """
}
