"""Views and functions of the PostgreSQL schema say what Python computes from the same rows."""

import collections
import datetime
import itertools
import math
import sqlite3

import pytest

from sluice import configuration
from view_rows import (
    SERVICES, at, base_time, dictionaries, insert, nanoseconds, random_spans, span, stored,
    trace_uuid)

HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)
KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUSES = ["unset", "ok", "error"]


def rows(database, statement, values=None):
    """Dictionaries by column."""
    cursor = database.session.execute(database.named(statement), values)
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def only(found):
    assert len(found) == 1, found
    return found[0]


# -- Views

def test_the_view_spans_shows_words_hex_digits_and_exact_times(database):
    dictionaries(database)
    begins = nanoseconds(base_time()) + 123_456_789
    insert(database, "span", [span(
        begins, 2_000_543, trace=0xab, span_id=-2, parent=255, service=1, kind=3, status=2,
        status_message="no", adjusted=4.0, operation="other", attributes={"a": 1},
        events=[{"time": 1, "name": "e"}])])
    row = only(rows(database, "SELECT * FROM @schema@.spans"))
    expected = {
        "service_name": "orders", "name": "GET /items", "kind": "client", "status": "error",
        "status_message": "no", "trace_id": trace_uuid(0xab), "span_id": "fffffffffffffffe",
        "parent_span_id": "00000000000000ff", "attributes": {"a": 1}, "links": [],
        "events": [{"time": 1, "name": "e"}], "scope_name": "library", "scope_version": "1.2.3",
        "resource": {"service.name": "orders", "host.name": "host-1"},
        "scope_attributes": {"kind": "test"}, "trace_state": None, "flags": 0,
        "start_time_unix_nano": begins, "duration_ns": 2_000_543, "duration_ms": 2.000543,
        "operation": "other", "adjusted_count": 4.0, "start_time": at(begins)[0],
        "end_time": at(begins + 2_000_543)[0], "end_time_unix_nano": begins + 2_000_543,
    }
    assert row == expected


@pytest.mark.parametrize("duration", [0, 1, 210, 211, 999, -1, -788, -789, -790, -10**12])
def test_the_end_is_rounded_down_as_the_start_is(native, duration):
    dictionaries(native)
    begins = nanoseconds(base_time()) + 789
    insert(native, "span", [span(begins, duration)])
    end = native.value("SELECT end_time FROM @schema@.spans")
    assert end == at(begins + duration)[0]


def test_an_end_that_was_not_sent_and_an_implausible_start_have_no_end_time(native):
    dictionaries(native)
    begins = nanoseconds(base_time()) + 5
    insert(native, "span", [
        span(begins, -begins, span_id=1),
        span(begins, 2**63 - 1, span_id=2, sent_start_time=2**64 - 1),
        span(begins, -2**63, span_id=3, sent_start_time=0)])
    found = rows(native, """
        SELECT end_time, duration_ms, duration_ns, start_time_unix_nano AS start,
          end_time_unix_nano AS end FROM @schema@.spans ORDER BY span_id""")
    assert [(row["end_time"], row["duration_ms"], row["duration_ns"]) for row in found] \
        == [(None,) * 3] * 3
    assert [row["start"] for row in found] == [begins, 2**64 - 1, 0]
    assert [row["end"] for row in found] == [0, 2**63 - 2, 2**63]


def test_spans_without_a_start_or_an_end_count_and_spoil_no_duration(database):
    """As gateways write them, and as those before did: the difference modulo 2^64."""
    dictionaries(database)
    begins = nanoseconds(base_time())
    insert(database, "span", [
        *[span(begins + index, 100_000_000, span_id=index) for index in range(9)],
        *[span(begins + 10**9 * index, -10**17, trace=2, span_id=20 + index, parent=7) | {
            "duration_ns": duration, "sent_start_time": start, "sent_end_time": end}
          for index, (duration, start, end) in enumerate([
              (begins, 0, None), (-begins, None, None), (None, 0, begins), (None, None, 0)])]])
    database.execute("UPDATE @schema@.mark SET at = %s", (base_time(),))
    for is_rolled_up in False, True:
        if is_rolled_up and database.edition == "timescale":
            break  # A continuous aggregate counts them as 0.
        if is_rolled_up:
            roll_up(database)
        [row] = rows(database, "SELECT * FROM @schema@.red_services(%s, %s)",
                     (base_time(), base_time() + 2 * HOUR))
        assert row["calls"] == 13
        assert (row["mean_ms"], row["max_ms"]) == pytest.approx((100, 100))
        assert row["p50_ms"] == pytest.approx(100, rel=0.2)
    [(least, most, count)] = database.execute(
        "SELECT min(duration_ms), max(duration_ms), count(duration_ms) FROM @schema@.spans")
    assert (least, most, count) == (100, 100, 9)
    found = rows(database, "SELECT * FROM @schema@.trace(%s)", (trace_uuid(2),))
    assert [(row["duration_ms"], row["self_ms"]) for row in found] == [(None, None)] * 4
    assert rows(database, "SELECT * FROM @schema@.slowest_spans(%s)", (base_time() - HOUR,))[0][
        "duration_ms"] == 100
    [row] = rows(database, "SELECT * FROM @schema@.find_traces(%s, min_ms => 1)", (base_time() - HOUR,))
    assert row["duration_ms"] == pytest.approx(100, rel=0.01)


def test_the_view_logs_shows_severity_body_and_where_the_time_is_from(database):
    dictionaries(database)
    moment, rest = at(nanoseconds(base_time()) + 1_001)
    common = {"time": moment, "time_ns": rest, "resource_id": 0, "scope_id": 1,
              "service_name": "shop", "time_source": 0}
    insert(database, "log", [
        {**common, "severity_number": 13, "body": "slow", "trace_id": trace_uuid(5), "span_id": 9},
        {**common, "severity_number": 9, "severity_text": "notice", "body_json": {"a": [1]},
         "time_source": 1, "adjusted_count": 2.0, "attributes": {"k": "v"}},
        {**common, "severity_number": 0, "time_source": 2, "sent_time": 2**64 - 1}])
    found = rows(database, "SELECT * FROM @schema@.logs ORDER BY time_source DESC")
    sent, received, observed = found
    assert (sent["severity"], sent["body"], sent["time_source"]) == ("WARN", "slow", "sent")
    assert (sent["trace_id"], sent["span_id"]) == (trace_uuid(5), "0000000000000009")
    assert sent["time_unix_nano"] == nanoseconds(base_time()) + 1_001
    assert (observed["severity"], observed["body"]) == ("notice", '{"a": [1]}')
    assert (observed["adjusted_count"], observed["attributes"]) == (2.0, {"k": "v"})
    assert (received["severity"], received["time_unix_nano"]) == (None, 2**64 - 1)


def series(number, kind, temporality=0, service="shop", name=None, monotonic=False, **more):
    return {
        "series_id": number, "metric_id": number // 10, "resource_id": 0, "scope_id": 1,
        "metric_type": kind, "temporality": temporality, "is_monotonic": monotonic,
        "service_name": service, "metric_name": name or f"metric-{number // 10}",
        "attributes": {}, **more}


def point(number, nanos, **more):
    moment, rest = at(nanos)
    return {"time": moment, "time_ns": rest, "metric_id": number // 10, "series_id": number, **more}


def test_the_view_metrics_shows_each_kind(database):
    dictionaries(database)
    now = nanoseconds(base_time()) + 7
    insert(database, "metric_series", [
        series(10, 1, unit="By", attributes={"a": "b"}), series(20, 2, 2, monotonic=True),
        series(30, 3, 1, explicit_bounds=[1.0, 2.5]), series(40, 4, 1), series(50, 5)])
    insert(database, "metric_number", [
        point(10, now, value=1.5), point(20, now, value=2.0**63, value_int=2**63 - 1,
                                         start_time=base_time(), start_ns=0)])
    insert(database, "metric_histogram", [
        point(30, now, count=6, sum=9.5, min=0.5, max=4.0, bucket_counts=[1, 2, 3])])
    insert(database, "metric_exp_histogram", [point(
        40, now, count=3, zero_count=1, zero_threshold=0.5, scale=2, positive_offset=-1,
        negative_offset=0, positive_counts=[1, 1], negative_counts=[])])
    insert(database, "metric_summary", [
        point(50, now, count=2, sum=3.0, quantiles=[0.5], quantile_values=[1.25])])
    found = {row["type"]: row for row in rows(database, "SELECT * FROM @schema@.metrics")}
    assert set(found) == {"gauge", "sum", "histogram", "exponential_histogram", "summary"}
    assert (found["gauge"]["value"], found["gauge"]["unit"]) == (1.5, "By")
    assert (found["gauge"]["attributes"], found["gauge"]["details"]) == ({"a": "b"}, None)
    assert (found["sum"]["value_int"], found["sum"]["temporality"]) == (2**63 - 1, "cumulative")
    assert found["sum"]["is_monotonic"] and found["sum"]["start_time"] == base_time()
    assert found["histogram"]["details"] == {
        "bucket_counts": [1, 2, 3], "explicit_bounds": [1.0, 2.5]}
    assert [found["histogram"][name] for name in ("count", "sum", "min", "max")] == [6, 9.5, 0.5, 4]
    assert found["exponential_histogram"]["details"] == {
        "scale": 2, "zero_count": 1, "zero_threshold": 0.5, "positive_offset": -1,
        "positive_counts": [1, 1], "negative_offset": 0, "negative_counts": []}
    assert found["summary"]["details"] == {"quantiles": [0.5], "quantile_values": [1.25]}
    assert {row["time_unix_nano"] for row in found.values()} == {now}


@pytest.fixture
def shop(database):
    """600 traces over three hours, with what SQL should find in them."""
    dictionaries(database)
    spans = random_spans(seed=7, traces=150, base=base_time(), seconds=3 * 3600 - 60)
    insert(database, "span", stored(spans))
    return spans


def by_trace(spans):
    grouped = collections.defaultdict(list)
    for each in spans:
        grouped[each["trace_id"]].append(each)
    return grouped


def test_the_view_traces_counts_what_belongs_to_each_root(database, shop):
    found = {row["trace_id"]: row for row in rows(database, "SELECT * FROM @schema@.traces")}
    assert len(found) == 150
    for trace_id, members in by_trace(shop).items():
        root = members[0]
        end = max(each["begins"] + each["duration_ns"] for each in members)
        row = found[trace_id]
        assert row["span_count"] == len(members)
        assert row["error_count"] == sum(each["status_code"] == 2 for each in members)
        assert row["service_count"] == len({each["service_name"] for each in members})
        assert (row["name"], row["start_time_unix_nano"]) == (root["name"], root["begins"])
        assert row["duration_ms"] == pytest.approx((end - root["begins"]) / 1e6)


def test_conditions_on_the_views_reach_partitions_and_indexes(native):
    native.maintain("partitions")
    day = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0)
    windows = {
        "spans": ("start_time", "span_"), "logs": ("time", "log_"),
        "traces": ("start_time", "span_")}
    native.execute("SET enable_seqscan = off")
    for view, (time, table) in windows.items():
        plan = explain(native, f"""
            SELECT * FROM @schema@.{view} WHERE trace_id = '5b8efff798038103d269b633813fc60c'
            AND {time} >= %s AND {time} < %s""", (day, day + HOUR))
        today = f"{table}{day:%Y%m%d}"
        scanned = [line for line in plan if f" on {table}" in line and view != "traces"]
        assert all(today in line for line in scanned), plan
        assert any(f"{today}_trace_id_idx" in line for line in plan), plan
    plan = explain(native, """
        SELECT time, value FROM @schema@.metrics WHERE metric_name = 'm' AND service_name = 's'
        AND time >= %s AND time < %s""", (day, day + HOUR))
    assert any("metric_series_name" in line for line in plan), plan
    assert not any("resource" in line or "scope" in line for line in plan), plan


def explain(database, statement, values):
    return [row[0] for row in database.execute("EXPLAIN " + statement, values)]


def test_all_that_people_call_has_a_comment_and_says_that_it_only_reads(native):
    missing = native.execute("""
        SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = '@schema@'::regnamespace
          AND c.relname IN ('spans', 'logs', 'metrics', 'traces')
          AND (obj_description(c.oid, 'pg_class') IS NULL
            OR col_description(c.oid, a.attnum) IS NULL)""")
    assert missing == []
    functions = native.execute("""
        SELECT proname, provolatile, proparallel, obj_description(oid, 'pg_proc') IS NOT NULL
        FROM pg_proc WHERE pronamespace = '@schema@'::regnamespace AND proname = ANY (%s)""",
        (FUNCTIONS,))
    assert sorted({name for name, *_ in functions}) == sorted(FUNCTIONS)
    others = native.execute("""
        SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = '@schema@'::regnamespace
          AND proname <> ALL (%s)""", (FUNCTIONS + CHANGING,))
    assert others == [], "what people don't call is in the other schema"
    forgotten = native.execute("""
        SELECT proname FROM pg_proc WHERE pronamespace IN ('@schema@'::regnamespace, '@internal@'::regnamespace)
          AND obj_description(oid, 'pg_proc') IS NULL AND proname = ANY (%s)""", (FUNCTIONS + CHANGING,))
    assert forgotten == []
    for name, volatility, parallel, is_described in functions:
        assert (volatility in "is", parallel, is_described) == (True, "s", True), name


FUNCTIONS = """
    bin bin_end bucket_quantiles edition exponential_quantile exponential_quantiles failing_operations find_logs
    find_spans find_traces histogram_quantile histogram_quantiles latency_quantiles_ms latency_series log_volume
    maintain_steps metric_increases metric_quantiles metric_rate metric_values red_operations red_series red_services
    service_dependencies severity_word slowest_operations slowest_spans span_hex span_number trace trace_hex
    trace_logs trace_panel""".split()
# What upkeep and administrators call.
CHANGING = "apply_settings grant_reader grant_writer id_key maintain maintain_step queue_refresh refresh_late".split()


CALLS = """
    trace('{trace}') trace_panel('{trace}') trace_logs('{trace}') find_spans('{{"a":1}}',{since})
    find_logs('{{"a":1}}',{since}) find_traces({since}) slowest_spans({since}) red_services({since})
    red_operations({since}) red_series({since}) latency_series({since}) slowest_operations({since})
    failing_operations({since}) service_dependencies({since}) log_volume({since})
    metric_values('m',{since}) metric_rate('m',{since}) metric_quantiles('m','{{0.5}}',{since})
    """.format(trace="5b8efff798038103d269b633813fc60c", since="now()-interval'3h'").split()


def test_a_role_that_may_only_read_can_query_all_of_it(database):
    role = f"reader_{database.name}"
    database.execute(f"CREATE ROLE {role}")
    database.execute(f"SELECT @schema@.grant_reader('{role}')")
    database.execute(f"SET ROLE {role}")
    try:
        for call in [*CALLS, "spans", "logs", "metrics", "traces"]:
            database.execute(f"SELECT * FROM @schema@.{call} AS rows LIMIT 1")
    finally:
        database.execute("RESET ROLE")
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")


def test_sqlite_has_the_same_views_and_columns(native, processes):
    gateway = processes.sluice(configuration({"sqlite": {"path": "telemetry.db"}}))
    file = sqlite3.connect(f"file:{gateway.directory / 'telemetry.db'}?mode=ro", uri=True)
    for view in "spans", "logs", "metrics", "traces":
        here = {row[0] for row in native.execute("""
            SELECT attname FROM pg_attribute
            WHERE attrelid = %s::regclass AND attnum > 0""", (f"{native.schema}.{view}",))}
        there = {row[1] for row in file.execute(f"PRAGMA table_info({view})")}
        assert here - there == set(), view
        assert there - here <= {"start_time_ns", "time_ns"}, view
    file.close()


# -- One trace

def self_times(members):
    """By brute force: what of a span no child covers, with all edges of intervals looked at."""
    result = {}
    for parent in members:
        begin, end = parent["begins"], parent["begins"] + parent["duration_ns"]
        inside = [
            (max(begin, each["begins"]), min(end, each["begins"] + each["duration_ns"]))
            for each in members if each["parent_span_id"] == parent["span_id"]]
        edges = sorted({begin, end, *(edge for pair in inside for edge in pair
                                      if begin <= edge <= end)})
        result[parent["span_id"]] = sum(
            high - low for low, high in itertools.pairwise(edges)
            if not any(start <= low and high <= stop for start, stop in inside))
    return result


def test_a_trace_comes_as_a_tree_with_self_times(database, shop):
    window = (base_time() - HOUR, base_time() + 5 * HOUR)
    for trace_id, members in itertools.islice(by_trace(shop).items(), 30):
        found = rows(database, "SELECT * FROM @schema@.trace(%s, %s, %s)", (trace_id, *window))
        assert len(found) == len(members)
        spans = {f"{each['span_id']:016x}": each for each in members}
        expected = self_times(members)
        assert [row["path"] for row in found] == sorted(row["path"] for row in found)
        paths = {row["span_id"]: row["path"] for row in found}
        for row in found:
            each = spans[row["span_id"]]
            assert row["depth"] == len(row["path"]) - 1
            assert paths.get(row["parent_span_id"], []) == row["path"][:-1]
            assert row["offset_ms"] == (each["begins"] - members[0]["begins"]) / 1e6
            assert row["self_ms"] == expected[each["span_id"]] / 1e6
            assert row["duration_ms"] == each["duration_ns"] / 1e6
            assert (row["kind"], row["status"]) == (
                KINDS[each["kind"]], STATUSES[each["status_code"]])


def test_orphans_are_roots_copies_don_t_double_and_cycles_have_no_place(native):
    dictionaries(native)
    begins = nanoseconds(base_time())
    insert(native, "span", [
        span(begins, 100, span_id=1), span(begins, 100, span_id=1),
        span(begins + 1, 10, span_id=2, parent=1), span(begins + 2, 10, span_id=3, parent=99),
        span(begins + 3, 10, span_id=4, parent=5), span(begins + 4, 10, span_id=5, parent=4),
        span(begins + 5, 10, span_id=6, parent=6)])
    found = native.execute(
        "SELECT right(span_id, 1)::int, depth, path FROM @schema@.trace(%s)", (trace_uuid(1),))
    assert found == [
        (1, 0, [1]), (2, 1, [1, 1]), (1, 0, [2]), (3, 0, [3]), (6, 0, [4]),
        (4, None, None), (5, None, None)]


def test_a_chain_of_spans_is_followed_to_a_depth_of_a_thousand(native):
    dictionaries(native)
    begins = nanoseconds(base_time())
    with native.session.cursor().copy(f"""
            COPY {native.schema}.span (start_time, start_ns, duration_ns, trace_id, span_id,
              parent_span_id, resource_id, scope_id, service_name, name, kind, status_code)
            FROM STDIN""") as copy:
        for number in range(1, 1101):
            copy.write_row((
                at(begins)[0], 0, 1000, trace_uuid(1), number, number - 1 or None, 0, 1, "shop", "n",
                1, 0))
    assert native.execute("""
        SELECT count(*), count(depth), max(depth) FROM @schema@.trace(%s)""",
        (trace_uuid(1),)) == [(1100, 1001, 1000)]


def test_the_trace_panel_has_its_columns_in_milliseconds_and_key_value_lists(database):
    dictionaries(database)
    begins = nanoseconds(base_time()) + 1_500_250
    insert(database, "span", [span(
        begins, 2_500_000, 0xab, 0xcd, service=2, status=2, status_message="bad",
        attributes={"z": {"$double": "NaN"}, "a": 1},
        events=[{"time": begins + 1, "name": "exception", "attributes": {"type": "E"}}],
        links=[{"trace_id": "0" * 31 + "1", "span_id": "0" * 15 + "2"}])])
    row = only(rows(database, "SELECT * FROM @schema@.trace_panel(%s)", (trace_uuid(0xab),)))
    start = row.pop("startTime")
    assert start == pytest.approx(begins / 1e6, abs=1e-3)
    [log] = row.pop("logs")
    assert log == {"timestamp": pytest.approx(begins / 1e6, abs=1e-3), "name": "exception",
                   "fields": [{"key": "type", "value": "E"}]}
    assert row == {
        "traceID": f"{0xab:032x}", "spanID": f"{0xcd:016x}", "parentSpanID": None,
        "operationName": "GET /items", "serviceName": "stock", "duration": 2.5,
        "tags": [{"key": "a", "value": 1}, {"key": "z", "value": {"$double": "NaN"}}],
        "serviceTags": [{"key": "host.name", "value": "host-2"},
                        {"key": "service.name", "value": "stock"}],
        "references": [{"traceID": "0" * 31 + "1", "spanID": "0" * 15 + "2", "tags": []}],
        "kind": "server", "statusCode": 2, "statusMessage": "bad", "traceState": None,
        "instrumentationLibraryName": "library", "instrumentationLibraryVersion": "1.2.3"}


# -- Searching

def test_spans_logs_and_traces_are_found_by_attributes(database, shop):
    since, until = base_time() + HOUR, base_time() + 2 * HOUR
    wanted = {each["span_id"] for each in shop
              if each["attributes"]["user.id"] == "u-3" and since <= each["start_time"] < until}
    found = rows(database, """
        SELECT * FROM @schema@.find_spans('{"user.id": "u-3"}', %s, %s, rows_max => 1000)""",
        (since, until))
    assert wanted and {int(row["span_id"], 16) for row in found} == wanted
    assert [row["start_time"] for row in found] == sorted(
        (row["start_time"] for row in found), reverse=True)
    latest = rows(database, """
        SELECT span_id FROM @schema@.find_spans('{"user.id": "u-3"}', %s, %s, 'shop', 2)""",
        (since, until))
    assert latest == [{"span_id": row["span_id"]} for row in found
                      if row["service_name"] == "shop"][:2]

    traces = {each["trace_id"].hex for each in shop if each["span_id"] in wanted}
    found = rows(database, """
        SELECT * FROM @schema@.find_traces(%s, %s, matching => '{"user.id": "u-3"}')""",
        (since, until))
    assert {row["trace_id"] for row in found} == traces
    for row in found:
        members = next(members for trace, members in by_trace(shop).items()
                       if trace.hex == row["trace_id"])
        assert row["span_count"] == len(members)
        assert (row["service_name"], row["name"]) == (
            members[0]["service_name"], members[0]["name"])


def test_find_traces_stops_at_the_latest(database, shop):
    since, until = base_time(), base_time() + 3 * HOUR
    ends = {trace.hex: max(each["start_time"] for each in members)
            for trace, members in by_trace(shop).items()}
    latest = sorted(ends, key=ends.get)[-10:]
    found = rows(database, "SELECT * FROM @schema@.find_traces(%s, %s, rows_max => 10)",
                 (since, until))
    assert sorted(row["trace_id"] for row in found) == sorted(latest)
    failed = {each["trace_id"].hex for each in shop if each["status_code"] == 2
              and each["service_name"] == "stock" and each["duration_ns"] >= 10_000_000}
    found = rows(database, """
        SELECT * FROM @schema@.find_traces(%s, %s, 'stock', min_ms => 10, only_errors => true,
          rows_max => 1000)""", (since, until))
    assert failed and {row["trace_id"] for row in found} == failed


def test_logs_of_a_trace_and_by_attribute(database):
    dictionaries(database)
    begins = nanoseconds(base_time())
    insert(database, "log", [
        {"time": at(begins + 1000 * number)[0], "time_ns": 0, "resource_id": 0, "scope_id": 1,
         "service_name": "shop", "time_source": 0, "severity_number": 9, "body": f"b{number}",
         "trace_id": trace_uuid(number % 2 + 1), "attributes": {"n": number % 3}}
        for number in reversed(range(6))])
    bodies = database.execute(
        "SELECT body FROM @schema@.trace_logs(%s, %s)", (trace_uuid(1), base_time() - HOUR))
    assert bodies == [("b0",), ("b2",), ("b4",)]
    bodies = database.execute("""
        SELECT body FROM @schema@.find_logs('{"n": 1}', %s)""", (base_time() - HOUR,))
    assert bodies == [("b4",), ("b1",)]


# -- Rates, errors, durations

WINDOWS = [
    (datetime.timedelta(0), 3 * HOUR), (HOUR, 2 * HOUR), (10 * MINUTE, 50 * MINUTE),
    (40 * MINUTE, HOUR + 20 * MINUTE), (25 * MINUTE, 2 * HOUR + 35 * MINUTE)]


@pytest.fixture(params=[False, True], ids=["live", "rolled-up"])
def rolled(request, database, shop):
    """The same, before and after maintain() has rolled up what is there."""
    database.execute("UPDATE @schema@.mark SET at = %s", (base_time(),))
    if request.param:
        roll_up(database)
    return shop


def roll_up(database):
    if database.edition == "timescale":
        for rollup in ("red_1m", "latency_1m", "red_1h", "latency_1h", "rollup_service_latency_1h"):
            database.execute(f"CALL refresh_continuous_aggregate('@schema@.{rollup}', NULL, %s)",
                             (base_time() + 2 * HOUR,))
    else:
        database.maintain("rollups", base_time() + 2 * HOUR + 17 * MINUTE)
    database.maintain("edges", base_time() + 2 * HOUR + 17 * MINUTE)


def weight(each):
    return each["adjusted_count"] or 1


def red(spans, since, until):
    calls = [each for each in spans if since <= each["start_time"] < until]
    total = sum(map(weight, calls))
    return {
        "calls": total, "errors": sum(weight(each) for each in calls if each["status_code"] == 2),
        "mean_ms": sum(weight(each) * each["duration_ns"] for each in calls) / total / 1e6,
        "max_ms": max(each["duration_ns"] for each in calls) / 1e6,
    }


def weighted_quantile(calls, share):
    """The duration at or below which the share of all calls is."""
    ordered = sorted(calls, key=lambda each: each["duration_ns"])
    rank = share * sum(map(weight, calls))
    for each in ordered:
        rank -= weight(each)
        if rank <= 1e-9:
            return each["duration_ns"] / 1e6


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_red_counts_sampled_spans_for_those_they_stand_for(database, rolled, window):
    since, until = (base_time() + part for part in window)
    entries = [each for each in rolled if each["kind"] in (2, 5)]
    within = [each for each in entries if since <= each["start_time"] < until]
    found = rows(database, "SELECT * FROM @schema@.red_operations(%s, %s)", (since, until))
    grouped = collections.defaultdict(list)
    for each in within:
        grouped[each["service_name"], each["name"]].append(each)
    assert {(row["service_name"], row["operation"]) for row in found} == set(grouped)
    for row in found:
        check_red(row, grouped[row["service_name"], row["operation"]], since, until)
    found = rows(database, "SELECT * FROM @schema@.red_services(%s, %s)", (since, until))
    for row in found:
        check_red(row, [each for each in within if each["service_name"] == row["service_name"]],
                  since, until)
    assert len(found) == len({each["service_name"] for each in within})


@pytest.mark.parametrize("made_from", ["-infinity", HOUR, 2 * HOUR, "infinity"], ids=str)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_quantiles_of_services_equal_direct_counting(database, rolled, window, made_from):
    """Whatever hours the rollup of services has."""
    if isinstance(made_from, datetime.timedelta):
        made_from = str(base_time() + made_from)
    database.execute("UPDATE @schema@.mark SET at = %s::timestamptz WHERE name = 'service_latency'",
                     (made_from,))
    since, until = (base_time() + part for part in window)
    expected = rows(database, """
        SELECT service_name, @schema@.latency_quantiles_ms('{0.5,0.95,0.99}', array_agg(bucket),
          array_agg(calls)) AS ms
        FROM (SELECT service_name, @internal@.latency_bucket(duration_ns) AS bucket,
            sum(coalesce(adjusted_count, 1)) AS calls FROM @schema@.span
          WHERE kind IN (2, 5) AND start_time >= %s AND start_time < %s GROUP BY 1, 2) d
        GROUP BY 1 ORDER BY 1""", (since, until))
    found = rows(database, """
        SELECT * FROM @schema@.red_services(%s, %s) ORDER BY service_name""", (since, until))
    assert [row["service_name"] for row in found] == [row["service_name"] for row in expected]
    for row, direct in zip(found, expected):
        assert [row["p50_ms"], row["p95_ms"], row["p99_ms"]] == pytest.approx(direct["ms"])


def test_a_database_from_before_it_gets_the_rollup_of_services(database, rolled):
    window = (base_time(), base_time() + 3 * HOUR)
    before = rows(database, "SELECT * FROM @schema@.red_services(%s, %s)", window)
    kind = "MATERIALIZED VIEW" if database.edition == "timescale" else "TABLE"
    for statement in (
            "DROP VIEW @schema@.rolled_service_latency_1h",
            f"DROP {kind} @schema@.rollup_service_latency_1h",
            "DELETE FROM @schema@.mark WHERE name = 'service_latency'",
            "DELETE FROM @schema@.migration WHERE version >= 3",
            "DELETE FROM @schema@.repeatable"):
        database.execute(statement)
    database.apply()
    assert database.value("SELECT since > '-infinity' FROM @internal@.service_hours()")
    after = rows(database, "SELECT * FROM @schema@.red_services(%s, %s)", window)
    assert after == before
    roll_up(database)
    for row, was in zip(rows(database, "SELECT * FROM @schema@.red_services(%s, %s)", window), before):
        assert [row["p50_ms"], row["p99_ms"]] == pytest.approx([was["p50_ms"], was["p99_ms"]])


def check_red(row, calls, since, until):
    expected = red(calls, since, until)
    for name, value in expected.items():
        assert row[name] == pytest.approx(value), name
    assert row["rate"] == pytest.approx(expected["calls"] / (until - since).total_seconds())
    assert row["error_ratio"] == pytest.approx(expected["errors"] / expected["calls"])
    for share, name in (0.5, "p50_ms"), (0.95, "p95_ms"), (0.99, "p99_ms"):
        exact = weighted_quantile(calls, share)
        # The bucket that has it is a quarter of an octave wide.
        assert exact / 2**0.25 - 1e-9 <= row[name] <= exact * 2**0.25 + 1e-3, name


@pytest.mark.parametrize("step", ["30 seconds", "5 minutes", "1 hour"])
def test_red_and_latency_come_as_series(database, rolled, step):
    seconds = {"30 seconds": 30, "5 minutes": 300, "1 hour": 3600}[step]
    since, until = base_time(), base_time() + 3 * HOUR
    grouped = collections.defaultdict(list)
    for each in rolled:
        if each["service_name"] == "shop" and each["kind"] == 2 and each["name"] == "reserve":
            bucket = nanoseconds(each["start_time"]) // 10**9 // seconds * seconds
            grouped[bucket].append(each)
    arguments = (since, until, step)
    found = rows(database, """
        SELECT extract(epoch FROM time)::int8 AS bucket, * FROM @schema@.red_series(
          %s, %s, %s, 'shop', 'reserve', '{server}')""", arguments)
    assert [row["bucket"] for row in found] == sorted(grouped)
    for row in found:
        expected = red(grouped[row["bucket"]], since, until)
        assert row["calls"] == pytest.approx(expected["calls"])
        assert row["rate"] == pytest.approx(expected["calls"] / seconds)
        assert row["errors"] == pytest.approx(expected["errors"])
        assert row["mean_ms"] == pytest.approx(expected["mean_ms"])
    found = rows(database, """
        SELECT extract(epoch FROM time)::int8 AS bucket, * FROM @schema@.latency_series(
          %s, %s, %s, 'shop', 'reserve', '{{0.5,0.9}}', '{{server}}')""".replace("{{", "{")
        .replace("}}", "}"), arguments)
    assert [(row["bucket"], row["quantile"]) for row in found] == sorted(
        itertools.product(grouped, (0.5, 0.9)))
    for row in found:
        exact = weighted_quantile(grouped[row["bucket"]], row["quantile"])
        assert exact / 2**0.25 - 1e-9 <= row["ms"] <= exact * 2**0.25 + 1e-3


def test_slowest_and_failing_operations_and_spans(database, rolled):
    window = (base_time(), base_time() + 3 * HOUR)
    operations = rows(database, "SELECT * FROM @schema@.red_operations(%s, %s)", window)
    slowest = rows(database, "SELECT * FROM @schema@.slowest_operations(%s, %s, NULL, 5)", window)
    assert [row["p95_ms"] for row in slowest] == sorted(
        (row["p95_ms"] for row in operations), reverse=True)[:5]
    failing = rows(database, "SELECT * FROM @schema@.failing_operations(%s, %s, 'stock')", window)
    assert [row["errors"] for row in failing] == pytest.approx(sorted(
        (row["errors"] for row in operations if row["errors"] and row["service_name"] == "stock"),
        reverse=True))
    longest = rows(database, "SELECT * FROM @schema@.slowest_spans(%s, %s, 'shop', NULL, 3)", window)
    assert [row["duration_ns"] for row in longest] == sorted(
        (each["duration_ns"] for each in rolled if each["service_name"] == "shop"),
        reverse=True)[:3]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_dependencies_are_calls_between_services(database, rolled, window):
    since, until = (base_time() + part for part in window)
    services = {each["span_id"]: each["service_name"] for each in rolled}
    expected = collections.defaultdict(list)
    for each in rolled:
        client = services.get(each["parent_span_id"])
        if client not in (None, each["service_name"]) and since <= each["start_time"] < until:
            expected[client, each["service_name"]].append(each)
    found = rows(database, "SELECT * FROM @schema@.service_dependencies(%s, %s)", (since, until))
    assert {(row["client"], row["server"]) for row in found} == set(expected)
    for row in found:
        calls = red(expected[row["client"], row["server"]], since, until)
        for name, value in calls.items():
            assert row[name] == pytest.approx(value), name
    found = rows(database, "SELECT * FROM @schema@.service_dependencies(%s, %s, 'stock')",
                 (since, until))
    assert {(row["client"], row["server"]) for row in found} == {
        pair for pair in expected if "stock" in pair}


def test_log_volume_by_severity(database):
    dictionaries(database)
    database.execute("UPDATE @schema@.mark SET at = %s", (base_time(),))
    insert(database, "log", [
        {"time": base_time() + number * 20 * MINUTE, "time_ns": 0, "resource_id": 0, "scope_id": 1,
         "service_name": SERVICES[number % 2], "time_source": 0,
         "severity_number": [0, 9, 17][number % 3], "adjusted_count": [None, 3.0][number % 2]}
        for number in range(9)])
    for step, count in ("10 seconds", 9), ("1 minute", 9), ("1 hour", 9), ("3 hours", 6):
        found = rows(database, """
            SELECT * FROM @schema@.log_volume(%s, %s, %s)""",
            (base_time(), base_time() + 3 * HOUR, step))
        assert sum(row["records"] for row in found) == 5 + 4 * 3
        assert {row["severity"] for row in found} == {"none", "INFO", "ERROR"}


# -- Metrics

def counter(number, base, values, start=None, starts=None):
    """Points a minute apart; `starts` gives each its start time."""
    return [
        point(number, nanoseconds(base + index * MINUTE), value=float(value),
              start_time=(starts or [start] * len(values))[index], start_ns=0)
        for index, value in enumerate(values) if value is not None]


def increases(database, metric, since, until):
    return [(row[0], row[1]) for row in database.execute("""
        SELECT series_id, increase FROM @schema@.metric_increases(%s, %s, %s)
        ORDER BY series_id, time""", (metric, since, until))]


def test_a_cumulative_counter_grows_over_resets(native):
    dictionaries(native)
    base = base_time()
    began, again = base - HOUR, base + 3 * MINUTE
    insert(native, "metric_series", [
        series(10, 2, 2, name="m", monotonic=True), series(11, 2, 2, name="m", monotonic=True),
        series(12, 2, 2, name="m", monotonic=True), series(13, 2, 2, name="m"),
        series(14, 2, 2, name="m", monotonic=True)])
    insert(native, "metric_number", [
        # It began before the window: the first point's increase can't be known.
        *counter(10, base, [100, 130, 130, 7, 9], start=began),
        # It begins anew with a higher value: only its start says so.
        *counter(11, base, [1, 5, 6, None, 50, 60],
                 starts=[began, began, began, None, again, again]),
        # It began in the window.
        *counter(12, base, [None, 4, 6], start=base + 30 * MINUTE / 60),
        # Not monotonic: it may fall.
        *counter(13, base, [5, 2, 4], start=began),
        # A start at the point itself: what was before is unknown, and what follows is not.
        *counter(14, base, [10, 13], start=base)])
    assert increases(native, "m", base, base + HOUR) == [
        (10, None), (10, 30), (10, 0), (10, 7), (10, 2),
        (11, None), (11, 4), (11, 1), (11, 50), (11, 10),
        (12, 4), (12, 2), (13, None), (13, -3), (13, 2), (14, None), (14, 3)]
    # With points around the window, what is in it is known.
    assert increases(native, "m", base + MINUTE / 2, base + 3.5 * MINUTE)[:4] \
        == [(10, 15), (10, 0), (10, 7), (10, 1)]


def test_deltas_add_and_histograms_count(native):
    dictionaries(native)
    base = base_time()
    insert(native, "metric_series", [
        series(10, 2, 1, name="m", monotonic=True, service="orders", attributes={"a": "b"}),
        series(20, 3, 2, name="h", explicit_bounds=[1.0])])
    insert(native, "metric_number", counter(10, base, [3, 4, 5]))
    insert(native, "metric_histogram", [
        point(20, nanoseconds(base + index * MINUTE), count=count, bucket_counts=[count, 0],
              start_time=base - HOUR, start_ns=0) for index, count in enumerate([5, 9, 2])])
    found = rows(native, """
        SELECT * FROM @schema@.metric_rate('m', %s, %s, '2 minutes', 'orders', '{"a": "b"}')""",
        (base, base + HOUR))
    # Of the first, the minute before the window. The third ends with the first step.
    assert [(row["time"], row["increase"], row["rate"]) for row in found] == [
        (base, pytest.approx(9), pytest.approx(9 / 120))]
    assert increases(native, "h", base, base + HOUR) == [(20, None), (20, 4), (20, 2)]


def test_gauges_by_step(native):
    dictionaries(native)
    base = base_time()
    insert(native, "metric_series", [series(10, 1, name="m")])
    insert(native, "metric_number", counter(10, base, [3, 9, 6]) + [
        point(10, nanoseconds(base + 4 * MINUTE), flags=1)])
    found = rows(native, "SELECT * FROM @schema@.metric_values('m', %s, %s, '1 hour')",
                 (base, base + HOUR))
    row = only(found)
    assert [row[name] for name in ("avg", "min", "max", "points")] == [6, 3, 9, 3]


# -- Quantiles

def reference_quantile(share, cells, geometric):
    """Of ascending (low, high, count)."""
    rank = share * sum(count for *_, count in cells)
    for low, high, count in cells:
        if count and rank <= count + 1e-12:
            if math.isinf(high):
                return low
            if math.isinf(low):
                low = min(0.0, high)
            part = rank / count
            if geometric and low * high > 0:
                return low * (high / low)**part
            return low + (high - low) * part
        rank -= count
    return None


def explicit_cells(counts, bounds):
    edges = [-math.inf, *bounds, math.inf]
    return [(*pair, count) for pair, count in zip(itertools.pairwise(edges), counts)]


def exponential_cells(scale, zeros, threshold, offset, counts, negative_offset, negative):
    base = 2**2**-scale
    cells = [(-base**(negative_offset + index + 1), -base**(negative_offset + index), count)
             for index, count in enumerate(negative)][::-1]
    cells.append((-threshold, threshold, zeros))
    return cells + [(base**(offset + index), base**(offset + index + 1), count)
                    for index, count in enumerate(counts)]


@pytest.mark.parametrize("counts, bounds", [
    ([1, 2, 3, 4], [0.1, 1.0, 10.0]), ([0, 0, 5, 0], [0.1, 1.0, 10.0]), ([5, 0, 0], [-1.0, 0.0]),
    ([0, 0, 7], [1.0, 2.0]), ([3, 4], [0.5])])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_quantiles_of_explicit_buckets(native, counts, bounds, share):
    found = native.value("SELECT @schema@.histogram_quantile(%s, %s::int8[], %s)",
                         (share, counts, bounds))
    assert found == pytest.approx(
        reference_quantile(share, explicit_cells(counts, bounds), geometric=False))


@pytest.mark.parametrize("buckets", [
    (0, 0, 0.0, 0, [1, 2, 3], 0, []), (3, 5, 0.001, -20, [4, 0, 9, 1], -3, [2, 7]),
    (-2, 1, 0.0, -1, [3, 3], 0, [4]), (20, 0, 0.0, 100_000, [5, 5], 0, [])])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.99, 1.0])
def test_quantiles_of_exponential_buckets(native, buckets, share):
    found = native.value(
        "SELECT @schema@.exponential_quantile(%s, %s, %s, %s, %s, %s::int8[], %s, %s::int8[])",
        (share, *buckets))
    assert found == pytest.approx(
        reference_quantile(share, exponential_cells(*buckets), geometric=True))


def test_quantiles_of_nothing_and_of_what_no_double_holds(native):
    assert native.value(
        "SELECT @schema@.histogram_quantiles('{0.5,2}', '{0,0}'::int8[], '{1}')") == [None, None]
    assert native.value("SELECT @schema@.histogram_quantile(0.5, '{7}'::int8[], '{}')") is None
    for scale, offset in itertools.product((-2**31, -11, 0, 2**31 - 1), (-2**31, 0, 2**31 - 1)):
        found = native.value(
            "SELECT @schema@.exponential_quantile(0.5, %s, 0, 0, %s, '{1}', 0, '{}')",
            (scale, offset))
        assert 0 <= found <= 1.8e308


def test_histograms_of_several_series_merge_by_the_bounds_they_share(native):
    dictionaries(native)
    base = base_time()
    insert(native, "metric_series", [
        series(10, 3, 1, name="h", explicit_bounds=[1.0, 2.0, 4.0]),
        series(11, 3, 2, name="h", explicit_bounds=[2.0, 3.0, 4.0], service="orders")])
    points = [
        point(10, nanoseconds(base), count=10, bucket_counts=[1, 2, 3, 4]),
        # Cumulative: 5 values before the window, then 4 more, then a new start with 2.
        point(11, nanoseconds(base - MINUTE), count=5, bucket_counts=[2, 1, 1, 1],
              start_time=base - HOUR, start_ns=0),
        point(11, nanoseconds(base), count=9, bucket_counts=[4, 2, 2, 1],
              start_time=base - HOUR, start_ns=0),
        point(11, nanoseconds(base + MINUTE), count=2, bucket_counts=[1, 1, 0, 0],
              start_time=base + 30 * MINUTE / 60, start_ns=0)]
    insert(native, "metric_histogram", points)
    found = rows(native, """
        SELECT * FROM @schema@.metric_quantiles('h', '{0.25,0.5,0.9}', %s, %s)""",
        (base, base + HOUR))
    # Shared: 2 and 4. Series 10 adds 3, 3, 4; series 11 adds 2, 1 + 1, 0.
    cells = explicit_cells([5, 5, 4], [2.0, 4.0])
    later = explicit_cells([1, 1, 0, 0], [2.0, 3.0, 4.0])
    assert [(row["time"], row["quantile"], row["count"]) for row in found] == [
        (base, 0.25, 14), (base, 0.5, 14), (base, 0.9, 14),
        (base + MINUTE, 0.25, 2), (base + MINUTE, 0.5, 2), (base + MINUTE, 0.9, 2)]
    assert [row["value"] for row in found] == pytest.approx(
        [reference_quantile(share, of, False) for of in (cells, later) for share in (0.25, 0.5, 0.9)])


def test_exponential_histograms_merge_at_the_lowest_scale(native):
    dictionaries(native)
    base = base_time()
    insert(native, "metric_series", [series(10, 4, 1, name="e"), series(11, 4, 2, name="e")])

    def exponential(number, moment, count, scale, zeros, offset, counts, **more):
        return point(number, nanoseconds(moment), count=count, scale=scale, zero_count=zeros,
                     zero_threshold=0.0, positive_offset=offset, positive_counts=counts,
                     negative_offset=0, negative_counts=[], start_ns=0, **more)

    insert(native, "metric_exp_histogram", [
        exponential(10, base, 6, 1, 1, -3, [1, 2, 2]),
        exponential(11, base - MINUTE, 3, 2, 0, -5, [1, 0, 2], start_time=base - HOUR),
        # The scale fell meanwhile: buckets -5 and -3 of scale 2 are -2 and -1 of scale 0.
        exponential(11, base, 8, 0, 1, -2, [3, 4], start_time=base - HOUR)])
    found = rows(native, """
        SELECT * FROM @schema@.metric_quantiles('e', '{0.2,0.5,0.95}', %s, %s)""",
        (base, base + HOUR))
    # At scale 0: series 10 has 1 in bucket -2 and 2 + 2 in bucket -1; series 11 adds 2 to both.
    cells = exponential_cells(0, 2, 0.0, -2, [3, 6], 0, [])
    assert {row["count"] for row in found} == {11}
    assert [row["value"] for row in found] == pytest.approx(
        [reference_quantile(share, cells, True) for share in (0.2, 0.5, 0.95)])


def test_latency_quantiles_interpolate_within_their_bucket(native):
    found = native.value("""
        SELECT @schema@.latency_quantiles_ms('{0.5,1}', '{8,40}', '{2,2}')""")
    assert found == pytest.approx([0.004, 1.024])
