-- Metrics over time. Repeatable, after functions.sql.

-- Metrics ----------------------------------------------------------------------------------------

-- Points are read by the metric's id and filtered by the series' ids, both as arrays, and only what comes
-- of them is joined to the series: a join of points to series by the metric's id would look at all
-- points of the metric for each of its series.
CREATE OR REPLACE FUNCTION @internal@.series_of(
  metric text, service text, matching jsonb, types int2[], OUT metrics int8[], OUT series int8[])
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT array_agg(DISTINCT s.metric_id), array_agg(s.series_id)
  FROM @schema@.metric_series s
  WHERE s.metric_name = metric AND (service IS NULL OR s.service_name = service)
    AND s.attributes @> matching AND s.metric_type = ANY (types)
$$;
COMMENT ON FUNCTION @internal@.series_of(text, text, jsonb, int2[]) IS
  'The ids of a metric''s series that match, and of the metrics that they are of.';

CREATE OR REPLACE FUNCTION @schema@.metric_values(
  metric text, since timestamptz, until timestamptz DEFAULT now(),
  step interval DEFAULT '1 minute', service text DEFAULT NULL, matching jsonb DEFAULT '{}')
RETURNS TABLE (
  "time" timestamptz, series_id int8, service_name text, attributes jsonb, resource_id int8,
  avg float8, min float8, max float8, last float8, points int8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  known record := @internal@.series_of(metric, service, matching, '{0,1,2}');
BEGIN
  RETURN QUERY
  SELECT v.bin, v.series_id, s.service_name, s.attributes, s.resource_id, v.avg, v.min, v.max,
    v.last, v.points
  FROM (
    SELECT date_bin(step, p.time, timestamptz '2000-01-01 00:00+00') AS bin, p.series_id,
      avg(p.value) AS avg, min(p.value) AS min, max(p.value) AS max,
      (array_agg(p.value ORDER BY p.time DESC, p.time_ns DESC))[1] AS last,
      count(p.value) AS points
    FROM @schema@.metric_number p
    WHERE p.metric_id = ANY (known.metrics) AND p.series_id = ANY (known.series)
      AND p.time >= since AND p.time < until
    GROUP BY 1, 2) AS v
  JOIN @schema@.metric_series s ON s.series_id = v.series_id
  ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION @schema@.metric_values(
  text, timestamptz, timestamptz, interval, text, jsonb) IS
  'Gauges and sums, per series and step: mean, extremes, last value and number of points.';

-- What each series of a counter grew by, and from when to when: sums by their values, histograms and
-- summaries by their counts. `begins` and `ends` are microseconds since `since`.
--
-- A cumulative point adds what it has more than the point before, since that. A series that began
-- anew (its start is not before the point before, or a monotonic value fell) adds its value, since
-- its start. Of the first point that is seen that is known only where its start is in what is read:
-- otherwise `increase` is NULL, and nothing is known before it. A delta point adds its value, since
-- its start or the point before.
--
-- Points are read from `look` before the window, to know what the first ones follow, to `look` after
-- it, to know what part of the last growth is in it. After the last point nothing is known yet, if the
-- series is about as recent as the most recent one; an older one has ended.
CREATE OR REPLACE FUNCTION @internal@.metric_intervals(
  metric text, since timestamptz, until timestamptz, service text, matching jsonb, look interval)
RETURNS TABLE (
  series_id int8, begins int8, ends int8, increase float8, known_from int8, known_until int8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  known record := @internal@.series_of(metric, service, matching, '{2,3,4,5}');
  deltas int8[] := ARRAY(SELECT s.series_id FROM @schema@.metric_series s
    WHERE s.series_id = ANY (known.series) AND s.temporality = 1);
  -- Sums that may fall do so without beginning anew.
  falling int8[] := ARRAY(SELECT s.series_id FROM @schema@.metric_series s
    WHERE s.series_id = ANY (known.series) AND s.metric_type = 2 AND NOT s.is_monotonic);
BEGIN
  RETURN QUERY
  WITH points AS (
    SELECT p.time, p.time_ns, p.start_time, p.start_ns, p.metric_id, p.series_id, p.value
    FROM @schema@.metric_number p
    WHERE p.metric_id = ANY (known.metrics) AND p.series_id = ANY (known.series)
      AND p.time >= since - look AND p.time < until + look AND p.value IS NOT NULL
    UNION ALL
    SELECT p.time, p.time_ns, p.start_time, p.start_ns, p.metric_id, p.series_id, p.count::float8
    FROM @schema@.metric_histogram p
    WHERE p.metric_id = ANY (known.metrics) AND p.series_id = ANY (known.series)
      AND p.time >= since - look AND p.time < until + look
    UNION ALL
    SELECT p.time, p.time_ns, p.start_time, p.start_ns, p.metric_id, p.series_id, p.count::float8
    FROM @schema@.metric_exp_histogram p
    WHERE p.metric_id = ANY (known.metrics) AND p.series_id = ANY (known.series)
      AND p.time >= since - look AND p.time < until + look
    UNION ALL
    SELECT p.time, p.time_ns, p.start_time, p.start_ns, p.metric_id, p.series_id, p.count::float8
    FROM @schema@.metric_summary p
    WHERE p.metric_id = ANY (known.metrics) AND p.series_id = ANY (known.series)
      AND p.time >= since - look AND p.time < until + look
  ), ordered AS (
    SELECT p.*, p.series_id = ANY (deltas) AS is_delta, p.series_id = ANY (falling) AS may_fall,
      lag(p.value) OVER w AS value_before, lag(p.start_time) OVER w AS start_before,
      lag(p.time) OVER w AS time_before, lead(p.time) OVER w AS time_after,
      max(p.time) OVER () AS latest
    FROM points p WINDOW w AS (PARTITION BY p.series_id ORDER BY p.time, p.time_ns)
  ), grown AS (
    SELECT o.*, CASE
      WHEN o.is_delta THEN 'itself'
      WHEN o.start_time IS DISTINCT FROM o.start_before
          AND (o.start_time >= o.time_before OR o.time_before IS NULL) THEN CASE
        WHEN o.start_time = o.time AND o.start_ns = o.time_ns THEN 'unknown'
        WHEN o.time_before IS NOT NULL OR o.start_time >= since - look THEN 'itself'
        ELSE 'unknown' END
      WHEN NOT o.may_fall AND o.value < o.value_before THEN 'anew'
      WHEN o.time_before IS NULL THEN 'unknown'
      ELSE 'more' END AS by
    FROM ordered o
  ), spanned AS (
    SELECT g.*, least(CASE g.by
      -- Without a start and a point before, as long as to the next one.
      WHEN 'itself' THEN coalesce(g.start_time, g.time_before, g.time - (g.time_after - g.time), g.time)
      WHEN 'unknown' THEN g.time ELSE g.time_before END, g.time) AS since_when
    FROM grown g
  )
  SELECT i.series_id, (date_part('epoch', i.since_when - since) * 1e6)::int8,
    (date_part('epoch', i.time - since) * 1e6)::int8,
    CASE i.by WHEN 'unknown' THEN NULL WHEN 'more' THEN i.value - i.value_before ELSE i.value END,
    CASE WHEN i.by = 'unknown' THEN (date_part('epoch', i.time - since) * 1e6)::int8 END,
    CASE WHEN i.time_after IS NULL AND i.latest - i.time <= 1.5 * greatest(
        i.time - i.since_when, i.time - i.time_before)
      THEN (date_part('epoch', i.time - since) * 1e6)::int8 END
  FROM spanned i;
END $$;
COMMENT ON FUNCTION @internal@.metric_intervals(
  text, timestamptz, timestamptz, text, jsonb, interval) IS
  'By how much the series of a counter grew, and from when to when, around a window.';

DROP FUNCTION IF EXISTS @schema@.metric_increases(
  text, timestamptz, timestamptz, text, jsonb, interval);
CREATE FUNCTION @schema@.metric_increases(
  metric text, since timestamptz, until timestamptz DEFAULT now(), service text DEFAULT NULL,
  matching jsonb DEFAULT '{}', look_back interval DEFAULT '10 minutes')
RETURNS TABLE (
  "time" timestamptz, series_id int8, service_name text, attributes jsonb, increase float8,
  seconds float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  window_end int8 := date_part('epoch', until - since) * 1e6;
BEGIN
  RETURN QUERY
  SELECT since + least(i.ends, window_end) * interval '1 microsecond', i.series_id, s.service_name,
    s.attributes, CASE WHEN i.ends > i.begins THEN i.increase
      * ((least(i.ends, window_end) - greatest(i.begins, 0))::float8 / (i.ends - i.begins))
      ELSE i.increase END,
    (least(i.ends, window_end) - greatest(i.begins, 0)) / 1e6::float8
  FROM @internal@.metric_intervals(metric, since, until, service, matching, look_back) i
  JOIN @schema@.metric_series s ON s.series_id = i.series_id
  WHERE CASE WHEN i.ends > i.begins THEN i.ends > 0 AND i.begins < window_end
    ELSE i.ends >= 0 AND i.ends < window_end END;
END $$;
COMMENT ON FUNCTION @schema@.metric_increases(
  text, timestamptz, timestamptz, text, jsonb, interval) IS
  'What each point adds to its series in the window, and in how many seconds: sums, or counts of '
  'histograms and summaries; delta or cumulative, over resets. Growth from before the window into it, '
  'and out of it, counts by the part that is in it. NULL where it can''t be known: the first point of '
  'a cumulative series that began before.';

CREATE OR REPLACE FUNCTION @schema@.metric_rate(
  metric text, since timestamptz, until timestamptz DEFAULT now(),
  step interval DEFAULT '1 minute', service text DEFAULT NULL, matching jsonb DEFAULT '{}')
RETURNS TABLE (
  "time" timestamptz, series_id int8, service_name text, attributes jsonb, increase float8,
  rate float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  first CONSTANT timestamptz := @schema@.bin(step, since);
  -- In microseconds: of the window since `since`, and of `since` in its step.
  width CONSTANT int8 := date_part('epoch', step) * 1e6;
  shift CONSTANT int8 := date_part('epoch', since - first) * 1e6;
  window_end CONSTANT int8 := date_part('epoch', until - since) * 1e6;
  passed CONSTANT int8 := date_part('epoch', least(until, now()) - since) * 1e6;
BEGIN
  RETURN QUERY
  WITH intervals AS MATERIALIZED (
    SELECT i.*, greatest(i.begins, 0) AS low, least(i.ends, window_end) AS high
    FROM @internal@.metric_intervals(metric, since, until, service, matching,
      greatest(step, interval '10 minutes')) i
  ), edges AS (
    SELECT i.series_id, max(i.known_from) AS known_from, min(i.known_until) AS known_until
    FROM intervals i GROUP BY i.series_id
  ), pieces AS (
    -- Most are within a step.
    SELECT i.series_id, (i.low + shift) / width AS place,
      CASE WHEN i.ends > i.begins THEN i.increase * ((i.high - i.low)::float8 / (i.ends - i.begins))
        ELSE i.increase END AS part
    FROM intervals i WHERE i.increase IS NOT NULL AND CASE WHEN i.ends > i.begins
      THEN i.low < i.high AND (i.low + shift) / width = (i.high + shift - 1) / width
      ELSE i.ends >= 0 AND i.ends < window_end END
    UNION ALL
    SELECT i.series_id, place, i.increase * ((least(i.high, (place + 1) * width - shift)
      - greatest(i.low, place * width - shift))::float8 / (i.ends - i.begins))
    FROM intervals i, LATERAL
      generate_series((i.low + shift) / width, (i.high + shift - 1) / width) AS place
    WHERE i.increase IS NOT NULL AND i.low < i.high
      AND (i.low + shift) / width <> (i.high + shift - 1) / width
  ), steps AS (
    SELECT p.series_id, p.place, sum(p.part) AS increase FROM pieces p GROUP BY 1, 2
  )
  SELECT first + t.place * step, t.series_id, s.service_name, s.attributes, t.increase,
    t.increase / nullif(greatest(least((t.place + 1) * width - shift, window_end,
        CASE WHEN t.place * width - shift < passed THEN passed END, e.known_until)
      - greatest(t.place * width - shift, 0, e.known_from), 0), 0) * 1e6
  FROM steps t
  JOIN edges e ON e.series_id = t.series_id
  JOIN @schema@.metric_series s ON s.series_id = t.series_id
  ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION @schema@.metric_rate(
  text, timestamptz, timestamptz, interval, text, jsonb) IS
  'Per series and step: what a counter grew by, and by how much a second of what is in the window and '
  'known. Growth between two points is spread evenly over the steps that they span. Sum rate over '
  'series where fewer lines are wanted.';

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
DECLARE
  known record := @internal@.series_of(metric, service, matching, '{3,4}');
BEGIN
  RETURN QUERY
  WITH points AS (
    SELECT s.temporality, coalesce(s.explicit_bounds, '{}') AS bounds, p.*,
      lag(p.time) OVER w AS time_before, lag(p.start_time) OVER w AS start_before,
      lag(p.count) OVER w AS count_before
    FROM (
      SELECT h.series_id, h.time, h.time_ns, h.start_time, h.start_ns, h.count, h.bucket_counts,
        NULL::int4 AS scale, NULL::int8 AS zero_count, NULL::float8 AS zero_threshold,
        NULL::int4 AS positive_offset, NULL::int8[] AS positive_counts,
        NULL::int4 AS negative_offset, NULL::int8[] AS negative_counts
      FROM @schema@.metric_histogram h
      WHERE h.metric_id = ANY (known.metrics) AND h.series_id = ANY (known.series)
        AND h.time >= since - greatest(step, interval '10 minutes') AND h.time < until
      UNION ALL
      SELECT e.series_id, e.time, e.time_ns, e.start_time, e.start_ns, e.count, NULL, e.scale, e.zero_count,
        e.zero_threshold, e.positive_offset, e.positive_counts, e.negative_offset,
        e.negative_counts
      FROM @schema@.metric_exp_histogram e
      WHERE e.metric_id = ANY (known.metrics) AND e.series_id = ANY (known.series)
        AND e.time >= since - greatest(step, interval '10 minutes') AND e.time < until) p
    JOIN @schema@.metric_series s ON s.series_id = p.series_id
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
    SELECT e.bin, true, e.n, CASE e.side WHEN 1 THEN @internal@.exponential_bound(e.scale, e.index)
        ELSE 0 - @internal@.exponential_bound(e.scale, e.index + 1) END,
      CASE e.side WHEN 1 THEN @internal@.exponential_bound(e.scale, e.index + 1)
        ELSE 0 - @internal@.exponential_bound(e.scale, e.index) END
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
