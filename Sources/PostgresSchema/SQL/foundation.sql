-- What migrations build with. Repeatable, and run before each migration too: so a migration finds these
-- functions, whichever version made the database, and may be run again where something was dropped.
--
-- Two schemas: what people and gateways use is in the one, and what only these files use in the other,
-- whose name ends in _internal. Where the role may not make that one, all is in the first.

SET LOCAL check_function_bodies = off;  -- The tables come with the first migration.

DO $$ BEGIN
  IF to_regnamespace('@internal@') IS NULL THEN CREATE SCHEMA @internal@; END IF;
  IF '@internal@' <> '@schema@' AND pg_has_role((SELECT n.nspowner FROM pg_catalog.pg_namespace n
      WHERE n.oid = '@internal@'::regnamespace), 'USAGE') THEN
    COMMENT ON SCHEMA @internal@ IS 'Functions that those of @schema@ are made of. They change with versions.';
    -- They do nothing that their caller may not do.
    GRANT USAGE ON SCHEMA @internal@ TO PUBLIC;
  END IF;
END $$;

-- Settings -------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @internal@.setting_text(key text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT s.value FROM @schema@.setting s WHERE s.key = $1 $$;
CREATE OR REPLACE FUNCTION @internal@.setting_interval(key text) RETURNS interval LANGUAGE sql STABLE
  PARALLEL SAFE AS $$ SELECT s.value::interval FROM @schema@.setting s WHERE s.key = $1 $$;
CREATE OR REPLACE FUNCTION @internal@.setting_int(key text) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT s.value::int FROM @schema@.setting s WHERE s.key = $1 $$;
CREATE OR REPLACE FUNCTION @internal@.setting_bool(key text) RETURNS bool LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT s.value::bool FROM @schema@.setting s WHERE s.key = $1 $$;
CREATE OR REPLACE FUNCTION @schema@.edition() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT s.value FROM @schema@.setting s WHERE s.key = 'edition' $$;

-- Making tables --------------------------------------------------------------------------------------

-- Makes a table, or what it lacks of its columns and its primary key. A column comes back without NOT NULL
-- and without what it had, unless it has a default. Returns whether the table was made.
CREATE OR REPLACE FUNCTION @internal@.create_table(name text, columns text, clause text DEFAULT '')
RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  target text := pg_catalog.format('@schema@.%I', name);
  lacking record;
BEGIN
  IF to_regclass(target) IS NULL THEN
    EXECUTE pg_catalog.format('CREATE TABLE %s (%s) %s', target, columns, clause);
    RETURN true;
  END IF;
  EXECUTE pg_catalog.format('CREATE TEMP TABLE sluice_wanted (%s)', columns);
  FOR lacking IN
    SELECT w.attname, pg_catalog.format_type(w.atttypid, w.atttypmod) AS type, w.attnotnull,
      pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expression, w.attidentity <> '' AS is_identity
    FROM pg_catalog.pg_attribute w
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = w.attrelid AND d.adnum = w.attnum
    WHERE w.attrelid = 'pg_temp.sluice_wanted'::regclass AND w.attnum > 0 AND NOT w.attisdropped
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = target::regclass
        AND a.attname = w.attname AND NOT a.attisdropped)
    ORDER BY w.attnum
  LOOP
    EXECUTE pg_catalog.format('ALTER TABLE %s ADD COLUMN %I %s%s%s', target, lacking.attname, lacking.type,
      CASE WHEN lacking.is_identity THEN ' GENERATED ALWAYS AS IDENTITY'
        ELSE coalesce(' DEFAULT ' || lacking.expression, '') END,
      CASE WHEN lacking.attnotnull AND lacking.expression IS NOT NULL THEN ' NOT NULL' ELSE '' END);
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_index i
      WHERE i.indrelid = target::regclass AND i.indisprimary) THEN
    FOR lacking IN SELECT pg_catalog.pg_get_constraintdef(c.oid) AS definition
      FROM pg_catalog.pg_constraint c WHERE c.conrelid = 'pg_temp.sluice_wanted'::regclass AND c.contype = 'p'
    LOOP
      EXECUTE pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', target, name || '_pkey',
        lacking.definition);
    END LOOP;
  END IF;
  DROP TABLE pg_temp.sluice_wanted;
  RETURN false;
END $$;

-- Makes a table of rows that have a time. The default partition keeps a row whose day has no
-- partition (yet): no lot fails for want of one.
CREATE OR REPLACE FUNCTION @internal@.create_timed_table(name text, columns text, time_column text)
RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  extension_schema text;
  is_new bool := to_regclass(pg_catalog.format('@schema@.%I', name)) IS NULL;
BEGIN
  PERFORM @internal@.create_table(name, columns, CASE WHEN @schema@.edition() = 'native'
    THEN pg_catalog.format('PARTITION BY RANGE (%I)', time_column) ELSE '' END);
  IF @schema@.edition() = 'native' THEN
    EXECUTE pg_catalog.format('CREATE TABLE IF NOT EXISTS @schema@.%I PARTITION OF @schema@.%I DEFAULT',
      name || '_default', name);
    EXECUTE pg_catalog.format('COMMENT ON TABLE @schema@.%I IS %L', name || '_default',
      'Rows of ' || name || ' whose day has no partition; maintain() moves them to one.');
  ELSIF is_new THEN
    SELECT n.nspname INTO extension_schema FROM pg_catalog.pg_extension e
      JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb';
    EXECUTE pg_catalog.format(
      'SELECT %I.create_hypertable(%L::regclass, %L::name, chunk_time_interval => %L::interval,'
      ' create_default_indexes => false)',
      extension_schema, pg_catalog.format('@schema@.%I', name), time_column, '1 day');
  END IF;
  RETURN is_new;
END $$;

-- Rows of tables without a primary key are what they have: for publications of all tables. In timescale
-- that goes for the tables of continuous aggregates too; chunks have what their tables have.
CREATE OR REPLACE FUNCTION @internal@.identify_rows() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  target text;
BEGIN
  FOR target IN SELECT c.oid::regclass::text FROM pg_catalog.pg_class c
    WHERE c.relnamespace = '@schema@'::regnamespace AND c.relkind IN ('r', 'p') AND c.relreplident <> 'f'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
    ORDER BY c.relispartition, c.relname LOOP
    EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', target);
  END LOOP;
  IF @schema@.edition() <> 'timescale' THEN RETURN; END IF;
  FOR target IN SELECT pg_catalog.format('%I.%I', a.materialization_hypertable_schema,
      a.materialization_hypertable_name) FROM timescaledb_information.continuous_aggregates a
    WHERE pg_catalog.format('"%s"', a.view_schema) = '@schema@' LOOP
    EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', target);
  END LOOP;
END $$;

-- A comment for a table or view and, in pairs after it, for columns: name, text, name, text, …
CREATE OR REPLACE FUNCTION @internal@.describe(relation text, about text, VARIADIC columns text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  kind text;
BEGIN
  SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END
    INTO STRICT kind FROM pg_catalog.pg_class c
    WHERE c.oid = pg_catalog.format('@schema@.%I', relation)::regclass;
  EXECUTE pg_catalog.format('COMMENT ON %s @schema@.%I IS %L', kind, relation, about);
  FOR i IN 1 .. pg_catalog.cardinality(columns) BY 2 LOOP
    EXECUTE pg_catalog.format('COMMENT ON COLUMN @schema@.%I.%I IS %L', relation, columns[i],
      columns[i + 1]);
  END LOOP;
END $$;

-- Rollups ---------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @internal@.latency_bucket(duration_ns int8) RETURNS int2 LANGUAGE sql IMMUTABLE
  PARALLEL SAFE AS $$
  SELECT ceil(ln(greatest($1, 1000)::float8 / 1000) * 5.770780163555854)::int2 $$;
CREATE OR REPLACE FUNCTION @internal@.latency_bucket_ns(bucket int) RETURNS float8 LANGUAGE sql IMMUTABLE
  PARALLEL SAFE AS $$ SELECT 1000 * power(2::float8, $1 / 4.0::float8) $$;

-- The bodies of continuous aggregates and of the live part of views, with what cuts time into buckets put
-- in. They keep this text: another one needs a migration. refresh_span_minutes() counts the same.
CREATE OR REPLACE FUNCTION @internal@.rollup_select(rollup text, bucket text, source text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE rollup
    WHEN 'red' THEN 'SELECT ' || bucket || ' AS bucket, service_name,
      coalesce(operation, name) AS operation, kind, status_code, count(*) AS spans,
      sum(coalesce(adjusted_count, 1)) AS calls,
      sum(greatest(duration_ns, 0)::float8 * coalesce(adjusted_count, 1)) AS duration_ns_sum,
      max(duration_ns) AS duration_ns_max FROM ' || source || ' GROUP BY 1, 2, 3, 4, 5'
    WHEN 'red_again' THEN 'SELECT ' || bucket || ' AS bucket, service_name, operation, kind,
      status_code, sum(spans)::int8 AS spans, sum(calls) AS calls,
      sum(duration_ns_sum) AS duration_ns_sum, max(duration_ns_max) AS duration_ns_max
      FROM ' || source || ' GROUP BY 1, 2, 3, 4, 5'
    WHEN 'latency' THEN 'SELECT ' || bucket || ' AS bucket, service_name,
      coalesce(operation, name) AS operation, kind,
      ceil(ln(greatest(duration_ns, 1000)::float8 / 1000) * 5.770780163555854)::int2
        AS latency_bucket,
      sum(coalesce(adjusted_count, 1)) AS calls FROM ' || source || ' GROUP BY 1, 2, 3, 4, 5'
    WHEN 'latency_again' THEN 'SELECT ' || bucket || ' AS bucket, service_name, operation, kind,
      latency_bucket, sum(calls) AS calls FROM ' || source || ' GROUP BY 1, 2, 3, 4, 5'
    WHEN 'log_volume' THEN 'SELECT ' || bucket || ' AS bucket, service_name, severity_number,
      count(*) AS records, sum(coalesce(adjusted_count, 1)) AS adjusted_records
      FROM ' || source || ' GROUP BY 1, 2, 3'
    WHEN 'log_volume_again' THEN 'SELECT ' || bucket || ' AS bucket, service_name,
      severity_number, sum(records)::int8 AS records, sum(adjusted_records) AS adjusted_records
      FROM ' || source || ' GROUP BY 1, 2, 3'
  END $$;
