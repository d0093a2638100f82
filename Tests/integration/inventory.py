"""What the schema's files make in a database, as the lines of Sources/PostgresSchema/SQL/inventory.txt.

    editions  kind  schema  name  columns

with tabs between them. SLUICE_UPDATE_INVENTORY=1 has the test write the file, where all editions can be had.
"""

import collections

from postgres import EDITIONS, SQL

FILE = SQL / "inventory.txt"
QUERY = r"""
WITH schemas AS (
  SELECT oid, CASE nspname WHEN 'otel' THEN 'public' ELSE 'internal' END AS schema FROM pg_namespace
  WHERE nspname IN ('otel', 'otel_internal'))
SELECT CASE WHEN c.relkind IN ('r', 'p') THEN 'table' ELSE 'view' END, s.schema, c.relname::text,
  (SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v') AND c.relname !~ '_\d{8}$'
UNION ALL
SELECT 'index', s.schema, c.relname::text, NULL FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
WHERE c.relkind IN ('i', 'I') AND c.relname !~ '_\d{8}_|_default_'
UNION ALL
SELECT 'function', s.schema, p.proname || '(' || oidvectortypes(p.proargtypes) || ')', NULL
FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
"""


def written():
    """{edition: {(kind, schema, name, columns)}}"""
    parts = {edition: set() for edition in EDITIONS}
    for line in FILE.read_text().splitlines():
        editions, *part = line.split("\t")
        for edition in editions.split(","):
            parts[edition].add(tuple(part))
    return parts


def found(database):
    return {(kind, schema, name, columns or "") for kind, schema, name, columns in database.execute(QUERY)}


def write(parts):
    editions = collections.defaultdict(list)
    for edition in EDITIONS:
        for part in parts[edition]:
            editions[part].append(edition)
    lines = sorted("\t".join([",".join(editions[part]), *part]) for part in editions)
    FILE.write_text("".join(line + "\n" for line in lines))
