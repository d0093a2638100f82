-- Metrics over time. Repeatable, after functions.sql.

-- Metrics ----------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @schema@.metric_values(
  metric text, since timestamptz, until timestamptz DEFAULT now(),
  step interval DEFAULT '1 minute', service text DEFAULT NULL, matching jsonb DEFAULT '{}')
RETURNS TABLE (
  "time" timestamptz, series_id int8, service_name text, attributes jsonb, resource_id int8,
  avg float8, min float8, max float8, last float8, points int8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT date_bin(step, p.time, timestamptz '2000-01-01 00:00+00'), s.series_id,
    min(s.service_name), s.attributes, min(s.resource_id), avg(p.value), min(p.value),
    max(p.value), (array_agg(p.value ORDER BY p.time DESC, p.time_ns DESC))[1], count(p.value)
  FROM @schema@.metric_series s
  JOIN @schema@.metric_number p ON p.metric_id = s.metric_id AND p.series_id = s.series_id
  WHERE s.metric_name = metric AND (service IS NULL OR s.service_name = service)
    AND s.attributes @> matching AND p.time >= since AND p.time < until
  GROUP BY 1, s.series_id, s.attributes ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION @schema@.metric_values(
  text, timestamptz, timestamptz, interval, text, jsonb) IS
  'Gauges and sums, per series and step: mean, extremes, last value and number of points.';

-- What each series of a counter grew by: sums by their values, histograms and summaries by their
-- counts. A cumulative series that began anew (its start is not before the point before, or a
-- monotonic value fell) counts from 0; one whose first point is seen counts it only where its start
-- is known to be in the window. Points are read from one step before the window, and at least 10
-- minutes, to know what the first ones follow.
CREATE OR REPLACE FUNCTION @schema@.metric_increases(
  metric text, since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  matching jsonb DEFAULT '{}', look_back interval DEFAULT '10 minutes')
RETURNS TABLE (
  "time" timestamptz, series_id int8, service_name text, attributes jsonb, increase float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH series AS MATERIALIZED (
    SELECT s.series_id, s.metric_id, s.service_name, s.attributes, s.temporality,
      s.is_monotonic OR s.metric_type > 2 AS is_monotonic, s.metric_type
    FROM @schema@.metric_series s
    WHERE s.metric_name = metric AND (service IS NULL OR s.service_name = service)
      AND s.attributes @> matching AND s.metric_type >= 2
  ), points AS (
    SELECT p.time, p.time_ns, p.start_time, p.start_ns, p.metric_id, p.series_id, p.value
    FROM @schema@.metric_number p
    UNION ALL
    SELECT p.time, p.time_ns, p.start_time, p.start_ns, p.metric_id, p.series_id, p.count::float8
    FROM @schema@.metric_histogram p
    UNION ALL
    SELECT p.time, p.time_ns, p.start_time, p.start_ns, p.metric_id, p.series_id, p.count::float8
    FROM @schema@.metric_exp_histogram p
    UNION ALL
    SELECT p.time, p.time_ns, p.start_time, p.start_ns, p.metric_id, p.series_id, p.count::float8
    FROM @schema@.metric_summary p
  ), ordered AS (
    SELECT s.*, p.time, p.start_time, p.value,
      p.start_time = p.time AND p.start_ns = p.time_ns AS begins_unknown,
      lag(p.value) OVER w AS value_before, lag(p.start_time) OVER w AS start_before,
      lag(p.time) OVER w AS time_before
    FROM series s JOIN points p ON p.metric_id = s.metric_id AND p.series_id = s.series_id
    WHERE p.time >= since - look_back AND p.time < until AND p.value IS NOT NULL
    WINDOW w AS (PARTITION BY p.series_id ORDER BY p.time, p.time_ns)
  )
  SELECT o.time, o.series_id, o.service_name, o.attributes, CASE
    WHEN o.temporality = 1 THEN o.value
    WHEN o.start_time IS DISTINCT FROM o.start_before
        AND (o.start_time >= o.time_before OR o.time_before IS NULL)
      THEN CASE WHEN o.begins_unknown THEN NULL WHEN o.start_time >= since THEN o.value
        WHEN o.time_before IS NOT NULL THEN o.value END
    WHEN o.is_monotonic AND o.value < o.value_before THEN o.value
    ELSE o.value - o.value_before END
  FROM ordered o WHERE o.time >= since;
END $$;
COMMENT ON FUNCTION @schema@.metric_increases(
  text, timestamptz, timestamptz, text, jsonb, interval) IS
  'What each point adds to its series: sums, or counts of histograms and summaries; delta or '
  'cumulative, over resets. NULL where it can''t be known: the first point of a cumulative '
  'series that began before the window.';

CREATE OR REPLACE FUNCTION @schema@.metric_rate(
  metric text, since timestamptz, until timestamptz DEFAULT now(),
  step interval DEFAULT '1 minute', service text DEFAULT NULL, matching jsonb DEFAULT '{}')
RETURNS TABLE (
  "time" timestamptz, series_id int8, service_name text, attributes jsonb, increase float8,
  rate float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT date_bin(step, i.time, timestamptz '2000-01-01 00:00+00'), i.series_id,
    min(i.service_name), i.attributes, sum(i.increase),
    sum(i.increase) / extract(epoch FROM step)::float8
  FROM @schema@.metric_increases(metric, since, until, service, matching,
    greatest(step, interval '10 minutes')) i
  GROUP BY 1, i.series_id, i.attributes HAVING count(i.increase) > 0 ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION @schema@.metric_rate(
  text, timestamptz, timestamptz, interval, text, jsonb) IS
  'Per series and step: what a counter grew by, and by how much a second. Sum rate over series '
  'where fewer lines are wanted.';

-- A cumulative point adds what it has more than the point before: its own counts to its step, and
-- the counts of the point before with a minus. So histograms of several series, scales and bounds
-- become one by sums: scales by shifting to the lowest, bounds by keeping those that all have.
CREATE OR REPLACE FUNCTION @schema@.metric_quantiles(
  metric text, quantiles float8[], since timestamptz, until timestamptz DEFAULT now(),
  step interval DEFAULT '1 minute', service text DEFAULT NULL, matching jsonb DEFAULT '{}')
RETURNS TABLE ("time" timestamptz, quantile float8, value float8, count float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH points AS (
    SELECT s.series_id, s.temporality, coalesce(s.explicit_bounds, '{}') AS bounds, p.*,
      lag(p.time) OVER w AS time_before, lag(p.start_time) OVER w AS start_before,
      lag(p.count) OVER w AS count_before
    FROM @schema@.metric_series s, LATERAL (
      SELECT h.time, h.time_ns, h.start_time, h.start_ns, h.count, h.bucket_counts,
        NULL::int4 AS scale, NULL::int8 AS zero_count, NULL::float8 AS zero_threshold,
        NULL::int4 AS positive_offset, NULL::int8[] AS positive_counts,
        NULL::int4 AS negative_offset, NULL::int8[] AS negative_counts
      FROM @schema@.metric_histogram h
      WHERE h.metric_id = s.metric_id AND h.series_id = s.series_id
      UNION ALL
      SELECT e.time, e.time_ns, e.start_time, e.start_ns, e.count, NULL, e.scale, e.zero_count,
        e.zero_threshold, e.positive_offset, e.positive_counts, e.negative_offset,
        e.negative_counts
      FROM @schema@.metric_exp_histogram e
      WHERE e.metric_id = s.metric_id AND e.series_id = s.series_id) p
    WHERE s.metric_name = metric AND (service IS NULL OR s.service_name = service)
      AND s.attributes @> matching AND s.metric_type IN (3, 4)
      AND p.time >= since - greatest(step, interval '10 minutes') AND p.time < until
    WINDOW w AS (PARTITION BY s.series_id ORDER BY p.time, p.time_ns)
  ), followed AS (
    -- 0: adds nothing known, 1: adds itself, 2: itself without the point before.
    SELECT p.*, CASE
      WHEN p.temporality = 1 THEN 1
      WHEN p.start_time = p.time AND p.start_ns = p.time_ns THEN 0
      WHEN p.time_before IS NULL THEN (p.start_time >= since)::int
      WHEN p.start_time IS DISTINCT FROM p.start_before AND p.start_time >= p.time_before THEN 1
      WHEN p.count < p.count_before THEN 1
      ELSE 2 END AS adds
    FROM points p
  ), linked AS (
    SELECT f.*, lead(f.time) OVER w AS time_after, lead(f.adds) OVER w AS adds_after
    FROM followed f WINDOW w AS (PARTITION BY f.series_id ORDER BY f.time, f.time_ns)
  ), signed AS (
    SELECT l.*, t.sign, date_bin(step, t.time, timestamptz '2000-01-01 00:00+00') AS bin
    FROM linked l, LATERAL (VALUES
      (1, l.time, l.adds > 0), (-1, l.time_after, l.adds_after = 2)) AS t (sign, time, counts)
    WHERE t.counts AND t.time >= since
  ), shared AS (
    SELECT b.bin, coalesce(array_agg(b.bound ORDER BY b.bound)
      FILTER (WHERE b.having = b.sets AND b.bound IS NOT NULL), '{}') AS bounds
    FROM (
      SELECT d.bin, bound, count(*) AS having, max(d.sets) AS sets
      FROM (SELECT s.bin, s.bounds, count(*) OVER (PARTITION BY s.bin) AS sets
        FROM signed s WHERE s.bucket_counts IS NOT NULL GROUP BY s.bin, s.bounds) d
      LEFT JOIN LATERAL unnest(d.bounds) AS bound ON true
      GROUP BY d.bin, bound) b
    GROUP BY b.bin
  ), lowest AS (
    SELECT s.bin, min(s.scale) AS scale FROM signed s WHERE s.scale IS NOT NULL GROUP BY s.bin
  ), explicit_cells AS (
    -- Where a cell ends is in all bounds, or goes to the next that is; the last one is open.
    SELECT g.bin, c.bounds, coalesce(width_bucket(g.bounds[g.place], c.bounds)
        + (c.bounds[width_bucket(g.bounds[g.place], c.bounds)]
          IS DISTINCT FROM g.bounds[g.place])::int, cardinality(c.bounds) + 1) AS place,
      sum(g.n) AS n
    FROM (
      SELECT s.bin, s.bounds, b.place, sum(s.sign * b.n) AS n
      FROM signed s, unnest(s.bucket_counts) WITH ORDINALITY AS b (n, place)
      GROUP BY s.bin, s.bounds, b.place) g
    JOIN shared c ON c.bin = g.bin
    GROUP BY 1, 2, 3
  ), exponential_cells AS (
    SELECT s.bin, w.scale, b.side, b.index >> least(s.scale - w.scale, 62) AS index,
      sum(s.sign * b.n) AS n
    FROM signed s JOIN lowest w ON w.bin = s.bin, LATERAL (
      SELECT 1 AS side, s.positive_offset + p.place - 1 AS index, p.n
      FROM unnest(s.positive_counts) WITH ORDINALITY AS p (n, place)
      UNION ALL
      SELECT -1, s.negative_offset + p.place - 1, p.n
      FROM unnest(s.negative_counts) WITH ORDINALITY AS p (n, place)) b
    WHERE b.n > 0
    GROUP BY 1, 2, 3, 4
  ), cells AS (
    SELECT e.bin, false AS geometric, e.n::float8,
      coalesce(e.bounds[e.place - 1], '-Infinity') AS low,
      coalesce(e.bounds[e.place], 'Infinity') AS high
    FROM explicit_cells e
    UNION ALL
    SELECT e.bin, true, e.n, CASE e.side WHEN 1 THEN @schema@.exponential_bound(e.scale, e.index)
        ELSE 0 - @schema@.exponential_bound(e.scale, e.index + 1) END,
      CASE e.side WHEN 1 THEN @schema@.exponential_bound(e.scale, e.index + 1)
        ELSE 0 - @schema@.exponential_bound(e.scale, e.index) END
    FROM exponential_cells e
    UNION ALL
    SELECT s.bin, true, sum(s.sign * s.zero_count), 0 - max(s.zero_threshold),
      max(s.zero_threshold)
    FROM signed s WHERE s.zero_count IS NOT NULL GROUP BY s.bin
  ), merged AS (
    SELECT c.bin, c.geometric, sum(c.n) AS count, @schema@.bucket_quantiles(quantiles,
      array_agg(c.low ORDER BY c.low, c.high), array_agg(c.high ORDER BY c.low, c.high),
      array_agg(c.n ORDER BY c.low, c.high), c.geometric) AS values
    FROM cells c WHERE c.n > 0 GROUP BY c.bin, c.geometric
  )
  SELECT m.bin, q.quantile, q.value, m.count
  FROM merged m, unnest(quantiles, m.values) AS q (quantile, value)
  ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION @schema@.metric_quantiles(
  text, float8[], timestamptz, timestamptz, interval, text, jsonb) IS
  'Quantiles of a histogram or exponential histogram per step, over all series that match; '
  'delta or cumulative, over resets. count: the values they are of.';
