-- What a person or a dashboard asks, as functions over the tables. Repeatable, after views.sql.
--
-- Windows are half-open: since <= time < until. All names are qualified: no search_path changes
-- them. Those that read tables are in plpgsql, planned anew for the values of each call, so that its
-- window prunes partitions and chunks; and without JIT: compiling plans of many partitions takes
-- seconds, and what it would speed up milliseconds.

-- Ids --------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @schema@.trace_hex(trace uuid) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(trace::text, '-', '');
COMMENT ON FUNCTION @schema@.trace_hex(uuid) IS 'A trace id as 32 hex digits.';

CREATE OR REPLACE FUNCTION @schema@.span_hex(span int8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lpad(to_hex(span), 16, '0');
COMMENT ON FUNCTION @schema@.span_hex(int8) IS 'A span id of a table as 16 hex digits.';

CREATE OR REPLACE FUNCTION @schema@.span_number(hex text) RETURNS int8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || lpad(hex, 16, '0'))::bit(64)::int8;
COMMENT ON FUNCTION @schema@.span_number(text) IS
  'The number that the tables have for a span id of 16 hex digits.';

-- Quantiles of buckets ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @schema@.bucket_quantiles(
  quantiles float8[], lowers float8[], uppers float8[], counts float8[],
  geometric bool DEFAULT false)
RETURNS float8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  total float8 := 0;
  before float8;
  q float8;
  rank float8;
  low float8;
  high float8;
  found float8;
  result float8[] := '{}';
BEGIN
  FOR i IN 1..coalesce(array_length(counts, 1), 0) LOOP
    total := total + greatest(counts[i], 0);
  END LOOP;
  FOREACH q IN ARRAY quantiles LOOP
    found := NULL;
    IF total > 0 AND q BETWEEN 0 AND 1 THEN
      rank := q * total;
      before := 0;
      FOR i IN 1..array_length(counts, 1) LOOP
        CONTINUE WHEN coalesce(counts[i], 0) <= 0;
        low := lowers[i];
        high := uppers[i];
        found := CASE
          -- An open end says no more than its bound; values that are measured begin at 0.
          WHEN high = 'Infinity' THEN nullif(low, '-Infinity')
          WHEN low = '-Infinity' AND high <= 0 THEN high
          WHEN low = '-Infinity' THEN high * least((rank - before) / counts[i], 1)
          WHEN geometric AND low > 0
            THEN low * (high / low) ^ least((rank - before) / counts[i], 1)
          WHEN geometric AND high < 0
            THEN low * (high / low) ^ least((rank - before) / counts[i], 1)
          ELSE low + (high - low) * least((rank - before) / counts[i], 1) END;
        before := before + counts[i];
        EXIT WHEN before >= rank;
      END LOOP;
    END IF;
    result := result || found;
  END LOOP;
  RETURN result;
END $$;
COMMENT ON FUNCTION @schema@.bucket_quantiles(float8[], float8[], float8[], float8[], bool) IS
  'Quantiles (0 to 1) of ascending buckets (lower, upper] with counts, interpolated linearly, '
  'or geometrically. NULL without values.';

CREATE OR REPLACE FUNCTION @schema@.histogram_quantiles(
  quantiles float8[], bucket_counts float8[], explicit_bounds float8[])
RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN @schema@.bucket_quantiles(quantiles, '-Infinity'::float8 || explicit_bounds,
  explicit_bounds || 'Infinity'::float8, bucket_counts);
COMMENT ON FUNCTION @schema@.histogram_quantiles(float8[], float8[], float8[]) IS
  'Quantiles of an explicit histogram: one bucket more than bounds, the last one open. What is '
  'beyond the last bound counts as that bound.';

CREATE OR REPLACE FUNCTION @schema@.histogram_quantile(
  quantile float8, bucket_counts float8[], explicit_bounds float8[])
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (@schema@.histogram_quantiles(ARRAY[quantile], bucket_counts, explicit_bounds))[1];
COMMENT ON FUNCTION @schema@.histogram_quantile(float8, float8[], float8[]) IS
  'One quantile of an explicit histogram; see histogram_quantiles.';

-- base = 2^(2^-scale). Below scale -11 one bucket has all doubles; bounds that doubles can't hold
-- become their largest, or 0.
CREATE OR REPLACE FUNCTION @internal@.exponential_bound(scale int, index float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN power >= 1024 THEN 1.7976931348623157e308 WHEN power < -1074 THEN 0
    ELSE 2.0::float8 ^ power END
  FROM (SELECT index * 2.0::float8 ^ least(greatest(-(scale::float8), -1000), 12)) AS p (power)
$$;
COMMENT ON FUNCTION @internal@.exponential_bound(int, float8) IS
  'Lower bound of the bucket of that index in an exponential histogram of that scale.';

CREATE OR REPLACE FUNCTION @schema@.exponential_quantiles(
  quantiles float8[], scale int, zero_count float8, zero_threshold float8,
  positive_offset int, positive_counts float8[], negative_offset int, negative_counts float8[])
RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT @schema@.bucket_quantiles(quantiles, array_agg(low ORDER BY low, high),
    array_agg(high ORDER BY low, high), array_agg(n ORDER BY low, high), true)
  FROM (
    SELECT n, 0 - @internal@.exponential_bound(scale, negative_offset::float8 + i) AS low,
      0 - @internal@.exponential_bound(scale, negative_offset::float8 + i - 1) AS high
    FROM unnest(negative_counts) WITH ORDINALITY AS b (n, i)
    WHERE n > 0
    UNION ALL
    SELECT zero_count, 0 - zero_threshold, zero_threshold WHERE zero_count > 0
    UNION ALL
    SELECT n, @internal@.exponential_bound(scale, positive_offset::float8 + i - 1),
      @internal@.exponential_bound(scale, positive_offset::float8 + i)
    FROM unnest(positive_counts) WITH ORDINALITY AS b (n, i)
    WHERE n > 0) buckets
$$;
COMMENT ON FUNCTION @schema@.exponential_quantiles(
  float8[], int, float8, float8, int, float8[], int, float8[]) IS
  'Quantiles of an exponential histogram, interpolated geometrically within a bucket.';

CREATE OR REPLACE FUNCTION @schema@.exponential_quantile(
  quantile float8, scale int, zero_count float8, zero_threshold float8,
  positive_offset int, positive_counts float8[], negative_offset int, negative_counts float8[])
RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (@schema@.exponential_quantiles(ARRAY[quantile], scale, zero_count, zero_threshold,
  positive_offset, positive_counts, negative_offset, negative_counts))[1];
COMMENT ON FUNCTION @schema@.exponential_quantile(
  float8, int, float8, float8, int, float8[], int, float8[]) IS
  'One quantile of an exponential histogram; see exponential_quantiles.';

-- One trace --------------------------------------------------------------------------------------

-- Each row has one place: below the first row with its parent's id, so that a span that came twice
-- doesn't double what is below it. Rows in a cycle, or deeper than 1,000, have no place.
CREATE OR REPLACE FUNCTION @schema@.trace(
  trace uuid, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
RETURNS TABLE (
  depth int, path int[], offset_ms float8, duration_ms float8, self_ms float8, service_name text,
  name text, kind text, status text, status_message text, span_id text, parent_span_id text,
  start_time timestamptz, attributes jsonb, events jsonb, links jsonb, resource jsonb)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH RECURSIVE spans AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY s.start_time, s.start_ns, s.span_id) AS row,
      -- Whole nanoseconds: a fraction of a second is no binary fraction.
      (extract(epoch FROM s.start_time - min(s.start_time) OVER ()) * 1000000000)::float8
        + s.start_ns AS begins,
      CASE WHEN @internal@.is_timed(s.duration_ns) THEN s.duration_ns END AS took, s.*
    FROM @schema@.span s
    WHERE s.trace_id = trace AND s.start_time >= since AND s.start_time < until
  ), owners AS (
    SELECT s.span_id, min(s.row) AS row FROM spans s GROUP BY s.span_id
  ), places AS (
    SELECT s.row, o.row AS parent,
      row_number() OVER (PARTITION BY o.row ORDER BY s.row)::int AS ordinal
    FROM spans s LEFT JOIN owners o ON o.span_id = s.parent_span_id AND o.row <> s.row
  ), tree AS (
    SELECT p.row, 0 AS depth, ARRAY[p.ordinal] AS path FROM places p WHERE p.parent IS NULL
    UNION ALL
    SELECT p.row, t.depth + 1, t.path || p.ordinal
    FROM tree t JOIN places p ON p.parent = t.row WHERE t.depth < 1000
  ), children AS (
    SELECT p.parent, greatest(c.begins, a.begins) AS begins,
      least(c.begins + c.took, a.begins + a.took) AS ends
    FROM places p JOIN spans c ON c.row = p.row JOIN spans a ON a.row = p.parent
    WHERE c.took IS NOT NULL AND a.took IS NOT NULL
  ), covered AS (
    -- Overlapping children count once: what of each is after all that began before it.
    SELECT parent, sum(greatest(ends - greatest(begins, before), 0)) AS length
    FROM (
      SELECT parent, begins, ends, coalesce(max(ends) OVER (PARTITION BY parent
        ORDER BY begins, ends ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        '-Infinity') AS before
      FROM children) c
    GROUP BY parent
  )
  SELECT t.depth, t.path, (s.begins - min(s.begins) OVER ()) / 1e6::float8, s.took / 1e6::float8,
    CASE WHEN s.took IS NOT NULL THEN greatest(s.took - coalesce(c.length, 0), 0) / 1e6::float8 END,
    s.service_name, s.name,
    CASE s.kind WHEN 0 THEN 'unspecified' WHEN 1 THEN 'internal' WHEN 2 THEN 'server'
      WHEN 3 THEN 'client' WHEN 4 THEN 'producer' WHEN 5 THEN 'consumer' ELSE s.kind::text END,
    CASE s.status_code WHEN 0 THEN 'unset' WHEN 1 THEN 'ok' WHEN 2 THEN 'error'
      ELSE s.status_code::text END,
    s.status_message, lpad(to_hex(s.span_id), 16, '0'), lpad(to_hex(s.parent_span_id), 16, '0'),
    s.start_time, s.attributes, coalesce(s.events, '[]'), coalesce(s.links, '[]'), r.attributes
  FROM spans s
  LEFT JOIN tree t ON t.row = s.row
  LEFT JOIN covered c ON c.parent = s.row
  LEFT JOIN @schema@.resource r ON r.resource_id = s.resource_id
  ORDER BY t.path NULLS LAST, s.row;
END $$;
COMMENT ON FUNCTION @schema@.trace(uuid, timestamptz, timestamptz) IS
  'The spans of a trace as a tree, in its order. Spans whose parent is not stored are roots; '
  'depth and path are NULL for cycles. self_ms: the time in which no child ran; NULL, as duration_ms, '
  'where a start or an end was not sent. Give the window where you know it: without, every partition '
  'is looked at.';

CREATE OR REPLACE FUNCTION @internal@.key_values(attributes jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('key', key, 'value', value) ORDER BY key), '[]')
  FROM jsonb_each(attributes)
$$;
COMMENT ON FUNCTION @internal@.key_values(jsonb) IS
  'An object as an array of {key, value}, ordered by key; empty for NULL.';

-- The columns of Grafana's trace panel: times and durations in milliseconds, lists of {key, value}.
CREATE OR REPLACE FUNCTION @schema@.trace_panel(
  trace uuid, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
RETURNS TABLE (
  "traceID" text, "spanID" text, "parentSpanID" text, "operationName" text, "serviceName" text,
  "startTime" float8, duration float8, tags jsonb, "serviceTags" jsonb, logs jsonb,
  "references" jsonb, kind text, "statusCode" int, "statusMessage" text, "traceState" text,
  "instrumentationLibraryName" text, "instrumentationLibraryVersion" text)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT replace(s.trace_id::text, '-', ''), lpad(to_hex(s.span_id), 16, '0'),
    lpad(to_hex(s.parent_span_id), 16, '0'), s.name, s.service_name,
    extract(epoch FROM s.start_time)::float8 * 1000 + s.start_ns / 1e6::float8,
    CASE WHEN @internal@.is_timed(s.duration_ns) THEN s.duration_ns ELSE 0 END / 1e6::float8, @internal@.key_values(s.attributes),
    coalesce(@internal@.key_values(r.attributes), '[]'),
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'timestamp', (e ->> 'time')::numeric / 1000000, 'name', e -> 'name',
        'fields', @internal@.key_values(e -> 'attributes')) ORDER BY place), '[]')
      FROM jsonb_array_elements(s.events) WITH ORDINALITY AS list (e, place)),
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'traceID', l -> 'trace_id', 'spanID', l -> 'span_id',
        'tags', @internal@.key_values(l -> 'attributes')) ORDER BY place), '[]')
      FROM jsonb_array_elements(s.links) WITH ORDINALITY AS list (l, place)),
    CASE s.kind WHEN 0 THEN 'unspecified' WHEN 1 THEN 'internal' WHEN 2 THEN 'server'
      WHEN 3 THEN 'client' WHEN 4 THEN 'producer' WHEN 5 THEN 'consumer' ELSE s.kind::text END,
    s.status_code::int, s.status_message, s.trace_state, c.name, c.version
  FROM @schema@.span s
  LEFT JOIN @schema@.resource r ON r.resource_id = s.resource_id
  LEFT JOIN @schema@.scope c ON c.scope_id = s.scope_id
  WHERE s.trace_id = trace AND s.start_time >= since AND s.start_time < until
  ORDER BY s.start_time, s.start_ns;
END $$;
COMMENT ON FUNCTION @schema@.trace_panel(uuid, timestamptz, timestamptz) IS
  'The spans of a trace as the trace panel of Grafana wants them; tags, serviceTags, logs and '
  'references need its transformation of field types to Other.';

CREATE OR REPLACE FUNCTION @schema@.trace_logs(
  trace uuid, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
RETURNS SETOF @schema@.logs
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT l.* FROM @schema@.logs l
  WHERE l.trace_id = trace AND l.time >= since AND l.time < until
  ORDER BY l.time_unix_nano;
END $$;
COMMENT ON FUNCTION @schema@.trace_logs(uuid, timestamptz, timestamptz) IS
  'The log records of a trace, in order; columns as in the view logs.';

-- Searching --------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @schema@.find_spans(
  matching jsonb, since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  rows_max int DEFAULT 100)
RETURNS SETOF @schema@.spans
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT s.* FROM @schema@.spans s
  WHERE s.attributes @> matching AND s.start_time >= since AND s.start_time < until
    AND (service IS NULL OR s.service_name = service)
  ORDER BY s.start_time DESC LIMIT rows_max;
END $$;

CREATE OR REPLACE FUNCTION @schema@.find_logs(
  matching jsonb, since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  rows_max int DEFAULT 100)
RETURNS SETOF @schema@.logs
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT l.* FROM @schema@.logs l
  WHERE l.attributes @> matching AND l.time >= since AND l.time < until
    AND (service IS NULL OR l.service_name = service)
  ORDER BY l.time DESC LIMIT rows_max;
END $$;
COMMENT ON FUNCTION @schema@.find_spans(jsonb, timestamptz, timestamptz, text, int) IS
  'The latest spans of a window whose attributes contain all of those given, such as '
  '{"http.route": "/cart"}; columns as in the view spans.';
COMMENT ON FUNCTION @schema@.find_logs(jsonb, timestamptz, timestamptz, text, int) IS
  'The latest log records of a window whose attributes contain all of those given; columns as '
  'in the view logs.';

-- Goes back from the window's end in growing steps until there are enough, so that the latest
-- traces of a busy day cost as much as the minutes they are in. In a variable: functions that only
-- read can't have temporary tables.
CREATE OR REPLACE FUNCTION @schema@.find_traces(
  since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  operation text DEFAULT NULL, matching jsonb DEFAULT NULL, min_ms float8 DEFAULT NULL,
  only_errors bool DEFAULT false, rows_max int DEFAULT 50)
RETURNS TABLE (
  trace_id text, start_time timestamptz, duration_ms float8, service_name text, name text,
  span_count int8, error_count int8, service_count int8)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 50
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  step interval := '1 minute';
  low timestamptz;
  -- A window without an end would be stepped through for ever.
  high timestamptz := least(until, now() + interval '2 days');
  first CONSTANT timestamptz := greatest(since, high - interval '10 years');
  found uuid[] := '{}';
BEGIN
  WHILE high > first AND cardinality(found) < rows_max LOOP
    low := greatest(first, high - step);
    found := found || ARRAY(
      SELECT s.trace_id FROM @schema@.span s
      WHERE s.start_time >= low AND s.start_time < high
        AND (service IS NULL OR s.service_name = service)
        AND (operation IS NULL OR s.name = operation)
        AND (matching IS NULL OR s.attributes @> matching)
        AND (min_ms IS NULL
          OR s.duration_ns >= min_ms * 1e6 AND @internal@.is_timed(s.duration_ns))
        AND (NOT only_errors OR s.status_code = 2)
        AND s.trace_id <> ALL (found)
      GROUP BY s.trace_id ORDER BY max(s.start_time) DESC
      LIMIT rows_max - cardinality(found));
    high := low;
    step := step * 4;
  END LOOP;
  RETURN QUERY
  WITH spans AS MATERIALIZED (
    -- Its other spans may have begun before and after the window.
    SELECT s.trace_id, s.start_time, s.duration_ns, s.service_name, s.name, s.status_code,
      s.parent_span_id
    FROM @schema@.span s
    WHERE s.trace_id = ANY (found)
      AND s.start_time >= high - interval '1 hour' AND s.start_time < until + interval '1 hour'
  )
  SELECT replace(s.trace_id::text, '-', ''), min(s.start_time),
    extract(epoch FROM max(CASE WHEN @internal@.is_timed(s.duration_ns)
        THEN s.start_time + s.duration_ns / 1000 * interval '1 microsecond' END)
      - min(s.start_time))::float8 * 1000,
    (array_agg(s.service_name ORDER BY s.parent_span_id IS NOT NULL, s.start_time))[1],
    (array_agg(s.name ORDER BY s.parent_span_id IS NOT NULL, s.start_time))[1],
    count(*), count(*) FILTER (WHERE s.status_code = 2), count(DISTINCT s.service_name)
  FROM spans s GROUP BY s.trace_id ORDER BY min(s.start_time) DESC;
END $$;
COMMENT ON FUNCTION @schema@.find_traces(
  timestamptz, timestamptz, text, text, jsonb, float8, bool, int) IS
  'The latest traces with a span in the window that meets all conditions, with their root (or '
  'earliest span) and counts.';
