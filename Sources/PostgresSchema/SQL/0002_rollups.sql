-- Rollups: what a dashboard over a day or a month reads in place of the facts.
--
-- All count adjusted: a span that stands for ten counts ten. `red_…` and `latency_…` are additive
-- in all columns but the maximum, so any coarser grouping of them is exact. A bucket begins at its
-- time, in UTC.
--
-- Editions: in timescale red_1m, red_1h, latency_1m, latency_1h, log_volume_1m and log_volume_1h are
-- continuous aggregates that include what is not materialized yet. Otherwise they are views of the
-- same columns over rollup_… tables, kept by maintain(), and the facts behind the mark 'rollup'.
--
-- Latency buckets, four an octave: bucket k holds durations in (1 µs × 2^((k-1)/4), 1 µs × 2^(k/4)],
-- bucket 0 all up to 1 µs. latency_… have a row for each bucket that occurs; rollup_latency_… store those
-- of a group as two arrays, which takes a sixth of the room. A continuous aggregate can't, and is small
-- once it is in the columnstore.

CREATE FUNCTION @schema@.latency_bucket(duration_ns int8) RETURNS int2 LANGUAGE sql IMMUTABLE
  PARALLEL SAFE AS $$
  SELECT ceil(ln(greatest($1, 1000)::float8 / 1000) * 5.770780163555854)::int2 $$;
CREATE FUNCTION @schema@.latency_bucket_ns(bucket int) RETURNS float8 LANGUAGE sql IMMUTABLE
  PARALLEL SAFE AS $$ SELECT 1000 * power(2::float8, $1 / 4.0::float8) $$;

-- The bodies of continuous aggregates and of the live part of views, with what cuts time into buckets put
-- in. They keep this text: another one needs a migration. refresh_span_minutes() counts the same.
CREATE FUNCTION @schema@.rollup_select(rollup text, bucket text, source text)
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

-- Service edges, in all editions: a child's minute, its parent's service as client.
CREATE TABLE @schema@.service_edge_1m (
  bucket timestamptz NOT NULL, client text NOT NULL, server text NOT NULL, calls float8 NOT NULL,
  errors float8 NOT NULL, duration_ns_sum float8 NOT NULL, duration_ns_max int8 NOT NULL,
  PRIMARY KEY (bucket, client, server));
CREATE TABLE @schema@.service_edge_1h (LIKE @schema@.service_edge_1m INCLUDING ALL);

-- Called spans whose parent was not there (yet).
CREATE TABLE @schema@.edge_orphan (
  bucket timestamptz NOT NULL, trace_id uuid NOT NULL, parent_span_id int8 NOT NULL,
  service_name text NOT NULL, status_code int2 NOT NULL, duration_ns int8 NOT NULL,
  weight float8 NOT NULL, looked_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX edge_orphan_bucket ON @schema@.edge_orphan (bucket);
SELECT @schema@.describe('edge_orphan',
  'Spans whose parent was not there when edges were counted: it is looked for again an hour later.',
  'bucket', 'The minute they began in.', 'trace_id', 'As in span.', 'parent_span_id', 'As in span.',
  'service_name', 'As in span.', 'status_code', 'As in span.', 'duration_ns', 'As in span.',
  'weight', 'Adjusted count.', 'looked_at', 'When the parent was not there.');

-- Continuous aggregates ----------------------------------------------------------------------------

DO $$
DECLARE
  ts text;
  rollup record;
  options text := ' WITH (timescaledb.continuous, timescaledb.materialized_only = false,'
    ' timescaledb.create_group_indexes = false, timescaledb.chunk_interval = %L) AS ';
  size record;
BEGIN
  IF @schema@.edition() <> 'timescale' THEN RETURN; END IF;
  -- A chunk goes to the columnstore as a whole: minutes are many, so theirs are of a day.
  SELECT pg_catalog.quote_ident(n.nspname) INTO ts FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb';
  FOR rollup IN SELECT * FROM (VALUES ('red', 'span', 'start_time'),
      ('latency', 'span', 'start_time'), ('log_volume', 'log', 'time')) AS r (name, source, time)
  LOOP
    EXECUTE pg_catalog.format('CREATE MATERIALIZED VIEW @schema@.%I', rollup.name || '_1m')
      || pg_catalog.format(options, '1 day') || @schema@.rollup_select(rollup.name,
        pg_catalog.format('%s.time_bucket(''1 minute'', %I)', ts, rollup.time),
        pg_catalog.format('@schema@.%I', rollup.source)) || ' WITH NO DATA';
    EXECUTE pg_catalog.format('CREATE MATERIALIZED VIEW @schema@.%I', rollup.name || '_1h')
      || pg_catalog.format(options, '10 days') || @schema@.rollup_select(rollup.name || '_again',
        pg_catalog.format('%s.time_bucket(''1 hour'', bucket)', ts),
        pg_catalog.format('@schema@.%I', rollup.name || '_1m')) || ' WITH NO DATA';
    -- One index each, not one for each column of the group.
    FOR size IN SELECT * FROM (VALUES ('_1m'), ('_1h')) AS s (suffix) LOOP
      EXECUTE pg_catalog.format('CREATE INDEX ON @schema@.%I (service_name, bucket DESC)',
        rollup.name || size.suffix);
      EXECUTE pg_catalog.format('ALTER MATERIALIZED VIEW @schema@.%I SET ('
        'timescaledb.enable_columnstore, timescaledb.segmentby = ''service_name'', '
        'timescaledb.orderby = ''bucket DESC'')', rollup.name || size.suffix);
    END LOOP;
  END LOOP;
END $$;

-- Tables and views of the same names and columns ---------------------------------------------------

DO $$
DECLARE
  ts text;
  minute text := 'pg_catalog.date_bin(''1 minute'', %I, ''2000-01-01 00:00+00'')';
  hour text := 'pg_catalog.date_bin(''1 hour'', bucket, ''2000-01-01 00:00+00'')';
  -- As if before all data where there is no mark: then all is read from the facts.
  mark text := '(SELECT coalesce(max(m.at), ''-infinity'') FROM @schema@.mark m'
    ' WHERE m.name = ''rollup'')';
  rollup record;
BEGIN
  IF @schema@.edition() = 'timescale' THEN RETURN; END IF;
  FOR rollup IN SELECT * FROM (VALUES
      ('red', 'span', 'start_time', 'operation text NOT NULL, kind int2 NOT NULL, status_code int2'
        ' NOT NULL, spans int8 NOT NULL, calls float8 NOT NULL, duration_ns_sum float8 NOT NULL,'
        ' duration_ns_max int8 NOT NULL', 'operation, kind, status_code', '*'),
      ('latency', 'span', 'start_time', 'operation text NOT NULL, kind int2 NOT NULL,'
        ' latency_buckets int2[] NOT NULL, bucket_calls float8[] NOT NULL', 'operation, kind',
        'bucket, service_name, operation, kind, unnest(latency_buckets) AS latency_bucket,'
        ' unnest(bucket_calls) AS calls'),
      ('log_volume', 'log', 'time', 'severity_number int2 NOT NULL, records int8 NOT NULL,'
        ' adjusted_records float8 NOT NULL', 'severity_number', '*')
    ) AS r (name, source, time, columns, key, shown)
  LOOP
    PERFORM @schema@.create_timed_table('rollup_' || rollup.name || '_1m',
      'bucket timestamptz NOT NULL, service_name text NOT NULL, ' || rollup.columns, 'bucket');
    EXECUTE pg_catalog.format('CREATE INDEX ON @schema@.%I (service_name, bucket)',
      'rollup_' || rollup.name || '_1m');
    EXECUTE pg_catalog.format('CREATE INDEX ON @schema@.%I USING brin (bucket) '
      'WITH (pages_per_range = 32, autosummarize = on)', 'rollup_' || rollup.name || '_1m');
    INSERT INTO @schema@.timed_table (name, time_column, retention)
      VALUES ('rollup_' || rollup.name || '_1m', 'bucket', 'retain_rollup_minute');
    EXECUTE pg_catalog.format('CREATE TABLE @schema@.%I (bucket timestamptz NOT NULL, '
      'service_name text NOT NULL, %s, PRIMARY KEY (bucket, service_name, %s))',
      'rollup_' || rollup.name || '_1h', rollup.columns, rollup.key);
    EXECUTE pg_catalog.format('CREATE INDEX ON @schema@.%I (service_name, bucket)',
      'rollup_' || rollup.name || '_1h');
    EXECUTE pg_catalog.format(
      'CREATE VIEW @schema@.%I AS SELECT %s FROM @schema@.%I WHERE bucket < %s UNION ALL ',
      rollup.name || '_1m', rollup.shown, 'rollup_' || rollup.name || '_1m', mark)
      || @schema@.rollup_select(rollup.name, pg_catalog.format(minute, rollup.time),
        pg_catalog.format('@schema@.%I WHERE %I >= %s', rollup.source, rollup.time, mark));
    EXECUTE pg_catalog.format(
      'CREATE VIEW @schema@.%I AS SELECT %s FROM @schema@.%I WHERE bucket < %s UNION ALL ',
      rollup.name || '_1h', rollup.shown, 'rollup_' || rollup.name || '_1h',
      pg_catalog.replace(hour, 'bucket', mark))
      || @schema@.rollup_select(rollup.name || '_again', hour,
        pg_catalog.format('@schema@.%I WHERE bucket >= %s', rollup.name || '_1m',
          pg_catalog.replace(hour, 'bucket', mark)));
  END LOOP;
END $$;

-- No fact is older than its refresh_window unless its writer queued its time.
INSERT INTO @schema@.mark (name, at)
  SELECT m.name, pg_catalog.date_bin('1 hour', now() - interval '1 hour', '2000-01-01 00:00+00')
  FROM (VALUES ('rollup'), ('edges')) AS m (name);

-- What everything is -------------------------------------------------------------------------------

DO $$
DECLARE
  rollup record;
  size record;
  relation text;
BEGIN
  FOR rollup IN SELECT * FROM (VALUES ('red', 'Rate, errors and duration of operations'),
      ('latency', 'Calls by their duration'), ('log_volume', 'Number of log records'))
      AS r (name, about) LOOP
    FOR size IN SELECT * FROM (VALUES ('_1m', ', by the minute.'), ('_1h', ', by the hour.'))
        AS s (suffix, text) LOOP
      FOREACH relation IN ARRAY ARRAY[rollup.name || size.suffix,
          'rollup_' || rollup.name || size.suffix] LOOP
        CONTINUE WHEN to_regclass(pg_catalog.format('@schema@.%I', relation)) IS NULL;
        PERFORM @schema@.describe(relation, CASE WHEN relation LIKE 'rollup%'
            THEN 'What is stored of ' || rollup.name || size.suffix || ': up to the mark rollup.'
            ELSE rollup.about || size.text END,
          'bucket', 'When the minute or hour begins.', 'service_name', 'As in resource.');
        IF rollup.name IN ('red', 'latency') THEN
          PERFORM @schema@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'operation', 'Name of the spans, or other where the service has too many.',
            'kind', 'As in span.');
        END IF;
        IF rollup.name = 'red' THEN
          PERFORM @schema@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'calls', 'Sum of adjusted counts.', 'status_code', 'As in span: 2 is an error.', 'spans', 'Number of spans stored.',
            'duration_ns_sum', 'Sum of durations, each times its adjusted count, in nanoseconds.',
            'duration_ns_max', 'Longest duration in nanoseconds.');
        ELSIF relation LIKE 'rollup\_latency%' THEN
          PERFORM @schema@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'latency_buckets', 'The buckets that occur; in latency' || size.suffix || ' a row each.',
            'bucket_calls', 'Sums of adjusted counts, in the same order.');
        ELSIF rollup.name = 'latency' THEN
          PERFORM @schema@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'calls', 'Sum of adjusted counts.', 'latency_bucket', 'k: durations in (2^((k-1)/4), 2^(k/4)] microseconds; 0: up to one.');
        ELSE
          PERFORM @schema@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'severity_number', 'As in log.', 'records', 'Number of records stored.',
            'adjusted_records', 'Sum of adjusted counts.');
        END IF;
      END LOOP;
    END LOOP;
  END LOOP;
  FOR size IN SELECT * FROM (VALUES ('_1m', 'minute'), ('_1h', 'hour')) AS s (suffix, text) LOOP
    PERFORM @schema@.describe('service_edge' || size.suffix,
      'Calls from one service to another, by the ' || size.text || '.',
      'bucket', 'When the ' || size.text || ' begins in which the called spans began.',
      'client', 'Service of the parent spans.', 'server', 'Service of the called spans.',
      'calls', 'Sum of adjusted counts.', 'errors', 'The same of calls with status 2.',
      'duration_ns_sum', 'Sum of durations of the called spans, times adjusted counts, nanoseconds.',
      'duration_ns_max', 'Longest duration of a called span, nanoseconds.');
  END LOOP;
END $$;
