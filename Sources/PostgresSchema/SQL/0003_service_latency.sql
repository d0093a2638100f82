-- Calls of a service and kind by latency bucket and hour, of all its operations together: quantiles of
-- all services over a day add up a sixth of what latency_1h has. For the functions; there is no
-- view that adds what is live.

DO $$
DECLARE
  ts text;
BEGIN
  IF to_regclass('@schema@.rollup_service_latency_1h') IS NOT NULL THEN
    IF @schema@.edition() = 'timescale' THEN RETURN; END IF;
  ELSE
    DELETE FROM @schema@.mark m WHERE m.name = 'service_latency';
  END IF;
  IF @schema@.edition() = 'timescale' THEN
    SELECT pg_catalog.quote_ident(n.nspname) INTO ts FROM pg_catalog.pg_extension e
      JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb';
    EXECUTE pg_catalog.format('CREATE MATERIALIZED VIEW @schema@.rollup_service_latency_1h '
      'WITH (timescaledb.continuous, timescaledb.materialized_only = true, '
      'timescaledb.create_group_indexes = false, timescaledb.chunk_interval = ''10 days'') AS '
      'SELECT %s.time_bucket(''1 hour'', bucket) AS bucket, service_name, kind, latency_bucket, '
      'sum(calls) AS calls FROM @schema@.latency_1m GROUP BY 1, 2, 3, 4 WITH NO DATA', ts);
    CREATE INDEX ON @schema@.rollup_service_latency_1h (service_name, bucket DESC);
    ALTER MATERIALIZED VIEW @schema@.rollup_service_latency_1h SET (
      timescaledb.enable_columnstore, timescaledb.segmentby = 'service_name',
      timescaledb.orderby = 'bucket DESC');
    PERFORM @internal@.describe('rollup_service_latency_1h',
      'Calls of services by their duration, by the hour: what is materialized.',
      'bucket', 'When the hour begins.', 'service_name', 'As in resource.', 'kind', 'As in span.',
      'latency_bucket', 'k: durations in (2^((k-1)/4), 2^(k/4)] microseconds; 0: up to one.',
      'calls', 'Sum of adjusted counts.');
  ELSE
    PERFORM @internal@.create_table('rollup_service_latency_1h', $columns$
      bucket timestamptz NOT NULL, service_name text NOT NULL, kind int2 NOT NULL,
      latency_buckets int2[] NOT NULL, bucket_calls float8[] NOT NULL,
      PRIMARY KEY (bucket, service_name, kind)
    $columns$);
    CREATE INDEX IF NOT EXISTS rollup_service_latency_1h_service_name_bucket_idx
      ON @schema@.rollup_service_latency_1h (service_name, bucket);
    PERFORM @internal@.describe('rollup_service_latency_1h',
      'Calls of services by their duration, by the hour: up to the mark rollup.',
      'bucket', 'When the hour begins.', 'service_name', 'As in resource.', 'kind', 'As in span.',
      'latency_buckets', 'The buckets that occur.',
      'bucket_calls', 'Sums of adjusted counts, in the same order.');
  END IF;
END $$;

-- It has no hour from before it was made: those are read from latency_1h.
INSERT INTO @schema@.mark (name, at)
  SELECT 'service_latency', CASE
    WHEN NOT EXISTS (SELECT FROM @schema@.span) AND NOT EXISTS (SELECT FROM @schema@.latency_1h)
      THEN '-infinity'
    WHEN @schema@.edition() = 'timescale'
      THEN pg_catalog.date_bin('1 hour', now(), '2000-01-01 00:00+00')
    ELSE (SELECT pg_catalog.date_bin('1 hour', max(m.at), '2000-01-01 00:00+00')
      FROM @schema@.mark m WHERE m.name = 'rollup') END
ON CONFLICT (name) DO NOTHING;
