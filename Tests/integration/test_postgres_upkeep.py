"""Partitions, retention, rollups, edges and purges of the PostgreSQL schema, without a gateway."""

import datetime
import threading
import uuid

import psycopg
import pytest

from fact_rows import NUMBER, UTC, add_logs, add_numbers, add_spans, at, copy, now

DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)


def midnight(**difference):
    return at(**difference).replace(hour=0, minute=0, second=0, microsecond=0)


def partitions(database, table="span"):
    return {name for name, in database.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = format('@schema@.%%I', %s::text)::regclass", (table,))}


def name(day, table="span"):
    return f"{table}_{day:%Y%m%d}"


def places(database, table="span", time="start_time"):
    return dict(database.execute(
        f"SELECT c.relname, count(*) FROM @schema@.{table} s JOIN pg_class c ON c.oid = s.tableoid"
        " GROUP BY 1"))


# -- Partitions (native)

def test_partitions_are_made_ahead(native):
    days = {name(midnight(days=ahead)) for ahead in range(4)}
    assert partitions(native) == days | {"span_default"}
    native.maintain("partitions", at(days=2))
    assert partitions(native) == days | {name(midnight(days=day)) for day in (4, 5)} | {"span_default"}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Los_Angeles", "Pacific/Kiritimati"])
def test_a_day_begins_at_midnight_in_utc_whatever_the_zone(native, zone):
    today = midnight()
    microsecond = datetime.timedelta(microseconds=1)
    native.execute(f"SET timezone = '{zone}'")
    native.maintain("partitions", at(days=4))
    add_spans(native.session, [
        dict(start_time=today), dict(start_time=today + DAY - microsecond),
        dict(start_time=today + DAY), dict(start_time=today + 6 * DAY),
    ])
    assert places(native) == {name(today): 2, name(today + DAY): 1, name(today + 6 * DAY): 1}


def test_days_across_a_change_of_the_clocks_are_whole(native):
    native.execute("SET timezone = 'Europe/Berlin'")
    for change in ("2026-03-29", "2026-10-25"):
        day = datetime.datetime.fromisoformat(change).replace(tzinfo=UTC)
        native.maintain("partitions", day)
        add_spans(native.session, [
            dict(start_time=day + datetime.timedelta(minutes=30) * half) for half in range(48)])
        assert places(native)[name(day)] == 48
    assert "span_default" not in places(native)


def test_rows_of_the_default_partition_move_out_exactly(native):
    late = midnight(days=-5)
    for days in (-5, -4):
        add_spans(native.session, [
            dict(start_time=late + (days + 5) * DAY + MINUTE * i) for i in range(1000)])
    add_logs(native.session, [dict(time=late + MINUTE * i) for i in range(10)])
    before = native.execute("SELECT s::text FROM @schema@.span s ORDER BY 1")
    assert places(native) == {"span_default": 2000}
    said = native.maintain("default_partition")
    assert len(said) == 3, said
    assert places(native) == {name(late): 1000, name(late + DAY): 1000}
    assert places(native, "log", "time") == {name(late, "log"): 10}
    assert native.execute("SELECT s::text FROM @schema@.span s ORDER BY 1") == before
    assert native.maintain("default_partition") == []
    # The new partition is like the others.
    indexes = "SELECT count(*) FROM pg_index WHERE indrelid = format('@schema@.%%I', %s::text)::regclass"
    assert native.value(indexes, (name(late),)) == native.value(indexes, (name(midnight()),)) == 2
    assert not native.value("SELECT count(*) FROM pg_constraint WHERE conname = 'day'")


def test_a_day_that_others_write_to_meanwhile_loses_and_doubles_nothing(native):
    late = midnight(days=-3)
    stop = threading.Event()
    written, faults, seen = [0] * 3, [], []

    def write(index):
        with native.connect() as session:
            while not stop.is_set():
                add_spans(session, [dict(start_time=late + MINUTE * i) for i in range(50)])
                written[index] += 50

    def read():
        with native.connect() as session:
            while not stop.is_set():
                seen.append(session.execute("SELECT count(*) FROM otel.span").fetchone()[0])

    def watched(work, *arguments):
        try:
            work(*arguments)
        except Exception as fault:
            faults.append(fault)

    add_spans(native.session, [dict(start_time=late + MINUTE * (i % 1440)) for i in range(50_000)])
    threads = [threading.Thread(target=watched, args=(write, i)) for i in range(3)]
    threads.append(threading.Thread(target=watched, args=(read,)))
    for thread in threads:
        thread.start()
    try:
        while name(late) not in partitions(native):
            native.execute("SELECT * FROM @schema@.maintain_step('default_partition')")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert places(native) == {name(late): 50_000 + sum(written)}
    assert seen == sorted(seen), "a reader saw rows vanish"


def test_upkeep_gives_way_to_whoever_holds_a_table(native):
    late = midnight(days=-3)
    add_spans(native.session, [dict(start_time=late)])
    add_logs(native.session, [dict(time=late)])
    native.maintain("partitions", at(days=30))
    with native.connect(autocommit=False) as other:
        other.execute("SELECT * FROM otel.span")
        steps = "SELECT ok, outcome FROM @internal@.maintain_step_at(%s, %s)"
        assert [ok for ok, _ in native.execute(steps, ("default_partition", now()))] == [True]
        [(ok, outcome)] = native.execute(steps, ("default_partition", now()))
        assert not ok and outcome.startswith("span: ") and "lock timeout" in outcome
        drops = []
        while not drops or any(ok for ok, _ in drops):
            drops = native.execute(steps, ("retention", at(days=30)))
        [(ok, outcome)] = drops
        assert not ok and outcome.startswith("span: ") and "lock timeout" in outcome
        add_spans(native.session, [dict(start_time=late), dict(start_time=at(days=20))])
    assert name(midnight(), "log") not in partitions(native, "log")
    assert native.maintain("default_partition") == [], "it is not tried each minute"
    native.maintain("default_partition", at(minutes=10))
    native.maintain("default_partition", at(days=18))
    assert places(native) == {name(late): 2, name(midnight(days=20)): 1}


# -- Retention

def test_what_is_older_than_its_retention_goes_and_the_rest_stays(database):
    for days in range(40):
        add_spans(database.session, [dict(start_time=midnight(days=-days) + 5 * MINUTE)])
        add_numbers(database.session, [dict(time=midnight(days=-days) + 5 * MINUTE)])
    retain(database)
    kept = "SELECT count(*), min({0}) FROM @schema@.{1}"
    # Whole days: the one that the limit is in stays.
    assert database.execute(kept.format("start_time", "span")) \
        == [(15, midnight(days=-14) + 5 * MINUTE)]
    assert database.execute(kept.format("time", "metric_number")) \
        == [(31, midnight(days=-30) + 5 * MINUTE)]


def retain(database):
    """Runs retention until it has no more to do."""
    if database.edition != "timescale":
        for step in ("default_partition", "retention"):
            database.maintain(step)
        return
    # TimescaleDB counts the days back in the session's zone: an hour less over a change of clocks.
    database.execute("SET timezone = 'UTC'")
    for job, in database.execute(
            "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"):
        database.execute(f"CALL public.run_job({job})")
    database.execute("RESET timezone")


def test_a_changed_retention_changes_what_exists(database):
    for days in range(10):
        add_spans(database.session, [dict(start_time=midnight(days=-days) + 5 * MINUTE)])
    retain(database)
    assert database.value("SELECT count(*) FROM @schema@.span") == 10
    database.execute("SELECT @schema@.apply_settings('{\"retain_span\": \"3 days\"}')")
    retain(database)
    assert database.value("SELECT count(*) FROM @schema@.span") == 4
    if database.edition == "timescale":
        assert database.execute(
            "SELECT (config ->> 'drop_after')::interval FROM timescaledb_information.jobs"
            " WHERE proc_name = 'policy_retention' AND hypertable_name = 'span'") == [(3 * DAY,)]


def test_a_retention_of_0_keeps_for_ever(database):
    database.execute("SELECT @schema@.apply_settings('{\"retain_span\": \"0\"}')")
    add_spans(database.session, [dict(start_time=at(days=-400))])
    retain(database)
    assert database.value("SELECT count(*) FROM @schema@.span") == 1
    database.maintain("dictionaries")
    database.maintain("rollups")


# -- Rollups

def load(database, begin, minutes=150, seed=0):
    """Spans and logs of each minute, some of which stand for several."""
    spans, logs = [], []
    for minute in range(minutes):
        for i in range(1 + (minute + seed) % 5):
            spans.append(dict(
                start_time=begin + minute * MINUTE + datetime.timedelta(seconds=7 * i),
                service_name=("shop", "cart")[i % 2], name=f"GET /{i % 3}",
                operation=("other" if i == 2 else None), status_code=(2 if i == 3 else 0),
                duration_ns=1000 * 10 ** (i + seed) + minute,
                adjusted_count=(None, 4.0, 2.5)[(minute + i) % 3]))
            logs.append(dict(
                time=begin + minute * MINUTE, severity_number=5 + 4 * (i % 3),
                adjusted_count=(None, 10.0)[i % 2]))
    add_spans(database.session, spans)
    add_logs(database.session, logs)


DIRECT = {
    "red": """SELECT date_bin(%s, start_time, '2000-01-01Z') AS bucket, service_name,
        coalesce(operation, name), kind, status_code, count(*), sum(coalesce(adjusted_count, 1)),
        sum(duration_ns * coalesce(adjusted_count, 1)), max(duration_ns)
        FROM @schema@.span GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5""",
    "latency": """SELECT date_bin(%s, start_time, '2000-01-01Z') AS bucket, service_name,
        coalesce(operation, name), kind, @internal@.latency_bucket(duration_ns),
        sum(coalesce(adjusted_count, 1))
        FROM @schema@.span GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5""",
    "log_volume": """SELECT date_bin(%s, time, '2000-01-01Z') AS bucket, service_name,
        severity_number, count(*), sum(coalesce(adjusted_count, 1))
        FROM @schema@.log GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
}


def assert_rollups_are_right(database):
    for rollup, direct in DIRECT.items():
        for suffix, interval in (("1m", "1 minute"), ("1h", "1 hour")):
            order = "1, 2, 3" if rollup == "log_volume" else "1, 2, 3, 4, 5"
            stored = database.execute(f"SELECT * FROM @schema@.{rollup}_{suffix} ORDER BY {order}")
            expected = database.execute(direct, (interval,))
            assert len(stored) == len(expected), rollup
            for found, wanted in zip(stored, expected):
                assert equal(found, wanted), (rollup, suffix, found, wanted)
    assert_latencies_of_services_are_right(database)


def assert_latencies_of_services_are_right(database):
    """What there is of them; the rest is read from latency_1h."""
    hours = "WHERE bucket >= h.since AND bucket < h.until ORDER BY 1, 2, 3, 4"
    stored = database.execute(f"""
        SELECT r.* FROM @schema@.rolled_service_latency_1h r, @internal@.service_hours() h {hours}""")
    expected = database.execute(f"""
        SELECT d.* FROM (
          SELECT date_bin('1 hour', start_time, '2000-01-01Z') AS bucket, service_name, kind,
            @internal@.latency_bucket(duration_ns), sum(coalesce(adjusted_count, 1))
          FROM @schema@.span GROUP BY 1, 2, 3, 4) d, @internal@.service_hours() h {hours}""")
    assert len(stored) == len(expected)
    for found, wanted in zip(stored, expected):
        assert equal(found, wanted), (found, wanted)


def equal(found, wanted):
    return all(
        one == pytest.approx(other) if isinstance(one, float) else one == other
        for one, other in zip(found, wanted, strict=True))


def roll_up(database, when=None):
    """All that upkeep, and in the timescale edition its jobs, would do."""
    database.maintain("rollups", when)
    if database.edition == "timescale":
        rollups = [(f"{rollup}_{suffix}", age) for rollup in DIRECT
                   for suffix, age in (("1m", "1 minute"), ("1h", "1 hour"))]
        for rollup, age in [*rollups, ("rollup_service_latency_1h", "1 hour")]:
            database.execute(
                f"CALL public.refresh_continuous_aggregate('@schema@.{rollup}', NULL,"
                f" now() - interval '{age}')")


def queue(database, table, *times):
    database.execute("SELECT @schema@.queue_refresh(%s, %s::timestamptz[])", (table, list(times)))


def work_off(database):
    database.execute("SELECT @schema@.apply_settings('{\"refresh_delay\": \"0\"}')")
    while database.execute("SELECT FROM @schema@.refresh_queue WHERE NOT edges_done"):
        database.maintain("late_rows")
    if database.edition == "timescale":
        database.execute("CALL @schema@.refresh_late()")
    assert database.value("SELECT count(*) FROM @schema@.refresh_queue") == 0


def test_rollups_equal_direct_counting_before_and_after_they_are_stored(database):
    load(database, at(minutes=-55), minutes=55)
    assert_rollups_are_right(database)
    roll_up(database)
    assert_rollups_are_right(database)
    load(database, at(seconds=-30), minutes=1, seed=3)
    assert_rollups_are_right(database)


def test_rollups_equal_direct_counting_with_late_rows(database):
    load(database, at(minutes=-55), minutes=55)
    roll_up(database)
    begin = at(hours=-30)
    load(database, begin, minutes=150, seed=2)
    for table in ("span", "log"):
        queue(database, table, *(begin + minute * MINUTE for minute in range(151)))
    work_off(database)
    assert_rollups_are_right(database)
    # A row here and there.
    scattered = [at(hours=-29), at(hours=-29, minutes=1), at(hours=-3), at(days=-2), at(minutes=-40)]
    add_spans(database.session, [dict(start_time=time, adjusted_count=7.0) for time in scattered])
    add_logs(database.session, [dict(time=time) for time in scattered])
    for table in ("span", "log"):
        queue(database, table, *scattered)
    work_off(database)
    roll_up(database)
    assert_rollups_are_right(database)


def test_a_late_row_is_counted_again_after_the_delay_and_not_before(native):
    queue(native, "span", at(hours=-3))
    assert native.maintain("late_rows") == []
    assert native.maintain("late_rows", at(minutes=3)) == ["1 ranges of late rows counted again"]
    assert native.maintain("late_rows", at(minutes=3)) == []


def test_the_queue_takes_ranges_and_joins_neighbours(native):
    minute = midnight(days=-1)
    native.execute("SELECT @schema@.queue_refresh('span', %s, %s)",
                   (minute + MINUTE / 2, minute + 2 * MINUTE))
    queue(native, "log", minute, minute + MINUTE, minute + MINUTE * 7.5)
    queue(native, "metric_number", minute)
    assert native.execute("SELECT table_name, from_time, to_time FROM @schema@.refresh_queue ORDER BY 1 DESC, 2") \
        == [("span", minute, minute + 3 * MINUTE), ("log", minute, minute + 2 * MINUTE),
            ("log", minute + 7 * MINUTE, minute + 8 * MINUTE)]


def test_counts_of_minutes_whose_facts_are_gone_stay(database):
    """A row that is older than its retention must not empty the rollup of its minute."""
    database.execute("SELECT @schema@.apply_settings('{\"retain_rollup_minute\": \"30 days\"}')")
    load(database, midnight(days=-6), minutes=10)
    queue(database, "span", *(midnight(days=-6) + minute * MINUTE for minute in range(10)))
    work_off(database)
    if database.edition == "native":
        database.maintain("default_partition")
    before = database.execute("SELECT * FROM @schema@.red_1m ORDER BY 1, 2, 3, 4, 5")
    assert len(before) > 10
    database.execute("SELECT @schema@.apply_settings('{\"retain_span\": \"5 days\"}')")
    retain(database)
    assert database.value("SELECT count(*) FROM @schema@.span") == 0
    add_spans(database.session, [dict(start_time=midnight(days=-6))])
    queue(database, "span", midnight(days=-6))
    work_off(database)
    assert database.execute("SELECT * FROM @schema@.red_1m ORDER BY 1, 2, 3, 4, 5") == before


def test_what_is_rolled_up_and_what_is_not_are_all_the_spans(database):
    load(database, at(minutes=-59), minutes=59)
    total = database.value("SELECT count(*) FROM @schema@.span")
    for minutes in range(-50, 70, 5):
        if database.edition != "timescale":
            database.maintain("rollups", at(minutes=minutes))
        for view in ("red_1m", "red_1h"):
            assert database.value(f"SELECT sum(spans) FROM @schema@.{view}") == total


def test_readers_see_each_span_once_while_rollups_move_on(native):
    """Not in the apache edition: a chunk that is new is not in plans made before (postgres.md)."""
    database = native
    load(database, at(minutes=-59), minutes=59)
    total = database.value("SELECT count(*) FROM @schema@.span")
    stop, seen, faults = threading.Event(), set(), []

    def read():
        try:
            with database.connect() as session:
                while not stop.is_set():
                    for view in ("red_1m", "red_1h"):
                        seen.add(session.execute(f"SELECT sum(spans) FROM otel.{view}").fetchone()[0])
        except psycopg.Error as fault:
            faults.append(fault)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for minutes in range(-50, 70):
            database.maintain("rollups", at(minutes=minutes))
    finally:
        stop.set()
        thread.join()
    assert faults == [] and seen == {total}


# -- Latency

def test_latency_buckets_are_four_an_octave(native):
    cases = [(-5, 0), (0, 0), (1, 0), (1000, 0), (1001, 1), (1189, 1), (1190, 2), (2000, 4), (2001, 5),
             (1_000_000, 40), (2 ** 63 - 1, 213)]
    for duration, bucket in cases:
        assert native.value("SELECT @internal@.latency_bucket(%s::int8)", (duration,)) == bucket, duration
    assert native.value("SELECT @internal@.latency_bucket_ns(4)") == 2000


# -- Edges

def trace(database, begin, parent_service="shop", child_service="cart", *, gap=MINUTE / 60, **child):
    """A span of one service that calls another; returns both."""
    trace_id = uuid.uuid4()
    parent = dict(trace_id=trace_id, span_id=1, start_time=begin, service_name=parent_service)
    called = dict(trace_id=trace_id, span_id=2, parent_span_id=1, start_time=begin + gap,
                  service_name=child_service, **child)
    return parent, called


def edges(database, table="service_edge_1m"):
    return database.execute(
        f"SELECT client, server, sum(calls), sum(errors), sum(duration_ns_sum), max(duration_ns_max)"
        f" FROM @schema@.{table} GROUP BY 1, 2 ORDER BY 1, 2")


def test_edges_equal_direct_counting(database):
    rows = []
    for i in range(50):
        rows += trace(database, at(minutes=-50 + i // 2), status_code=2 * (i % 2),
                      adjusted_count=(None, 3.0)[i % 2], duration_ns=1000 + i)
    rows += trace(database, at(minutes=-30), "cart", "stock")
    rows += trace(database, at(minutes=-30), "cart", "cart")  # No edge.
    rows += trace(database, at(minutes=-30), "web", "cart", flags=256)  # Says: same process.
    rows += trace(database, at(minutes=-30), "web", "cart", flags=768)
    rows += trace(database, at(minutes=-30), "nobody", "cart")[1:]  # The parent never comes.
    rows += [trace(database, at(minutes=-30))[0]] * 2
    add_spans(database.session, rows)
    database.maintain("edges")
    expected = [
        ("cart", "stock", 1, 0, 1e6, 1_000_000),
        ("shop", "cart", 100, 75, sum((1000 + i) * (1, 3)[i % 2] for i in range(50)), 1049),
        ("web", "cart", 1, 0, 1e6, 1_000_000),
    ]
    assert edges(database) == expected
    database.maintain("edges", at(hours=2))
    assert edges(database) == expected
    assert edges(database, "service_edge_1h") == expected


def test_a_parent_that_began_long_before_is_found(database):
    add_spans(database.session, trace(
        database, at(hours=-20), gap=datetime.timedelta(hours=19, minutes=50)))
    database.maintain("edges")
    assert [edge[:3] for edge in edges(database)] == [("shop", "cart", 1)]


def test_a_parent_that_comes_after_its_children_is_found(database):
    parent, child = trace(database, at(minutes=-20))
    add_spans(database.session, [child])
    database.maintain("edges")
    assert edges(database) == []
    add_spans(database.session, [parent])
    database.maintain("edges", at(hours=2))
    assert [edge[:3] for edge in edges(database)] == [("shop", "cart", 1)]


def test_edges_of_late_rows_are_counted(database):
    database.maintain("edges")
    rows = trace(database, at(days=-2))
    add_spans(database.session, rows)
    queue(database, "span", *(row["start_time"] for row in rows))
    work_off(database)
    assert [edge[:3] for edge in edges(database)] == [("shop", "cart", 1)]
    assert [edge[:3] for edge in edges(database, "service_edge_1h")] == [("shop", "cart", 1)]


# -- Purges

def seen(database, table, key, days, **columns):
    columns = {key: abs(days) + 1, "last_seen": at(days=-days), **columns}
    names = ", ".join(columns)
    database.execute(
        f"INSERT INTO @schema@.{table} ({names}) VALUES ({', '.join(['%s'] * len(columns))})",
        tuple(columns.values()))


def test_dictionary_rows_that_no_fact_can_refer_to_are_purged(database):
    for days in (0, 10, 29, 32, 36, 50):
        seen(database, "resource", "resource_id", days, service_name="s", attributes="{}")
        seen(database, "scope", "scope_id", days, name="s")
        seen(database, "metric_series", "series_id", days, metric_id=1, resource_id=1, scope_id=1,
             metric_type=1, temporality=0, is_monotonic=False, service_name="s", metric_name="m",
             attributes="{}")
    database.maintain("dictionaries")
    for table, key in (("resource", "resource_id"), ("scope", "scope_id"), ("metric_series", "series_id")):
        assert database.execute(f"SELECT {key} FROM @schema@.{table} ORDER BY 1") \
            == [(1,), (11,), (30,), (33,)], table
    seen(database, "scope", "scope_id", 60, name="s")
    assert database.maintain("dictionaries") == [], "once an hour is enough"
    assert database.maintain("dictionaries", at(hours=1)) == ["scope: 1 rows purged"]


def test_facts_that_outlive_their_retention_keep_their_dictionary_rows(database):
    copy(database.session, "metric_number", NUMBER, [dict(time=at(days=-70))])
    seen(database, "metric_series", "series_id", 69, metric_id=1, resource_id=1, scope_id=1,
         metric_type=1, temporality=0, is_monotonic=False, service_name="s", metric_name="m",
         attributes="{}")
    assert database.maintain("dictionaries") == []


def slot(database, days, writer=None, pid=None):
    writer = writer or uuid.uuid4()
    database.execute(
        "INSERT INTO @schema@.writer_slot (writer, exporter, slot, backend_pid, taken_at)"
        " VALUES (%s, 'p', 0, %s, %s)", (writer, pid, at(days=-days)))
    return writer


def ledger(database, writer):
    database.execute(
        "INSERT INTO @schema@.ingested VALUES ('p', 'l', gen_random_uuid(), 0, 0, 9, 0, %s)", (writer,))


def test_slots_that_nobody_uses_are_purged(native):
    pid = native.session.info.backend_pid
    kept = {slot(native, 6), slot(native, 30, pid=pid)}
    slot(native, 8)
    held = slot(native, 8)
    with native.connect(autocommit=False) as lot:
        lot.execute("SELECT FROM otel.writer_slot WHERE writer = %s FOR UPDATE", (held,))
        assert native.maintain("writers") == ["1 slots purged"]
    writers = "SELECT writer FROM @schema@.writer_slot"
    assert {writer for writer, in native.execute(writers)} == kept | {held}
    assert native.maintain("writers", at(hours=1)) == ["1 slots purged"]


def test_the_ledger_of_writers_that_are_gone_goes_after_90_days(native):
    there = slot(native, 1, pid=native.session.info.backend_pid)
    gone, back = uuid.uuid4(), uuid.uuid4()
    for writer in (there, gone, back):
        ledger(native, writer)
    native.maintain("writers")
    native.maintain("writers", at(days=89))
    slot(native, -95, back)
    assert native.value("SELECT count(*) FROM @schema@.ingested") == 3
    assert native.maintain("writers", at(days=91)) \
        == ["1 rows of the ledger purged, of writers gone for 90 days"]
    assert {writer for writer, in native.execute("SELECT writer FROM @schema@.ingested")} == {there, back}
    assert native.value("SELECT count(*) FROM @schema@.writer_gone") == 0


# -- What the upkeep survives

def steps(database):
    return [step for step, in database.execute("SELECT @schema@.maintain_steps()")]


def run_all(database):
    """As a gateway does it: {step: what failed}."""
    said = {}
    for step in steps(database):
        while True:
            rows = database.execute("SELECT ok, outcome, more FROM @schema@.maintain_step(%s)", (step,))
            failed = [outcome for ok, outcome, _ in rows if not ok]
            if failed:
                said[step] = failed
            if not any(more for *_, more in rows):
                break
    said.pop("jobs", None)  # What TimescaleDB's own jobs come to.
    return said


def test_upkeep_works_while_everything_is_published(database):
    """CREATE PUBLICATION … FOR ALL TABLES refuses to delete and change rows that have no identity."""
    database.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    begin = midnight(days=-3) + 5 * MINUTE
    add_spans(database.session, [
        dict(start_time=begin + i * MINUTE, parent_span_id=i or None) for i in range(50)])
    add_spans(database.session, [dict(start_time=at(days=-20)), dict(start_time=at(minutes=-10))])
    add_logs(database.session, [dict(time=begin)])
    database.execute("SELECT @schema@.apply_settings('{\"refresh_delay\": \"0\"}')")
    for _ in range(2):  # Counting again deletes what was counted.
        database.execute("SELECT @schema@.queue_refresh('span', %s, %s)", (begin, begin + 50 * MINUTE))
        assert run_all(database) == {}
    if database.edition == "timescale":
        database.execute("CALL @schema@.refresh_late()")
        database.execute("CALL refresh_continuous_aggregate('@schema@.red_1m', NULL, now())")
    assert database.execute("DELETE FROM @schema@.span") == 51
    assert database.value("SELECT sum(spans) FROM @schema@.red_1m WHERE bucket < now() - interval '1 day'") \
        == 50 or database.edition == "timescale"


def test_a_step_that_is_cancelled_or_fails_is_noted_and_stops_no_other(native):
    native.execute("""
        CREATE OR REPLACE FUNCTION @internal@.step_writers(at timestamptz)
        RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(60); END $$""")
    native.execute("""
        CREATE OR REPLACE FUNCTION @internal@.step_rollups(at timestamptz)
        RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no room'; END $$""")
    native.execute("SET statement_timeout = '300ms'")
    said = run_all(native)
    assert said.keys() == {"rollups", "writers"}
    assert said["rollups"] == ["no room"] and "timeout" in said["writers"][0]
    noted = {step: (failures, error) for step, failures, error in native.execute(
        "SELECT step, failures, error FROM @schema@.upkeep WHERE failing_since IS NOT NULL")}
    assert noted.keys() == {"rollups", "writers"} and noted["rollups"] == (1, "no room")
    assert native.value("SELECT count(*) FROM @schema@.upkeep") == len(steps(native))


def test_a_range_of_late_rows_that_fails_holds_up_no_other(native):
    begin = midnight(days=-2)
    add_spans(native.session, [dict(start_time=begin + i * datetime.timedelta(hours=2)) for i in range(3)])
    native.maintain("default_partition")
    native.execute("""
        ALTER TABLE @schema@.rollup_red_1h ADD CONSTRAINT poison CHECK (bucket <> %s) NOT VALID""".replace(
            "%s", f"'{begin + datetime.timedelta(hours=2)}'"))
    native.execute("SELECT @schema@.apply_settings('{\"refresh_delay\": \"0\"}')")
    for i in range(3):
        moment = begin + i * datetime.timedelta(hours=2)
        native.execute("SELECT @schema@.queue_refresh('span', %s, %s)", (moment, moment))
    said = run_all(native)
    assert said.keys() == {"late_rows"} and "poison" in said["late_rows"][0]
    assert native.value("SELECT count(*) FROM @schema@.rollup_red_1h") == 2
    assert native.value("SELECT count(*) FROM @schema@.refresh_queue") == 1


# -- Clocks

def jump(database, **behind):
    """As if the clock had gone on so much in the minute since the last upkeep."""
    database.execute("""
        INSERT INTO @schema@.mark (name, at) VALUES ('clock', %s), ('clock seen', %s)
        ON CONFLICT (name) DO UPDATE SET at = excluded.at""",
        (at(**behind) - MINUTE, at(**behind) - MINUTE))


def days_left(database):
    return {day for day, in database.execute("SELECT DISTINCT date_trunc('day', start_time) FROM @schema@.span")}


def test_a_clock_that_jumps_a_year_ahead_drops_nothing(database):
    """The facts are of a year ago, as the clock now has it."""
    then = midnight(days=-365)
    add_spans(database.session, [dict(start_time=then - day * DAY + MINUTE) for day in range(10)])
    if database.edition == "native":
        for day in range(10):
            database.execute("SELECT @internal@.make_partition('span', %s)", (then - day * DAY,))
    jump(database, days=-365)
    for _ in range(3):
        said = run_all(database)
        assert said.keys() == {"retention"} and "the server's clock has jumped" in said["retention"][0]
    assert len(days_left(database)) == 10
    # What comes is believed, in time: the clock of the data has jumped too, or it was the time before that
    # was wrong.
    add_spans(database.session, [dict(start_time=at(minutes=-5))])
    clock = "SELECT at FROM @schema@.mark WHERE name = 'clock'"
    before = database.value(clock)
    run_all(database)
    assert database.value(clock) - before <= datetime.timedelta(hours=1) + 10 * MINUTE
    assert len(days_left(database)) == 11


def test_a_retention_that_is_due_is_kept_after_a_stop(native):
    """A gateway that was gone for ten days drops what is over, ten times as fast as time passes."""
    for day in range(30):
        native.execute("SELECT @internal@.make_partition('span', %s)", (midnight(days=-day),))
    add_spans(native.session, [dict(start_time=midnight(days=-day) + MINUTE) for day in range(30)])
    jump(native, days=-10)
    run_all(native)
    assert len(days_left(native)) == 10 + 15, "14 days and today, and 10 days more"
    for _ in range(200):
        native.execute("UPDATE @schema@.mark SET at = now() - interval '1 hour' WHERE name = 'clock seen'")
        native.execute("SELECT @internal@.advance_clock(now())")
    assert run_all(native) == {}
    assert len(days_left(native)) == 15


def test_a_clock_that_was_ahead_leaves_no_gap_in_the_rollups(native):
    native.execute("UPDATE @schema@.mark SET at = now() + interval '1 year' WHERE name IN ('rollup', 'edges')")
    assert run_all(native) == {}
    add_spans(native.session, [dict(start_time=at(seconds=-5))])
    assert native.value("SELECT sum(spans) FROM @schema@.red_1m") == 1
    assert native.value("SELECT max(at) FROM @schema@.mark WHERE name IN ('rollup', 'edges')") < now()
