-- What a person queries: the same views as in SQLite. Repeatable: run again whenever it changes.
-- Only columns at the end may be added, or CREATE OR REPLACE fails; others' views depend on them.
--
-- What is filtered on stands as it is in the tables (start_time, time, trace_id, service_name,
-- name, attributes, severity_number …), so that conditions reach partitions, chunks and indexes.
-- Joins to dictionaries go away where a query asks for none of their columns.

-- Ten years: a difference that is larger has a start or an end that was not sent. Rows of older gateways
-- have such differences; newer ones write NULL.
CREATE OR REPLACE FUNCTION @internal@.is_timed(duration_ns int8) RETURNS bool
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(duration_ns BETWEEN -315360000000000000 AND 315360000000000000, false);
COMMENT ON FUNCTION @internal@.is_timed(int8) IS
  'Whether a span has a duration: its start and its end were sent.';

CREATE OR REPLACE VIEW @schema@.spans AS
SELECT
  s.start_time,
  -- In whole microseconds, rounded down as the start is; 1970 is an end that was not sent.
  CASE WHEN s.sent_start_time IS NULL AND @internal@.is_timed(s.duration_ns) THEN nullif(
    s.start_time + (s.duration_ns / 1000 + (s.duration_ns % 1000 + s.start_ns + 1000) / 1000 - 1)
      * interval '1 microsecond', timestamptz 'epoch') END AS end_time,
  CASE WHEN @internal@.is_timed(s.duration_ns) THEN s.duration_ns / 1e6::float8 END AS duration_ms,
  s.service_name,
  s.name,
  CASE s.kind WHEN 0 THEN 'unspecified' WHEN 1 THEN 'internal' WHEN 2 THEN 'server'
    WHEN 3 THEN 'client' WHEN 4 THEN 'producer' WHEN 5 THEN 'consumer'
    ELSE s.kind::text END AS kind,
  CASE s.status_code WHEN 0 THEN 'unset' WHEN 1 THEN 'ok' WHEN 2 THEN 'error'
    ELSE s.status_code::text END AS status,
  s.status_message,
  s.trace_id,
  lpad(to_hex(s.span_id), 16, '0') AS span_id,
  lpad(to_hex(s.parent_span_id), 16, '0') AS parent_span_id,
  s.attributes,
  coalesce(s.events, '[]') AS events,
  coalesce(s.links, '[]') AS links,
  r.attributes AS resource,
  c.name AS scope_name,
  c.version AS scope_version,
  coalesce(c.attributes, '{}') AS scope_attributes,
  s.trace_state,
  coalesce(s.flags, 0) AS flags,
  coalesce(s.sent_start_time,
    trunc(extract(epoch FROM s.start_time) * 1000000000) + s.start_ns) AS start_time_unix_nano,
  CASE WHEN @internal@.is_timed(s.duration_ns) THEN s.duration_ns END AS duration_ns,
  coalesce(s.operation, s.name) AS operation,
  coalesce(s.adjusted_count, 1) AS adjusted_count,
  -- As 64 bits that wrap.
  coalesce(s.sent_end_time, mod(coalesce(s.sent_start_time,
      trunc(extract(epoch FROM s.start_time) * 1000000000) + s.start_ns)
    + s.duration_ns + 18446744073709551616, 18446744073709551616)) AS end_time_unix_nano
FROM @schema@.span s
LEFT JOIN @schema@.resource r ON r.resource_id = s.resource_id
LEFT JOIN @schema@.scope c ON c.scope_id = s.scope_id;

COMMENT ON VIEW @schema@.spans IS
  'Spans, a row each. Bound start_time, and service_name or trace_id where you can: they are '
  'indexed.';
COMMENT ON COLUMN @schema@.spans.start_time IS
  'Start in microseconds; the time of receipt where the start sent is implausible (see '
  'start_time_unix_nano).';
COMMENT ON COLUMN @schema@.spans.end_time IS
  'End in microseconds. NULL: none was sent, or the start sent is implausible.';
COMMENT ON COLUMN @schema@.spans.duration_ms IS
  'End minus start in milliseconds; below 0 where a span ends before it starts. NULL: its start or '
  'its end was not sent.';
COMMENT ON COLUMN @schema@.spans.service_name IS 'service.name of the resource.';
COMMENT ON COLUMN @schema@.spans.name IS 'Name of the span, as sent.';
COMMENT ON COLUMN @schema@.spans.kind IS
  'unspecified, internal, server, client, producer, consumer; a number where OTLP knows no word.';
COMMENT ON COLUMN @schema@.spans.status IS 'unset, ok, error; a number where OTLP knows no word.';
COMMENT ON COLUMN @schema@.spans.status_message IS 'What went wrong, in words; NULL for none.';
COMMENT ON COLUMN @schema@.spans.trace_id IS
  'Trace id. Compare with 32 hex digits as they are: trace_id = '
  '''5b8efff798038103d269b633813fc60c''.';
COMMENT ON COLUMN @schema@.spans.span_id IS
  'Span id, 16 hex digits. Not indexed: give trace_id too.';
COMMENT ON COLUMN @schema@.spans.parent_span_id IS
  'Id of the parent, 16 hex digits; NULL for a root.';
COMMENT ON COLUMN @schema@.spans.attributes IS
  'Attributes; NULL for none. Search by attributes @> ''{"key": "value"}''.';
COMMENT ON COLUMN @schema@.spans.events IS
  'Array of {time (ns), name, attributes, dropped_attributes}.';
COMMENT ON COLUMN @schema@.spans.links IS
  'Array of {trace_id, span_id, trace_state, attributes, dropped_attributes, flags}.';
COMMENT ON COLUMN @schema@.spans.resource IS 'Attributes of the resource.';
COMMENT ON COLUMN @schema@.spans.scope_name IS 'Name of the instrumentation scope.';
COMMENT ON COLUMN @schema@.spans.scope_version IS 'Version of the instrumentation scope.';
COMMENT ON COLUMN @schema@.spans.scope_attributes IS 'Attributes of the instrumentation scope.';
COMMENT ON COLUMN @schema@.spans.trace_state IS 'W3C tracestate.';
COMMENT ON COLUMN @schema@.spans.flags IS 'Flags, as sent: bits 0 to 7 are W3C trace flags.';
COMMENT ON COLUMN @schema@.spans.start_time_unix_nano IS
  'Start as sent, in nanoseconds since 1970.';
COMMENT ON COLUMN @schema@.spans.duration_ns IS
  'End minus start in nanoseconds; NULL where one of them was not sent.';
COMMENT ON COLUMN @schema@.spans.end_time_unix_nano IS
  'End as sent, in nanoseconds since 1970; 0: none was.';
COMMENT ON COLUMN @schema@.spans.operation IS
  'The name that rollups count it under: name, or other where the service has too many names.';
COMMENT ON COLUMN @schema@.spans.adjusted_count IS
  'How many spans this one stands for, by the sampling threshold; sum it instead of counting rows.';

CREATE OR REPLACE FUNCTION @schema@.severity_word(severity_number int2) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (ARRAY['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'])[(severity_number + 3) / 4];
COMMENT ON FUNCTION @schema@.severity_word(int2) IS
  'The word for a severity''s number; NULL where OTLP knows none.';

CREATE OR REPLACE VIEW @schema@.logs AS
SELECT
  l.time,
  l.observed_time,
  l.service_name,
  coalesce(nullif(l.severity_text, ''), @schema@.severity_word(l.severity_number)) AS severity,
  l.severity_number,
  coalesce(l.body, l.body_json::text) AS body,
  l.event_name,
  l.trace_id,
  lpad(to_hex(l.span_id), 16, '0') AS span_id,
  l.attributes,
  r.attributes AS resource,
  c.name AS scope_name,
  c.version AS scope_version,
  coalesce(c.attributes, '{}') AS scope_attributes,
  coalesce(l.flags, 0) AS flags,
  coalesce(l.sent_time,
    trunc(extract(epoch FROM l.time) * 1000000000) + l.time_ns) AS time_unix_nano,
  CASE l.time_source WHEN 0 THEN 'sent' WHEN 1 THEN 'observed' ELSE 'received' END AS time_source,
  coalesce(l.adjusted_count, 1) AS adjusted_count
FROM @schema@.log l
LEFT JOIN @schema@.resource r ON r.resource_id = l.resource_id
LEFT JOIN @schema@.scope c ON c.scope_id = l.scope_id;

COMMENT ON VIEW @schema@.logs IS
  'Log records, a row each. Bound time, and service_name or trace_id where you can: they are '
  'indexed.';
COMMENT ON COLUMN @schema@.logs.time IS
  'When it happened, in microseconds; where that was not sent or is implausible see time_source.';
COMMENT ON COLUMN @schema@.logs.observed_time IS
  'When it was observed, in microseconds; NULL: not sent.';
COMMENT ON COLUMN @schema@.logs.service_name IS 'service.name of the resource.';
COMMENT ON COLUMN @schema@.logs.severity IS
  'The severity''s text as sent, or the word for its number: TRACE, DEBUG, INFO, WARN, ERROR, '
  'FATAL.';
COMMENT ON COLUMN @schema@.logs.severity_number IS
  '1 to 24, by fours from TRACE to FATAL; 0: not sent.';
COMMENT ON COLUMN @schema@.logs.body IS 'The body; JSON where it is no string.';
COMMENT ON COLUMN @schema@.logs.event_name IS 'Name of the event that the record is, or NULL.';
COMMENT ON COLUMN @schema@.logs.trace_id IS
  'Trace id or NULL. Compare with 32 hex digits as they are.';
COMMENT ON COLUMN @schema@.logs.span_id IS 'Span id, 16 hex digits, or NULL.';
COMMENT ON COLUMN @schema@.logs.attributes IS
  'Attributes; NULL for none. Search by attributes @> ''{"key": "value"}''.';
COMMENT ON COLUMN @schema@.logs.resource IS 'Attributes of the resource.';
COMMENT ON COLUMN @schema@.logs.scope_name IS 'Name of the instrumentation scope: the logger.';
COMMENT ON COLUMN @schema@.logs.scope_version IS 'Version of the instrumentation scope.';
COMMENT ON COLUMN @schema@.logs.scope_attributes IS 'Attributes of the instrumentation scope.';
COMMENT ON COLUMN @schema@.logs.flags IS 'Flags, as sent: bits 0 to 7 are W3C trace flags.';
COMMENT ON COLUMN @schema@.logs.time_unix_nano IS
  'The time as sent (or where time_source says otherwise, that one), in nanoseconds since 1970.';
COMMENT ON COLUMN @schema@.logs.time_source IS
  'Where time comes from: sent, observed (nothing was sent), received (neither was: the clock '
  'of the gateway).';
COMMENT ON COLUMN @schema@.logs.adjusted_count IS
  'How many records this one stands for, by sampling.';

-- A row a data point. Bounds and descriptions are those of its series.
CREATE OR REPLACE VIEW @schema@.metrics AS
SELECT
  p.time,
  s.service_name,
  s.metric_name,
  CASE s.metric_type WHEN 1 THEN 'gauge' WHEN 2 THEN 'sum' WHEN 3 THEN 'histogram'
    WHEN 4 THEN 'exponential_histogram' WHEN 5 THEN 'summary' ELSE 'none' END AS type,
  p.value,
  s.unit,
  p.count,
  p.sum,
  p.min,
  p.max,
  s.attributes,
  CASE p.shape
    WHEN 3 THEN jsonb_build_object(
      'bucket_counts', p.counts, 'explicit_bounds', s.explicit_bounds)
    ELSE p.details END AS details,
  coalesce(p.exemplars, '[]') AS exemplars,
  CASE s.temporality WHEN 1 THEN 'delta' WHEN 2 THEN 'cumulative' END AS temporality,
  s.is_monotonic,
  p.start_time,
  s.description,
  r.attributes AS resource,
  c.name AS scope_name,
  c.version AS scope_version,
  coalesce(p.flags, 0) AS flags,
  coalesce(p.sent_time,
    trunc(extract(epoch FROM p.time) * 1000000000) + p.time_ns) AS time_unix_nano,
  p.series_id,
  p.value_int
FROM (
  SELECT 1 AS shape, time, time_ns, sent_time, metric_id, series_id, start_time, flags, exemplars,
    value, value_int, NULL::int8 AS count, NULL::float8 AS sum, NULL::float8 AS min,
    NULL::float8 AS max, NULL::int8[] AS counts, NULL::jsonb AS details
  FROM @schema@.metric_number
  UNION ALL
  SELECT 3, time, time_ns, sent_time, metric_id, series_id, start_time, flags, exemplars,
    NULL, NULL, count, sum, min, max, bucket_counts, NULL
  FROM @schema@.metric_histogram
  UNION ALL
  SELECT 4, time, time_ns, sent_time, metric_id, series_id, start_time, flags, exemplars,
    NULL, NULL, count, sum, min, max, NULL, jsonb_build_object(
      'scale', scale, 'zero_count', zero_count, 'zero_threshold', zero_threshold,
      'positive_offset', positive_offset, 'positive_counts', positive_counts,
      'negative_offset', negative_offset, 'negative_counts', negative_counts)
  FROM @schema@.metric_exp_histogram
  UNION ALL
  SELECT 5, time, time_ns, sent_time, metric_id, series_id, start_time, flags, NULL,
    NULL, NULL, count, sum, NULL, NULL, NULL, jsonb_build_object(
      'quantiles', quantiles, 'quantile_values', quantile_values)
  FROM @schema@.metric_summary
) p
JOIN @schema@.metric_series s ON s.series_id = p.series_id AND s.metric_id = p.metric_id
LEFT JOIN @schema@.resource r ON r.resource_id = s.resource_id
LEFT JOIN @schema@.scope c ON c.scope_id = s.scope_id;

COMMENT ON VIEW @schema@.metrics IS
  'Data points of every kind, a row each. Bound time and metric_name: they are indexed.';
COMMENT ON COLUMN @schema@.metrics.time IS
  'Time of the point in microseconds; that of receipt where the one sent is implausible.';
COMMENT ON COLUMN @schema@.metrics.service_name IS 'service.name of the resource.';
COMMENT ON COLUMN @schema@.metrics.metric_name IS 'Name of the metric.';
COMMENT ON COLUMN @schema@.metrics.type IS
  'gauge, sum, histogram, exponential_histogram, summary, none.';
COMMENT ON COLUMN @schema@.metrics.value IS
  'Of gauges and sums; NULL: no value was recorded. Integers beyond 2^53 are exact in value_int'
  ' only.';
COMMENT ON COLUMN @schema@.metrics.unit IS 'Unit, as sent (UCUM), or NULL.';
COMMENT ON COLUMN @schema@.metrics.count IS 'Number of values; histograms and summaries.';
COMMENT ON COLUMN @schema@.metrics.sum IS
  'Sum of the values; histograms and summaries. NULL: not sent.';
COMMENT ON COLUMN @schema@.metrics.min IS 'Smallest value; histograms. NULL: not sent.';
COMMENT ON COLUMN @schema@.metrics.max IS 'Largest value; histograms. NULL: not sent.';
COMMENT ON COLUMN @schema@.metrics.attributes IS 'Attributes of the series.';
COMMENT ON COLUMN @schema@.metrics.details IS
  'Buckets or quantiles, as an object; NULL for gauges and sums.';
COMMENT ON COLUMN @schema@.metrics.exemplars IS
  'Array of {time (ns), value, trace_id, span_id, attributes}.';
COMMENT ON COLUMN @schema@.metrics.temporality IS 'delta, cumulative, or NULL.';
COMMENT ON COLUMN @schema@.metrics.is_monotonic IS 'Whether a sum only grows.';
COMMENT ON COLUMN @schema@.metrics.start_time IS
  'Since when a sum or histogram counts; NULL: not sent.';
COMMENT ON COLUMN @schema@.metrics.description IS 'Description of the metric.';
COMMENT ON COLUMN @schema@.metrics.resource IS 'Attributes of the resource.';
COMMENT ON COLUMN @schema@.metrics.scope_name IS 'Name of the instrumentation scope: the meter.';
COMMENT ON COLUMN @schema@.metrics.scope_version IS 'Version of the instrumentation scope.';
COMMENT ON COLUMN @schema@.metrics.flags IS 'Flags, as sent; 1: no value was recorded.';
COMMENT ON COLUMN @schema@.metrics.time_unix_nano IS 'Time as sent, in nanoseconds since 1970.';
COMMENT ON COLUMN @schema@.metrics.series_id IS
  'Its series: metric, resource, scope and attributes.';
COMMENT ON COLUMN @schema@.metrics.value_int IS 'The value of an integer point, exact.';

-- A row a root span; what belongs to its trace is counted only where a query shows it, and only
-- from an hour before the root to a day after, so that no more partitions are looked at.
CREATE OR REPLACE VIEW @schema@.traces AS
SELECT
  t.start_time,
  (SELECT max(extract(epoch FROM s.start_time - t.start_time) * 1000
      + (s.duration_ns::float8 + s.start_ns - t.start_ns) / 1e6)
    FROM @schema@.span s WHERE s.trace_id = t.trace_id AND @internal@.is_timed(s.duration_ns)
      AND s.start_time BETWEEN t.start_time - interval '1 hour'
        AND t.start_time + interval '1 day') AS duration_ms,
  t.service_name,
  t.name,
  (SELECT count(*) FROM @schema@.span s WHERE s.trace_id = t.trace_id
      AND s.start_time BETWEEN t.start_time - interval '1 hour'
        AND t.start_time + interval '1 day') AS span_count,
  (SELECT count(*) FROM @schema@.span s WHERE s.trace_id = t.trace_id AND s.status_code = 2
      AND s.start_time BETWEEN t.start_time - interval '1 hour'
        AND t.start_time + interval '1 day') AS error_count,
  (SELECT count(DISTINCT s.service_name) FROM @schema@.span s WHERE s.trace_id = t.trace_id
      AND s.start_time BETWEEN t.start_time - interval '1 hour'
        AND t.start_time + interval '1 day') AS service_count,
  t.trace_id,
  coalesce(t.sent_start_time,
    trunc(extract(epoch FROM t.start_time) * 1000000000) + t.start_ns) AS start_time_unix_nano
FROM @schema@.span t WHERE t.parent_span_id IS NULL;

COMMENT ON VIEW @schema@.traces IS
  'Root spans, a row each, with the counts of their traces. Bound start_time, and use LIMIT.';
COMMENT ON COLUMN @schema@.traces.start_time IS 'Start of the root span.';
COMMENT ON COLUMN @schema@.traces.duration_ms IS
  'From the start of the root span to the end of the span that ends last, in milliseconds.';
COMMENT ON COLUMN @schema@.traces.service_name IS 'service.name of the root span.';
COMMENT ON COLUMN @schema@.traces.name IS 'Name of the root span.';
COMMENT ON COLUMN @schema@.traces.span_count IS
  'Spans of the trace that are stored and began from an hour before to a day after the root.';
COMMENT ON COLUMN @schema@.traces.error_count IS 'Those with the status error.';
COMMENT ON COLUMN @schema@.traces.service_count IS 'How many services they are of.';
COMMENT ON COLUMN @schema@.traces.trace_id IS 'Trace id. Compare with 32 hex digits as they are.';
COMMENT ON COLUMN @schema@.traces.start_time_unix_nano IS
  'Start of the root span as sent, in nanoseconds since 1970.';
