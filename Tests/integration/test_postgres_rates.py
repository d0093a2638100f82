"""Rates are those of a generator that is known: for windows from 10 seconds to a day, at any step and edge.

Spans come every 8 seconds from each of two services, log records as often; counters grow by 3 a second, with
points every 10 seconds, and begin anew now and then. All windows are multiples of 8 seconds, so that the spans
in them are as many as there must be, wherever they begin. The generator goes on past now.
"""

import datetime
import math

import pytest

from postgres import EDITIONS, needs

UTC = datetime.timezone.utc
GROWTH = 3.0  # A second.
SPANS = 1 / 8
HOURS = 52

GENERATE = """
INSERT INTO @schema@.resource (resource_id, service_name, attributes)
  VALUES (1, 'shop', '{{}}'), (2, 'stock', '{{}}');
INSERT INTO @schema@.scope (scope_id, name) VALUES (1, 'library');
INSERT INTO @schema@.span (start_time, duration_ns, span_id, parent_span_id, resource_id, scope_id, trace_id,
  start_ns, kind, status_code, service_name, name)
SELECT first + n * interval '8 s' + service * interval '1 ms', 4000000, 2 * n + service,
  CASE service WHEN 1 THEN 2 * n END, 1 + service, 1, md5(n::text)::uuid, 0, 2, 2 * (n % 4 / 3),
  CASE service WHEN 0 THEN 'shop' ELSE 'stock' END, 'get'
FROM (SELECT '{first}'::timestamptz + interval '1 s' AS first) f, generate_series(0, {spans}) n,
  generate_series(0, 1) service;
INSERT INTO @schema@.log (time, time_ns, resource_id, scope_id, time_source, severity_number, service_name, body)
SELECT start_time, 0, 1, 1, 0, 9, 'shop', 'text' FROM @schema@.span WHERE resource_id = 1;
INSERT INTO @schema@.metric_series (series_id, metric_id, resource_id, scope_id, metric_type, temporality,
  is_monotonic, service_name, metric_name, explicit_bounds, attributes) VALUES
  (1, 1, 1, 1, 2, 2, true, 'shop', 'cumulative', NULL, '{{}}'),
  (2, 2, 1, 1, 2, 1, true, 'shop', 'delta', NULL, '{{}}'),
  (3, 3, 1, 1, 3, 2, true, 'shop', 'histogram', '{{1}}', '{{}}'),
  (4, 4, 1, 1, 2, 2, true, 'shop', 'no_start', NULL, '{{}}');
-- Anew every 2,000 points: its start says so, and its value where that is lower than the one before.
INSERT INTO @schema@.metric_number (time, metric_id, series_id, value, start_time, time_ns, start_ns)
SELECT at, series, series, CASE series WHEN 2 THEN {growth} * 10 WHEN 4 THEN {growth} * 10 * n
    ELSE {growth} * 10 * (1 + (n - 1) % 2000) END,
  CASE series WHEN 2 THEN at - interval '10 s' WHEN 1 THEN first + 10 * (n - 1 - (n - 1) % 2000) * interval '1 s' END,
  0, CASE WHEN series < 4 THEN 0 END
FROM (SELECT '{first}'::timestamptz + interval '4 s' AS first) f, generate_series(1, {points}) n,
  unnest(ARRAY[1, 2, 4]) series, LATERAL (SELECT first + n * interval '10 s' AS at) t;
INSERT INTO @schema@.metric_histogram (time, metric_id, series_id, count, bucket_counts, start_time, time_ns, start_ns)
SELECT time, 3, 3, value, ARRAY[value, 0], start_time, 0, 0 FROM @schema@.metric_number WHERE series_id = 1;
UPDATE @schema@.mark SET at = '{first}' WHERE name IN ('rollup', 'edges');
"""


@pytest.fixture(scope="module", params=EDITIONS)
def generated(request, servers):
    needs(request.param)
    database = servers(request.param).database()
    now = datetime.datetime.now(UTC).replace(microsecond=0)
    first = now.replace(minute=0, second=0) - datetime.timedelta(hours=HOURS)
    seconds = (now - first).total_seconds() + 1200
    database.execute(GENERATE.format(
        first=first, spans=int(seconds / 8), points=int(seconds / 10), growth=GROWTH))
    database.execute("SELECT @schema@.apply_settings('{\"retain_span\": \"1 day\", \"retain_log\": \"1 day\","
                     " \"retain_rollup_minute\": \"26 hours\"}')")
    roll_up(database, first, now.replace(second=0) - datetime.timedelta(minutes=10))
    yield database
    database.drop()


def roll_up(database, first, until):
    """All of it, minutes that upkeep would leave out too, as they are about to go."""
    if database.edition == "timescale":
        for rollup in ("red_1m", "latency_1m", "log_volume_1m", "red_1h", "latency_1h", "log_volume_1h",
                       "rollup_service_latency_1h"):
            database.execute(f"CALL refresh_continuous_aggregate('@schema@.{rollup}', NULL, %s)", (until,))
    else:
        for table in "span", "log":
            database.execute("SELECT @internal@.refresh_rollups(%s, %s, %s, %s)", (table, first, until, until))
        database.execute("UPDATE @schema@.mark SET at = %s WHERE name = 'rollup'", (until,))
    database.execute("SELECT @internal@.refresh_edges(%s, %s, %s)", (first, until, until))
    database.execute("UPDATE @schema@.mark SET at = %s WHERE name = 'edges'", (until,))


# How many seconds before now, how long, by which steps.
WINDOWS = [
    (10, 8, "2 seconds"), (40, 16, "8 seconds"), (75, 64, "20 seconds"), (75, 64, "1 minute"),
    (61, 56, "1 minute"), (700, 120, "1 minute"), (1234, 600, "10 seconds"), (3600, 3592, "1 minute"),
    (7200 + 13, 3600, "5 minutes"), (5 * 3600 + 37, 5 * 3600, "30 minutes"), (86400 - 7, 3 * 3600, "7 minutes"),
    (86400, 86400, "1 hour"), (86400, 86392, "10 minutes"),
    # Where only hours are kept.
    (48 * 3600 + 1, 12 * 3600, "1 minute"), (48 * 3600 + 1234, 12 * 3600, "90 minutes"),
    (50 * 3600, 48 * 3600, "1 hour"), (40 * 3600, 40 * 3600, "10 minutes"),
]


@pytest.fixture(params=WINDOWS, ids=str)
def window(request, generated):
    back, length, step = request.param
    now = generated.value("SELECT date_trunc('second', now())")
    since = now - datetime.timedelta(seconds=back)
    return since, since + datetime.timedelta(seconds=length), step


def approximately(rate):
    return pytest.approx(rate, rel=0.02)


def test_rates_of_calls_are_those_of_the_generator(generated, window):
    since, until, step = window
    for function in "red_services", "red_operations":
        found = generated.execute(
            f"SELECT service_name, rate, errors / calls FROM @schema@.{function}(%s, %s) ORDER BY 1", (since, until))
        assert [(name, rate) for name, rate, _ in found] \
            == [("shop", approximately(SPANS)), ("stock", approximately(SPANS))]
    [(client, server, rate)] = generated.execute(
        "SELECT client, server, rate FROM @schema@.service_dependencies(%s, %s)", (since, until))
    assert (client, server, rate) == ("shop", "stock", approximately(SPANS))


def test_rates_of_steps_are_those_of_the_generator(generated, window):
    since, until, step = window
    found = generated.execute("""
        SELECT time, rate, calls FROM @schema@.red_series(%s, %s, %s, 'shop') ORDER BY 1""", (since, until, step))
    assert found
    times = [time for time, *_ in found]
    assert len(set(times)) == len(times)
    for time, rate, calls in found:
        # As near as whole spans can be: one more or one less.
        assert abs(rate - SPANS) <= max(0.02 * SPANS, 1.001 * rate / calls), time
    counted = generated.value(
        "SELECT sum(records) FROM @schema@.log_volume(%s, %s, %s)", (since, until, step))
    assert counted == generated.value(
        "SELECT sum(calls) FROM @schema@.red_series(%s, %s, %s, 'shop')", (since, until, step))


@pytest.mark.parametrize("metric", ["cumulative", "delta", "histogram", "no_start"])
def test_rates_of_counters_are_those_of_the_generator(generated, window, metric):
    since, until, step = window
    found = generated.execute(
        "SELECT time, rate, increase FROM @schema@.metric_rate(%s, %s, %s, %s)", (metric, since, until, step))
    seconds = generated.value("SELECT extract(epoch FROM %s::interval)::float8", (step,))
    assert len(found) >= math.floor((until - since).total_seconds() / seconds)
    assert [rate for _, rate, _ in found] == [approximately(GROWTH)] * len(found)
    assert sum(increase for *_, increase in found) == approximately(GROWTH * (until - since).total_seconds())
    [(increase, covered)] = generated.execute(
        "SELECT sum(increase), sum(seconds) FROM @schema@.metric_increases(%s, %s, %s)", (metric, since, until))
    assert increase == approximately(GROWTH * (until - since).total_seconds())
    assert covered == approximately((until - since).total_seconds())


def test_a_step_that_is_not_over_is_divided_by_what_has_passed(generated):
    """Up to now, and to a time that is to come; of what comes later there are points already."""
    for end in "now()", "now() + interval '3 hours'":
        found = generated.execute(f"""
            SELECT rate, calls FROM @schema@.red_series(date_trunc('minute', now()) - interval '5 minutes', {end},
              '1 minute', 'shop') WHERE time < date_trunc('minute', now()) ORDER BY time""")
        assert len(found) == 5
        assert all(abs(rate - SPANS) <= 1.001 * rate / calls for rate, calls in found), found
    # Of the minute that is not over: all that is there up to now, and nothing that is to come.
    [(rate, calls, passed)] = generated.execute("""
        SELECT rate, calls, extract(epoch FROM now() - date_trunc('minute', now()))::float8
        FROM @schema@.red_series(date_trunc('minute', now()), now(), '1 minute', 'shop')
        RIGHT JOIN (SELECT) AS always ON true""")
    assert calls is None or rate == pytest.approx(calls / passed)
    generated.execute("BEGIN; DELETE FROM @schema@.metric_number WHERE time > now()")
    try:
        for step in "10 seconds", "1 minute", "1 hour":
            found = generated.execute("""
                SELECT time, rate FROM @schema@.metric_rate('cumulative', now() - interval '2 hours', now(), %s)
                ORDER BY 1""", (step,))
            assert [rate for _, rate in found] == [approximately(GROWTH)] * len(found), step
    finally:
        generated.execute("ROLLBACK")
