"""Records the data directories in this folder, which the tests in test_takeover.py take over.

    SLUICE=PATH/TO/THE/BUILD/BEFORE python Tests/integration/takeover/record.py [NAME]...

An archive has `data/`, the directory as a build left it; `sent/`, the requests that the build had
acknowledged, in order; and `state.json`, what the build said of them. Archives of builds that were
released stay for ever: a new one is recorded under a name of its own.
"""

import ctypes
import io
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import everything  # noqa: E402
import once  # noqa: E402
import otlp  # noqa: E402
import postgres  # noqa: E402
import stored_postgres  # noqa: E402
from client import Connection  # noqa: E402
from logged import DEAD, RETRY, log_settings, to  # noqa: E402
from sink import HANG, OK, Answer, Sink  # noqa: E402
from sluice import Sluice, run, wait_until  # noqa: E402
from stored import Store  # noqa: E402

REJECT = Answer(400, b"this destination takes no bad names", {"Content-Type": "text/plain"})


class Recording:
    """A directory that one gateway after the other writes to, and what these have acknowledged."""

    def __init__(self, name):
        self.name = name
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="takeover-"))
        self.sent = []
        self.state = {}
        self.sinks = []

    def sink(self, answer=OK):
        self.sinks.append(Sink(answer))
        return self.sinks[-1]

    def start(self, settings):
        self.gateway = Sluice(self.directory, settings)
        return self.gateway

    def send(self, signal_name, *requests):
        connection = Connection(self.gateway.address)
        for request in requests:
            body = request.SerializeToString()
            response = connection.request(f"/v1/{signal_name}", body)
            assert response.is_full_success(signal_name), response
            self.sent.append((signal_name, body))
        connection.close()

    def item_count(self, signal_name):
        """How many items of a signal were sent."""
        return sum(
            otlp.item_count(name, otlp.REQUESTS[name].FromString(body))
            for name, body in self.sent if name == signal_name)

    def cursors(self):
        """What the files say: {log: {exporter: {what: count}}}."""
        return {
            urllib.parse.unquote(path.parent.name): read_cursors(path)
            for path in sorted((self.directory / "data/log").glob("*/cursors"))}

    def save(self):
        version = run("version").stdout.strip()
        self.state |= {"version": version, "cursors": self.cursors()}
        path = FOLDER / f"{self.name}.tar.xz"
        files = [*self.directory.glob("store.db*"), *self.directory.glob("dump.sql")]
        with tarfile.open(path, "w:xz", preset=9) as archive:
            archive.add(self.directory / "data", "data", filter=anonymous)
            for extra in sorted(files):
                archive.add(extra, extra.name, filter=anonymous)
            for number, (signal_name, body) in enumerate(self.sent):
                add(archive, f"sent/{number:05d}.{signal_name}", body)
            add(archive, "state.json", json.dumps(self.state, indent=1).encode())
        for sink in self.sinks:
            sink.close()
        shutil.rmtree(self.directory)
        print(f"{path.name}: {path.stat().st_size} bytes, {len(self.sent)} requests")


def anonymous(member):
    """Nothing of the machine; no socket, which no archive can hold."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member if member.isfile() or member.isdir() else None


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def read_cursors(path):
    found = {}
    for line in path.read_text().splitlines():
        if match := re.match(r"cursor (\S+) after (\S+) (\d+) (.*)$", line):
            name, epoch, number, counts = match.groups()
            words = counts.split()
            found[urllib.parse.unquote(name)] = {
                "epoch": epoch, "after": int(number),
                **{key: int(value) for key, value in zip(words[::2], words[1::2])}}
    return found


def spans(name, size=0, count=2):
    return otlp.spans(count, name=name, text_bytes=size)


def points(name):
    return otlp.gauge(3, name=name)


def records(name):
    return otlp.logs(2, body=name)


def has(request, text):
    return text in str(request.message())


def exported(gateway, exporter, pipeline, count):
    def is_done():
        report = json.loads(gateway.get("/flow")[1])
        pipelines = {each["pipeline"]: each for each in report["pipelines"]}
        exporters = {each["exporter"]: each for each in pipelines[pipeline]["exporters"]}
        return exporters[exporter]["exported"] >= count

    wait_until(is_done, 20, what=f"{count} exported by {exporter}")


# -- What is recorded

def backlog():
    """Several segments of two runs, and of three signals, one in a log with a name in percent.

    `ahead` has a part of it, and what it has not is what stands in the way: later requests were
    settled before it. `behind` has nothing. `gone` is configured no more. Ended by SIGTERM.
    """
    recording = Recording("backlog")
    ahead, behind = recording.sink(), recording.sink(DEAD)
    signals = ("traces", "metrics", "logs/audit")
    exporters = {"otlp_http/ahead": to(ahead), "otlp_http/behind": to(behind)}
    recording.start(log_settings(
        {**exporters, "otlp_http/gone": to(behind)}, signals=signals))
    recording.send("traces", everything.everything("traces"))
    recording.send("traces", *(spans(f"first-{number:03d}", 12_000) for number in range(100)))
    recording.send("metrics", everything.everything("metrics"))
    recording.send("metrics", *(points(f"first-{number:03d}") for number in range(20)))
    recording.send("logs", everything.everything("logs"))
    recording.send("logs", *(records(f"first-{number:03d}") for number in range(20)))
    for pipeline, signal_name in zip(signals, otlp.SIGNALS):
        exported(
            recording.gateway, "otlp_http/ahead", pipeline, recording.item_count(signal_name))
    ahead.answer = lambda request: DEAD if has(request, "stuck") else OK
    recording.send("traces", spans("stuck", 12_000))
    ahead.wait(lambda sink: any(has(each, "stuck") for each in sink.requests))
    recording.send("traces", *(spans(f"behind-{number:03d}", 12_000) for number in range(20)))
    ahead.wait(lambda sink: any(has(each, "behind-019") for each in sink.taken))
    recording.gateway.stop()
    # Another epoch, and an exporter that is there no more.
    recording.start(log_settings(exporters, signals=signals))
    recording.send("traces", *(spans(f"second-{number:03d}", 12_000) for number in range(30)))
    recording.send("metrics", points("second"))
    recording.send("logs", records("second"))
    recording.gateway.stop()
    segments = list(recording.directory.glob("data/log/traces/*.seg"))
    assert len(segments) >= 4, segments
    recording.save()


def killed():
    """Records in zstd, of two runs that were killed; the last one while it was writing."""
    recording = Recording("killed")
    sink = recording.sink(DEAD)
    settings = log_settings({"otlp_http": to(sink)}, log={"compression": "zstd"})
    for run_name in ("first", "second"):
        recording.start(settings)
        for number in range(15):
            recording.send("traces", spans(f"{run_name}-{number:02d}", 2_000))
            recording.send("metrics", points(f"{run_name}-{number:02d}"))
            recording.send("logs", records(f"{run_name}-{number:02d}"))
        recording.send("traces", everything.everything("traces"))
        recording.gateway.kill()
    # What the next commit had of a record when the process was killed.
    path = max(recording.directory.glob("data/log/traces/*.seg"))
    content = path.read_bytes()
    end = -(-len(content.rstrip(b"\0")) // 8) * 8
    path.write_bytes(content[:end] + content[256:256 + 60])
    recording.save()


def letters():
    """Dead letters, one of them of a record that nothing may look into, and suspects.

    The record `poison` has ended two processes, `suspect` one; `quarantined` is set aside already.
    """
    recording = Recording("letters")
    sink = recording.sink(lambda request: REJECT if has(request, "bad") else OK)
    held = recording.sink(HANG)
    recording.start(log_settings({"otlp_http/letters": to(sink)}))
    recording.send("traces", spans("bad", count=3), spans("good"))
    recording.send("metrics", points("bad"))
    recording.send("logs", records("bad"), records("good"))
    for signal_name, count in (("traces", 2), ("logs", 2)):
        exported(recording.gateway, "otlp_http/letters", signal_name, count)
    wait_until(
        lambda: recording.gateway.metric("sluice_exporter_set_aside_items") == 8,
        what="what was rejected")
    recording.gateway.stop()
    # An exporter and a pipeline each, so that a thread's name tells which record it has.
    settings = log_settings({}, signals=[])
    for name, signal_name in (("a", "traces"), ("b", "traces"), ("c", "logs")):
        exporter = f"otlp_http/{name}"
        settings["exporters"][exporter] = to(held, sending_queue={"num_consumers": 1})
        settings["service"]["pipelines"][f"{signal_name}/{name}"] = {
            "receivers": ["otlp"], "exporters": [exporter]}
    recording.start(settings)
    recording.send("traces", spans("suspect"))
    recording.send("logs", records("suspect"))
    # What `a` had is set aside by the third start; `b`'s will be by the one that takes over.
    for number, name in enumerate(("a", "a", "c", "b", "b")):
        if number:
            recording.start(settings)
        if number == 2:
            wait_until(
                lambda: recording.cursors()["traces/a"]["otlp_http/a"]["set-aside"] == 2,
                what="the quarantine")
        lots = 3 if number < 2 else 2
        held.wait(lambda sink: len(sink.requests) == lots, what=f"{lots} lots")
        held.requests.clear()
        crash(recording.gateway, f"otlp_http/{name}")
    recording.save()


def store():
    """A SQLite file with data of every kind, and a log whose cursors don't know of its last rows."""
    recording = Recording("store")
    settings = log_settings({"sqlite": {"path": "store.db", "retry_on_failure": RETRY}})
    recording.start(settings)
    send_more_than_the_cursors_know(recording, "sqlite", lambda: all_stored(recording))
    # Into the file itself: what a -wal file holds is tied to it by more than its name.
    database = sqlite3.connect(recording.directory / "store.db")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    recording.save()


def send_more_than_the_cursors_know(recording, exporter, is_stored):
    for signal_name in otlp.SIGNALS:
        recording.send(signal_name, everything.everything(signal_name))
    wait_until(is_stored, what="the rows")
    wait_until(
        lambda: all(each[exporter]["exported"] for each in recording.cursors().values()),
        what="the cursors")
    before = recording.cursors()
    recording.send("traces", spans("late"))
    recording.send("metrics", points("late"))
    recording.send("logs", records("late"))
    wait_until(is_stored, interval=0.002, what="the last rows")
    recording.gateway.kill()
    assert recording.cursors() == before, "the cursors were saved in between: record it again"


def database():
    """As `store`, in PostgreSQL without an extension: a dump, whose ledger is ahead of the cursors."""
    recording = Recording("database")
    server = postgres.Server()
    try:
        made = server.database(applied=False)
        recording.start(once.settings(
            made, time_window="87600h", retention=dict.fromkeys(
                ("traces", "logs", "metrics", "rollups"), "87600h")))
        reader = stored_postgres.Store(made)
        send_more_than_the_cursors_know(
            recording, "postgres",
            lambda: all(reader.count(name) == recording.item_count(name) for name in otlp.SIGNALS))
        dump = subprocess.run(
            [postgres.binaries() / "pg_dump", "--no-owner", "--no-privileges", made.dsn()],
            check=True, capture_output=True).stdout
        # A newer pg_dump writes what an older psql does not know.
        (recording.directory / "dump.sql").write_bytes(
            re.sub(rb"^\\(?:un)?restrict .*\n", b"", dump, flags=re.M))
        made.close()
        recording.save()
    finally:
        server.close()


def all_stored(recording):
    path = recording.directory / "store.db"
    if not path.exists():
        return False
    reader = Store(path)
    try:
        return all(reader.count(name) == recording.item_count(name) for name in otlp.SIGNALS)
    except sqlite3.OperationalError:
        return False
    finally:
        reader.close()


# -- A fault in the thread that delivers

SYS_RT_TGSIGQUEUEINFO = 297
SI_QUEUE = -1


def crash(gateway, exporter):
    """Ends the process as a fault in this exporter's consumer would.

    The gateway counts only what its own process has sent; the kernel lets the sender say that.
    """
    pid = gateway.process.pid
    threads = [
        int(path.parent.name) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/comm")
        if path.read_text().startswith(f"{exporter}-")]
    assert len(threads) == 1, (exporter, threads)
    info = (ctypes.c_int * 32)(signal.SIGSEGV, 0, SI_QUEUE, 0, pid, os.getuid())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SYS_RT_TGSIGQUEUEINFO, pid, threads[0], int(signal.SIGSEGV), info) != 0:
        raise OSError(ctypes.get_errno(), "rt_tgsigqueueinfo")
    assert gateway.process.wait(10) == -signal.SIGSEGV
    gateway.has_stopped = True


if __name__ == "__main__":
    for make in (backlog, killed, letters, store, database):
        if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
            make()
