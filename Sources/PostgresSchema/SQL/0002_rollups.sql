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

-- Service edges, in all editions: a child's minute, its parent's service as client.
SELECT @internal@.create_table(size.name, $columns$
  bucket timestamptz NOT NULL, client text NOT NULL, server text NOT NULL, calls float8 NOT NULL,
  errors float8 NOT NULL, duration_ns_sum float8 NOT NULL, duration_ns_max int8 NOT NULL,
  PRIMARY KEY (bucket, client, server)
$columns$)
FROM (VALUES ('service_edge_1m'), ('service_edge_1h')) AS size (name);
UPDATE @schema@.mark m SET at = '-infinity' WHERE m.name = 'edges'
  AND NOT EXISTS (SELECT FROM @schema@.service_edge_1m);

-- Called spans whose parent was not there (yet).
SELECT @internal@.create_table('edge_orphan', $columns$
  bucket timestamptz NOT NULL, trace_id uuid NOT NULL, parent_span_id int8 NOT NULL,
  service_name text NOT NULL, status_code int2 NOT NULL, duration_ns int8 NOT NULL,
  weight float8 NOT NULL, looked_at timestamptz NOT NULL DEFAULT now()
$columns$);
CREATE INDEX IF NOT EXISTS edge_orphan_bucket ON @schema@.edge_orphan (bucket);
SELECT @internal@.describe('edge_orphan',
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
    FOR size IN SELECT * FROM (VALUES ('_1m', '1 day'), ('_1h', '10 days')) AS s (suffix, chunk) LOOP
      CONTINUE WHEN to_regclass(pg_catalog.format('@schema@.%I', rollup.name || size.suffix)) IS NOT NULL;
      EXECUTE pg_catalog.format('CREATE MATERIALIZED VIEW @schema@.%I', rollup.name || size.suffix)
        || pg_catalog.format(options, size.chunk) || CASE size.suffix
          WHEN '_1m' THEN @internal@.rollup_select(rollup.name,
            pg_catalog.format('%s.time_bucket(''1 minute'', %I)', ts, rollup.time),
            pg_catalog.format('@schema@.%I', rollup.source))
          ELSE @internal@.rollup_select(rollup.name || '_again',
            pg_catalog.format('%s.time_bucket(''1 hour'', bucket)', ts),
            pg_catalog.format('@schema@.%I', rollup.name || '_1m')) END || ' WITH NO DATA';
      -- One index, not one for each column of the group.
      EXECUTE pg_catalog.format('CREATE INDEX ON @schema@.%I (service_name, bucket DESC)',
        rollup.name || size.suffix);
      EXECUTE pg_catalog.format('ALTER MATERIALIZED VIEW @schema@.%I SET ('
        'timescaledb.enable_columnstore, timescaledb.segmentby = ''service_name'', '
        'timescaledb.orderby = ''bucket DESC'')', rollup.name || size.suffix);
      -- Of what was there before it, its policy looks back to a little only.
      INSERT INTO @schema@.refresh_queue (table_name, from_time, to_time, edges_done)
        SELECT rollup.source, now() - interval '14 days', now(), true
        WHERE EXISTS (SELECT FROM @schema@.mark m WHERE m.name = 'rollup');
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
  is_made bool;
BEGIN
  IF @schema@.edition() = 'timescale' THEN RETURN; END IF;
  FOR rollup IN SELECT * FROM (VALUES
      ('red', 'span', 'start_time', 'operation text NOT NULL, kind int2 NOT NULL, status_code int2'
        ' NOT NULL, spans int8 NOT NULL, calls float8 NOT NULL, duration_ns_sum float8 NOT NULL,'
        ' duration_ns_max int8 NOT NULL', 'operation, kind, status_code', 'bucket, service_name,'
        ' operation, kind, status_code, spans, calls, duration_ns_sum, duration_ns_max'),
      ('latency', 'span', 'start_time', 'operation text NOT NULL, kind int2 NOT NULL,'
        ' latency_buckets int2[] NOT NULL, bucket_calls float8[] NOT NULL', 'operation, kind',
        'bucket, service_name, operation, kind, unnest(latency_buckets) AS latency_bucket,'
        ' unnest(bucket_calls) AS calls'),
      ('log_volume', 'log', 'time', 'severity_number int2 NOT NULL, records int8 NOT NULL,'
        ' adjusted_records float8 NOT NULL', 'severity_number',
        'bucket, service_name, severity_number, records, adjusted_records')
    ) AS r (name, source, time, columns, key, shown)
  LOOP
    is_made := @internal@.create_timed_table('rollup_' || rollup.name || '_1m',
      'bucket timestamptz NOT NULL, service_name text NOT NULL, ' || rollup.columns, 'bucket');
    EXECUTE pg_catalog.format('CREATE INDEX IF NOT EXISTS %I ON @schema@.%I (service_name, bucket)',
      'rollup_' || rollup.name || '_1m_service_name_bucket_idx', 'rollup_' || rollup.name || '_1m');
    EXECUTE pg_catalog.format('CREATE INDEX IF NOT EXISTS %I ON @schema@.%I USING brin (bucket) '
      'WITH (pages_per_range = 32, autosummarize = on)', 'rollup_' || rollup.name || '_1m_bucket_idx',
      'rollup_' || rollup.name || '_1m');
    INSERT INTO @schema@.timed_table (name, time_column, retention)
      VALUES ('rollup_' || rollup.name || '_1m', 'bucket', 'retain_rollup_minute')
      ON CONFLICT (name) DO NOTHING;
    is_made := @internal@.create_table('rollup_' || rollup.name || '_1h', pg_catalog.format(
      'bucket timestamptz NOT NULL, service_name text NOT NULL, %s, '
      'PRIMARY KEY (bucket, service_name, %s)', rollup.columns, rollup.key)) OR is_made;
    EXECUTE pg_catalog.format('CREATE INDEX IF NOT EXISTS %I ON @schema@.%I (service_name, bucket)',
      'rollup_' || rollup.name || '_1h_service_name_bucket_idx', 'rollup_' || rollup.name || '_1h');
    IF is_made THEN  -- All is counted again; in a new database there is no mark.
      UPDATE @schema@.mark m SET at = '-infinity' WHERE m.name = 'rollup';
    END IF;
    IF to_regclass(pg_catalog.format('@schema@.%I', rollup.name || '_1m')) IS NULL THEN
      EXECUTE pg_catalog.format(
        'CREATE VIEW @schema@.%I AS SELECT %s FROM @schema@.%I WHERE bucket < %s UNION ALL ',
        rollup.name || '_1m', rollup.shown, 'rollup_' || rollup.name || '_1m', mark)
        || @internal@.rollup_select(rollup.name, pg_catalog.format(minute, rollup.time),
          pg_catalog.format('@schema@.%I WHERE %I >= %s', rollup.source, rollup.time, mark));
    END IF;
    IF to_regclass(pg_catalog.format('@schema@.%I', rollup.name || '_1h')) IS NULL THEN
      EXECUTE pg_catalog.format(
        'CREATE VIEW @schema@.%I AS SELECT %s FROM @schema@.%I WHERE bucket < %s UNION ALL ',
        rollup.name || '_1h', rollup.shown, 'rollup_' || rollup.name || '_1h',
        pg_catalog.replace(hour, 'bucket', mark))
        || @internal@.rollup_select(rollup.name || '_again', hour,
          pg_catalog.format('@schema@.%I WHERE bucket >= %s', rollup.name || '_1m',
            pg_catalog.replace(hour, 'bucket', mark)));
    END IF;
  END LOOP;
END $$;

-- No fact is older than its refresh_window unless its writer queued its time.
INSERT INTO @schema@.mark (name, at)
  SELECT m.name, pg_catalog.date_bin('1 hour', now() - interval '1 hour', '2000-01-01 00:00+00')
  FROM (VALUES ('rollup'), ('edges')) AS m (name)
ON CONFLICT (name) DO NOTHING;

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
        PERFORM @internal@.describe(relation, CASE WHEN relation LIKE 'rollup%'
            THEN 'What is stored of ' || rollup.name || size.suffix || ': up to the mark rollup.'
            ELSE rollup.about || size.text END,
          'bucket', 'When the minute or hour begins.', 'service_name', 'As in resource.');
        IF rollup.name IN ('red', 'latency') THEN
          PERFORM @internal@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'operation', 'Name of the spans, or other where the service has too many.',
            'kind', 'As in span.');
        END IF;
        IF rollup.name = 'red' THEN
          PERFORM @internal@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'calls', 'Sum of adjusted counts.', 'status_code', 'As in span: 2 is an error.', 'spans', 'Number of spans stored.',
            'duration_ns_sum', 'Sum of durations, each times its adjusted count, in nanoseconds.',
            'duration_ns_max', 'Longest duration in nanoseconds.');
        ELSIF relation LIKE 'rollup\_latency%' THEN
          PERFORM @internal@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'latency_buckets', 'The buckets that occur; in latency' || size.suffix || ' a row each.',
            'bucket_calls', 'Sums of adjusted counts, in the same order.');
        ELSIF rollup.name = 'latency' THEN
          PERFORM @internal@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'calls', 'Sum of adjusted counts.', 'latency_bucket', 'k: durations in (2^((k-1)/4), 2^(k/4)] microseconds; 0: up to one.');
        ELSE
          PERFORM @internal@.describe(relation, pg_catalog.obj_description(
              pg_catalog.format('@schema@.%I', relation)::regclass, 'pg_class'),
            'severity_number', 'As in log.', 'records', 'Number of records stored.',
            'adjusted_records', 'Sum of adjusted counts.');
        END IF;
      END LOOP;
    END LOOP;
  END LOOP;
  FOR size IN SELECT * FROM (VALUES ('_1m', 'minute'), ('_1h', 'hour')) AS s (suffix, text) LOOP
    PERFORM @internal@.describe('service_edge' || size.suffix,
      'Calls from one service to another, by the ' || size.text || '.',
      'bucket', 'When the ' || size.text || ' begins in which the called spans began.',
      'client', 'Service of the parent spans.', 'server', 'Service of the called spans.',
      'calls', 'Sum of adjusted counts.', 'errors', 'The same of calls with status 2.',
      'duration_ns_sum', 'Sum of durations of the called spans, times adjusted counts, nanoseconds.',
      'duration_ns_max', 'Longest duration of a called span, nanoseconds.');
  END LOOP;
END $$;
