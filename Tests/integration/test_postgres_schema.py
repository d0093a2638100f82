"""The PostgreSQL schema by itself, without a gateway: what is made, for whom, and that again."""

import datetime
import multiprocessing
import os

import psycopg
import pytest

from postgres import apply_schema
import inventory
from fact_rows import add_logs, add_spans, at

UTC = datetime.timezone.utc


# -- Applying

def test_the_schema_can_be_applied_twice(database):
    applied = database.execute("SELECT * FROM @schema@.migration ORDER BY version")
    jobs = policies(database)
    database.execute("DELETE FROM @schema@.repeatable")
    database.apply()
    assert database.execute("SELECT * FROM @schema@.migration ORDER BY version") == applied
    assert policies(database) == jobs, "policies that are right are left alone"
    assert database.value("SELECT @schema@.edition()") == database.edition


def policies(database):
    if database.edition != "timescale":
        return []
    return database.execute(
        "SELECT job_id, proc_name, hypertable_name, config FROM timescaledb_information.jobs"
        " WHERE job_id >= 1000 ORDER BY job_id")


def apply_in_a_process(dsn, barrier, results):
    with psycopg.connect(dsn, autocommit=True) as session:
        barrier.wait()
        try:
            apply_schema(session)
            results.put(None)
        except psycopg.Error as error:
            results.put(repr(error))


def test_four_processes_apply_it_at_once(edition, make_database):
    database = make_database(edition, applied=False)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=apply_in_a_process, args=(database.dsn(), barrier, results))
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    assert [results.get(timeout=120) for _ in processes] == [None] * 4
    for process in processes:
        process.join()
    assert database.execute("SELECT version, count(*) FROM @schema@.migration GROUP BY 1 ORDER BY 1") \
        == [(version, 1) for version in range(1, 8)]


def test_the_schema_may_have_another_name(edition, make_database):
    database = make_database(edition, schema="Telemetry_2")
    assert database.value("SELECT \"Telemetry_2\".edition()") == edition
    database.execute("CALL \"Telemetry_2\".maintain()")
    assert not database.value("SELECT to_regnamespace('otel') IS NOT NULL")


def test_every_table_and_column_is_described(database):
    missing = database.execute("""
        SELECT c.relname, a.attname FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = '@schema@'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
          AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
          AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
        ORDER BY 1, 2""")
    assert missing == []


# -- Upkeep

def test_every_step_of_the_upkeep_works_on_an_empty_schema(database):
    for step, in database.execute("SELECT @schema@.maintain_steps()"):
        database.maintain(step)
    database.execute("CALL @schema@.maintain()")


def test_a_step_that_fails_is_a_row_and_the_others_go_on(database):
    database.execute("ALTER TABLE @schema@.writer_slot RENAME TO elsewhere")
    [(step, ok, outcome, more)] = database.execute("SELECT * FROM @schema@.maintain_step('writers')")
    assert (step, ok, more) == ("writers", False, False) and "writer_slot" in outcome
    database.execute("CALL @schema@.maintain()")
    assert database.execute("SELECT * FROM @schema@.maintain_step('dictionaries')") == []


def test_an_unknown_step_is_an_error(native):
    [(_, ok, outcome, _)] = native.execute("SELECT * FROM @schema@.maintain_step('everything')")
    assert not ok and "everything" in outcome


def test_one_session_at_a_time_does_the_upkeep(native):
    with native.connect(autocommit=False) as other:
        other.execute("SELECT * FROM otel.maintain_step('rollups')")
        [(_, ok, outcome, _)] = native.execute("SELECT * FROM @schema@.maintain_step('rollups')")
        assert ok and outcome == "another session is at it"


# -- Settings

def test_settings_are_read_by_their_type(native):
    assert native.value("SELECT @internal@.setting_interval('retain_span')") \
        == datetime.timedelta(days=14)
    assert native.value("SELECT @internal@.setting_interval('retain_rollup')") \
        == datetime.timedelta(days=90)
    assert native.value("SELECT @internal@.setting_int('partitions_ahead')") == 3
    assert native.value("SELECT @internal@.setting_bool('edges')") is True


def test_changed_settings_are_reported_and_others_not(database):
    assert database.execute(
        "SELECT * FROM @schema@.apply_settings('{\"retain_span\": \"336h\", \"edges\": false}')") \
        == [("edges", "true", "false")]
    assert database.execute(
        "SELECT * FROM @schema@.apply_settings('{\"retain_log\": \"7 days\"}')") \
        == [("retain_log", "14 days", "7 days")]


@pytest.mark.parametrize("settings, said", [
    ('{"retain_spam": "1 day"}', 'unknown setting "retain_spam"'),
    ('{"edition": "native"}', 'unknown setting "edition"'),
    ('{"retain_span": "a week or so"}', 'setting "retain_span" can\'t be "a week or so"'),
    ('{"retain_span": "-1 day"}', "less than 0"),
    ('{"retain_span": "1 hour"}', "less than a day"),
    ('{"retain_span": null}', "has no value"),
    ('{"edges": "sometimes"}', 'setting "edges"'),
    ('{"partitions_ahead": 31}', "from 1 to 30"),
    ('{"rollup_lag": "1 minute"}', "rollup_lag must be at least a minute longer"),
])
def test_settings_that_can_not_be_are_errors(native, settings, said):
    before = native.execute("SELECT * FROM @schema@.setting ORDER BY key")
    with pytest.raises(psycopg.Error, match=said):
        native.execute("SELECT @schema@.apply_settings(%s)", (settings,))
    assert native.execute("SELECT * FROM @schema@.setting ORDER BY key") == before


# -- Roles

def failed_steps(session):
    """`jobs` is left out: what TimescaleDB's own jobs come to depends on its version."""
    rows = []
    for step, in session.execute("SELECT otel.maintain_steps()").fetchall():
        rows += session.execute("SELECT * FROM otel.maintain_step(%s)", (step,)).fetchall()
    return [row for row in rows if not row[1] and row[0] != "jobs"]


def test_a_gateway_that_may_run_ddl_is_no_superuser(edition, make_database):
    database = make_database(edition, applied=False)
    role = f"owner_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {database.name} TO {role}")
    with database.connect(role) as session:
        apply_schema(session)
        apply_schema(session)
        add_spans(session, [dict(start_time=at(minutes=-10)), dict(start_time=at(days=-2))])
        add_logs(session, [dict(time=at(minutes=-10))])
        session.execute("SELECT otel.queue_refresh('span', %s, %s)", (at(days=-2), at(days=-2)))
        session.execute("SELECT otel.apply_settings('{\"refresh_delay\": \"0\"}')")
        assert failed_steps(session) == []
        if edition == "timescale":
            session.execute("CALL otel.refresh_late()")
        assert session.execute("SELECT sum(spans) FROM otel.red_1m").fetchone()[0] == 2
        assert session.execute("SELECT count(*) FROM otel.span").fetchone()[0] == 2


def test_a_gateway_that_may_not_writes_what_an_administrator_has_made(database):
    role = f"writer_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN")
    database.execute("SELECT @schema@.grant_writer(%s)", (role,))
    database.execute("DELETE FROM @schema@.repeatable")
    database.apply()  # Grants last.
    with database.connect(role) as session:
        with session.transaction():
            add_spans(session, [dict(start_time=at(minutes=-10)), dict(start_time=at(days=-3))])
            add_logs(session, [dict(time=at(minutes=-10))])
            session.execute("SELECT otel.queue_refresh('span', ARRAY[%s]::timestamptz[])",
                            (at(days=-3),))
            session.execute(
                "INSERT INTO otel.ingested VALUES ('p', 'l', gen_random_uuid(), 0, 0, 1, 0,"
                " gen_random_uuid())")
        session.execute(
            "INSERT INTO otel.scope (scope_id, name) VALUES (1, 's') ON CONFLICT (scope_id)"
            " DO UPDATE SET last_seen = now()")
        session.execute(
            "INSERT INTO otel.writer_slot (writer, exporter, slot) VALUES (gen_random_uuid(), 'p', 0)")
        session.execute("SELECT FROM otel.writer_slot FOR UPDATE")
        assert session.execute("SELECT value FROM otel.setting WHERE key = 'refresh_window'").fetchone()
        assert session.execute("SELECT oldest_writer FROM otel.migration").fetchall()
        session.execute("SELECT otel.apply_settings('{\"refresh_delay\": \"0\"}')")
        assert failed_steps(session) == []
        for statement in [
            "SELECT attributes FROM otel.span", "DELETE FROM otel.span", "DROP TABLE otel.span",
            "UPDATE otel.setting SET value = '1 day'", "CREATE TABLE otel.mine ()",
            "SELECT * FROM otel_internal.maintain_step_at('retention', now() + interval '1 year')",
            f"SELECT otel.grant_writer('{role}')",
        ]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement)
    assert database.value("SELECT count(*) FROM @schema@.span") == 2
    assert database.value("SELECT sum(spans) FROM @schema@.red_1m WHERE bucket > now() - interval '1 day'") == 1


def test_grafana_reads_everything_and_changes_nothing(database):
    role = f"reader_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN")
    database.execute("SELECT @schema@.grant_reader(%s)", (role,))
    add_spans(database.session, [dict(start_time=at(minutes=-10))])
    database.execute("CREATE VIEW @schema@.later AS SELECT * FROM @schema@.span")
    with database.connect(role) as session:
        for name, in session.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'otel'::regnamespace"
                " AND relkind IN ('r', 'p', 'v')").fetchall():
            session.execute(f"SELECT * FROM otel.{name} LIMIT 1")
        assert session.execute("SELECT sum(calls) FROM otel.red_1m").fetchone()[0] == 1
        for statement in [
            "INSERT INTO otel.scope (scope_id, name) VALUES (1, 's')", "DELETE FROM otel.span",
            "SELECT otel.maintain_step('retention')", "SELECT otel.apply_settings('{}')",
            "SELECT otel.queue_refresh('span', now(), now())", "CALL otel.maintain()",
        ]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement)


# -- What was dropped

def test_the_inventory_is_what_a_new_database_has(edition, make_database):
    parts = inventory.written()
    database = make_database(edition)
    if os.environ.get("SLUICE_UPDATE_INVENTORY"):
        inventory.write(parts | {edition: inventory.found(database)})
    else:
        assert inventory.found(database) == parts[edition]
