"""What an earlier build has left in a data directory is taken over, item by item.

The directories are in takeover/, with the script that recorded them. An archive is never recorded
again to please a new build: users have such directories.
"""

import collections
import json
import pathlib
import re
import sqlite3
import subprocess
import tarfile
import uuid

import pytest

import once
import otlp
import stored
import stored_postgres
from client import export
from logged import RETRY, log_settings, to
from postgres import binaries
from sluice import run, wait_until
from stored import Store
from test_flow import assert_sums

ARCHIVES = pathlib.Path(__file__).resolve().parent / "takeover"
# Besides those of the three signals.
PIPELINES_OF_LETTERS = ("traces/a", "traces/b", "logs/c")


class Recorded:
    """A directory of an earlier build, unpacked where a gateway can start in it."""

    def __init__(self, name, directory):
        self.directory = directory
        with tarfile.open(ARCHIVES / f"{name}.tar.xz") as archive:
            archive.extractall(directory, filter="fully_trusted")
        self.data = directory / "data"
        self.state = json.loads((directory / "state.json").read_text())
        paths = sorted((directory / "sent").iterdir())
        self.sent = {
            signal: [
                otlp.REQUESTS[signal].FromString(path.read_bytes())
                for path in paths if path.suffix == f".{signal}"]
            for signal in otlp.SIGNALS}

    def items(self, signal, first=0):
        """Each item that was sent in the requests from `first` on, and how often: once."""
        return counted(signal, self.sent[signal][first:])

    def done(self, pipeline, exporter):
        """How many requests an exporter's cursor has passed."""
        return self.state["cursors"][pipeline][exporter]["after"]

    def command(self, *arguments):
        return run(*arguments, "--data-dir", self.data)

    def assert_inspected(self, pipeline, signal):
        result = self.command("log", "inspect", pipeline, "--json", "--count", "1000")
        assert result.returncode == 0, result.stderr
        found = [otlp.from_json(signal, line) for line in result.stdout.split("\n") if line]
        assert len(found) == len(self.sent[signal])
        assert counted(signal, found) == self.items(signal)


def counted(signal, requests):
    return collections.Counter(item for each in requests for item in otlp.items(signal, each))


def delivered(sink, signal):
    return collections.Counter(sink.items(signal))


@pytest.fixture
def recorded(tmp_path):
    return lambda name: Recorded(name, tmp_path / "recorded")


def wait_until_done(gateway):
    def is_done():
        assert gateway.process.poll() is None, gateway.log_path.read_text()[-4000:]
        report = json.loads(gateway.get("/flow")[1])
        return all(
            exporter["pending"]["items"] == 0
            for pipeline in report["pipelines"] for exporter in pipeline["exporters"])

    wait_until(is_done, 20, what="everything is done with")
    return assert_sums(gateway, is_idle=False)


def test_a_backlog_of_several_segments_runs_and_exporters(processes, recorded):
    left = recorded("backlog")
    pipelines = {"traces": "traces", "metrics": "metrics", "logs/audit": "logs"}
    result = left.command("log", "verify")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(": sound\n") == 3
    result = left.command("log", "list")
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"^  otlp_http/(?:ahead|behind|gone) ", result.stdout, re.M)) == 9
    for pipeline, signal in pipelines.items():
        left.assert_inspected(pipeline, signal)

    sinks = {name: processes.sink() for name in ("ahead", "behind")}
    gateway = processes.sluice(
        log_settings(
            {f"otlp_http/{name}": to(sink) for name, sink in sinks.items()}, signals=pipelines),
        directory=left.directory)
    flow = drained(gateway, pipelines, left, sinks)
    assert "otlp_http/gone" in str(gateway.log(level="warn"))
    for pipeline, signal in pipelines.items():
        place = flow[pipeline]["exporters"]["otlp_http/ahead"]
        assert place["exported"] == place["items"] == sum(left.items(signal).values())
    assert left.command("log", "abandon", "otlp_http/gone").returncode == 0
    assert export(gateway, "traces", otlp.spans(2, name="new")).status == 200
    wait_until_done(gateway)
    for sink in sinks.values():
        assert sum("new-" in item.item for item in delivered(sink, "traces")) == 2
    gateway.stop()
    assert left.command("log", "verify").returncode == 0


def drained(gateway, pipelines, left, sinks):
    """Each exporter gets what its cursor has not passed, to the last byte, and once."""
    wait_until(
        lambda: all(
            each["pending"]["items"] == 0 for pipeline in json.loads(gateway.get("/flow")[1])[
                "pipelines"] for each in pipeline["exporters"] if each["exporter"][10:] in sinks),
        20, what="the end of the backlog")
    for name, sink in sinks.items():
        for pipeline, signal in pipelines.items():
            first = left.done(pipeline, f"otlp_http/{name}")
            assert delivered(sink, signal) == left.items(signal, first), (name, pipeline)
    assert left.done("traces", "otlp_http/ahead") == 101, "the archive has a part that was done"
    return assert_sums(gateway, is_idle=False)


def test_a_compressed_log_whose_process_was_killed_while_it_wrote(processes, recorded):
    left = recorded("killed")
    result = left.command("log", "verify")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "60 bytes at the end are unfinished" in result.stdout
    for signal in otlp.SIGNALS:
        left.assert_inspected(signal, signal)
    sink = processes.sink()
    gateway = processes.sluice(
        log_settings({"otlp_http": to(sink)}, log={"compression": "zstd"}),
        directory=left.directory)
    wait_until_done(gateway)
    for signal in otlp.SIGNALS:
        assert delivered(sink, signal) == left.items(signal)
    assert gateway.metric("sluice_log_damaged_bytes") == 0


def letters_settings(sink):
    settings = log_settings({"otlp_http/letters": to(sink)})
    for pipeline in PIPELINES_OF_LETTERS:
        name = f"otlp_http/{pipeline[-1]}"
        settings["exporters"][name] = to(sink)
        settings["service"]["pipelines"][pipeline] = {
            "receivers": ["otlp"], "exporters": [name]}
    return settings


def test_dead_letters_and_suspects(processes, recorded):
    left = recorded("letters")
    listed = left.command("dead-letters", "list").stdout
    assert re.search(r"^otlp_http%2fletters-00000001.jsonl +\d +8 ", listed, re.M)
    assert re.search(r"^8 items  otlp_http/letters: .*takes no bad names", listed, re.M)
    shown = left.command("dead-letters", "show", "otlp_http/letters", "--json")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count('"name":"bad') == 4 and shown.stdout.count('"bad"') == 3

    sink = processes.sink()
    gateway = processes.sluice(letters_settings(sink), directory=left.directory)
    flow = wait_until_done(gateway)
    # Two processes have ended over the one, and one over the other.
    assert flow["traces/b"]["exporters"]["otlp_http/b"]["set_aside"] == 2
    assert flow["logs/c"]["exporters"]["otlp_http/c"]["exported"] == 2
    assert sum("suspect" in item.item for item in delivered(sink, "logs")) == 2
    assert not delivered(sink, "traces")
    shown = left.command("dead-letters", "show", "otlp_http/b")
    assert shown.returncode == 0 and "2" in shown.stdout, shown.stdout
    # The one that the earlier build has set aside, the one that this build has, and the rejected.
    for name, count in (("a", 2), ("b", 2), ("letters", 8)):
        result = left.command("dead-letters", "resend", f"otlp_http/{name}")
        assert (result.returncode, result.stdout) == (
            0, f"{count} items read, {count} exported\n"), (name, result.stderr)
    names = collections.Counter(
        re.search(r'\bname: "(\w+)', item.item)[1] for item in sink.items("traces"))
    assert names == {"bad": 3, "suspect": 4}
    assert sum(delivered(sink, "metrics").values()) == 3
    assert left.command("dead-letters", "list").stdout == "no dead letters\n"


# A span without a start has no duration: what stood there was no answer.
UNKNOWN = {"end_time", "duration_ms", "duration_ns", "duration", "end_time_unix_nano"}


def view_rows(path):
    """{view: (columns, rows)} of a SQLite file; rows as mappings."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    views = [row[0] for row in database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'view' AND name NOT LIKE 'sqlite%'")]
    found = {view: [dict(row) for row in database.execute(f"SELECT * FROM {view}")]
             for view in views}
    database.close()
    return found


def comparable(rows, columns):
    return collections.Counter(repr([row[column] for column in columns]) for row in rows)


def test_a_sqlite_file_whose_last_rows_the_cursors_do_not_know(processes, recorded):
    left = recorded("store")
    before = view_rows(left.directory / "store.db")
    assert sorted(before) == ["logs", "metrics", "spans", "traces"]
    gateway = processes.sluice(
        log_settings({"sqlite": {"path": "store.db", "retry_on_failure": RETRY}}),
        directory=left.directory)
    wait_until_done(gateway)
    after = view_rows(left.directory / "store.db")
    for view, rows in before.items():
        columns = [column for column in rows[0] if column not in UNKNOWN]
        assert set(rows[0]) <= set(after[view][0]), view
        assert comparable(after[view], columns) == comparable(rows, columns), view
    new = {signal: otlp.request(signal, 3) for signal in otlp.SIGNALS}
    for signal, request in new.items():
        assert export(gateway, signal, request).status == 200
    wait_until_done(gateway)
    store = Store(left.directory / "store.db")
    for signal, request in new.items():
        assert store.count(signal) == sum(left.items(signal).values()) + 3
        assert stored.expected(signal, request) <= store.actual(signal)
    store.close()


VIEWS_OF_POSTGRES = "SELECT viewname FROM pg_views WHERE schemaname = 'otel' ORDER BY 1"
FUNCTIONS = """
    SELECT p.proname, pg_get_function_identity_arguments(p.oid)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'otel'
"""
# What these show is of now, or is a summary that the upkeep makes.
OF_NOW = re.compile(r"red_|_1m|dead|maint|queue|partition|size|gap|ledger|mark")


def test_a_database_whose_ledger_is_ahead_of_the_cursors(processes, recorded, make_database):
    left = recorded("database")
    database = make_database("native", applied=False)
    restored = subprocess.run(
        [binaries() / "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file",
         left.directory / "dump.sql", database.dsn()], capture_output=True, text=True)
    assert restored.returncode == 0, restored.stderr
    before = postgres_rows(database)
    assert {"spans", "logs", "metrics"} <= before.keys()
    functions = set(database.execute(FUNCTIONS))

    years = "87600h"
    gateway = processes.sluice(
        once.settings(database, time_window=years, retention=dict.fromkeys(
            ("traces", "logs", "metrics", "rollups"), years)), directory=left.directory)
    wait_until_done(gateway)
    after = postgres_rows(database)
    for view, (columns, rows) in before.items():
        assert set(columns) <= set(after[view][0]), view
        if rows and not OF_NOW.search(view):
            kept = [column for column in columns if column not in UNKNOWN]
            assert comparable(after[view][1], kept) == comparable(rows, kept), view
    assert functions <= set(database.execute(FUNCTIONS)), "a name goes a version after it is old"
    new = {signal: otlp.request(signal, 3) for signal in otlp.SIGNALS}
    for signal, request in new.items():
        assert export(gateway, signal, request).status == 200
    wait_until_done(gateway)
    store = stored_postgres.Store(database)
    for signal, request in new.items():
        assert store.count(signal) == sum(left.items(signal).values()) + 3
        assert stored_postgres.expected(signal, request) <= store.actual(signal)


def postgres_rows(database):
    """{view: (columns, rows)}; ids in one form, whichever the view has."""
    found = {}
    for [view] in database.execute(VIEWS_OF_POSTGRES):
        cursor = database.session.execute(f'SELECT * FROM otel."{view}"')
        columns = [column.name for column in cursor.description]
        found[view] = columns, [
            {name: value.hex if isinstance(value, uuid.UUID) else value
             for name, value in zip(columns, row)} for row in cursor]
    return found
