"""Makes up telemetry in the database: a shop of 100 services over the last 49 hours.

Traces of 20 spans with ten attributes each, log records for two of five spans, and a point a
minute of each metric. Everything follows from hashes of counters, so each run makes the same rows.
An hour is a statement, so that memory stays small; the server does the work.
"""

import datetime
import time

HOURS = 49
SPANS_PER_TRACE = 20
SERVICES = 100

CHANCE = """
CREATE OR REPLACE FUNCTION pg_temp.chance(a int8, b int8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(a, b) & 1048575) / 1048576.0::float8;
"""

RESOURCES = """
INSERT INTO {s}.resource (resource_id, service_name, service_namespace, service_instance_id,
  attributes)
SELECT 1000 + 2 * n + i, format('service-%s', n), 'shop', format('instance-%s', i),
  jsonb_build_object('service.name', format('service-%s', n), 'service.namespace', 'shop',
    'service.instance.id', format('instance-%s', i), 'host.name', format('host-%s', n % 20),
    'deployment.environment.name', 'production', 'telemetry.sdk.language', 'go')
FROM generate_series(0, {services} - 1) n, generate_series(0, 1) i
ON CONFLICT DO NOTHING
"""

SCOPES = """
INSERT INTO {s}.scope (scope_id, name, version)
VALUES (1, 'net/http', '1.2.0'), (2, 'shop/orders', '0.9.1'), (3, 'shop/metrics', '0.9.1')
ON CONFLICT DO NOTHING
"""

# Servers (even depth) and the clients below them (odd depth) in turn; a client is in the service of
# its parent. One trace in 20 was sampled at a tenth.
SPANS = """
INSERT INTO {s}.span (start_time, duration_ns, span_id, parent_span_id, resource_id, scope_id,
  trace_id, adjusted_count, flags, start_ns, kind, status_code, service_name, name, status_message,
  attributes, events)
SELECT at + make_interval(secs => depth * 0.002 + j * 0.0001), duration,
  hashint8extended(t * 64 + j, 3), CASE WHEN j > 0 THEN hashint8extended(t * 64 + parent, 3) END,
  1000 + 2 * service + t % 2, 1, trace_id, CASE WHEN t % 20 = 7 THEN 10 END,
  CASE WHEN depth % 2 = 0 THEN 769 ELSE 257 END, (t * 7 + j) % 1000,
  CASE WHEN depth % 2 = 0 THEN 2 ELSE 3 END, CASE WHEN failed THEN 2 ELSE 0 END,
  format('service-%s', service), CASE WHEN depth % 2 = 0 THEN route ELSE 'GET' END,
  CASE WHEN failed THEN 'upstream timed out' END,
  jsonb_build_object('http.request.method', 'GET', 'http.route', route,
    'http.response.status_code', CASE WHEN failed THEN 504 ELSE 200 END,
    'url.path', format('/api/items/%s', t % 5000), 'url.scheme', 'https',
    'server.address', format('service-%s.shop.internal', service), 'server.port', 443,
    'user_agent.original', 'shop-frontend/4.2 (linux; x86_64)',
    'user.id', format('u-%s', (hashint8extended(t, 8) & 65535) % 50000), 'thread.id', j),
  CASE WHEN failed THEN jsonb_build_array(jsonb_build_object(
    'time', (extract(epoch FROM at) * 1000000000)::int8, 'name', 'exception', 'attributes',
    jsonb_build_object('exception.type', 'TimeoutError', 'exception.message', 'deadline exceeded')))
  END
FROM (
  SELECT *, (root * 0.6 ^ depth * (0.5 + pg_temp.chance(t * 64 + j, 5)) * 1e6)::int8 AS duration,
    CASE WHEN depth % 2 = 0 THEN (entry + 7 * j) % {services} ELSE (entry + 7 * parent) % {services}
      END AS service,
    format('/api/v1/resource-%s', (j * 5 + entry + t % 3) % 12) AS route,
    pg_temp.chance(t * 64 + j, 6) < 0.02 AS failed
  FROM (
    SELECT t, j, (j - 1) / 2 AS parent, floor(log(2, j + 1) + 1e-9)::int AS depth,
      timestamptz '{hour}' + make_interval(secs => 3600.0 * (t - {first}) / {count}) AS at,
      md5(t::text)::uuid AS trace_id, (hashint8extended(t, 1) & 65535) % {services} AS entry,
      exp(3.5 + 1.2 * (pg_temp.chance(t, 2) + pg_temp.chance(t, 4) + pg_temp.chance(t, 9) - 1.5) * 2)
        AS root
    FROM generate_series({first}::int8, {first} + {count} - 1) t,
      generate_series(0, {spans_per_trace} - 1) j) spans) more
"""

LOGS = """
INSERT INTO {s}.log (time, observed_time, span_id, resource_id, scope_id, trace_id, adjusted_count,
  flags, time_ns, observed_ns, time_source, severity_number, severity_text, service_name, body,
  attributes)
SELECT start_time + interval '1 millisecond', start_time + interval '2 milliseconds', span_id,
  resource_id, 2, trace_id, adjusted_count, 1, start_ns, start_ns, 0,
  CASE WHEN status_code = 2 THEN 17 WHEN chance < 0.08 THEN 13 ELSE 9 END,
  CASE WHEN status_code = 2 THEN 'ERROR' WHEN chance < 0.08 THEN 'WARN' ELSE 'INFO' END,
  service_name, CASE WHEN status_code = 2 THEN 'upstream ' || name || ' timed out'
    ELSE format('handled %s for %s in %s ms', name, attributes ->> 'user.id',
      round(duration_ns / 1e6)) END,
  jsonb_build_object('code.function.name', 'Handler.Serve', 'thread.id', attributes -> 'thread.id',
    'user.id', attributes -> 'user.id', 'http.route', attributes -> 'http.route')
FROM (
  SELECT *, pg_temp.chance(span_id, 7) AS chance FROM {s}.span
  WHERE start_time >= '{hour}' AND start_time < timestamptz '{hour}' + interval '1 hour') s
WHERE chance < 0.4
"""

# Of each service: five counters by route, a gauge, a histogram (delta), a histogram (cumulative), an
# exponential one and a summary. Types and temporalities as in the tables.
SERIES = """
INSERT INTO {s}.metric_series (series_id, metric_id, resource_id, scope_id, metric_type, temporality,
  is_monotonic, service_name, metric_name, unit, description, explicit_bounds, attributes)
SELECT 100000 + n * 100 + series, metric, 1000 + 2 * n, 3, type, temporality, monotonic,
  format('service-%s', n), name, unit, description, bounds, attributes::jsonb
FROM generate_series(0, {services} - 1) n, (
  SELECT r AS series, 11 AS metric, 2 AS type, 2 AS temporality, true AS monotonic,
    'http.server.requests' AS name, '{{request}}' AS unit, 'Requests served' AS description,
    NULL::float8[] AS bounds, format('{{"http.route": "/api/v1/resource-%s"}}', r) AS attributes
  FROM generate_series(0, 4) r
  UNION ALL VALUES
    (10, 12, 1, 0, false, 'process.memory.usage', 'By', 'Resident memory', NULL::float8[], '{{}}'),
    (11, 13, 3, 1, false, 'http.server.request.duration', 's', 'Duration of requests',
      '{{0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10}}'::float8[], '{{"http.request.method": "GET"}}'),
    (12, 14, 3, 2, false, 'http.client.request.duration', 's', 'Duration of requests sent',
      '{{0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10}}', '{{}}'),
    (13, 15, 4, 1, false, 'db.client.operation.duration', 's', 'Duration of statements', NULL, '{{}}'),
    (14, 16, 5, 2, false, 'rpc.server.duration', 'ms', 'Duration of calls', NULL, '{{}}')) m
ON CONFLICT DO NOTHING
"""

# Counters begin anew every 20 hours.
NUMBERS = """
INSERT INTO {s}.metric_number (time, metric_id, series_id, value, value_int, start_time, time_ns,
  start_ns)
SELECT at, metric_id, series_id, value, CASE WHEN metric_type = 2 THEN value::int8 END,
  CASE WHEN metric_type = 2 THEN began END, 0, CASE WHEN metric_type = 2 THEN 0 END
FROM (
  SELECT s.*, at, date_bin('20 hours', at, '2000-01-01 00:00+00') AS began,
    CASE WHEN metric_type = 2
      THEN floor(extract(epoch FROM at - date_bin('20 hours', at, '2000-01-01 00:00+00'))
        * (1 + series_id % 7))
      ELSE 1e8 + 1e7 * sin(extract(epoch FROM at) / 3000) + series_id END AS value
  FROM {s}.metric_series s, generate_series(timestamptz '{hour}',
    timestamptz '{hour}' + interval '59 minutes', interval '1 minute') at
  WHERE s.metric_id IN (11, 12)) p
"""

HISTOGRAMS = """
INSERT INTO {s}.metric_histogram (time, metric_id, series_id, count, sum, min, max, start_time,
  time_ns, start_ns, bucket_counts)
SELECT at, metric_id, series_id, 120 * n, 9.0 * n, 0.004, 4.2, began, 0, 0,
  ARRAY[2, 6, 20, 36, 30, 14, 6, 3, 2, 1, 0, 0]::int8[] * n
FROM (
  SELECT s.*, at, CASE WHEN temporality = 1 THEN 1
      ELSE (extract(epoch FROM at - date_bin('20 hours', at, '2000-01-01 00:00+00')) / 60)::int8
    END AS n, CASE WHEN temporality = 1 THEN at - interval '1 minute'
      ELSE date_bin('20 hours', at, '2000-01-01 00:00+00') END AS began
  FROM {s}.metric_series s, generate_series(timestamptz '{hour}',
    timestamptz '{hour}' + interval '59 minutes', interval '1 minute') at
  WHERE s.metric_id IN (13, 14)) p
""".replace("ARRAY[2, 6, 20, 36, 30, 14, 6, 3, 2, 1, 0, 0]::int8[] * n", """ARRAY(
    SELECT c * n FROM unnest(ARRAY[2, 6, 20, 36, 30, 14, 6, 3, 2, 1, 0, 0]::int8[]) c)""")

EXPONENTIAL = """
INSERT INTO {s}.metric_exp_histogram (time, metric_id, series_id, count, sum, min, max, start_time,
  zero_count, zero_threshold, scale, positive_offset, negative_offset, time_ns, start_ns,
  positive_counts, negative_counts)
SELECT at, metric_id, series_id, 101, 1.5, 0.001, 0.3, at - interval '1 minute', 1, 0, 3, -64, 0, 0,
  0, '{{1,0,2,3,5,8,12,14,14,12,9,7,5,3,2,1,1,0,0,1}}', '{{}}'
FROM {s}.metric_series s, generate_series(timestamptz '{hour}',
  timestamptz '{hour}' + interval '59 minutes', interval '1 minute') at
WHERE s.metric_id = 15
"""

SUMMARIES = """
INSERT INTO {s}.metric_summary (time, metric_id, series_id, count, sum, start_time, time_ns, start_ns,
  quantiles, quantile_values)
SELECT at, metric_id, series_id, n * 30, n * 400.0, began, 0, 0, '{{0.5,0.99}}', ARRAY[11.5, 80.25]
FROM (
  SELECT s.*, at, date_bin('20 hours', at, '2000-01-01 00:00+00') AS began,
    (extract(epoch FROM at - date_bin('20 hours', at, '2000-01-01 00:00+00')) / 60)::int8 AS n
  FROM {s}.metric_series s, generate_series(timestamptz '{hour}',
    timestamptz '{hour}' + interval '59 minutes', interval '1 minute') at
  WHERE s.metric_id = 16) p
"""


def load(connection, schema, spans, say=print):
    """The whole: rows, their rollups, statistics. `connection` commits by itself."""
    began = time.monotonic()
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    hours = [now - datetime.timedelta(hours=back) for back in range(HOURS, 0, -1)]
    fill = {"s": schema, "services": SERVICES, "spans_per_trace": SPANS_PER_TRACE}
    connection.execute(CHANCE)
    make_partitions(connection, schema, hours)
    for statement in RESOURCES, SCOPES, SERIES:
        connection.execute(statement.format(**fill))
    left = spans // SPANS_PER_TRACE
    per_hour = -(-left // HOURS)
    for index, hour in enumerate(hours):
        fill |= {"hour": hour, "first": index * per_hour, "count": min(per_hour, left)}
        left -= fill["count"]
        for statement in SPANS, LOGS, NUMBERS, HISTOGRAMS, EXPONENTIAL, SUMMARIES:
            connection.execute(statement.format(**fill))
    say(f"rows: {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    settle(connection, schema, hours[0], now)
    say(f"rollups, columnstore, statistics: {time.monotonic() - began:.0f} s")
    return hours[0], now


def make_partitions(connection, schema, hours):
    """The days before today: maintain() makes only those that come."""
    if connection.execute(f"SELECT {schema}.edition()").fetchone()[0] != "native":
        return
    for table in [row[0] for row in connection.execute(f"SELECT name FROM {schema}.timed_table")]:
        for day in sorted({hour.date() for hour in hours}):
            connection.execute(
                f"SELECT {schema}.make_partition(%s, %s::timestamptz)", (table, f"{day} 00:00+00"))


def settle(connection, schema, since, until):
    """What a database has that took the rows as they came: rollups, columnstore, statistics."""
    edition = connection.execute(f"SELECT {schema}.edition()").fetchone()[0]
    connection.execute(
        f"UPDATE {schema}.mark SET at = date_trunc('hour', %s::timestamptz)"
        " WHERE name IN ('rollup', 'edges')", (since,))
    for step in "rollups", "edges":
        while any(row[3] for row in connection.execute(
                f"SELECT * FROM {schema}.maintain_step(%s)", (step,)).fetchall()):
            pass
    if edition == "timescale":
        for rollup in ("red_1m", "latency_1m", "log_volume_1m", "red_1h", "latency_1h",
                       "rollup_service_latency_1h", "log_volume_1h"):
            connection.execute(
                "CALL refresh_continuous_aggregate(%s, %s::timestamptz, %s::timestamptz)",
                (f"{schema}.{rollup}", since - datetime.timedelta(hours=1),
                 until - datetime.timedelta(minutes=5)))
        connection.execute(
            "SELECT compress_chunk(c::regclass, if_not_compressed => true) FROM timescaledb_information"
            ".chunks i, LATERAL format('%%I.%%I', i.chunk_schema, i.chunk_name) c"
            " WHERE hypertable_schema = %s AND range_end < now()", (schema,))
    for step in "rollups", "edges":
        while any(row[3] for row in connection.execute(
                f"SELECT * FROM {schema}.maintain_step(%s)", (step,)).fetchall()):
            pass
    connection.execute("VACUUM ANALYZE")
