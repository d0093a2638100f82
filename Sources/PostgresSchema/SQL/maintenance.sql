-- What keeps the tables: functions only, made anew whenever this text has changed.
--
-- A gateway runs, each minute or so, for each row of maintain_steps() in its order:
--   SELECT step, ok, outcome, more FROM maintain_step('…')
-- alone in its transaction, so that no step's locks outlive it, and again while one of the rows has `more`:
-- a transaction changes one table, as one that held locks on several could deadlock with ingest.
-- One session at a time does a step; others are told so and go on. A step that fails reports it as
-- a row with ok = false, and the rest goes on.
--
-- All functions that people or gateways call are SECURITY DEFINER with a search_path of their own:
-- a gateway that may run no DDL is granted them, and nothing else of what they do.

-- Time -----------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @internal@.minute_of(t timestamptz) RETURNS timestamptz LANGUAGE sql
  IMMUTABLE PARALLEL SAFE AS $$ SELECT date_bin('1 minute', $1, '2000-01-01 00:00+00') $$;
CREATE OR REPLACE FUNCTION @internal@.hour_of(t timestamptz) RETURNS timestamptz LANGUAGE sql
  IMMUTABLE PARALLEL SAFE AS $$ SELECT date_bin('1 hour', $1, '2000-01-01 00:00+00') $$;

-- Whole days before this are gone, or go next. '-infinity': kept for ever.
CREATE OR REPLACE FUNCTION @internal@.retained_from(retention text, at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN @internal@.setting_interval($1) = interval '0' THEN '-infinity'
    ELSE date_trunc('day', $2 - @internal@.setting_interval($1), 'UTC') END $$;

-- Native: partitions ---------------------------------------------------------------------------------

-- Makes the partition of a UTC day and moves to it what the default partition has of that day.
-- Returns the number of rows moved, NULL where the partition is there already.
--
-- Where there are rows to move, the table is held up from the LOCKs on: by then all but the rows of the last
-- moments are moved. The locks are on the parent, as whoever has planned on its partitions and waits for one
-- of them goes on with what it has planned: a writer's row would be refused (23514) by the default partition
-- that it had chosen, and a reader, whose snapshot is younger than its plan, would miss what was moved. Who
-- waits for the parent plans anew.
-- Without rows nobody is held up: ATTACH takes SHARE UPDATE EXCLUSIVE on the parent, CREATE … PARTITION OF
-- would take ACCESS EXCLUSIVE. Of today and tomorrow rows may come meanwhile.
CREATE OR REPLACE FUNCTION @internal@.make_partition(table_name text, day timestamptz)
RETURNS int8 LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
  part text := table_name || to_char(day, '_YYYYMMDD');
  time_column text;
  columns text;
  move text;
  moved int8;
  moved_late int8;
BEGIN
  IF to_regclass(format('@schema@.%I', part)) IS NOT NULL THEN RETURN NULL; END IF;
  SELECT t.time_column INTO STRICT time_column FROM @schema@.timed_table t WHERE t.name = table_name;
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
    FROM pg_attribute a WHERE a.attrelid = format('@schema@.%I', table_name)::regclass
      AND a.attnum > 0 AND NOT a.attisdropped;
  -- The constraint spares ATTACH the scan of the new partition.
  EXECUTE format('CREATE TABLE @schema@.%1$I (LIKE @schema@.%2$I INCLUDING DEFAULTS INCLUDING '
    'CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE INCLUDING COMPRESSION, '
    'CONSTRAINT day CHECK (%3$I >= %4$L AND %3$I < %5$L))',
    part, table_name, time_column, day, day + interval '1 day');
  -- LIKE leaves it out. Without, a publication of all tables would refuse every DELETE.
  EXECUTE format('ALTER TABLE @schema@.%I REPLICA IDENTITY FULL', part);
  move := format('WITH moved AS (DELETE FROM @schema@.%1$I WHERE %2$I >= %3$L AND %2$I < %4$L '
    'RETURNING *) INSERT INTO @schema@.%5$I (%6$s) SELECT %6$s FROM moved',
    table_name || '_default', time_column, day, day + interval '1 day', part, columns);
  EXECUTE move;
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved > 0 THEN
    EXECUTE format('LOCK TABLE @schema@.%I IN ACCESS EXCLUSIVE MODE', table_name);
  ELSIF day < now() + interval '1 day' THEN
    EXECUTE format('LOCK TABLE @schema@.%I IN SHARE ROW EXCLUSIVE MODE', table_name);
  END IF;
  EXECUTE move;
  GET DIAGNOSTICS moved_late = ROW_COUNT;
  IF moved = 0 AND moved_late > 0 THEN
    EXECUTE format('LOCK TABLE @schema@.%I IN ACCESS EXCLUSIVE MODE', table_name);
  END IF;
  EXECUTE format('ALTER TABLE @schema@.%I ATTACH PARTITION @schema@.%I FOR VALUES FROM (%L) TO (%L)',
    table_name, part, day, day + interval '1 day');
  EXECUTE format('ALTER TABLE @schema@.%I DROP CONSTRAINT day', part);
  RETURN moved + moved_late;
END $$;

CREATE OR REPLACE FUNCTION @internal@.step_partitions(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  timed record;
  day timestamptz;
  made int := 0;
BEGIN
  IF @schema@.edition() <> 'native' THEN RETURN; END IF;
  FOR timed IN SELECT t.name FROM @schema@.timed_table t ORDER BY t.name LOOP
    BEGIN
      FOR day IN SELECT generate_series(date_trunc('day', at), date_trunc('day', at)
          + @internal@.setting_int('partitions_ahead') * interval '1 day', interval '1 day') LOOP
        IF @internal@.make_partition(timed.name, day) IS NOT NULL THEN made := made + 1; END IF;
      END LOOP;
    EXCEPTION WHEN OTHERS THEN
      RETURN QUERY SELECT false, format('%s: %s', timed.name, SQLERRM), false;
      made := 0;
    END;
    IF made > 0 THEN
      RETURN QUERY SELECT true, format('%s: %s partitions made', timed.name, made), true;
      RETURN;
    END IF;
  END LOOP;
END $$;

-- Rows of days without a partition: purged when they are too old, moved to a partition otherwise.
-- Days that are further ahead than partitions are made wait here until their time comes.
CREATE OR REPLACE FUNCTION @internal@.step_default_partition(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  timed record;
  day timestamptz;
  rows int8;
  purge_rows CONSTANT int := 50000;
  kept_from timestamptz;
BEGIN
  IF @schema@.edition() <> 'native' THEN RETURN; END IF;
  FOR timed IN SELECT * FROM @schema@.timed_table t ORDER BY t.name LOOP
    CONTINUE WHEN EXISTS (SELECT FROM @schema@.mark m
      WHERE m.name = 'wait ' || timed.name AND m.at > step_default_partition.at - interval '10 minutes');
    BEGIN
      kept_from := @internal@.retained_from(timed.retention, at);
      EXECUTE format('DELETE FROM @schema@.%1$I WHERE ctid = ANY (ARRAY(SELECT ctid FROM '
        '@schema@.%1$I WHERE %2$I < %3$L LIMIT %4$s))',
        timed.name || '_default', timed.time_column, kept_from, purge_rows);
      GET DIAGNOSTICS rows = ROW_COUNT;
      IF rows > 0 THEN
        RETURN QUERY SELECT true, format('%s: %s rows purged', timed.name, rows), true;
        RETURN;
      END IF;
      EXECUTE format('SELECT date_trunc(''day'', min(%1$I)) FROM @schema@.%2$I '
        'WHERE %1$I >= %3$L AND %1$I < %4$L', timed.time_column, timed.name || '_default', kept_from,
        date_trunc('day', at) + (@internal@.setting_int('partitions_ahead') + 1) * interval '1 day')
        INTO day;
      IF day IS NOT NULL THEN
        rows := @internal@.make_partition(timed.name, day);
        RETURN QUERY SELECT true, format('%s: %s rows of %s moved to a partition', timed.name, rows,
          to_char(day, 'YYYY-MM-DD')), true;
        RETURN;
      END IF;
    EXCEPTION WHEN OTHERS THEN
      -- Readers that run long kept it from the lock: the work of the first pass is not to be lost each minute.
      INSERT INTO @schema@.mark AS m (name, at) VALUES ('wait ' || timed.name, step_default_partition.at)
        ON CONFLICT ON CONSTRAINT mark_pkey DO UPDATE SET at = excluded.at;
      RETURN QUERY SELECT false, format('%s: %s', timed.name, SQLERRM), false;
    END;
  END LOOP;
END $$;

-- Retention ------------------------------------------------------------------------------------------

-- The clock that retention goes by: the server's, unless that jumps. `seen` is when it was last looked at: up
-- to an hour since then is believed. The rest of a jump is believed ten times as fast as time passes where
-- facts were stored that are as recent, and otherwise not at all: a clock that is a year ahead drops nothing
-- but what was due, until somebody has put it right.
CREATE OR REPLACE FUNCTION @internal@.advance_clock(at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  seen timestamptz;
  clock timestamptz;
  passed interval;
BEGIN
  SELECT max(m.at) FILTER (WHERE m.name = 'clock seen'), max(m.at) FILTER (WHERE m.name = 'clock')
    INTO seen, clock FROM @schema@.mark m WHERE m.name IN ('clock', 'clock seen');
  passed := greatest(least(at - seen, interval '1 hour'), interval '0');
  clock := CASE
    WHEN clock IS NULL OR clock >= at THEN at
    WHEN at - clock <= interval '1 hour' THEN at
    WHEN @internal@.newest_time() > clock THEN least(at, clock + passed + 9 * least(passed, interval '1 minute'))
    ELSE least(at, clock + passed) END;
  INSERT INTO @schema@.mark AS m (name, at) VALUES ('clock seen', advance_clock.at), ('clock', clock)
    ON CONFLICT ON CONSTRAINT mark_pkey DO UPDATE SET at = excluded.at;
  RETURN clock;
END $$;

-- The end of the last day of which there are facts: '-infinity' where there are none.
CREATE OR REPLACE FUNCTION @internal@.newest_time() RETURNS timestamptz
LANGUAGE plpgsql STABLE SET timezone = 'UTC' AS $$
DECLARE
  newest timestamptz := '-infinity';
  part record;
  has_rows bool;
BEGIN
  IF @schema@.edition() <> 'native' THEN
    RETURN coalesce((SELECT max(c.range_end) FROM timescaledb_information.chunks c
      JOIN @schema@.timed_table t ON t.name = c.hypertable_name AND t.name NOT LIKE 'rollup\_%'
      WHERE format('"%s"', c.hypertable_schema) = '@schema@'), '-infinity');
  END IF;
  FOR part IN SELECT p.name, p.day FROM @schema@.timed_table t, @internal@.day_partitions(t.name) p
    WHERE t.name NOT LIKE 'rollup\_%' ORDER BY p.day DESC LOOP
    EXIT WHEN part.day < newest;
    EXECUTE format('SELECT EXISTS (SELECT FROM @schema@.%I)', part.name) INTO has_rows;
    IF has_rows THEN RETURN part.day + interval '1 day'; END IF;
  END LOOP;
  RETURN newest;
END $$;

-- Dropping a partition needs ACCESS EXCLUSIVE on its parent: half a second is what it may hold up
-- ingest while a long query keeps it from that; it is tried again each time.
CREATE OR REPLACE FUNCTION @internal@.step_retention(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql
SET timezone = 'UTC' AS $$
DECLARE
  timed record;
  part text;
  kept_from timestamptz;
  ts text;
  rows int8;
  delete_rows CONSTANT int := 50000;
BEGIN
  SELECT quote_ident(n.nspname) INTO ts FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb';
  FOR timed IN SELECT t.name, t.retention FROM @schema@.timed_table t
    UNION ALL SELECT r.name, r.retention FROM @internal@.aggregates() r ORDER BY name LOOP
    BEGIN
      kept_from := @internal@.retained_from(timed.retention, at);
      CONTINUE WHEN kept_from = '-infinity';
      IF @schema@.edition() <> 'native' THEN
        EXECUTE format('SELECT count(*) FROM %s.drop_chunks(%L::regclass, older_than => %L::timestamptz)',
          ts, format('@schema@.%I', timed.name), kept_from) INTO rows;
        IF rows > 0 THEN
          RETURN QUERY SELECT true, format('%s: %s chunks dropped', timed.name, rows), true;
          RETURN;
        END IF;
        CONTINUE;
      END IF;
      SELECT p.name INTO part FROM @internal@.day_partitions(timed.name) p
        WHERE p.day < kept_from ORDER BY p.day LIMIT 1;
      IF part IS NOT NULL THEN
        EXECUTE format('DROP TABLE @schema@.%I', part);
        RETURN QUERY SELECT true, format('%s: 1 partitions dropped, %s', timed.name, part), true;
        RETURN;
      END IF;
    EXCEPTION WHEN OTHERS THEN
      RETURN QUERY SELECT false, format('%s: %s', timed.name, SQLERRM), false;
    END;
  END LOOP;
  FOR timed IN SELECT * FROM @internal@.plain_rollups() LOOP
    BEGIN
      EXECUTE format('DELETE FROM @schema@.%1$I WHERE ctid = ANY (ARRAY(SELECT ctid FROM '
        '@schema@.%1$I WHERE bucket < %2$L LIMIT %3$s))', timed.name,
        @internal@.retained_from(timed.retention, at), delete_rows);
      GET DIAGNOSTICS rows = ROW_COUNT;
      IF rows > 0 THEN
        RETURN QUERY SELECT true, format('%s: %s rows purged', timed.name, rows), rows = delete_rows;
      END IF;
    EXCEPTION WHEN OTHERS THEN
      RETURN QUERY SELECT false, format('%s: %s', timed.name, SQLERRM), false;
    END;
  END LOOP;
END $$;

-- Continuous aggregates, in timescale.
CREATE OR REPLACE FUNCTION @internal@.aggregates()
RETURNS TABLE (name text, retention text) LANGUAGE sql STABLE AS $$
  SELECT r.name || r.size, CASE r.size WHEN '_1m' THEN 'retain_rollup_minute' ELSE 'retain_rollup' END
  FROM (SELECT n.name, s.size FROM unnest(ARRAY['red', 'latency', 'log_volume']) AS n (name),
      unnest(ARRAY['_1m', '_1h']) AS s (size)
    UNION ALL SELECT 'rollup_service_latency', '_1h') AS r
  WHERE @schema@.edition() = 'timescale' $$;

CREATE OR REPLACE FUNCTION @internal@.plain_rollups()
RETURNS TABLE (name text, retention text) LANGUAGE sql STABLE AS $$
  SELECT * FROM (VALUES ('service_edge_1m', 'retain_rollup_minute'),
    ('service_edge_1h', 'retain_rollup'), ('rollup_red_1h', 'retain_rollup'),
    ('rollup_latency_1h', 'retain_rollup'), ('rollup_service_latency_1h', 'retain_rollup'),
    ('rollup_log_volume_1h', 'retain_rollup')) AS r (n, k)
  -- In timescale that of services is a view.
  WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass(format('@schema@.%I', n))
    AND c.relkind = 'r') $$;

CREATE OR REPLACE FUNCTION @internal@.day_partitions(table_name text)
RETURNS TABLE (name text, day timestamptz) LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
  SELECT c.relname::text, to_timestamp(right(c.relname, 8), 'YYYYMMDD')
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = format('@schema@.%I', $1)::regclass AND c.relname ~ '_\d{8}$' $$;

-- Rollups --------------------------------------------------------------------------------------------

-- Counts [from_time, to_time) again, whole minutes; and the hours it touches that end by `upto`.
-- apache and native. Deleting and adding in one transaction: readers see the one or the other.
CREATE OR REPLACE FUNCTION @internal@.refresh_rollups(
  source text, from_time timestamptz, to_time timestamptz, upto timestamptz)
RETURNS void LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  first_hour timestamptz := @internal@.hour_of(from_time);
  end_hour timestamptz := least(@internal@.hour_of(to_time + interval '1 hour' - interval '1 microsecond'),
    @internal@.hour_of(upto));
BEGIN
  CASE source
    WHEN 'span' THEN
      PERFORM @internal@.refresh_span_minutes(from_time, to_time);
      IF first_hour < end_hour THEN PERFORM @internal@.refresh_span_hours(first_hour, end_hour); END IF;
    WHEN 'log' THEN
      DELETE FROM @schema@.rollup_log_volume_1m r WHERE r.bucket >= from_time AND r.bucket < to_time;
      INSERT INTO @schema@.rollup_log_volume_1m
        (bucket, service_name, severity_number, records, adjusted_records)
      SELECT @internal@.minute_of(l.time), l.service_name, l.severity_number, count(*),
        sum(coalesce(l.adjusted_count, 1))
      FROM @schema@.log l WHERE l.time >= from_time AND l.time < to_time GROUP BY 1, 2, 3;
      IF first_hour >= end_hour THEN RETURN; END IF;
      DELETE FROM @schema@.rollup_log_volume_1h r WHERE r.bucket >= first_hour AND r.bucket < end_hour;
      INSERT INTO @schema@.rollup_log_volume_1h
        (bucket, service_name, severity_number, records, adjusted_records)
      SELECT @internal@.hour_of(r.bucket), r.service_name, r.severity_number, sum(r.records),
        sum(r.adjusted_records)
      FROM @schema@.rollup_log_volume_1m r WHERE r.bucket >= first_hour AND r.bucket < end_hour
      GROUP BY 1, 2, 3;
  END CASE;
END $$;

-- One scan of the facts for both rollups.
CREATE OR REPLACE FUNCTION @internal@.refresh_span_minutes(from_time timestamptz, to_time timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM @schema@.rollup_red_1m r WHERE r.bucket >= from_time AND r.bucket < to_time;
  DELETE FROM @schema@.rollup_latency_1m r WHERE r.bucket >= from_time AND r.bucket < to_time;
  WITH fine AS MATERIALIZED (
    SELECT date_bin('1 minute', s.start_time, '2000-01-01 00:00+00') AS bucket, s.service_name,
      coalesce(s.operation, s.name) AS operation, s.kind, s.status_code,
      -- NULL: it has no duration.
      CASE WHEN @internal@.is_timed(s.duration_ns) THEN ceil(ln(greatest(s.duration_ns, 1000)::float8
        / 1000) * 5.770780163555854)::int2 END AS latency_bucket,
      count(*) AS spans, sum(coalesce(s.adjusted_count, 1)) AS calls,
      sum(greatest(s.duration_ns, 0)::float8 * coalesce(s.adjusted_count, 1)) AS duration_ns_sum,
      max(s.duration_ns) AS duration_ns_max
    FROM @schema@.span s WHERE s.start_time >= from_time AND s.start_time < to_time
    GROUP BY 1, 2, 3, 4, 5, 6
  ), red AS (
    INSERT INTO @schema@.rollup_red_1m (bucket, service_name, operation, kind, status_code, spans, calls,
      timed_calls, duration_ns_sum, duration_ns_max)
    SELECT f.bucket, f.service_name, f.operation, f.kind, f.status_code, sum(f.spans), sum(f.calls),
      CASE WHEN bool_or(f.latency_bucket IS NULL)
        THEN coalesce(sum(f.calls) FILTER (WHERE f.latency_bucket IS NOT NULL), 0) END,
      coalesce(sum(f.duration_ns_sum) FILTER (WHERE f.latency_bucket IS NOT NULL), 0),
      coalesce(max(f.duration_ns_max) FILTER (WHERE f.latency_bucket IS NOT NULL), 0)
    FROM fine f GROUP BY 1, 2, 3, 4, 5
  )
  INSERT INTO @schema@.rollup_latency_1m
    (bucket, service_name, operation, kind, latency_buckets, bucket_calls)
  SELECT b.bucket, b.service_name, b.operation, b.kind, array_agg(b.latency_bucket), array_agg(b.calls)
  FROM (SELECT f.bucket, f.service_name, f.operation, f.kind, f.latency_bucket, sum(f.calls) AS calls
    FROM fine f WHERE f.latency_bucket IS NOT NULL GROUP BY 1, 2, 3, 4, 5) AS b
  GROUP BY 1, 2, 3, 4;
END $$;

CREATE OR REPLACE FUNCTION @internal@.refresh_span_hours(first_hour timestamptz, end_hour timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM @schema@.rollup_red_1h r WHERE r.bucket >= first_hour AND r.bucket < end_hour;
  INSERT INTO @schema@.rollup_red_1h (bucket, service_name, operation, kind, status_code, spans, calls,
    timed_calls, duration_ns_sum, duration_ns_max)
  SELECT date_bin('1 hour', r.bucket, '2000-01-01 00:00+00'), r.service_name, r.operation, r.kind,
    r.status_code, sum(r.spans), sum(r.calls), CASE WHEN bool_or(r.timed_calls IS NOT NULL)
      THEN sum(coalesce(r.timed_calls, r.calls)) END, sum(r.duration_ns_sum), max(r.duration_ns_max)
  FROM @schema@.rollup_red_1m r WHERE r.bucket >= first_hour AND r.bucket < end_hour
  GROUP BY 1, 2, 3, 4, 5;
  DELETE FROM @schema@.rollup_latency_1h r WHERE r.bucket >= first_hour AND r.bucket < end_hour;
  INSERT INTO @schema@.rollup_latency_1h
    (bucket, service_name, operation, kind, latency_buckets, bucket_calls)
  SELECT b.bucket, b.service_name, b.operation, b.kind, array_agg(b.latency_bucket), array_agg(b.calls)
  FROM (SELECT u.bucket, u.service_name, u.operation, u.kind, u.latency_bucket, sum(u.calls) AS calls
    FROM (SELECT date_bin('1 hour', r.bucket, '2000-01-01 00:00+00') AS bucket, r.service_name,
        r.operation, r.kind, unnest(r.latency_buckets) AS latency_bucket, unnest(r.bucket_calls) AS calls
      FROM @schema@.rollup_latency_1m r WHERE r.bucket >= first_hour AND r.bucket < end_hour) AS u
    GROUP BY 1, 2, 3, 4, 5) AS b GROUP BY 1, 2, 3, 4;
  DELETE FROM @schema@.rollup_service_latency_1h r
    WHERE r.bucket >= first_hour AND r.bucket < end_hour;
  INSERT INTO @schema@.rollup_service_latency_1h
    (bucket, service_name, kind, latency_buckets, bucket_calls)
  SELECT b.bucket, b.service_name, b.kind, array_agg(b.latency_bucket), array_agg(b.calls)
  FROM (SELECT u.bucket, u.service_name, u.kind, u.latency_bucket, sum(u.calls) AS calls
    FROM (SELECT r.bucket, r.service_name, r.kind, unnest(r.latency_buckets) AS latency_bucket,
        unnest(r.bucket_calls) AS calls
      FROM @schema@.rollup_latency_1h r WHERE r.bucket >= first_hour AND r.bucket < end_hour) AS u
    GROUP BY 1, 2, 3, 4) AS b GROUP BY 1, 2, 3;
END $$;

-- Moves the mark on to rollup_lag before now. What is behind the mark is in the tables, what is
-- before it in the live part of the views, in one snapshot.
CREATE OR REPLACE FUNCTION @internal@.step_rollups(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  mark timestamptz;
  began timestamptz;
  upto timestamptz;
  target timestamptz := @internal@.minute_of(at - @internal@.setting_interval('rollup_lag'));
  deadline timestamptz := clock_timestamp() + interval '5 seconds';
BEGIN
  IF @schema@.edition() = 'timescale' THEN RETURN; END IF;
  SELECT m.at INTO STRICT mark FROM @schema@.mark m WHERE m.name = 'rollup';
  mark := greatest(mark, least(@internal@.rollups_kept_from('span', at),
    @internal@.rollups_kept_from('log', at)));
  IF NOT isfinite(mark) THEN
    mark := @internal@.minute_of(least(@internal@.oldest_time('span'), @internal@.oldest_time('log'), target));
  END IF;
  began := mark;
  WHILE mark < target AND clock_timestamp() < deadline LOOP
    upto := least(mark + interval '10 minutes', target);
    PERFORM @internal@.refresh_rollups('span', mark, upto, upto);
    PERFORM @internal@.refresh_rollups('log', mark, upto, upto);
    mark := upto;
  END LOOP;
  -- A clock that was ahead and is right again has left the mark behind it: what comes now is not there.
  IF mark > target THEN mark := greatest(target, '-infinity'); END IF;
  UPDATE @schema@.mark m SET at = mark WHERE m.name = 'rollup' AND m.at <> mark;
  IF mark > began THEN
    RETURN QUERY SELECT true, format('up to %s', to_char(mark, 'YYYY-MM-DD HH24:MI')), mark < target;
  END IF;
END $$;

-- Before this, facts or minutes that a count would need may be gone: it is never counted again.
CREATE OR REPLACE FUNCTION @internal@.rollups_kept_from(source text, at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT greatest(@internal@.retained_from('retain_' || $1, $2),
    @internal@.retained_from('retain_rollup_minute', $2)) $$;

-- Late rows ------------------------------------------------------------------------------------------

-- Called by a writer in its lot's transaction for rows older than refresh_window: the minutes they
-- are in are counted again once refresh_delay is over. Tables without rollups are none of its business.
-- Tell minutes apart: one row that is a day late must not have a day counted again.
CREATE OR REPLACE FUNCTION @schema@.queue_refresh(
  table_name text, from_time timestamptz, to_time timestamptz)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO @schema@.refresh_queue (table_name, from_time, to_time)
  SELECT $1, @internal@.minute_of($2), @internal@.minute_of(greatest($3, $2)) + interval '1 minute'
  WHERE $1 IN ('span', 'log') AND $2 IS NOT NULL $$;

CREATE OR REPLACE FUNCTION @schema@.queue_refresh(table_name text, times timestamptz[])
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO @schema@.refresh_queue (table_name, from_time, to_time)
  SELECT $1, lower(r), upper(r) FROM (
    SELECT unnest(range_agg(tstzrange(@internal@.minute_of(t), @internal@.minute_of(t) + interval '1 minute')))
      AS r FROM unnest($2) AS t WHERE t IS NOT NULL) AS minutes
  WHERE $1 IN ('span', 'log') $$;

CREATE OR REPLACE FUNCTION @internal@.step_late_rows(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  queued record;
  f timestamptz;
  t timestamptz;
  upto timestamptz;
  edges_upto timestamptz;
  is_timescale bool := @schema@.edition() = 'timescale';
  kept_from timestamptz;
  piece_end timestamptz;
  pieces int := 0;
  is_left bool := false;
  deadline timestamptz := clock_timestamp() + interval '5 seconds';
BEGIN
  IF NOT EXISTS (SELECT FROM @schema@.refresh_queue q WHERE NOT q.edges_done
      AND q.queued_at <= at - @internal@.setting_interval('refresh_delay')) THEN RETURN; END IF;
  SELECT m.at INTO STRICT upto FROM @schema@.mark m WHERE m.name = 'rollup';
  SELECT m.at INTO STRICT edges_upto FROM @schema@.mark m WHERE m.name = 'edges';
  -- The facts that a row of the queue speaks of were committed with it, so the statements below,
  -- whose snapshots are younger than this one's, see them.
  FOR queued IN
    WITH taken AS (DELETE FROM @schema@.refresh_queue q WHERE NOT q.edges_done RETURNING *)
    SELECT table_name, unnest(range_agg(tstzrange(from_time, to_time))) AS range,
      min(queued_at) AS queued_at FROM taken GROUP BY table_name
  LOOP
    kept_from := @internal@.rollups_kept_from(queued.table_name, at);
    f := greatest(lower(queued.range), kept_from);
    t := upper(queued.range);
    WHILE f < t AND clock_timestamp() < deadline LOOP
      piece_end := least(t, @internal@.hour_of(f) + interval '1 hour');
      BEGIN
        IF NOT is_timescale AND f < upto THEN
          PERFORM @internal@.refresh_rollups(queued.table_name, f, least(piece_end, upto), upto);
        END IF;
        IF queued.table_name = 'span' AND f < edges_upto AND @internal@.setting_bool('edges') THEN
          PERFORM @internal@.refresh_edges(f, least(piece_end, edges_upto), edges_upto);
        END IF;
        pieces := pieces + 1;
      EXCEPTION WHEN OTHERS THEN
        -- The others go on; this one comes again after the delay.
        INSERT INTO @schema@.refresh_queue (table_name, from_time, to_time)
          VALUES (queued.table_name, f, piece_end);
        RETURN QUERY SELECT false, format('%s from %s: %s', queued.table_name, f, SQLERRM), false;
      END;
      f := piece_end;
    END LOOP;
    IF f < t THEN
      is_left := true;
      INSERT INTO @schema@.refresh_queue (table_name, from_time, to_time, queued_at)
        VALUES (queued.table_name, f, t, queued.queued_at);
    END IF;
    -- What the policies of the continuous aggregates don't look back to is left to refresh_late().
    IF is_timescale AND f > greatest(lower(queued.range), kept_from)
      AND lower(queued.range) < at - interval '20 minutes' THEN
      INSERT INTO @schema@.refresh_queue (table_name, from_time, to_time, queued_at, edges_done)
        VALUES (queued.table_name, greatest(lower(queued.range), kept_from), f, queued.queued_at, true);
    END IF;
  END LOOP;
  RETURN QUERY SELECT true, format('%s ranges of late rows counted again', pieces), is_left;
END $$;

-- Timescale: refreshes the continuous aggregates where late rows are older than what their policies
-- look back to (30 minutes, a day for hours). It commits as it goes, so it can't be a step: TimescaleDB runs it each
-- minute as a job of the owner's. It can be called by hand, outside of a transaction.
-- The CALLs must be static, as EXECUTE would put them into a transaction: so the text is made here.
DO $make$
BEGIN
  IF @schema@.edition() <> 'timescale' THEN RETURN; END IF;
  EXECUTE replace($text$
CREATE OR REPLACE PROCEDURE @schema@.refresh_late(job_id int DEFAULT NULL, config jsonb DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
  ids int8[];
  tables text[];
  begins timestamptz[];
  ends timestamptz[];
  rollup text;
  -- What is younger is the policies'. Two refreshes of the same time don't wait for each other: one fails.
  minutes_end timestamptz := @internal@.minute_of(now() - interval '25 minutes');
  hours_end timestamptz := @internal@.hour_of(now() - interval '22 hours');
  f timestamptz;
  t timestamptz;
BEGIN
  SELECT pg_catalog.array_agg(q.id) INTO ids FROM @schema@.refresh_queue q WHERE q.edges_done;
  SELECT pg_catalog.array_agg(r.table_name), pg_catalog.array_agg(pg_catalog.lower(r.range)),
    pg_catalog.array_agg(pg_catalog.upper(r.range)) INTO tables, begins, ends FROM (
      SELECT q.table_name, pg_catalog.unnest(pg_catalog.range_agg(
        pg_catalog.tstzrange(q.from_time, q.to_time))) AS range
      FROM @schema@.refresh_queue q WHERE q.id = ANY (ids) GROUP BY q.table_name) AS r;
  FOR i IN 1 .. coalesce(pg_catalog.cardinality(tables), 0) LOOP
    FOREACH rollup IN ARRAY CASE tables[i] WHEN 'span' THEN ARRAY['red', 'latency']
        ELSE ARRAY['log_volume'] END LOOP
      f := greatest(begins[i], @internal@.rollups_kept_from(tables[i], now()));
      t := least(ends[i], minutes_end);
      IF f < t THEN
        CALL TIMESCALEDB.refresh_continuous_aggregate(
          pg_catalog.format('@schema@.%I', rollup || '_1m')::regclass, f, t);
      END IF;
      t := least(@internal@.hour_of(t - interval '1 microsecond') + interval '1 hour', hours_end);
      f := @internal@.hour_of(f);
      IF f < t THEN
        CALL TIMESCALEDB.refresh_continuous_aggregate(
          pg_catalog.format('@schema@.%I', rollup || '_1h')::regclass, f, t);
      END IF;
      IF f < t AND rollup = 'latency' THEN
        CALL TIMESCALEDB.refresh_continuous_aggregate(
          '@schema@.rollup_service_latency_1h'::regclass, f, t);
      END IF;
    END LOOP;
  END LOOP;
  -- Only now: a failure before leaves the rows, and the next run does it all again.
  DELETE FROM @schema@.refresh_queue q WHERE q.id = ANY (ids);
  COMMIT;
END $$ $text$, 'TIMESCALEDB', (SELECT quote_ident(n.nspname) FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'));
  COMMENT ON PROCEDURE @schema@.refresh_late(int, jsonb) IS
    'Refreshes continuous aggregates for late rows; TimescaleDB runs it each minute.';
END $make$;

-- Edges ----------------------------------------------------------------------------------------------

-- Counts the calls between services of [from_time, to_time) again, by the minute of the called span,
-- and the hours touched that end by `upto`.
-- Most parents begin within the minute before: they are found by one scan. The others are looked up by
-- their trace's id through the index, as far back as edge_parent_window, and at most lookups_max of
-- them; what is not found then waits as an orphan.
-- A span says by its flags (bits 8 and 9) that its parent is in the same process: no edge.
CREATE OR REPLACE FUNCTION @internal@.refresh_edges(
  from_time timestamptz, to_time timestamptz, upto timestamptz)
RETURNS void LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  lookups_max CONSTANT int := 20000;
  reach timestamptz := from_time - @internal@.setting_interval('edge_parent_window');
  first_hour timestamptz := @internal@.hour_of(from_time);
  end_hour timestamptz := least(@internal@.hour_of(to_time + interval '1 hour' - interval '1 microsecond'),
    @internal@.hour_of(upto));
BEGIN
  DELETE FROM @schema@.service_edge_1m e WHERE e.bucket >= from_time AND e.bucket < to_time;
  DELETE FROM @schema@.edge_orphan o WHERE o.bucket >= from_time AND o.bucket < to_time;
  WITH child AS (
    SELECT date_bin('1 minute', s.start_time, '2000-01-01 00:00+00') AS bucket, s.trace_id,
      s.parent_span_id, s.service_name, s.status_code, coalesce(s.adjusted_count, 1) AS weight,
      -- -1: it has none. One that is below 0 counts as 0.
      CASE WHEN @internal@.is_timed(s.duration_ns) THEN greatest(s.duration_ns, 0) ELSE -1 END AS duration_ns
    FROM @schema@.span s WHERE s.start_time >= from_time AND s.start_time < to_time
      AND s.parent_span_id IS NOT NULL AND coalesce(s.flags, 0) & 768 <> 256
  ), near AS (
    -- A span that was sent twice is one parent.
    SELECT p.trace_id, p.span_id, min(p.service_name) AS service_name FROM @schema@.span p
    WHERE p.start_time >= from_time - interval '1 minute'
      AND p.start_time < to_time + interval '1 minute' GROUP BY p.trace_id, p.span_id
  ), matched AS MATERIALIZED (
    SELECT c.*, n.service_name AS client FROM child c LEFT JOIN near n
      ON n.trace_id = c.trace_id AND n.span_id = c.parent_span_id
    WHERE n.service_name IS DISTINCT FROM c.service_name
  ), unmatched AS MATERIALIZED (
    SELECT * FROM matched m WHERE m.client IS NULL LIMIT lookups_max
  ), far AS (
    SELECT w.trace_id, w.parent_span_id, p.service_name
    FROM (SELECT DISTINCT u.trace_id, u.parent_span_id FROM unmatched u) AS w CROSS JOIN LATERAL (
      SELECT s.service_name FROM @schema@.span s WHERE s.trace_id = w.trace_id
        AND s.span_id = w.parent_span_id AND s.start_time >= reach
        AND s.start_time < to_time + interval '1 minute' LIMIT 1) AS p
  ), found AS MATERIALIZED (
    SELECT u.*, f.service_name AS far_client FROM unmatched u LEFT JOIN far f
      ON f.trace_id = u.trace_id AND f.parent_span_id = u.parent_span_id
  ), orphaned AS (
    INSERT INTO @schema@.edge_orphan
      (bucket, trace_id, parent_span_id, service_name, status_code, duration_ns, weight)
    SELECT o.bucket, o.trace_id, o.parent_span_id, o.service_name, o.status_code, o.duration_ns, o.weight
    FROM found o WHERE o.far_client IS NULL
  )
  INSERT INTO @schema@.service_edge_1m
    (bucket, client, server, calls, timed_calls, errors, duration_ns_sum, duration_ns_max)
  SELECT e.bucket, e.client, e.service_name, sum(e.weight), sum(e.weight * (e.duration_ns >= 0)::int),
    coalesce(sum(e.weight) FILTER (WHERE e.status_code = 2), 0),
    sum(greatest(e.duration_ns, 0)::float8 * e.weight), greatest(max(e.duration_ns), 0)
  FROM (
    SELECT m.bucket, m.client, m.service_name, m.weight, m.status_code, m.duration_ns
    FROM matched m WHERE m.client IS NOT NULL
    UNION ALL
    SELECT f.bucket, f.far_client, f.service_name, f.weight, f.status_code, f.duration_ns
    FROM found f WHERE f.far_client <> f.service_name) AS e
  GROUP BY 1, 2, 3;
  IF first_hour >= end_hour THEN RETURN; END IF;
  DELETE FROM @schema@.service_edge_1h e WHERE e.bucket >= first_hour AND e.bucket < end_hour;
  INSERT INTO @schema@.service_edge_1h
    (bucket, client, server, calls, timed_calls, errors, duration_ns_sum, duration_ns_max)
  SELECT @internal@.hour_of(e.bucket), e.client, e.server, sum(e.calls),
    sum(coalesce(e.timed_calls, e.calls)), sum(e.errors), sum(e.duration_ns_sum), max(e.duration_ns_max)
  FROM @schema@.service_edge_1m e WHERE e.bucket >= first_hour AND e.bucket < end_hour
  GROUP BY 1, 2, 3;
END $$;

-- A parent that runs long is sent after its children: what was not there an hour ago is looked for once
-- more, and added to its minute, and to its hour where that is made (before `upto`). A parent that comes
-- later still is a late row.
-- Returns the number of orphans looked at.
CREATE OR REPLACE FUNCTION @internal@.look_again_for_parents(at timestamptz, upto timestamptz)
RETURNS int8 LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  lookups_max CONSTANT int := 20000;
  reach interval := @internal@.setting_interval('edge_parent_window');
  looked int8;
BEGIN
  WITH taken AS (
    DELETE FROM @schema@.edge_orphan o WHERE o.ctid = ANY (ARRAY(
      SELECT d.ctid FROM @schema@.edge_orphan d WHERE d.looked_at <= at - interval '1 hour'
      LIMIT lookups_max)) RETURNING *
  ), found AS MATERIALIZED (
    SELECT t.*, p.client FROM taken t CROSS JOIN LATERAL (
      SELECT s.service_name AS client FROM @schema@.span s WHERE s.trace_id = t.trace_id
        AND s.span_id = t.parent_span_id AND s.start_time >= t.bucket - reach
        AND s.start_time < t.bucket + interval '2 minutes' LIMIT 1) AS p
    WHERE p.client <> t.service_name
  ), minutes AS (
    INSERT INTO @schema@.service_edge_1m AS e
      (bucket, client, server, calls, timed_calls, errors, duration_ns_sum, duration_ns_max)
    SELECT f.bucket, f.client, f.service_name, sum(f.weight),
      sum(f.weight * (f.duration_ns >= 0)::int),
      coalesce(sum(f.weight) FILTER (WHERE f.status_code = 2), 0),
      sum(greatest(f.duration_ns, 0)::float8 * f.weight), greatest(max(f.duration_ns), 0)
    FROM found f GROUP BY 1, 2, 3
    ON CONFLICT (bucket, client, server) DO UPDATE SET calls = e.calls + excluded.calls,
      timed_calls = coalesce(e.timed_calls, e.calls) + excluded.timed_calls,
      errors = e.errors + excluded.errors, duration_ns_sum = e.duration_ns_sum + excluded.duration_ns_sum,
      duration_ns_max = greatest(e.duration_ns_max, excluded.duration_ns_max)
  ), hours AS (
    INSERT INTO @schema@.service_edge_1h AS e
      (bucket, client, server, calls, timed_calls, errors, duration_ns_sum, duration_ns_max)
    SELECT @internal@.hour_of(f.bucket), f.client, f.service_name, sum(f.weight),
      sum(f.weight * (f.duration_ns >= 0)::int),
      coalesce(sum(f.weight) FILTER (WHERE f.status_code = 2), 0),
      sum(greatest(f.duration_ns, 0)::float8 * f.weight), greatest(max(f.duration_ns), 0)
    FROM found f WHERE @internal@.hour_of(f.bucket) + interval '1 hour' <= upto GROUP BY 1, 2, 3
    ON CONFLICT (bucket, client, server) DO UPDATE SET calls = e.calls + excluded.calls,
      timed_calls = coalesce(e.timed_calls, e.calls) + excluded.timed_calls,
      errors = e.errors + excluded.errors, duration_ns_sum = e.duration_ns_sum + excluded.duration_ns_sum,
      duration_ns_max = greatest(e.duration_ns_max, excluded.duration_ns_max)
  )
  SELECT count(*) INTO looked FROM taken;
  RETURN looked;
END $$;

CREATE OR REPLACE FUNCTION @internal@.step_edges(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  mark timestamptz;
  began timestamptz;
  upto timestamptz;
  looked int8;
  target timestamptz := @internal@.minute_of(at - @internal@.setting_interval('rollup_lag'));
  deadline timestamptz := clock_timestamp() + interval '5 seconds';
BEGIN
  IF NOT @internal@.setting_bool('edges') THEN RETURN; END IF;
  SELECT m.at INTO STRICT mark FROM @schema@.mark m WHERE m.name = 'edges';
  mark := greatest(mark, @internal@.rollups_kept_from('span', at));
  IF NOT isfinite(mark) THEN
    mark := @internal@.minute_of(least(@internal@.oldest_time('span'), target));
  END IF;
  began := mark;
  WHILE mark < target AND clock_timestamp() < deadline LOOP
    upto := least(mark + interval '10 minutes', target);
    PERFORM @internal@.refresh_edges(mark, upto, upto);
    mark := upto;
  END LOOP;
  -- A clock that was ahead and is right again has left the mark behind it: what comes now is not there.
  IF mark > target THEN mark := greatest(target, '-infinity'); END IF;
  UPDATE @schema@.mark m SET at = mark WHERE m.name = 'edges' AND m.at <> mark;
  IF mark > began THEN
    RETURN QUERY SELECT true, format('up to %s', to_char(mark, 'YYYY-MM-DD HH24:MI')), mark < target;
  END IF;
  looked := @internal@.look_again_for_parents(at, mark);
  IF looked > 0 THEN
    RETURN QUERY SELECT true, format('%s parents looked for again', looked), looked >= 20000;
  END IF;
END $$;

-- Dictionaries and writers ---------------------------------------------------------------------------

-- True once in an hour, for steps that need no more.
CREATE OR REPLACE FUNCTION @internal@.is_due(name text, at timestamptz) RETURNS bool
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO @schema@.mark AS m (name, at) VALUES (is_due.name, is_due.at)
    ON CONFLICT ON CONSTRAINT mark_pkey DO UPDATE SET at = excluded.at
    WHERE m.at <= excluded.at - interval '1 hour';
  RETURN FOUND;
END $$;

-- Purges rows that no retained fact can refer to. A gateway touches last_seen of what it writes each
-- hour, so a fact of a time t (at most a day ahead of its arrival) has an entry seen at t - 1 day - 1 hour
-- or later. A fact is kept for its retention and up to a day, and where retention lags for as long as
-- the oldest partition or chunk says. Three days of margin are more than both.
CREATE OR REPLACE FUNCTION @internal@.step_dictionaries(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  dictionary record;
  cut timestamptz;
  rows int8;
  rows_max CONSTANT int := 50000;
  is_more bool := false;
BEGIN
  IF NOT @internal@.is_due('dictionaries', at) THEN RETURN; END IF;
  FOR dictionary IN SELECT * FROM (VALUES ('metric_series', 'series_id', 'retain_metric'),
      ('resource', 'resource_id', 'retain_'), ('scope', 'scope_id', 'retain_')) AS d (name, id, facts)
  LOOP
    SELECT min(least(@internal@.retained_from(t.retention, at), @internal@.oldest_time(t.name)))
        - interval '3 days' INTO cut
      FROM @schema@.timed_table t
      WHERE t.name NOT LIKE 'rollup\_%' AND t.retention LIKE dictionary.facts || '%';
    BEGIN
      EXECUTE format('DELETE FROM @schema@.%1$I WHERE %2$I = ANY (ARRAY(SELECT %2$I FROM @schema@.%1$I '
        'WHERE last_seen < $1 ORDER BY %2$I LIMIT %3$s FOR UPDATE SKIP LOCKED))',
        dictionary.name, dictionary.id, rows_max) USING cut;
      GET DIAGNOSTICS rows = ROW_COUNT;
      IF rows > 0 THEN
        RETURN QUERY SELECT true, format('%s: %s rows purged', dictionary.name, rows), false;
      END IF;
    EXCEPTION WHEN OTHERS THEN
      RETURN QUERY SELECT false, format('%s: %s', dictionary.name, SQLERRM), false;
    END;
  END LOOP;
END $$;

-- No fact of the table has a time before this; 'infinity' where it has none at all.
CREATE OR REPLACE FUNCTION @internal@.oldest_time(table_name text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET timezone = 'UTC' AS $$
DECLARE
  oldest timestamptz;
  oldest_stray timestamptz;
BEGIN
  IF @schema@.edition() <> 'native' THEN
    EXECUTE 'SELECT min(range_start) FROM timescaledb_information.chunks WHERE hypertable_schema = $1 '
      'AND hypertable_name = $2' INTO oldest USING
      (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = format('@schema@.%I', table_name)::regclass), table_name;
    RETURN coalesce(oldest, 'infinity');
  END IF;
  SELECT min(p.day) INTO oldest FROM @internal@.day_partitions(table_name) p;
  EXECUTE format('SELECT min(%I) FROM @schema@.%I', (SELECT t.time_column
    FROM @schema@.timed_table t WHERE t.name = table_name), table_name || '_default')
    INTO oldest_stray;
  RETURN coalesce(least(oldest, oldest_stray), 'infinity');
END $$;

-- Slots that nobody has used for seven days, and whose backend is gone, go: their writer takes a new
-- row when it comes back. A row that a lot holds is skipped.
--
-- The ledger is never purged by age: as long as a log may deliver a record again, the row that knows
-- of it must be there. The gateway deletes the rows of epochs that its log no longer has. What is left
-- belongs to gateways that never came back: without a slot for 90 days. Such a gateway's log is full or
-- its disk gone; were it started again after that, it would deliver twice at most what was under way
-- when it stopped, since its own cursors stand behind everything else.
CREATE OR REPLACE FUNCTION @internal@.step_writers(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  rows int8;
BEGIN
  IF NOT @internal@.is_due('writers', at) THEN RETURN; END IF;
  DELETE FROM @schema@.writer_slot w WHERE (w.writer, w.exporter, w.slot) IN (
    SELECT s.writer, s.exporter, s.slot FROM @schema@.writer_slot s
    WHERE s.taken_at < at - interval '7 days'
      AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = s.backend_pid)
    FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS rows = ROW_COUNT;
  IF rows > 0 THEN RETURN QUERY SELECT true, format('%s slots purged', rows), false; END IF;
  DELETE FROM @schema@.writer_gone g
    WHERE EXISTS (SELECT FROM @schema@.writer_slot s WHERE s.writer = g.writer);
  INSERT INTO @schema@.writer_gone (writer, since)
    SELECT DISTINCT i.writer, at FROM @schema@.ingested i
    WHERE NOT EXISTS (SELECT FROM @schema@.writer_slot s WHERE s.writer = i.writer)
    ON CONFLICT (writer) DO NOTHING;
  DELETE FROM @schema@.ingested i USING @schema@.writer_gone g
    WHERE i.writer = g.writer AND g.since < at - interval '90 days';
  GET DIAGNOSTICS rows = ROW_COUNT;
  IF rows > 0 THEN
    RETURN QUERY SELECT true, format('%s rows of the ledger purged, of writers gone for 90 days', rows),
      false;
  END IF;
  DELETE FROM @schema@.writer_gone g
    WHERE NOT EXISTS (SELECT FROM @schema@.ingested i WHERE i.writer = g.writer);
END $$;

-- Timescale: what its own jobs for these tables have come to.
CREATE OR REPLACE FUNCTION @internal@.step_jobs(at timestamptz)
RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql AS $$
BEGIN
  IF @schema@.edition() <> 'timescale' OR NOT @internal@.is_due('jobs', at) THEN RETURN; END IF;
  RETURN QUERY SELECT false, format('%s jobs of TimescaleDB failed, such as %s: %s', count(*),
      min(j.job_id || ' (' || j.proc_name || coalesce(' of ' || j.hypertable_name, '') || ')'),
      coalesce((SELECT e.err_message FROM timescaledb_information.job_errors e
        WHERE e.job_id = min(j.job_id) ORDER BY e.finish_time DESC LIMIT 1),
        'see timescaledb_information.job_errors')), false
    FROM timescaledb_information.jobs j JOIN timescaledb_information.job_stats s USING (job_id)
    WHERE s.last_run_status = 'Failed' AND (SELECT n.nspname FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = '@schema@.span'::regclass)
      IN (j.hypertable_schema, j.proc_schema)
    HAVING count(*) > 0;
END $$;

-- Calling it -----------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @schema@.maintain_steps() RETURNS SETOF text LANGUAGE sql IMMUTABLE
  PARALLEL SAFE AS $$
  SELECT unnest(ARRAY['partitions', 'default_partition', 'retention', 'rollups', 'edges', 'late_rows',
    'dictionaries', 'writers', 'jobs']) $$;

-- One step, as if it were `at`. For the owner: a time far ahead would purge everything.
-- It waits for locks less long than deadlock_timeout (1 s), so that it is never a lot that is ended.
CREATE OR REPLACE FUNCTION @internal@.maintain_step_at(step_name text, at timestamptz)
RETURNS TABLE (step text, ok bool, outcome text, more bool) LANGUAGE plpgsql
SET lock_timeout = '500ms' AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM @schema@.maintain_steps() s WHERE s = $1) THEN
    RAISE EXCEPTION 'unknown step "%"', $1 USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtextextended('sluice maintain @schema@', 0)) THEN
    RETURN QUERY SELECT $1, true, 'another session is at it', false;
    RETURN;
  END IF;
  RETURN QUERY EXECUTE format('SELECT %L, s.ok, s.outcome, s.more FROM @internal@.%I($1) s', $1,
    'step_' || $1) USING $2;
EXCEPTION WHEN OTHERS THEN
  RETURN QUERY SELECT $1, false, SQLERRM, false;
END $$;

-- Notes what a step has come to, in `upkeep`.
CREATE OR REPLACE FUNCTION @internal@.note_step(step_name text, error text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO @schema@.upkeep AS u (step, ran_at, failing_since, failures, error)
  VALUES ($1, now(), CASE WHEN $2 IS NOT NULL THEN now() END, ($2 IS NOT NULL)::int, $2)
  ON CONFLICT ON CONSTRAINT upkeep_pkey DO UPDATE SET ran_at = now(), error = $2,
    failing_since = CASE WHEN $2 IS NOT NULL THEN coalesce(u.failing_since, now()) END,
    failures = u.failures + ($2 IS NOT NULL)::int $$;

-- What a gateway calls. A step that fails is a row, whatever it fails with, a statement_timeout too; it is
-- undone, noted, and stops no other. Retention and purges go by a clock that doesn't jump.
CREATE OR REPLACE FUNCTION @schema@.maintain_step(step_name text)
RETURNS TABLE (step text, ok bool, outcome text, more bool) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  at timestamptz := now();
  said record;
  error text;
  is_known bool := false;
BEGIN
  BEGIN
    IF step_name IN ('default_partition', 'retention', 'dictionaries', 'writers')
        AND pg_try_advisory_xact_lock(hashtextextended('sluice maintain @schema@', 0)) THEN
      at := @internal@.advance_clock(now());
    END IF;
    FOR said IN SELECT * FROM @internal@.maintain_step_at(step_name, at) LOOP
      is_known := true;
      IF said.outcome = 'another session is at it' THEN
        RETURN QUERY SELECT said.step, said.ok, said.outcome, said.more;
        RETURN;
      END IF;
      IF NOT said.ok THEN error := concat_ws('; ', error, said.outcome); END IF;
      RETURN QUERY SELECT said.step, said.ok, said.outcome, said.more;
    END LOOP;
  EXCEPTION WHEN query_canceled OR OTHERS THEN
    error := SQLERRM;
    RETURN QUERY SELECT step_name, false, error, false;
  END;
  IF step_name = 'retention' AND now() - at > interval '1 day' THEN
    error := concat_ws('; ', error, format('the server''s clock has jumped to %s: until facts come that are as '
      'recent, retention goes by %s', now(), at));
    RETURN QUERY SELECT step_name, false, error, false;
  END IF;
  IF EXISTS (SELECT FROM @schema@.maintain_steps() s WHERE s = step_name) THEN
    PERFORM @internal@.note_step(step_name, error);
  END IF;
END $$;

-- All steps, each in a transaction of its own, for people and schedulers; faults are warnings.
CREATE OR REPLACE PROCEDURE @schema@.maintain() LANGUAGE plpgsql AS $$
DECLARE
  step text;
  done record;
  is_more bool;
BEGIN
  FOREACH step IN ARRAY ARRAY(SELECT @schema@.maintain_steps()) LOOP
    LOOP
      is_more := false;
      FOR done IN SELECT * FROM @schema@.maintain_step(step) LOOP
        IF done.ok THEN RAISE NOTICE '%: %', step, done.outcome;
        ELSE RAISE WARNING '%: %', step, done.outcome; END IF;
        is_more := is_more OR done.more;
      END LOOP;
      COMMIT;
      EXIT WHEN NOT is_more;
    END LOOP;
  END LOOP;
END $$;

COMMENT ON FUNCTION @schema@.edition() IS 'timescale, apache or native: what the schema was made for.';
COMMENT ON FUNCTION @schema@.maintain_steps() IS 'The steps of the upkeep, in their order.';
COMMENT ON FUNCTION @schema@.maintain_step(text) IS
  'Does one step of the upkeep: a row for each thing done or failed. For gateways.';
COMMENT ON PROCEDURE @schema@.maintain() IS 'Does the whole upkeep: for people. Faults are warnings.';
COMMENT ON FUNCTION @schema@.queue_refresh(text, timestamptz, timestamptz) IS
  'Has the minutes of late rows counted again. For gateways.';
COMMENT ON FUNCTION @schema@.queue_refresh(text, timestamptz[]) IS
  'Has the minutes of late rows counted again. For gateways.';

-- Right away, so that the first rows find their partitions.
DO $$
DECLARE
  is_more bool := true;
BEGIN
  WHILE is_more LOOP
    SELECT coalesce(bool_or(s.more), false) INTO is_more FROM @internal@.step_partitions(now()) s;
  END LOOP;
END $$;
