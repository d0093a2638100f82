"""Each item once in PostgreSQL, whatever ends in between. Each test prints its counts: `-s`, or
`-rP`, shows them."""

import random
import signal
import threading
import time

import psycopg
import pytest

from client import post
from logged import tmpfs
from once import (
    Load, Proxy, Verdict, copy_directory, judge, pause_a_while, pending, replay, send, settings,
    wait_until_drained, wait_until_stuck)
from postgres import apply_schema, free_port
from sluice import ROOT, run, wait_until, write_configuration

COMMITTING = "wait_event = 'SyncRep'"


@pytest.fixture
def durable(make_server):
    """A database of a server of its own, with fsync, and no schema yet."""
    database = make_server("native", fsync=True).database(applied=False)
    yield database
    database.close()


@pytest.fixture
def empty(make_database):
    return make_database("native", applied=False)


@pytest.fixture
def proxies():
    opened = []

    def make(server):
        opened.append(Proxy(server))
        return opened[-1]

    yield make
    for proxy in opened:
        proxy.close()


def again(processes, gateway, made):
    return processes.sluice(made, gateway.directory)


def reload(gateway, made):
    count = len(gateway.log("configuration reloaded"))
    write_configuration(gateway.config, made)
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: len(gateway.log("configuration reloaded")) > count, what="the reload")


def backlog(processes, **options):
    """A gateway whose database is out of reach, with acknowledged items in its log."""
    dead = settings(f"host=127.0.0.1 port={free_port()} dbname=nothing", **options)
    gateway = processes.sluice(dead)
    sent = send(gateway, 120)
    gateway.kill()
    return gateway, sent


def slow_down(database, milliseconds):
    """So long takes each row."""
    database.execute(f"""
        CREATE FUNCTION otel.slow() RETURNS trigger LANGUAGE plpgsql
          AS $$ BEGIN PERFORM pg_sleep({milliseconds} / 1000.0); RETURN NEW; END $$""")
    for table in ("span", "log", "metric_number"):
        database.execute(f"CREATE TRIGGER slow BEFORE INSERT ON otel.{table} FOR EACH ROW"
                         " EXECUTE FUNCTION otel.slow()")


# -- Under load

def test_a_gateway_killed_at_random_moments(processes, empty):
    made = settings(empty, free_port())
    draw = random.Random(4)
    gateway = processes.sluice(made)
    with Load(lambda: gateway.address) as load:
        for _ in range(8):
            pause_a_while(draw.uniform(0.1, 1))
            gateway.kill()
            gateway = again(processes, gateway, made)
        pause_a_while(0.5)
    wait_until_drained(gateway)
    judge(empty, load.sent, "kill -9 of the gateway, 8 times")


def test_a_server_stopped_immediately(processes, durable):
    gateway = processes.sluice(settings(durable))
    draw = random.Random(5)
    with Load(gateway.address) as load:
        for _ in range(5):
            pause_a_while(draw.uniform(0.3, 1.2))
            durable.close()
            durable.server.stop(signal.SIGQUIT)
            pause_a_while(draw.uniform(0, 0.5))
            durable.server.start()
        pause_a_while(0.5)
    wait_until_drained(gateway)
    judge(durable, load.sent, "immediate stop of the server, 5 times")


def test_a_server_that_refuses_connections_for_a_while(processes, durable):
    gateway = processes.sluice(settings(durable))
    with Load(gateway.address) as load:
        wait_until(lambda: gateway.metric("sluice_postgres_transactions") > 0, what="a commit")
        durable.close()
        durable.server.stop()
        wait_until(lambda: pending(gateway) > 500, 30, what="a backlog")
        durable.server.start()
    wait_until_drained(gateway)
    judge(durable, load.sent, "a server that was away")


def test_sessions_terminated_at_random(processes, empty):
    gateway = processes.sluice(settings(empty, connections=3))
    draw = random.Random(6)
    with Load(gateway.address) as load:
        ended = 0
        while ended < 40:
            # Some in COMMIT, as far as one can be met there; others wherever they are.
            in_commit = draw.random() < 0.5
            ended += len(empty.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND pid <> pg_backend_pid() AND application_name = 'sluice'"
                + (" AND state = 'active' AND query LIKE '%%ingested%%'" if in_commit else "")))
            pause_a_while(draw.uniform(0, 0.05 if in_commit else 0.2))
    wait_until_drained(gateway)
    judge(empty, load.sent, f"{ended} sessions terminated")


def test_reloads_that_change_the_exporter(processes, empty):
    gateway = processes.sluice(settings(empty))
    with Load(gateway.address) as load:
        for number in range(6):
            pause_a_while(0.4)
            made = settings(
                empty, connections=1 + number % 4,
                transaction={"max_rows": 50 + 100 * number, "max_wait": "20ms"})
            reload(gateway, made)
    wait_until_drained(gateway)
    judge(empty, load.sent, "6 reloads")


def test_two_gateways_on_one_database(processes, empty):
    gateways = [processes.sluice(settings(empty, free_port())) for _ in range(2)]
    with Load(gateways[0].address) as first, Load(gateways[1].address) as second:
        for _ in range(3):
            pause_a_while(0.5)
            gateways[1].kill()
            gateways[1] = again(
                processes, gateways[1], settings(empty, gateways[1].address[1]))
    for gateway in gateways:
        wait_until_drained(gateway)
    judge(empty, first.sent + second.sent, "two gateways on one database")


# -- A COMMIT that nobody knows the end of

def hang_commits(database):
    """Like a standby that is gone: a COMMIT is done here, and gets no answer."""
    database.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    database.execute("SELECT pg_reload_conf()")
    wait_until(lambda: database.value("SHOW synchronous_standby_names") == "nobody")


def release_commits(database):
    database.execute("ALTER SYSTEM RESET synchronous_standby_names")
    database.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize("how", ["terminated", "cancelled", "restarted"])
def test_a_commit_that_is_done_and_not_answered(processes, durable, how):
    gateway = processes.sluice(settings(durable, connections=1))
    sent = send(gateway, 3)
    wait_until_drained(gateway)
    hang_commits(durable)
    sent += send(gateway, 6, after=sent)
    pid, = wait_until_stuck(durable, COMMITTING + " AND query LIKE '%ingested%'")
    if how == "terminated":
        durable.execute("SELECT pg_terminate_backend(%s)", (pid,))
        wait_until(lambda: gateway.metric("sluice_postgres_sessions_lost") > 0)
    elif how == "cancelled":
        before = gateway.metric("sluice_postgres_transactions")
        durable.execute("SELECT pg_cancel_backend(%s)", (pid,))
        # That is a warning, and the answer that it is committed.
        wait_until(lambda: gateway.metric("sluice_postgres_transactions") > before)
    else:
        durable.close()
        durable.server.stop(signal.SIGQUIT)
        durable.server.start()
        wait_until(lambda: gateway.metric("sluice_postgres_sessions_lost") > 0)
    release_commits(durable)
    wait_until_drained(gateway)
    judge(durable, sent, f"COMMIT done, session {how}")


@pytest.mark.parametrize("ending", [
    "delivered before the reconnect", "delivered after the reconnect", "never delivered",
    "answer lost"])
def test_a_commit_that_the_network_holds_back(processes, empty, proxies, ending):
    proxy = proxies(empty.server)
    proxy.keeps_server_side = True
    gateway = processes.sluice(settings(proxy.dsn(empty), connections=1))
    sent = send(gateway, 3)
    wait_until_drained(gateway)
    proxy.hold_commits = 1
    sent += send(gateway, 6)
    held, = proxy.wait_for_held()
    before = len(proxy.pipes)
    if ending in ("answer lost", "delivered before the reconnect"):
        # An answer that was quicker than the cut would leave nothing to reconnect for.
        held.deliver(loses_answer=True)
    if ending == "answer lost":
        wait_until_committed(empty)
    held.cut()
    wait_until(lambda: len(proxy.pipes) > before, what="the reconnect")
    if ending == "delivered after the reconnect":
        # The new session waits for the old one's slot.
        wait_until_stuck(empty, "wait_event_type = 'Lock' AND query LIKE '%writer_slot%'")
        held.deliver()
    wait_until_drained(gateway)
    judge(empty, sent, f"COMMIT held back, {ending}")
    if ending == "never delivered":
        held.deliver()  # To a session that was ended: nothing comes of it.
        judge(empty, sent, "and delivered in the end")


def test_fewer_connections_after_a_kill_with_the_old_ones_open(processes, empty, proxies):
    proxy = proxies(empty.server)
    proxy.keeps_server_side = True
    small = {"max_rows": 40, "max_wait": "0s"}
    gateway = processes.sluice(settings(proxy.dsn(empty), connections=4, transaction=small))
    proxy.hold_commits = 4
    sent = send(gateway, 40)
    held = proxy.wait_for_held(4)
    gateway.kill()
    gateway = again(processes, gateway, settings(empty, connections=1, transaction=small))
    wait_until_stuck(empty, "wait_event_type = 'Lock' AND query LIKE '%writer_slot%'")
    # Two are committed while the new gateway waits for them, two when it has ended them.
    for each in held[:2]:
        each.deliver()
    wait_until_drained(gateway)
    for each in held[2:]:
        each.deliver()
    wait_until_drained(gateway)
    judge(empty, sent, "4 connections, then 1")


def test_a_reload_while_a_commit_is_held_back(processes, empty, proxies):
    """The new exporter has a pipeline of its own, and so has read the ledger before the old one
    hands over the others."""
    proxy = proxies(empty.server)
    proxy.keeps_server_side = True
    made = settings(proxy.dsn(empty), connections=1)
    del made["service"]["pipelines"]["logs"]
    gateway = processes.sluice(made)
    sent = send(gateway, 3, signals=("traces",))
    wait_until_drained(gateway)
    proxy.hold_commits = 1
    sent += send(gateway, 6, signals=("traces", "metrics"))
    held, = proxy.wait_for_held()
    changed = settings(proxy.dsn(empty), connections=2)
    write_configuration(gateway.config, changed)
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: post(gateway, "/v1/logs").status == 200, what="the new pipeline")
    sent += send(gateway, 6, signals=("logs",))
    gateway.wait_for_log("configuration reloaded")
    held.deliver()
    wait_until_drained(gateway)
    judge(empty, sent, "a reload with a COMMIT under way")


# -- Who may write

@pytest.mark.parametrize("connections", [1, 3])
def test_a_copied_data_directory(processes, empty, tmp_path, connections):
    """Both have the same records, and write for a while. Each fences the other out in turn."""
    options = {"connections": connections, "transaction": {"max_rows": 20, "max_wait": "0s"}}
    original, sent = backlog(processes, **options)
    copy = copy_directory(original, tmp_path / "copy")
    empty.apply()
    slow_down(empty, milliseconds=2)
    gateways = [
        processes.sluice(settings(empty, **options), directory)
        for directory in (original.directory, copy)]
    for gateway in gateways:
        wait_until_drained(gateway, 120)
    judge(empty, sent, f"a copied directory, {connections} connections")


def test_a_paused_gateway_whose_slots_were_taken(processes, empty, tmp_path):
    options = {"connections": 2, "transaction": {"max_rows": 40, "max_wait": "0s"}}
    original, sent = backlog(processes, **options)
    copy = copy_directory(original, tmp_path / "copy")
    empty.apply()
    with empty.connect(autocommit=False) as blocking:
        blocking.execute("LOCK TABLE otel.span, otel.log, otel.metric_number IN SHARE MODE")
        paused = processes.sluice(settings(empty, **options), original.directory)
        wait_until_stuck(empty, "wait_event_type = 'Lock' AND query LIKE 'COPY%'")
        paused.signal(signal.SIGSTOP)
    try:
        second = processes.sluice(settings(empty, **options), copy)
        wait_until_drained(second)
        before = empty.value("SELECT count(*) FROM otel.span")
        second.stop()
    finally:
        paused.signal(signal.SIGCONT)
    wait_until_drained(paused)
    assert empty.value("SELECT count(*) FROM otel.span") == before
    judge(empty, sent, "a paused gateway")


def test_an_idle_paused_gateway_is_turned_away(processes, empty, tmp_path):
    """Its sessions are open and in no transaction, so that nothing has ended them."""
    options = {"connections": 2, "transaction": {"max_rows": 40, "max_wait": "0s"}}
    paused = processes.sluice(settings(empty, **options))
    sent = send(paused, 4)
    wait_until_drained(paused)
    paused.signal(signal.SIGSTOP)
    try:
        second = processes.sluice(
            settings(empty, **options), copy_directory(paused, tmp_path / "copy"))
        sent += send(second, 4)
        wait_until_drained(second)
        second.stop()
    finally:
        paused.signal(signal.SIGCONT)
    sent += send(paused, 4)
    wait_until_drained(paused)
    paused.wait_for_log("delivery failed, will try again")
    judge(empty, sent, "an idle paused gateway")


# -- A server that can't now

def test_a_table_that_is_locked_for_a_while(processes, empty):
    gateway = processes.sluice(settings(empty, lock_timeout="100ms"))
    sent = send(gateway, 3)
    wait_until_drained(gateway)
    with empty.connect(autocommit=False) as blocking:
        blocking.execute("LOCK TABLE otel.span IN ACCESS EXCLUSIVE MODE")
        sent += send(gateway, 20)
        gateway.wait_for_log("delivery failed, will try again")
    wait_until_drained(gateway)
    judge(empty, sent, "a locked table")


def test_deadlocks(processes, empty):
    """A lot has its spans' table and wants the logs'; this session has it the other way round."""
    gateway = processes.sluice(settings(empty, connections=1, lock_timeout="60s"))
    sent = send(gateway, 3)
    wait_until_drained(gateway)
    for _ in range(3):
        with empty.connect(autocommit=False) as other:
            other.execute("LOCK TABLE otel.log IN ACCESS EXCLUSIVE MODE")
            sent += send(gateway, 6)
            wait_until_stuck(empty, "wait_event_type = 'Lock' AND query LIKE 'COPY%log%'")
            try:
                other.execute("LOCK TABLE otel.span IN ACCESS EXCLUSIVE MODE")
            except psycopg.errors.DeadlockDetected:
                other.rollback()
        wait_until_drained(gateway)
    judge(empty, sent, "3 deadlocks")


def test_a_partition_that_comes_while_its_rows_are_on_their_way(processes, native):
    """The server refuses them for the default partition: none may be set aside for that."""
    gateway = processes.sluice(settings(native, connections=1))
    sent = send(gateway, 3, signals=("traces",))
    wait_until_drained(gateway)
    wait_until(lambda: native.value(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'otel.span'::regclass") > 1,
        what="the first partitions")
    day = 20
    with native.connect(autocommit=False) as other:
        other.execute("CREATE TABLE otel.span_of_a_day (LIKE otel.span)")
        other.execute(f"""
            DO $$ BEGIN EXECUTE format(
              'ALTER TABLE otel.span ATTACH PARTITION otel.span_of_a_day FOR VALUES FROM (%L)'
              ' TO (%L)', now() - interval '{day} days 12 hours',
              now() - interval '{day - 1} days 12 hours'); END $$""")
        sent += send(gateway, 6, signals=("traces",), after=sent,
                     started_at=time.time_ns() - day * 86_400 * 10**9)
        wait_until_stuck(native, "wait_event_type = 'Lock' AND query LIKE 'COPY%span%'")
    wait_until_drained(gateway)
    assert gateway.metric("sluice_exporter_set_aside_items") == 0
    assert native.value("SELECT count(*) FROM otel.span_of_a_day") == 120
    judge(native, sent, "a partition that comes")


def test_a_statement_timeout_that_halves_lots(processes, native):
    slow_down(native, milliseconds=10)
    gateway = processes.sluice(settings(
        native, statement_timeout="200ms", transaction={"max_rows": 600, "max_wait": "2s"}))
    sent = send(gateway, 30)
    wait_until_drained(gateway)
    assert gateway.log("a transaction took too long; the next has half the rows")
    judge(native, sent, "lots halved by statement_timeout")


def test_a_gateway_whose_disk_is_full(processes, empty, tmp_path):
    mount = tmpfs(tmp_path / "disk", 24)
    if mount.failure:
        pytest.skip(f"no tmpfs: {mount.failure}")
    try:
        made = settings(empty)
        made["service"]["log"]["directory"] = str(mount.path / "data")
        gateway = processes.sluice(made)
        with Load(gateway.address) as load:
            for _ in range(3):
                pause_a_while(0.4)
                filler = mount.fill()
                wait_until(lambda: any(
                    each.outcome == "refused" for each in load.sent[-20:]), 20, what="503")
                filler.unlink()
                wait_until(lambda: load.sent[-1].outcome == "acknowledged", 20, what="200")
        wait_until_drained(gateway)
        gateway.stop()
        judge(empty, load.sent, "a full disk, 3 times")
    finally:
        mount.unmount()


# -- Again, because somebody wants it

def test_a_replay_adds_what_is_absent(processes, empty):
    made = settings(empty)
    gateway = processes.sluice(made)
    sent = send(gateway, 12)
    wait_until_drained(gateway)
    result = replay(gateway)
    assert result.returncode == 0, result.stderr
    judge(empty, sent, "a replay of what is there")
    # As from a backup of yesterday: the rows are gone, and what says that they are there.
    gateway.stop()
    empty.execute("TRUNCATE otel.span, otel.log, otel.metric_number, otel.ingested")
    gateway = again(processes, gateway, made)
    result = replay(gateway)
    assert result.returncode == 0, result.stderr
    judge(empty, sent, "a replay of what is not there")


def wait_until_committed(database):
    wait_until_stuck(database, "state = 'idle' AND query LIKE '%ingested%'")


def lose_the_answer(proxy, database):
    """To the COMMIT that was to be held."""
    held, = proxy.wait_for_held()
    held.deliver(loses_answer=True)
    wait_until_committed(database)
    held.cut()


def test_letters_that_are_sent_again_come_once(processes, native, proxies):
    """Even where the answer to a COMMIT is lost on the way."""
    native.execute("ALTER TABLE otel.span ADD CONSTRAINT even CHECK (span_id % 2 = 0)")
    proxy = proxies(native.server)
    gateway = processes.sluice(settings(proxy.dsn(native), connections=1))
    sent = send(gateway, 2, count=10, signals=("traces",))
    wait_until_drained(gateway)
    assert native.value("SELECT count(*) FROM otel.span") == 10
    native.execute("ALTER TABLE otel.span DROP CONSTRAINT even")
    proxy.hold_commits = 1
    results = []
    thread = threading.Thread(target=lambda: results.append(run(
        "dead-letters", "resend", "postgres", "--data-dir", gateway.directory / "data",
        timeout=60)))
    thread.start()
    lose_the_answer(proxy, native)
    thread.join(60)
    assert (results[0].returncode, results[0].stdout) == (0, "10 items read, 10 exported\n")
    judge(native, sent, "10 letters sent again")


def test_a_forced_replay_adds_all_once_more(processes, empty, proxies):
    """Even where the answer to a COMMIT is lost on the way."""
    proxy = proxies(empty.server)
    gateway = processes.sluice(settings(proxy.dsn(empty), connections=1))
    sent = send(gateway, 12)
    wait_until_drained(gateway)
    proxy.hold_commits = 1
    results = []
    thread = threading.Thread(target=lambda: results.append(replay(gateway, "--again")))
    thread.start()
    lose_the_answer(proxy, empty)
    thread.join(60)
    assert results[0].returncode == 0, results[0].stderr
    verdict = Verdict(empty, sent)
    print(f"a forced replay: {verdict}")
    assert verdict.rows == 2 * verdict.counts["acknowledged"]
    assert (verdict.counts["lost"], verdict.counts["twice"]) == (
        0, verdict.counts["acknowledged"])


# -- Versions

def newest(database):
    return database.value("SELECT max(version) FROM otel.migration")


def add_version(database, oldest_writer):
    database.execute(
        "INSERT INTO otel.migration (version, name, oldest_writer) VALUES (%s, 'tomorrow', %s)",
        (newest(database) + 1, oldest_writer))


def test_a_database_of_the_next_version_is_written_to(processes, native):
    known = newest(native)
    add_version(native, oldest_writer=known)
    native.execute("ALTER TABLE otel.span ADD COLUMN tomorrow text")
    gateway = processes.sluice(settings(native))
    sent = send(gateway, 6)
    wait_until_drained(gateway)
    assert newest(native) == known + 1
    judge(native, sent, "a database of version N+1")


def test_a_database_that_takes_no_rows_of_this_version(processes, native):
    known = newest(native)
    add_version(native, oldest_writer=known + 1)
    gateway = processes.sluice(settings(native))
    sent = send(gateway, 6)
    line, *_ = gateway.wait_for_log("delivery failed, will try again")
    assert "upgrade this gateway" in line["reason"], line
    assert native.value("SELECT count(*) FROM otel.span") == 0
    gateway.kill()
    native.execute("DELETE FROM otel.migration WHERE version = %s", (known + 1,))
    gateway = again(processes, gateway, settings(native))
    wait_until_drained(gateway)
    judge(native, sent, "refused, then allowed")


def test_a_running_gateway_is_turned_away_by_a_migration(processes, native):
    """As the next version does it: what is under way ends first."""
    gateway = processes.sluice(settings(native))
    sent = send(gateway, 6)
    wait_until_drained(gateway)
    known = newest(native)
    with native.session.transaction():
        native.execute("UPDATE otel.writer_slot SET holder = NULL")
        add_version(native, oldest_writer=known + 1)
    rows = native.value("SELECT count(*) FROM otel.span")
    sent += send(gateway, 6)
    wait_until(lambda: any(
        "upgrade this gateway" in line["reason"]
        for line in gateway.log("delivery failed, will try again")), 20, what="the refusal")
    assert native.value("SELECT count(*) FROM otel.span") == rows
    gateway.kill()
    native.execute("DELETE FROM otel.migration WHERE version = %s", (known + 1,))
    gateway = again(processes, gateway, settings(native))
    wait_until_drained(gateway)
    judge(native, sent, "turned away while running, then allowed")


def test_an_older_writer_goes_on_while_the_schema_is_migrated(processes, empty, tmp_path):
    """The tables alone are version 1; a session writes to them as a gateway of then did."""
    sql = tmp_path / "sql"
    sql.mkdir()
    sources = ROOT / "Sources/PostgresSchema/SQL"
    for file in [sources / "foundation.sql", *sources.glob("0001_*.sql")]:
        (sql / file.name).write_text(file.read_text())
    apply_schema(empty.session, "otel", sql)
    assert newest(empty) == 1
    stopping, written = threading.Event(), []

    def write():
        with empty.connect(autocommit=False) as session:
            while not stopping.is_set() or len(written) < 20:
                number = 1 + len(written)
                try:
                    session.execute(
                        "INSERT INTO otel.span (start_time, duration_ns, span_id, resource_id,"
                        " scope_id, trace_id, start_ns, kind, status_code, service_name, name)"
                        " VALUES (now(), 1, %s, 1, 1, gen_random_uuid(), 0, 1, 0, 'older', 'x')",
                        (-number,))
                    session.commit()
                    written.append(number)
                except psycopg.errors.CheckViolation:
                    # Its day has just got a partition: again.
                    session.rollback()
    older = threading.Thread(target=write)
    older.start()
    try:
        gateway = processes.sluice(settings(empty))
        sent = send(gateway, 12)
        wait_until_drained(gateway)
    finally:
        stopping.set()
        older.join(30)
    assert newest(empty) > 1
    assert empty.value("SELECT count(*) FROM otel.span WHERE service_name = 'older'") == len(
        written)
    empty.execute("DELETE FROM otel.span WHERE service_name = 'older'")
    judge(empty, sent, f"migrated beside an older writer's {len(written)} rows")


def test_four_gateways_start_at_once_on_an_empty_database(processes, empty):
    started, threads = [], []
    for number in range(4):
        made = settings(empty)
        directory = processes.directory / f"at-once-{number}"
        threads.append(threading.Thread(
            target=lambda made=made, directory=directory: started.append(
                processes.sluice(made, directory))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(started) == 4
    sent = [each for gateway in started for each in send(gateway, 6)]
    for gateway in started:
        wait_until_drained(gateway)
    assert empty.execute("SELECT version, count(*) FROM otel.migration GROUP BY 1 ORDER BY 1") == [
        (version, 1) for version in range(1, newest(empty) + 1)]
    judge(empty, sent, "four gateways at once")
