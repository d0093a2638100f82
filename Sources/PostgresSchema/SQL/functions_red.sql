-- Rates, errors, durations, dependencies and volumes. Repeatable, after functions.sql.

-- Rates, errors and durations ---------------------------------------------------------------------
--
-- From the rollups, and from the facts since their mark. Whole hours come from the rollups of hours,
-- whole minutes beside them from those of minutes, and what is left at both ends from the facts, so
-- that a window is counted to the microsecond. Where the facts of an end are gone, it is widened to
-- a whole minute, or to a whole hour where minutes are gone too; rates are per second of what was
-- counted, and of what has passed.
--
-- Not from the views red_1h and so on: what they compare with the mark is unknown when a query is
-- planned, and plans that expect a hundredth of the rows take ten times as long.

-- What is rolled up, without what is live: in timescale the tables behind the continuous
-- aggregates, which would look up their watermark for each live row; elsewhere the rollup_… tables.
-- A migration that makes an aggregate anew has to drop these first, and have this file run again.
DO $$
DECLARE
  rollup text;
  source text;
BEGIN
  FOREACH rollup IN ARRAY ARRAY['red_1m', 'red_1h', 'latency_1m', 'latency_1h',
      'service_latency_1h', 'log_volume_1m', 'log_volume_1h'] LOOP
    source := pg_catalog.format('@schema@.%I', 'rollup_' || rollup);
    IF @schema@.edition() = 'timescale' THEN
      SELECT pg_catalog.format('%I.%I', materialization_hypertable_schema,
        materialization_hypertable_name) INTO STRICT source
      FROM timescaledb_information.continuous_aggregates
      WHERE pg_catalog.format('"%s"', view_schema) = '@schema@'
        AND view_name IN (rollup, 'rollup_' || rollup);
    END IF;
    EXECUTE pg_catalog.format('CREATE OR REPLACE VIEW @schema@.%I AS SELECT %s FROM %s',
      'rolled_' || rollup, CASE
        WHEN rollup LIKE 'red%' THEN 'bucket, service_name, operation, kind, status_code, spans, '
          'calls, duration_ns_sum, duration_ns_max, ' || CASE WHEN @schema@.edition() = 'timescale'
            THEN 'calls' ELSE 'coalesce(timed_calls, calls)' END || ' AS timed_calls'
        WHEN @schema@.edition() = 'timescale' OR rollup NOT LIKE '%latency%' THEN '*'
        ELSE pg_catalog.format('bucket, service_name, %skind, pg_catalog.unnest(latency_buckets) AS'
          ' latency_bucket, pg_catalog.unnest(bucket_calls) AS calls',
          CASE WHEN rollup LIKE 'latency%' THEN 'operation, ' END) END, source);
    IF rollup LIKE 'service%' THEN
      PERFORM @internal@.describe('rolled_' || rollup,
        'For the functions: calls of services by their duration, by the hour.',
        'bucket', 'When the hour begins.', 'service_name', 'As in resource.', 'kind', 'As in span.',
        'latency_bucket', 'As in latency_1h.', 'calls', 'Sum of adjusted counts.');
      CONTINUE;
    END IF;
    -- The columns are described as those of the view that people query.
    PERFORM @internal@.describe('rolled_' || rollup,
      'For the functions: ' || rollup || ' without what is live. Query ' || rollup || ' instead.',
      VARIADIC (SELECT pg_catalog.array_agg(each.text ORDER BY a.attnum, each.place)
        FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL pg_catalog.unnest(ARRAY[a.attname::text,
          pg_catalog.col_description(a.attrelid, a.attnum)]) WITH ORDINALITY AS each (text, place)
        WHERE a.attrelid = pg_catalog.format('@schema@.%I', rollup)::regclass AND a.attnum > 0));
    IF rollup LIKE 'red%' THEN
      EXECUTE pg_catalog.format('COMMENT ON COLUMN @schema@.%I.timed_calls IS %L', 'rolled_' || rollup,
        'Sum of adjusted counts of spans that have a duration: what a mean is of.');
    END IF;
  END LOOP;
END $$;

-- What versions before had in place of what follows.
DROP FUNCTION IF EXISTS @internal@.rolled_until();
DROP FUNCTION IF EXISTS @internal@.window_parts(timestamptz, timestamptz, interval);
DROP FUNCTION IF EXISTS @internal@.latency_rows(
  timestamptz, timestamptz, timestamptz, timestamptz, timestamptz);
DROP FUNCTION IF EXISTS @internal@.latency_rows(timestamptz, timestamptz, timestamptz, timestamptz,
  timestamptz, timestamptz, timestamptz);
DROP FUNCTION IF EXISTS @internal@.red_rows(
  timestamptz, timestamptz, timestamptz, timestamptz, timestamptz);
DROP FUNCTION IF EXISTS @internal@.window_parts(timestamptz, timestamptz, interval, text);

CREATE OR REPLACE FUNCTION @internal@.rolled_until(
  kept_by text, OUT minutes timestamptz, OUT hours timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  IF kept_by = 'rollup' AND @schema@.edition() = 'timescale' THEN
    SELECT min(c.watermark) FILTER (WHERE c.name LIKE '%\_1m'),
      min(c.watermark) FILTER (WHERE c.name LIKE '%\_1h') INTO minutes, hours
    FROM (SELECT user_view_name AS name, coalesce(_timescaledb_functions.to_timestamp(
        _timescaledb_functions.cagg_watermark(mat_hypertable_id)), '-infinity') AS watermark
      FROM _timescaledb_catalog.continuous_agg
      WHERE format('"%s"', user_view_schema) = '@schema@'
        AND user_view_name ~ '^(red|latency|log_volume)_1[mh]$') c;
  ELSE
    SELECT max(m.at), max(m.at) INTO minutes, hours FROM @schema@.mark m WHERE m.name = kept_by;
  END IF;
  minutes := coalesce(minutes, '-infinity');
  hours := coalesce(hours, '-infinity');
END $$;
COMMENT ON FUNCTION @internal@.rolled_until(text) IS
  'Up to when all rollups of minutes and of hours have the facts; of a mark, rollup or edges.';

-- In timescale its job may come after that of latency_1h.
CREATE OR REPLACE FUNCTION @internal@.service_hours(OUT since timestamptz, OUT until timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  SELECT max(m.at) INTO since FROM @schema@.mark m WHERE m.name = 'service_latency';
  IF @schema@.edition() = 'timescale' THEN
    SELECT _timescaledb_functions.to_timestamp(
      _timescaledb_functions.cagg_watermark(c.mat_hypertable_id)) INTO until
    FROM _timescaledb_catalog.continuous_agg c
    WHERE format('"%s"', c.user_view_schema) = '@schema@'
      AND c.user_view_name = 'rollup_service_latency_1h';
  ELSE
    SELECT @schema@.bin('1 hour', max(m.at)) INTO until FROM @schema@.mark m WHERE m.name = 'rollup';
  END IF;
  since := coalesce(since, 'infinity');
  until := greatest(since, until);
END $$;
COMMENT ON FUNCTION @internal@.service_hours() IS
  'Of which hours there are latencies of services, all operations together.';

CREATE OR REPLACE FUNCTION @schema@.bin(step interval, at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin(step, at, timestamptz '2000-01-01 00:00+00');
COMMENT ON FUNCTION @schema@.bin(interval, timestamptz) IS
  'Where the step of a time begins; steps count from 2000-01-01 UTC.';

CREATE OR REPLACE FUNCTION @schema@.bin_end(step interval, at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin(step, at + step - interval '1 microsecond', timestamptz '2000-01-01 00:00+00');
COMMENT ON FUNCTION @schema@.bin_end(interval, timestamptz) IS
  'The first beginning of a step that is not before a time.';

CREATE OR REPLACE FUNCTION @internal@.minutes_kept_from() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kept = interval '0' THEN '-infinity'::timestamptz
    ELSE @schema@.bin_end('1 hour', now() - kept) END
  FROM @internal@.setting_interval('retain_rollup_minute') AS kept
$$;
COMMENT ON FUNCTION @internal@.minutes_kept_from() IS
  'From when on the rollups of minutes are all there; before that, those of hours are.';

-- A window's parts:
--   facts    [starts, minutes_from)
--   minutes  [minutes_from, hours_from) and [hours_until, live_from)
--   hours    [hours_from, hours_until)
--   facts    [live_from, ends)
-- `starts` and `ends` are since and until, unless the facts there are gone. `seconds`: how much of the
-- window has passed; NULL where nothing has. `step`: what the parts must not be longer than; NULL for
-- the window as a whole. Where only hours are kept, before `coarse_until`, steps are whole hours
-- (`coarse_step`). `kept_by`: the mark of what is read; `facts`: the setting that says how long the
-- facts are kept.
CREATE OR REPLACE FUNCTION @internal@.window_parts(
  since timestamptz, until timestamptz, step interval DEFAULT NULL, kept_by text DEFAULT 'rollup',
  facts text DEFAULT 'retain_span',
  OUT starts timestamptz, OUT minutes_from timestamptz, OUT hours_from timestamptz,
  OUT hours_until timestamptz, OUT live_from timestamptz, OUT ends timestamptz,
  OUT coarse_until timestamptz, OUT coarse_step interval, OUT seconds float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  kept timestamptz := @internal@.minutes_kept_from();
  facts_from timestamptz := @internal@.retained_from(facts, now());
  rolled record := @internal@.rolled_until(kept_by);
  step_seconds numeric := extract(epoch FROM step);
  grain interval := CASE WHEN since < kept THEN interval '1 hour' ELSE interval '1 minute' END;
BEGIN
  starts := since;
  ends := greatest(since, until);
  coarse_until := '-infinity';
  coarse_step := greatest(ceil(step_seconds / 3600), 1) * interval '1 hour';
  minutes_from := @schema@.bin_end(grain, starts);
  IF minutes_from > starts AND starts < facts_from AND coalesce(step_seconds % 60, 0) = 0 THEN
    starts := @schema@.bin(grain, starts);
    minutes_from := starts;
  END IF;
  grain := CASE WHEN ends < kept THEN interval '1 hour' ELSE interval '1 minute' END;
  live_from := @schema@.bin(grain, ends);
  IF live_from < ends AND live_from < facts_from THEN
    ends := @schema@.bin_end(grain, ends);
    live_from := ends;
  END IF;
  IF step_seconds % 60 <> 0 OR minutes_from > live_from THEN  -- Only the facts can tell.
    minutes_from := starts;
    live_from := starts;
    hours_from := starts;
    hours_until := starts;
  ELSE
    live_from := greatest(minutes_from, least(live_from, rolled.minutes));
    IF step_seconds % 3600 <> 0 THEN
      hours_from := minutes_from;
      hours_until := greatest(hours_from, least(kept, live_from));
      IF hours_until > hours_from THEN coarse_until := hours_until; END IF;
    ELSE
      hours_from := @schema@.bin_end('1 hour', minutes_from);
      hours_until := greatest(hours_from, @schema@.bin('1 hour', least(live_from, rolled.hours)));
    END IF;
  END IF;
  seconds := CASE WHEN isfinite(starts) AND isfinite(ends) AND starts < least(ends, now())
    THEN date_part('epoch', least(ends, now()) - starts) END;
END $$;
COMMENT ON FUNCTION @internal@.window_parts(timestamptz, timestamptz, interval, text, text) IS
  'Which parts of a window are read from the rollups of hours, of minutes, and from the facts.';

CREATE OR REPLACE FUNCTION @internal@.step_of(
  at timestamptz, step interval, coarse_until timestamptz, coarse_step interval)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN at < coarse_until THEN @schema@.bin(coarse_step, at)
  ELSE greatest(@schema@.bin(step, at), coarse_until) END;
COMMENT ON FUNCTION @internal@.step_of(timestamptz, interval, timestamptz, interval) IS
  'The step that a time is in, of a window that window_parts has looked at.';

CREATE OR REPLACE FUNCTION @internal@.step_seconds(
  begins timestamptz, step interval, starts timestamptz, ends timestamptz,
  coarse_until timestamptz, coarse_step interval)
RETURNS float8 LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT nullif(greatest(date_part('epoch', least(ends, s.step_end,
      CASE WHEN begins < now() THEN now() END) - greatest(begins, starts)), 0), 0)
  FROM (SELECT CASE WHEN begins < coarse_until THEN least(begins + coarse_step, coarse_until)
    ELSE @schema@.bin(step, begins) + step END AS step_end) AS s
$$;
COMMENT ON FUNCTION @internal@.step_seconds(
  timestamptz, interval, timestamptz, timestamptz, timestamptz, interval) IS
  'How many seconds of a step are in the window and have passed.';

CREATE OR REPLACE FUNCTION @internal@.kind_numbers(kinds text[]) RETURNS int2[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT array_position(
  '{unspecified,internal,server,client,producer,consumer}', k)::int2 - 1 FROM unnest(kinds) k);
COMMENT ON FUNCTION @internal@.kind_numbers(text[]) IS
  'The numbers of span kinds that are words in the view.';

CREATE OR REPLACE FUNCTION @internal@.red_rows(
  starts timestamptz, minutes_from timestamptz, hours_from timestamptz, hours_until timestamptz,
  live_from timestamptz, ends timestamptz)
RETURNS TABLE (
  "time" timestamptz, service_name text, operation text, kind int2, status_code int2,
  calls float8, timed_calls float8, duration_ns_sum float8, duration_ns_max int8)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT r.bucket, r.service_name, r.operation, r.kind, r.status_code, r.calls, r.timed_calls,
    r.duration_ns_sum, r.duration_ns_max
  FROM @schema@.rolled_red_1h r WHERE r.bucket >= hours_from AND r.bucket < hours_until
  UNION ALL
  SELECT r.bucket, r.service_name, r.operation, r.kind, r.status_code, r.calls, r.timed_calls,
    r.duration_ns_sum, r.duration_ns_max
  FROM @schema@.rolled_red_1m r
  WHERE r.bucket >= minutes_from AND r.bucket < least(hours_from, live_from)
  UNION ALL
  SELECT r.bucket, r.service_name, r.operation, r.kind, r.status_code, r.calls, r.timed_calls,
    r.duration_ns_sum, r.duration_ns_max
  FROM @schema@.rolled_red_1m r
  WHERE r.bucket >= hours_until AND r.bucket < live_from
  UNION ALL
  SELECT s.start_time, s.service_name, coalesce(s.operation, s.name), s.kind, s.status_code,
    coalesce(s.adjusted_count, 1),
    CASE WHEN @internal@.is_timed(s.duration_ns) THEN coalesce(s.adjusted_count, 1) ELSE 0 END,
    CASE WHEN @internal@.is_timed(s.duration_ns)
      THEN greatest(s.duration_ns, 0)::float8 * coalesce(s.adjusted_count, 1) ELSE 0 END,
    CASE WHEN @internal@.is_timed(s.duration_ns) THEN s.duration_ns END
  FROM @schema@.span s
  WHERE s.start_time >= starts AND s.start_time < minutes_from
  UNION ALL
  SELECT s.start_time, s.service_name, coalesce(s.operation, s.name), s.kind, s.status_code,
    coalesce(s.adjusted_count, 1),
    CASE WHEN @internal@.is_timed(s.duration_ns) THEN coalesce(s.adjusted_count, 1) ELSE 0 END,
    CASE WHEN @internal@.is_timed(s.duration_ns)
      THEN greatest(s.duration_ns, 0)::float8 * coalesce(s.adjusted_count, 1) ELSE 0 END,
    CASE WHEN @internal@.is_timed(s.duration_ns) THEN s.duration_ns END
  FROM @schema@.span s
  WHERE s.start_time >= live_from AND s.start_time < ends
$$;
COMMENT ON FUNCTION @internal@.red_rows(
  timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz) IS
  'What the parts of a window (window_parts) have: calls, errors by status, durations.';

-- The hours [services_from, services_until) come by service alone, without an operation.
CREATE OR REPLACE FUNCTION @internal@.latency_rows(
  starts timestamptz, minutes_from timestamptz, hours_from timestamptz, hours_until timestamptz,
  live_from timestamptz, ends timestamptz, services_from timestamptz, services_until timestamptz)
RETURNS TABLE (
  "time" timestamptz, service_name text, operation text, kind int2, latency_bucket int2,
  calls float8)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT r.bucket, r.service_name, NULL::text, r.kind, r.latency_bucket, r.calls
  FROM @schema@.rolled_service_latency_1h r
  WHERE services_from < services_until
    AND r.bucket >= greatest(hours_from, services_from)
    AND r.bucket < least(hours_until, services_until)
  UNION ALL
  SELECT r.bucket, r.service_name, r.operation, r.kind, r.latency_bucket, r.calls
  FROM @schema@.rolled_latency_1h r
  WHERE r.bucket >= hours_from AND r.bucket < least(hours_until, services_from)
  UNION ALL
  SELECT r.bucket, r.service_name, r.operation, r.kind, r.latency_bucket, r.calls
  FROM @schema@.rolled_latency_1h r
  WHERE r.bucket >= greatest(hours_from, services_until) AND r.bucket < hours_until
  UNION ALL
  SELECT r.bucket, r.service_name, r.operation, r.kind, r.latency_bucket, r.calls
  FROM @schema@.rolled_latency_1m r
  WHERE r.bucket >= minutes_from AND r.bucket < least(hours_from, live_from)
  UNION ALL
  SELECT r.bucket, r.service_name, r.operation, r.kind, r.latency_bucket, r.calls
  FROM @schema@.rolled_latency_1m r
  WHERE r.bucket >= hours_until AND r.bucket < live_from
  UNION ALL
  SELECT s.start_time, s.service_name, coalesce(s.operation, s.name), s.kind,
    @internal@.latency_bucket(s.duration_ns), coalesce(s.adjusted_count, 1)
  FROM @schema@.span s
  WHERE s.start_time >= starts AND s.start_time < minutes_from
    AND @internal@.is_timed(s.duration_ns)
  UNION ALL
  SELECT s.start_time, s.service_name, coalesce(s.operation, s.name), s.kind,
    @internal@.latency_bucket(s.duration_ns), coalesce(s.adjusted_count, 1)
  FROM @schema@.span s
  WHERE s.start_time >= live_from AND s.start_time < ends
    AND @internal@.is_timed(s.duration_ns)
$$;
COMMENT ON FUNCTION @internal@.latency_rows(timestamptz, timestamptz, timestamptz, timestamptz,
  timestamptz, timestamptz, timestamptz, timestamptz) IS
  'What the parts of a window (window_parts) have: calls by latency bucket.';

-- Bucket k holds durations up to 1 µs × 2^(k/4), bucket 0 all up to 1 µs.
CREATE OR REPLACE FUNCTION @schema@.latency_quantiles_ms(
  quantiles float8[], latency_buckets int2[], calls float8[])
RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT @schema@.bucket_quantiles(quantiles,
    array_agg(0.001 * 2 ^ ((b.k - 1) / 4.0::float8) ORDER BY b.k),
    array_agg(0.001 * 2 ^ (b.k / 4.0::float8) ORDER BY b.k), array_agg(b.n ORDER BY b.k), true)
  FROM unnest(latency_buckets, calls) AS b (k, n)
$$;
COMMENT ON FUNCTION @schema@.latency_quantiles_ms(float8[], int2[], float8[]) IS
  'Quantiles in milliseconds of the latency buckets of the rollups, each of which may occur '
  'once; at most 19 % off, for a bucket is that wide.';

CREATE OR REPLACE FUNCTION @schema@.red_operations(
  since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  kinds text[] DEFAULT '{server,consumer}', with_quantiles bool DEFAULT true)
RETURNS TABLE (
  service_name text, operation text, calls float8, rate float8, errors float8,
  error_ratio float8, mean_ms float8, p50_ms float8, p95_ms float8, p99_ms float8, max_ms float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  p record := @internal@.window_parts(since, until);
BEGIN
  RETURN QUERY
  WITH totals AS (
    SELECT r.service_name, r.operation, sum(r.calls) AS calls, sum(r.timed_calls) AS timed,
      coalesce(sum(r.calls) FILTER (WHERE r.status_code = 2), 0) AS errors,
      sum(r.duration_ns_sum) AS ns, max(r.duration_ns_max) AS ns_max
    FROM @internal@.red_rows(
        p.starts, p.minutes_from, p.hours_from, p.hours_until, p.live_from, p.ends) r
    WHERE (service IS NULL OR r.service_name = service)
      AND (kinds IS NULL OR r.kind = ANY (@internal@.kind_numbers(kinds)))
    GROUP BY r.service_name, r.operation
  ), latencies AS (
    SELECT b.service_name, b.operation, @schema@.latency_quantiles_ms('{0.5,0.95,0.99}',
      array_agg(b.latency_bucket), array_agg(b.calls)) AS ms
    FROM (
      SELECT l.service_name, l.operation, l.latency_bucket, sum(l.calls) AS calls
      FROM @internal@.latency_rows(p.starts, p.minutes_from, p.hours_from, p.hours_until, p.live_from, p.ends,
        '-infinity', '-infinity') l
      WHERE with_quantiles AND (service IS NULL OR l.service_name = service)
        AND (kinds IS NULL OR l.kind = ANY (@internal@.kind_numbers(kinds)))
      GROUP BY l.service_name, l.operation, l.latency_bucket) b
    GROUP BY b.service_name, b.operation
  )
  SELECT t.service_name, t.operation, t.calls,
    t.calls / p.seconds, t.errors,
    t.errors / nullif(t.calls, 0), t.ns / nullif(t.timed, 0) / 1e6, l.ms[1], l.ms[2], l.ms[3],
    t.ns_max / 1e6::float8
  FROM totals t
  LEFT JOIN latencies l ON l.service_name = t.service_name AND l.operation = t.operation
  ORDER BY t.calls DESC, 1, 2;
END $$;
COMMENT ON FUNCTION @schema@.red_operations(timestamptz, timestamptz, text, text[], bool) IS
  'Rate (calls a second), errors and durations per service and operation; sampled spans count '
  'for those they stand for. kinds: which spans are calls, NULL for all. with_quantiles: false '
  'is faster.';

CREATE OR REPLACE FUNCTION @schema@.red_services(
  since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  kinds text[] DEFAULT '{server,consumer}', with_quantiles bool DEFAULT true)
RETURNS TABLE (
  service_name text, calls float8, rate float8, errors float8, error_ratio float8,
  mean_ms float8, p50_ms float8, p95_ms float8, p99_ms float8, max_ms float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  p record := @internal@.window_parts(since, until);
  s record := @internal@.service_hours();
BEGIN
  RETURN QUERY
  WITH totals AS (
    SELECT r.service_name, sum(r.calls) AS calls, sum(r.timed_calls) AS timed,
      coalesce(sum(r.calls) FILTER (WHERE r.status_code = 2), 0) AS errors,
      sum(r.duration_ns_sum) AS ns, max(r.duration_ns_max) AS ns_max
    FROM @internal@.red_rows(
        p.starts, p.minutes_from, p.hours_from, p.hours_until, p.live_from, p.ends) r
    WHERE (service IS NULL OR r.service_name = service)
      AND (kinds IS NULL OR r.kind = ANY (@internal@.kind_numbers(kinds)))
    GROUP BY r.service_name
  ), latencies AS (
    SELECT b.service_name, @schema@.latency_quantiles_ms('{0.5,0.95,0.99}',
      array_agg(b.latency_bucket), array_agg(b.calls)) AS ms
    FROM (
      SELECT l.service_name, l.latency_bucket, sum(l.calls) AS calls
      FROM @internal@.latency_rows(p.starts, p.minutes_from, p.hours_from, p.hours_until, p.live_from, p.ends,
        s.since, s.until) l
      WHERE with_quantiles AND (service IS NULL OR l.service_name = service)
        AND (kinds IS NULL OR l.kind = ANY (@internal@.kind_numbers(kinds)))
      GROUP BY l.service_name, l.latency_bucket) b
    GROUP BY b.service_name
  )
  SELECT t.service_name, t.calls,
    t.calls / p.seconds, t.errors,
    t.errors / nullif(t.calls, 0), t.ns / nullif(t.timed, 0) / 1e6, l.ms[1], l.ms[2], l.ms[3],
    t.ns_max / 1e6::float8
  FROM totals t LEFT JOIN latencies l ON l.service_name = t.service_name
  ORDER BY t.calls DESC, 1;
END $$;
COMMENT ON FUNCTION @schema@.red_services(timestamptz, timestamptz, text, text[], bool) IS
  'Rate (calls a second), errors and durations per service; see red_operations.';

CREATE OR REPLACE FUNCTION @schema@.red_series(
  since timestamptz, until timestamptz DEFAULT now(), step interval DEFAULT '1 minute',
  service text DEFAULT NULL, operation text DEFAULT NULL,
  kinds text[] DEFAULT '{server,consumer}')
RETURNS TABLE (
  "time" timestamptz, service_name text, calls float8, rate float8, errors float8,
  error_ratio float8, mean_ms float8, max_ms float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  p record := @internal@.window_parts(since, until, step);
BEGIN
  RETURN QUERY
  SELECT t.bin, t.service_name, t.calls, t.calls / @internal@.step_seconds(t.bin, step, p.starts, p.ends,
      p.coarse_until, p.coarse_step), t.errors, t.errors / nullif(t.calls, 0),
    t.ns / nullif(t.timed, 0) / 1e6, t.ns_max / 1e6::float8
  FROM (
    SELECT @internal@.step_of(r.time, step, p.coarse_until, p.coarse_step) AS bin, r.service_name,
      sum(r.calls) AS calls, sum(r.timed_calls) AS timed,
      coalesce(sum(r.calls) FILTER (WHERE r.status_code = 2), 0) AS errors,
      sum(r.duration_ns_sum) AS ns, max(r.duration_ns_max) AS ns_max
    FROM @internal@.red_rows(
        p.starts, p.minutes_from, p.hours_from, p.hours_until, p.live_from, p.ends) r
    WHERE (service IS NULL OR r.service_name = service)
      AND (red_series.operation IS NULL OR r.operation = red_series.operation)
      AND (kinds IS NULL OR r.kind = ANY (@internal@.kind_numbers(kinds)))
    GROUP BY 1, 2) AS t
  ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION @schema@.red_series(
  timestamptz, timestamptz, interval, text, text, text[]) IS
  'Rate, errors and mean duration per service and step. Of the first and the last step only what is '
  'in the window and has passed counts, and rates are per second of that.';

CREATE OR REPLACE FUNCTION @schema@.latency_series(
  since timestamptz, until timestamptz DEFAULT now(), step interval DEFAULT '1 minute',
  service text DEFAULT NULL, operation text DEFAULT NULL,
  quantiles float8[] DEFAULT '{0.5,0.95,0.99}', kinds text[] DEFAULT '{server,consumer}')
RETURNS TABLE ("time" timestamptz, service_name text, quantile float8, ms float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  p record := @internal@.window_parts(since, until, step);
  h record := @internal@.service_hours();
BEGIN
  IF operation IS NOT NULL THEN
    h.since := '-infinity';
    h.until := '-infinity';
  END IF;
  RETURN QUERY
  WITH summed AS (
    SELECT @internal@.step_of(r.time, step, p.coarse_until, p.coarse_step) AS bin, r.service_name,
      r.latency_bucket,
      sum(r.calls) AS calls
    FROM @internal@.latency_rows(p.starts, p.minutes_from, p.hours_from, p.hours_until, p.live_from, p.ends,
      h.since, h.until) r
    WHERE (service IS NULL OR r.service_name = service)
      AND (latency_series.operation IS NULL OR r.operation = latency_series.operation)
      AND (kinds IS NULL OR r.kind = ANY (@internal@.kind_numbers(kinds)))
    GROUP BY 1, 2, 3
  ), merged AS (
    SELECT s.bin, s.service_name, @schema@.latency_quantiles_ms(quantiles,
      array_agg(s.latency_bucket), array_agg(s.calls)) AS ms
    FROM summed s GROUP BY 1, 2
  )
  SELECT m.bin, m.service_name, q.quantile, q.ms
  FROM merged m, unnest(quantiles, m.ms) AS q (quantile, ms) ORDER BY 1, 2, 3;
END $$;
COMMENT ON FUNCTION @schema@.latency_series(
  timestamptz, timestamptz, interval, text, text, float8[], text[]) IS
  'Quantiles of durations in milliseconds per service and step, from the latency buckets.';

CREATE OR REPLACE FUNCTION @schema@.slowest_operations(
  since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  rows_max int DEFAULT 20, kinds text[] DEFAULT '{server,consumer}')
RETURNS TABLE (
  service_name text, operation text, calls float8, mean_ms float8, p50_ms float8,
  p95_ms float8, p99_ms float8, max_ms float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT r.service_name, r.operation, r.calls, r.mean_ms, r.p50_ms, r.p95_ms, r.p99_ms, r.max_ms
  FROM @schema@.red_operations(since, until, service, kinds) r
  ORDER BY r.p95_ms DESC NULLS LAST, 1, 2 LIMIT rows_max;
END $$;
COMMENT ON FUNCTION @schema@.slowest_operations(
  timestamptz, timestamptz, text, int, text[]) IS 'Operations with the highest 95th percentile.';

CREATE OR REPLACE FUNCTION @schema@.failing_operations(
  since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  rows_max int DEFAULT 20, kinds text[] DEFAULT '{server,consumer}')
RETURNS TABLE (
  service_name text, operation text, calls float8, errors float8, error_ratio float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  p record := @internal@.window_parts(since, until);
BEGIN
  RETURN QUERY
  SELECT r.service_name, r.operation, sum(r.calls),
    sum(r.calls) FILTER (WHERE r.status_code = 2) AS errors,
    sum(r.calls) FILTER (WHERE r.status_code = 2) / nullif(sum(r.calls), 0)
  FROM @internal@.red_rows(
        p.starts, p.minutes_from, p.hours_from, p.hours_until, p.live_from, p.ends) r
  WHERE (service IS NULL OR r.service_name = service)
    AND (kinds IS NULL OR r.kind = ANY (@internal@.kind_numbers(kinds)))
  GROUP BY 1, 2 HAVING sum(r.calls) FILTER (WHERE r.status_code = 2) > 0
  ORDER BY errors DESC, 1, 2 LIMIT rows_max;
END $$;
COMMENT ON FUNCTION @schema@.failing_operations(
  timestamptz, timestamptz, text, int, text[]) IS 'Operations with the most errors.';

CREATE OR REPLACE FUNCTION @schema@.slowest_spans(
  since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  operation text DEFAULT NULL, rows_max int DEFAULT 20)
RETURNS SETOF @schema@.spans
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT s.* FROM @schema@.spans s
  WHERE s.start_time >= since AND s.start_time < until
    AND (service IS NULL OR s.service_name = service)
    AND (slowest_spans.operation IS NULL OR s.operation = slowest_spans.operation)
  ORDER BY s.duration_ns DESC NULLS LAST LIMIT rows_max;
END $$;
COMMENT ON FUNCTION @schema@.slowest_spans(timestamptz, timestamptz, text, text, int) IS
  'The longest spans of a window, from the spans themselves; columns as in the view spans.';

-- Service dependencies ---------------------------------------------------------------------------

-- Parents that began more than an hour before are not looked for; maintain() does later.
CREATE OR REPLACE FUNCTION @internal@.edge_rows(since timestamptz, until timestamptz)
RETURNS TABLE (
  client text, server text, calls float8, timed_calls float8, errors float8, duration_ns_sum float8,
  duration_ns_max int8)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT p.service_name, c.service_name, coalesce(c.adjusted_count, 1),
    CASE WHEN @internal@.is_timed(c.duration_ns) THEN coalesce(c.adjusted_count, 1) ELSE 0 END,
    CASE WHEN c.status_code = 2 THEN coalesce(c.adjusted_count, 1) ELSE 0 END,
    CASE WHEN @internal@.is_timed(c.duration_ns)
      THEN greatest(c.duration_ns, 0)::float8 * coalesce(c.adjusted_count, 1) ELSE 0 END,
    CASE WHEN @internal@.is_timed(c.duration_ns) THEN c.duration_ns END
  FROM @schema@.span c
  JOIN @schema@.span p ON p.trace_id = c.trace_id AND p.span_id = c.parent_span_id
  WHERE c.start_time >= since AND c.start_time < until
    AND p.start_time >= since - interval '1 hour' AND p.start_time < until + interval '1 minute'
    AND p.service_name <> c.service_name
    -- Bits 8 and 9 say where the sender knows that the parent is of the same process.
    AND coalesce(c.flags, 0) & 768 <> 256
$$;
COMMENT ON FUNCTION @internal@.edge_rows(timestamptz, timestamptz) IS
  'Calls between services, from the spans that began in a window and their parents.';

-- From the edges' tables up to their marks, and from the spans after those and at both ends.
CREATE OR REPLACE FUNCTION @schema@.service_dependencies(
  since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL)
RETURNS TABLE (
  client text, server text, calls float8, rate float8, errors float8, error_ratio float8,
  mean_ms float8, max_ms float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  w record := @internal@.window_parts(since, until, kept_by => 'edges');
BEGIN
  RETURN QUERY
  WITH edges AS (
    SELECT e.client, e.server, e.calls, coalesce(e.timed_calls, e.calls) AS timed, e.errors,
      e.duration_ns_sum, e.duration_ns_max
    FROM @schema@.service_edge_1h e
    WHERE e.bucket >= w.hours_from AND e.bucket < w.hours_until
    UNION ALL
    SELECT e.client, e.server, e.calls, coalesce(e.timed_calls, e.calls), e.errors,
      e.duration_ns_sum, e.duration_ns_max
    FROM @schema@.service_edge_1m e
    WHERE e.bucket >= w.minutes_from AND e.bucket < least(w.hours_from, w.live_from)
    UNION ALL
    SELECT e.client, e.server, e.calls, coalesce(e.timed_calls, e.calls), e.errors,
      e.duration_ns_sum, e.duration_ns_max
    FROM @schema@.service_edge_1m e
    WHERE e.bucket >= w.hours_until AND e.bucket < w.live_from
    UNION ALL
    SELECT * FROM @internal@.edge_rows(w.starts, w.minutes_from)
    UNION ALL
    SELECT * FROM @internal@.edge_rows(w.live_from, w.ends)
  )
  SELECT e.client, e.server, sum(e.calls), sum(e.calls) / w.seconds, sum(e.errors),
    sum(e.errors) / nullif(sum(e.calls), 0),
    sum(e.duration_ns_sum) / nullif(sum(e.timed), 0) / 1e6, max(e.duration_ns_max) / 1e6::float8
  FROM edges e
  WHERE service IS NULL OR e.client = service OR e.server = service
  GROUP BY e.client, e.server ORDER BY sum(e.calls) DESC, 1, 2;
END $$;
COMMENT ON FUNCTION @schema@.service_dependencies(timestamptz, timestamptz, text) IS
  'Which service calls which: spans whose parent is another service''s. service: only its own, in '
  'both directions.';

-- Logs -------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @schema@.log_volume(
  since timestamptz, until timestamptz DEFAULT now(), step interval DEFAULT '1 minute',
  service text DEFAULT NULL)
RETURNS TABLE ("time" timestamptz, service_name text, severity text, records float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  p record := @internal@.window_parts(since, until, step, facts => 'retain_log');
BEGIN
  RETURN QUERY
  WITH rows AS (
    SELECT v.bucket, v.service_name, v.severity_number, v.adjusted_records
    FROM @schema@.rolled_log_volume_1h v
    WHERE v.bucket >= p.hours_from AND v.bucket < p.hours_until
    UNION ALL
    SELECT v.bucket, v.service_name, v.severity_number, v.adjusted_records
    FROM @schema@.rolled_log_volume_1m v
    WHERE v.bucket >= p.minutes_from AND v.bucket < least(p.hours_from, p.live_from)
    UNION ALL
    SELECT v.bucket, v.service_name, v.severity_number, v.adjusted_records
    FROM @schema@.rolled_log_volume_1m v
    WHERE v.bucket >= p.hours_until AND v.bucket < p.live_from
    UNION ALL
    SELECT l.time, l.service_name, l.severity_number, coalesce(l.adjusted_count, 1)
    FROM @schema@.log l
    WHERE l.time >= p.starts AND l.time < p.minutes_from
    UNION ALL
    SELECT l.time, l.service_name, l.severity_number, coalesce(l.adjusted_count, 1)
    FROM @schema@.log l
    WHERE l.time >= p.live_from AND l.time < p.ends
  )
  SELECT @internal@.step_of(r.bucket, step, p.coarse_until, p.coarse_step), r.service_name,
    coalesce(@schema@.severity_word(r.severity_number), 'none'), sum(r.adjusted_records)
  FROM rows r WHERE service IS NULL OR r.service_name = service
  GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
END $$;
COMMENT ON FUNCTION @schema@.log_volume(timestamptz, timestamptz, interval, text) IS
  'Log records per service, severity and step; sampled ones count for those they stand for.';
