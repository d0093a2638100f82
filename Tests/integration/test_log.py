"""The durable log against real faults: dead destinations, kills, full, damaged and failing disks.

SLUICE_WITHOUT_LOG=1 runs them without service.log, on any binary: those that need a log then fail.
"""

import contextlib
import itertools
import pathlib
import re
import shutil
import signal
import sqlite3
import tempfile
import threading
import time

import pytest

import client
import otlp
from client import export
from logged import (
    DEAD, LEAVE_OUT, RETRY, Backlog, again, assert_refused, body, delivered, ext4, has_log,
    immutable, log_settings, make_read_only, send, send_by_several, tells_of_damage, tmpfs, to,
    wait_for, wait_until_accepted)
from sink import HANG, OK, Sink
from sluice import run, wait_until, write_configuration
from stored import Store

with tempfile.TemporaryDirectory() as scratch:
    HAS_LOG = LEAVE_OUT or has_log(pathlib.Path(scratch))
pytestmark = pytest.mark.skipif(not HAS_LOG, reason="this binary has no service.log")

REFUSED = "configuration refused, the old one goes on"
RELOADED = "configuration reloaded"


def names(prefix, count):
    return [f"{prefix}-{number:05d}" for number in range(count)]


def reload(gateway, settings):
    """Returns which of the two messages came."""
    before = {message: len(gateway.log(message)) for message in (RELOADED, REFUSED)}
    write_configuration(gateway.config, settings)
    gateway.signal(signal.SIGHUP)
    return wait_until(
        lambda: next((each for each in before if len(gateway.log(each)) > before[each]), None),
        what="an answer to SIGHUP")


# -- Dead destinations

@pytest.mark.parametrize("fault", ["unavailable", "hangs", "port closed"])
def test_a_downstream_that_is_dead_for_long_does_not_slow_another(processes, fault):
    live, dead = processes.sink(), processes.sink({"hangs": HANG}.get(fault, DEAD))
    gateway = processes.sluice(log_settings({
        "otlp_http/live": to(live), "otlp_http/dead": to(dead)}))
    if fault == "port closed":
        dead.close()
        processes.sinks.remove(dead)
    # More than the 1,000 requests that a queue in memory holds.
    sent = send_by_several(gateway, names("a", 2500))
    wait_for(live, sent, seconds=5)
    assert gateway.ready()[0] == 200
    if fault == "port closed":
        dead = Sink(OK, dead.port)
        processes.sinks.append(dead)
    dead.answer = OK
    dead.release()
    sent += send_by_several(gateway, names("b", 100))
    wait_for(dead, sent, seconds=40)
    wait_for(live, sent, seconds=5)
    assert delivered(live).total() == len(sent), "nothing failed, so nothing comes twice"


def test_a_locked_database_does_not_slow_another(processes):
    live = processes.sink()
    gateway = processes.sluice(log_settings({
        "otlp_http": to(live), "sqlite": {"path": "store.db", "retry_on_failure": RETRY}}))
    database = sqlite3.connect(gateway.directory / "store.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    sent = send_by_several(gateway, names("a", 1500))
    wait_for(live, sent, seconds=5)
    database.execute("ROLLBACK")
    database.close()
    wait_until(lambda: len(stored(gateway)) >= len(sent), 20, what="every row")
    assert stored(gateway) == sorted(sent)


def stored(gateway):
    store = Store(gateway.directory / "store.db")
    rows = sorted(row[0] for row in store.rows("SELECT name FROM span"))
    store.close()
    return rows


# -- Stop, kill, start

@pytest.mark.parametrize("answer", [DEAD, HANG], ids=["unavailable", "hangs"])
def test_sigterm_with_a_dead_downstream_ends_at_once_and_the_next_start_delivers(
        processes, answer):
    sink = processes.sink(answer)
    settings = log_settings({"otlp_http": to(sink)})
    gateway = processes.sluice(settings)
    sent = send(gateway, names("a", 50))
    sink.wait(lambda sink: sink.requests)
    began = time.monotonic()
    gateway.stop(expect=0)
    assert time.monotonic() - began < 5
    assert not sink.taken
    sink.answer = OK
    sink.release()
    again(processes, gateway, settings)
    wait_for(sink, sent)


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_backlog_survives_kill_9(processes, durability):
    sink = processes.sink(DEAD)
    settings = log_settings({"otlp_http": to(sink)}, log={"durability": durability})
    gateway = processes.sluice(settings)
    sent = []
    for round in range(3):
        sent += send_by_several(gateway, names(f"round-{round}", 100))
        gateway.kill()
        gateway = again(processes, gateway, settings)
    sink.answer = OK
    wait_for(sink, sent)


def test_memory_is_a_durability_that_still_delivers(processes):
    sink = processes.sink()
    gateway = processes.sluice(
        log_settings({"otlp_http": to(sink)}, log={"durability": "memory"}))
    wait_for(sink, send(gateway, names("a", 50)))


def test_all_signals_survive_kill_9(processes):
    sink = processes.sink(DEAD)
    settings = log_settings({"otlp_http": to(sink)})
    gateway = processes.sluice(settings)
    for name in otlp.SIGNALS:
        assert export(gateway, name, otlp.request(name, 7)).status == 200
    gateway.kill()
    sink.answer = OK
    again(processes, gateway, settings)
    for name in otlp.SIGNALS:
        wanted = set(otlp.items(name, otlp.request(name, 7)))
        # The first gateway's last attempt may reach the sink when that answers well again.
        assert set(sink.wait_for_items(name, 7)) == wanted


def test_what_was_delivered_is_not_delivered_again_after_a_clean_stop(processes):
    sink = processes.sink()
    settings = log_settings({"otlp_http": to(sink)}, log={"retain": "1h"})
    gateway = processes.sluice(settings)
    sent = send(gateway, names("a", 100))
    wait_for(sink, sent)
    for round in range(3):
        gateway.stop()
        gateway = again(processes, gateway, settings)
        sent += send(gateway, names(f"round-{round}", 5))
        wait_for(sink, sent)
    assert delivered(sink).total() == len(sent)


def test_kill_9_adds_no_row_and_loses_none_in_sqlite(processes):
    """Killed again and again while it delivers; each request is sent once."""
    settings = log_settings({"sqlite": {
        "path": "store.db", "retry_on_failure": RETRY, "transaction": {"max_rows": 20}}})
    gateway = processes.sluice(settings)
    database = sqlite3.connect(gateway.directory / "store.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    sent = send_by_several(gateway, names("a", 800))
    gateway.kill()
    database.execute("ROLLBACK")
    database.close()
    for round in range(8):
        gateway = again(processes, gateway, settings)
        time.sleep(0.01 * round)
        gateway.kill()
    gateway = again(processes, gateway, settings)
    wait_until(lambda: len(stored(gateway)) >= len(sent), 20, what="every row")
    gateway.stop()
    assert stored(gateway) == sorted(sent)


def test_a_restored_snapshot_of_the_log_adds_no_row_and_loses_none_in_sqlite(processes):
    """The copy has records whose positions the store knows, and goes on from an old position."""
    settings = log_settings({"sqlite": {"path": "store.db", "retry_on_failure": RETRY}})
    gateway = processes.sluice(settings)
    database = sqlite3.connect(gateway.directory / "store.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    sent = send(gateway, names("before", 50))
    gateway.kill()
    data, snapshot = gateway.directory / "data", gateway.directory / "snapshot"
    shutil.copytree(data, snapshot, ignore=lambda _, each: {"control.sock"} & set(each))
    database.execute("ROLLBACK")
    database.close()
    gateway = again(processes, gateway, settings)
    sent += send(gateway, names("after", 50))
    wait_until(lambda: stored(gateway) == sorted(sent), what="every row")
    gateway.stop()
    shutil.rmtree(data)
    snapshot.rename(data)
    gateway = again(processes, gateway, settings)
    sent += send(gateway, names("later", 50))
    wait_until(lambda: len(stored(gateway)) >= len(sent), 20, what="every row")
    gateway.stop()
    assert stored(gateway) == sorted(sent)


# -- Reload

def test_sighup_that_removes_an_exporter_loses_none_of_its_backlog(processes):
    """It delivers first, or the reload is refused: both are right."""
    kept, removed = processes.sink(), processes.sink(DEAD)
    exporters = {"otlp_http/kept": to(kept), "otlp_http/removed": to(removed)}
    gateway = processes.sluice(log_settings(exporters))
    sent = send(gateway, names("before", 100))
    wait_for(kept, sent)
    write_configuration(
        gateway.config, log_settings({"otlp_http/kept": exporters["otlp_http/kept"]}))
    gateway.signal(signal.SIGHUP)
    later = send(gateway, names("after", 20))
    wait_for(kept, sent + later)
    removed.answer = OK
    wait_for(removed, sent)
    wait_until(lambda: gateway.log(RELOADED) or gateway.log(REFUSED), what="an answer to SIGHUP")
    assert send(gateway, names("last", 5))
    wait_for(kept, names("last", 5))


def test_sighup_that_removes_a_pipeline_loses_none_of_its_backlog(processes):
    sink = processes.sink(DEAD)
    gateway = processes.sluice(log_settings({"otlp_http": to(sink)}))
    sent = send(gateway, names("before", 50))
    write_configuration(
        gateway.config, log_settings({"otlp_http": to(sink)}, signals=["logs"]))
    gateway.signal(signal.SIGHUP)
    assert export(gateway, "logs", otlp.logs()).status == 200
    sink.answer = OK
    wait_for(sink, sent)


def test_sighup_that_moves_an_exporter_takes_its_backlog_along(processes):
    old, new = processes.sink(DEAD), processes.sink()
    gateway = processes.sluice(log_settings({"otlp_http": to(old)}))
    sent = send(gateway, names("before", 100))
    assert reload(gateway, log_settings({"otlp_http": to(new)})) == RELOADED
    sent += send(gateway, names("after", 20))
    wait_for(new, sent)


def test_sighup_that_adds_an_exporter_begins_with_what_comes_next(processes):
    old, new = processes.sink(DEAD), processes.sink()
    exporters = {"otlp_http/old": to(old)}
    gateway = processes.sluice(log_settings(exporters))
    before = send(gateway, names("before", 50))
    exporters["otlp_http/new"] = to(new)
    assert reload(gateway, log_settings(exporters)) == RELOADED
    after = send(gateway, names("after", 50))
    wait_for(new, after)
    old.answer = OK
    wait_for(old, before + after)
    assert not set(before) & set(delivered(new))


@pytest.mark.parametrize("ends", ["kill", "stop"])
def test_a_backlog_outlives_a_reload_and_the_end_after_it(processes, ends):
    sink = processes.sink(DEAD)
    gateway = processes.sluice(log_settings({"otlp_http": to(sink)}))
    sent = send(gateway, names("before", 50))
    changed = log_settings({"otlp_http": to(sink, compression="none")}, processors={
        "attributes": {"actions": [{"key": "added", "value": 1, "action": "insert"}]}})
    assert reload(gateway, changed) == RELOADED
    sent += send(gateway, names("after", 50))
    getattr(gateway, ends)()
    sink.answer = OK
    again(processes, gateway, changed)
    wait_for(sink, sent)


def test_sighups_under_load_with_a_flapping_downstream_lose_nothing(processes):
    sink, other = processes.sink(), processes.sink()
    base = {"otlp_http": to(sink)}
    gateway = processes.sluice(log_settings(base))
    acknowledged, failures = [], []
    stopping = threading.Event()

    def load(worker):
        for number in itertools.count():
            name = f"{worker}/{number}"
            if stopping.is_set():
                return
            try:
                acknowledged.extend(send(gateway, [name]))
            except (AssertionError, EOFError, OSError) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=load, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    for number in range(8):
        sink.answer = DEAD if number % 2 else OK
        extra = {"otlp_http/other": to(other)} if number % 3 == 0 else {}
        reload(gateway, log_settings({**base, **extra}, processors={"attributes": {"actions": [
            {"key": "round", "value": number, "action": "insert"}]}}))
        # Each configuration takes some, however slow the machine is.
        enough = len(acknowledged) + 6
        wait_until(lambda: failures or len(acknowledged) >= enough)
    stopping.set()
    for thread in threads:
        thread.join()
    sink.answer = OK
    assert not failures, failures[:3]
    wait_for(sink, acknowledged)


# -- Two processes

def test_a_second_process_on_the_same_directory_says_so_and_ends(processes, tmp_path):
    sink = processes.sink()
    directory = tmp_path / "shared"
    settings = log_settings({"otlp_http": to(sink)}, log={"directory": str(directory)})
    gateway = processes.sluice(settings)
    sent = send(gateway, names("a", 5))
    second = run(
        "run", "--config", write_configuration(tmp_path / "second.yaml", settings), cwd=tmp_path)
    assert second.returncode not in (0, -6, -4, -11), second
    assert str(directory) in second.stderr
    assert re.search(
        rf"\b{gateway.process.pid}\b|another|in use|running", second.stderr), second.stderr
    sent += send(gateway, names("b", 5))
    wait_for(sink, sent)
    # The lock of a process that was killed is no obstacle.
    gateway.kill()
    third = again(processes, gateway, settings)
    wait_for(sink, send(third, names("c", 5)))


# -- Disks that are full or read-only

@pytest.fixture
def small_disk(tmp_path):
    mount = tmpfs(tmp_path / "small", 24)
    if mount.failure:
        pytest.skip(f"needs a small file system: {mount.failure}")
    yield mount
    mount.unmount()


def on(mount, exporters, **log):
    return log_settings(exporters, log={"directory": str(mount.path / "data"), **log})


def test_a_full_disk_refuses_goes_on_draining_and_recovers(small_disk, processes):
    live, dead = processes.sink(), processes.sink(DEAD)
    gateway = processes.sluice(on(small_disk, {
        "otlp_http/live": to(live), "otlp_http/dead": to(dead)}))
    sent = []
    for name in names("a", 1000):
        response = client.post(gateway, "/v1/traces", body(name, 100_000))
        if response.status != 200:
            break
        sent.append(name)
    assert_refused(response)
    assert 50 < len(sent) < 240, "as many as there is room for"
    wait_for(live, sent)
    assert_refused(client.post(gateway, "/v1/traces", body("refused", 100_000)))
    assert gateway.get("/health")[0] == 200
    dead.answer = OK
    wait_for(dead, sent)
    wait_until_accepted(gateway, "recovered")
    sent += send(gateway, names("b", 20), 100_000)
    for sink in (live, dead):
        wait_for(sink, [*sent, "recovered"])
        assert "refused" not in delivered(sink)


@pytest.mark.parametrize("reserve, leave", [("4MiB", 1 << 20), ("4MiB", 0), ("0", 0)])
def test_a_disk_that_others_fill_refuses_goes_on_draining_and_recovers(
        small_disk, processes, reserve, leave):
    sink = processes.sink(DEAD)
    gateway = processes.sluice(
        on(small_disk, {"otlp_http": to(sink)}, disk_reserve=reserve))
    sent = send(gateway, names("a", 20), 20_000)
    others = small_disk.fill(leave)
    # What a segment has reserved already may still take some.
    for name in names("filling", 100):
        response = client.post(gateway, "/v1/traces", body(name, 100_000))
        if response.status != 200:
            break
        sent.append(name)
    assert_refused(response)
    sink.answer = OK
    wait_for(sink, sent)
    others.unlink()
    wait_until_accepted(gateway, "recovered")
    sent += ["recovered", *send(gateway, names("b", 20), 20_000)]
    wait_for(sink, sent)


def test_a_start_on_a_full_disk_delivers_and_refuses_until_there_is_room(small_disk, processes):
    sink = processes.sink(DEAD)
    settings = on(small_disk, {"otlp_http": to(sink)}, retain="1h")
    gateway = processes.sluice(settings)
    sent = send(gateway, names("a", 20), 20_000)
    gateway.kill()
    others = small_disk.fill()
    sink.answer = OK
    gateway = again(processes, gateway, settings)
    wait_for(sink, sent)
    assert_refused(client.post(gateway, "/v1/traces", body("refused", 100_000)))
    others.unlink()
    wait_until_accepted(gateway, "recovered")
    wait_for(sink, [*sent, "recovered"])


def test_the_logs_own_limit_refuses_goes_on_draining_and_recovers(processes):
    live, dead = processes.sink(), processes.sink(DEAD)
    gateway = processes.sluice(log_settings(
        {"otlp_http/live": to(live), "otlp_http/dead": to(dead)}, log={"max_size": "8MiB"}))
    sent = []
    for name in names("a", 1000):
        response = client.post(gateway, "/v1/traces", body(name, 100_000))
        if response.status != 200:
            break
        sent.append(name)
    assert_refused(response)
    size = sum(path.stat().st_size for path in gateway.directory.rglob("*.seg"))
    assert size <= 8 << 20
    wait_for(live, sent)
    dead.answer = OK
    wait_for(dead, sent)
    wait_until_accepted(gateway, "recovered")


@contextlib.contextmanager
def read_only(kind, tmp_path):
    """Yields the directory for the data, and a function that makes it read-only, or writable."""
    directory = tmp_path / "disk"
    if kind == "immutable":
        directory.mkdir()
        try:
            yield directory, lambda is_on: immutable(directory, is_on)
        finally:
            immutable(directory, False)
        return
    mount = ext4(directory, 64)
    try:
        if mount.failure:
            pytest.skip(f"needs a file system that can fail: {mount.failure}")
        yield directory, lambda is_on: is_on and make_read_only(mount)
    finally:
        mount.unmount()


@pytest.fixture(params=["immutable", "file system error"])
def disk_that_turns_read_only(request, tmp_path):
    with read_only(request.param, tmp_path) as disk:
        yield disk


def test_a_disk_that_turns_read_only_refuses_goes_on_draining_and_recovers(
        disk_that_turns_read_only, processes):
    directory, turn = disk_that_turns_read_only
    sink = processes.sink(DEAD)
    gateway = processes.sluice(log_settings(
        {"otlp_http": to(sink)}, log={"directory": str(directory / "data")}))
    sent = send(gateway, names("a", 20), 20_000)
    if not turn(True):
        pytest.skip("no means here to make a directory read-only for root")
    for number in range(3):
        assert_refused(client.post(gateway, "/v1/traces", body(f"refused-{number}")))
    sink.answer = OK
    wait_for(sink, sent)
    assert gateway.get("/health")[0] == 200
    if turn(False):
        wait_until_accepted(gateway, "recovered")
        wait_for(sink, [*sent, "recovered"])
    # Where it stays read-only there is nothing more to save: it must still end well.
    gateway.stop(expect=0)
    assert not any(name.startswith("refused") for name in delivered(sink))


# -- Damage

def flip(path, offset, mask=0xFF, count=1):
    with path.open("r+b") as file:
        file.seek(offset)
        data = file.read(count)
        file.seek(offset)
        file.write(bytes(byte ^ mask for byte in data))
    return path, offset, offset + count


def overwrite(path, offset, data):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    return path, offset, offset + len(data)


def truncate(path, offset):
    end = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(offset)
    return path, offset, end


def some_place(backlog, places, path=None):
    """Of a large request that is neither the first nor the last of its file."""
    path = path or backlog.segments[0]
    there = sorted(place for place in places.values() if place[0] == path)
    return backlog.random.choice(
        [place for place in there[1:-1] if place[2] - place[1] > 4000] or there)


def flip_a_bit(backlog, places):
    path, start, end = some_place(backlog, places)
    return [flip(path, backlog.random.randrange(start, end), 1 << backlog.random.randrange(8))]


def flip_in_a_header(backlog, places):
    path, start, _ = some_place(backlog, places)
    return [flip(path, start - backlog.random.randrange(1, 17))]


def flip_many(backlog, places):
    return [flip_a_bit(backlog, places)[0] for _ in range(20)]


def fill_a_header(byte):
    def fill(backlog, places):
        path, start, _ = some_place(backlog, places)
        return [overwrite(path, start - 32, byte * 32)]
    return fill


def blank_a_page(backlog, places):
    path, start, _ = some_place(backlog, places)
    return [overwrite(path, start // 4096 * 4096, bytes(4096))]


def swap_pages(backlog, places):
    """As a disk or a file system does that mixes up blocks."""
    path, start, _ = some_place(backlog, places)
    other = start
    while abs(other - start) < 8192:
        _, other, _ = some_place(backlog, places)
    first, second = start // 4096 * 4096, other // 4096 * 4096
    content = path.read_bytes()
    return [
        overwrite(path, first, content[second:second + 4096]),
        overwrite(path, second, content[first:first + 4096])]


def repeat_a_record(backlog, places):
    """Whole valid records stand once more, where others were."""
    path, start, end = some_place(backlog, places)
    content = path.read_bytes()
    source = content[max(0, start - 200):end + 200]
    target = start
    while abs(target - start) < len(source) + 8192:
        _, target, _ = some_place(backlog, places)
    return [overwrite(path, target, source[:len(content) - target])]


def truncate_an_inner_file(backlog, places):
    path, start, end = some_place(backlog, places)
    return [truncate(path, backlog.random.randrange(start, end))]


def truncate_the_last_file(backlog, places):
    path, start, end = some_place(backlog, places, max(places.values())[0])
    return [truncate(path, backlog.random.randrange(start - 16, end))]


DAMAGES = {
    "a bit": flip_a_bit, "a record's header": flip_in_a_header, "many bits": flip_many,
    "a header of ones": fill_a_header(b"\xff"), "a header of zeros": fill_a_header(b"\0"),
    "a blank page": blank_a_page, "pages swapped": swap_pages,
    "a record repeated": repeat_a_record, "an inner file truncated": truncate_an_inner_file,
    "the last file truncated": truncate_the_last_file,
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_costs_what_it_hit_and_is_reported(processes, kind, seed):
    backlog = Backlog(processes, seed=seed).kill()
    assert len(backlog.segments) > 2
    places = backlog.places()
    damage = DAMAGES[kind](backlog, places)
    intact = backlog.intact(places, damage)
    assert len(intact) > 20
    gateway = backlog.start()
    wait_for(backlog.sink, intact)
    # A torn end of the last segment is what a crash leaves: nothing to report.
    if kind != "the last file truncated":
        wait_until(
            lambda: all(tells_of_damage(gateway)), what="a log line and a metric about the damage")
    wait_for(backlog.sink, send(gateway, ["after the damage"]))
    backlog.bodies["after the damage"] = body("after the damage")
    backlog.assert_only_genuine()
    assert max(delivered(backlog.sink).values()) == 1
    gateway.stop(expect=0)
    # Nor does it hurt the start after the next.
    backlog.start()
    backlog.bodies["and again"] = body("and again")
    wait_for(backlog.sink, send(backlog.gateway, ["and again"]))
    backlog.assert_only_genuine()
    assert delivered(backlog.sink)["and again"] == 1


@pytest.mark.parametrize("kind", ["a segment's header", "an empty file", "a file of noise"])
def test_a_file_that_is_no_segment_stops_no_other(processes, kind):
    backlog = Backlog(processes).kill()
    places = backlog.places()
    victim = backlog.segments[0]
    content = victim.read_bytes()
    if kind == "a segment's header":
        flip(victim, 0, count=64)
    elif kind == "an empty file":
        victim.write_bytes(b"")
    else:
        victim.write_bytes(backlog.random.randbytes(len(content)))
    gateway = backlog.start()
    wait_for(backlog.sink, {name for name, place in places.items() if place[0] != victim})
    wait_for(backlog.sink, send(gateway, ["new"]))
    backlog.bodies["new"] = body("new")
    backlog.assert_only_genuine()
    if kind != "an empty file":
        assert all(tells_of_damage(gateway))


def test_what_cannot_be_read_is_kept(processes):
    """Although every cursor has passed it, and nothing else is retained."""
    backlog = Backlog(processes).kill()
    places = backlog.places()
    path, start, end = some_place(backlog, places)
    name = next(each for each, place in places.items() if place == (path, start, end))
    flip(path, end - 100)
    backlog.start()
    wait_for(backlog.sink, set(places) - {name})
    send(backlog.gateway, names("more", 30), 100_000)
    wait_for(backlog.sink, names("more", 30))
    backlog.gateway.stop(expect=0)
    assert name not in delivered(backlog.sink)
    # Its name stands in no other request.
    assert any(
        name.encode() in path.read_bytes() for path in backlog.data.rglob("*") if path.is_file())


def test_records_within_a_payload_are_never_taken_for_records(processes):
    """A client sends bytes of the log itself, and the record that carries them is damaged."""
    backlog = Backlog(processes, count=30)
    sources = b"".join(path.read_bytes() for path in backlog.segments)
    # Whole records, many times, at every alignment that a search might keep to.
    start = sources.find(backlog.bodies["item-000003"]) - 200
    piece = sources[max(0, start):][:40_000]
    assert len(piece) > 20_000
    carrier = otlp.spans(name="carrier")
    span = carrier.resource_spans[0].scope_spans[0].spans[0]
    for shift in range(8):
        span.attributes.extend(otlp.attributes({f"bytes {shift}": b"." * shift + piece}))
    outer = carrier.SerializeToString()
    assert client.post(backlog.gateway, "/v1/traces", outer).status == 200
    after = send(backlog.gateway, names("after", 20))
    backlog.kill()
    backlog.bodies.update({name: body(name) for name in after})
    where = next(path for path in backlog.segments if outer in path.read_bytes())
    offset = where.read_bytes().find(outer)
    # From the record's header to just before the first copy.
    overwrite(where, offset - 16, b"\xaa" * (16 + outer.find(piece) - 1))
    gateway = backlog.start()
    wait_for(backlog.sink, backlog.bodies)
    send(gateway, ["last"])
    backlog.bodies["last"] = body("last")
    wait_for(backlog.sink, ["last"])
    counts = delivered(backlog.sink)
    assert counts == dict.fromkeys(backlog.bodies, 1)
    backlog.assert_only_genuine()
    assert all(tells_of_damage(gateway))


def test_a_payload_with_records_of_the_log_arrives_as_it_is(processes):
    backlog = Backlog(processes, count=30)
    piece = backlog.segments[0].read_bytes()[:50_000]
    carrier = otlp.spans(name="carrier")
    carrier.resource_spans[0].scope_spans[0].spans[0].attributes.extend(
        otlp.attributes({"bytes": piece}))
    assert export(backlog.gateway, "traces", carrier).status == 200
    backlog.bodies["carrier"] = carrier.SerializeToString()
    backlog.kill()
    gateway = backlog.start()
    wait_for(backlog.sink, backlog.bodies)
    assert delivered(backlog.sink) == dict.fromkeys(backlog.bodies, 1)
    backlog.assert_only_genuine()
    assert tells_of_damage(gateway) == ([], 0)


def test_files_of_the_log_are_private(processes):
    backlog = Backlog(processes, count=3)
    for path in [backlog.data, *backlog.data.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
