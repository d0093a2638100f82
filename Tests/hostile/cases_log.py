"""The log at its worst moments: a kill, a full disk, clocks that jump, reloads under attack."""

import os
import pathlib
import signal
import struct
import threading
import time

import bombs
import numbered
from cage import compiled
from lab import case, comes_back, mounted
from sluice import configuration, wait_until, write_configuration

RETRY = {"retry_on_failure": {"initial_interval": "20ms", "max_interval": "100ms"}}
YEAR = 366 * 86_400


def beside(lab, function):
    """Runs beside the case until it ends; `function` gets an event that says so."""
    stopping = threading.Event()
    thread = threading.Thread(target=function, args=(stopping,), daemon=True)
    thread.start()

    def stop():
        stopping.set()
        thread.join(30)
    lab.at_end(stop)
    return stop


def throwing(gateway, parameters):
    def throw(stopping):
        while not stopping.is_set():
            for p in parameters:
                if stopping.is_set():
                    return
                try:
                    bombs.post(gateway.address, p, timeout=20)
                except OSError:
                    time.sleep(0.01)
    return throw


@case
def killed_amid_bombs_it_keeps_what_it_acknowledged(lab):
    downstream = lab.destination()
    settings = configuration({
        "otlp_http": {"endpoint": downstream.url, **RETRY}, "sqlite": {"path": "store.db", **RETRY}})
    directory = lab.directory / "killed"
    wanted = set()
    for _ in range(10 if lab.is_long else 3):
        gateway = lab.gateway(settings, directory, is_ended_by_case=True)
        client = lab.client(gateway)
        client.next = 10_000 * client.number
        stop = beside(lab, throwing(gateway, bombs.EXPORT[:4] + bombs.GROWTH[:2]))
        until = time.monotonic() + lab.random.uniform(0.2, 0.8)
        while time.monotonic() < until and client.send(lab.random.choice(
                ["traces", "logs", "metrics"])) is not None:
            pass
        gateway.must_live()
        gateway.kill()
        stop()
        wanted |= client.all_acknowledged()
    gateway = lab.gateway(settings, directory)
    gateway.settle(90)
    stored, twice = numbered.in_sqlite(directory / "store.db")
    missing = len(wanted - downstream.received()), len(wanted - stored)
    lab.say(f"{len(wanted)} acknowledged")
    assert missing == (0, 0), f"missing at the destination and in SQLite: {missing}"
    assert twice == 0, f"{twice} are twice in SQLite"


@case
def a_full_disk_refuses_drains_and_recovers(lab):
    disk = mounted(lab, "24M")
    if disk is None:
        lab.say("skipped: may not mount")
        return
    state = {"is_down": True}
    downstream = lab.destination(
        lambda path, body: b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n" if state["is_down"]
        else b"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n")
    gateway = lab.gateway(configuration(
        {"otlp_http": {"endpoint": downstream.url, **RETRY}}, signals=("logs",),
        log={"directory": str(disk / "data"), "segment_size": "1MiB", "disk_reserve": "0MiB",
             "retain": "0s", "max_size": "64MiB"}))
    client = lab.client(gateway)
    statuses = [client.send("logs", 20, 20_000) for _ in range(80)]
    assert 200 in statuses and statuses[-1] == 503, statuses
    wait_until(lambda: gateway.ready()[0] == 503, 3, what="/ready says that data is refused")
    state["is_down"] = False
    wait_until(lambda: client.send("logs", 20, 20_000) == 200, 20, 0.1, "recovery")
    wait_until(lambda: gateway.ready()[0] == 200, 5, what="/ready after the recovery")
    gateway.settle()
    missing = client.all_acknowledged() - downstream.received()
    assert not missing, f"{len(missing)} acknowledged items did not arrive"
    lab.say(f"{client.statuses}")


@case
def files_that_may_not_grow_lose_nothing(lab):
    """RLIMIT_FSIZE: a write that fails, and a signal that ends who does not expect it."""
    downstream = lab.destination()
    gateway = lab.gateway(configuration(
        {"otlp_http": {"endpoint": downstream.url, **RETRY}, "file": {"path": "lines.json", **RETRY}},
        log={"segment_size": "1MiB"}), prefix=["prlimit", f"--fsize={3 << 20}"],
        is_ended_by_case=True)
    client = lab.client(gateway)
    for _ in range(40):
        client.send("logs", 10, 20_000)
    gateway.must_live()
    wanted = client.all_acknowledged()
    assert wanted
    wait_until(lambda: not wanted - downstream.received(), 20, what="all at the destination")
    gateway.must_live()
    lab.say(f"{client.statuses}")


@case
def clocks_that_jump_delete_nothing(lab):
    """A year ahead, back, and a boot in 1970: SQLite keeps its rows, and delivery goes on."""
    library = compiled(pathlib.Path(__file__).parent / "clock.c", lab.directory / "clock.so")
    offset = lab.directory / "offset"
    offset.write_bytes(bytes(4096))

    def jump(seconds):
        with offset.open("r+b") as file:
            file.write(struct.pack("<q", seconds))

    downstream = lab.destination()
    gateway = lab.gateway(configuration({
        "otlp_http": {"endpoint": downstream.url, **RETRY},
        "sqlite": {"path": "store.db", "retention": {"max_age": "24h"}}}),
        env={**os.environ, "LD_PRELOAD": str(library), "HOSTILE_CLOCK": str(offset)})
    client = lab.client(gateway)
    for seconds in (0, YEAR, 0, -int(time.time()) + 1000, 30 * YEAR, 0):
        jump(seconds)
        for signal in ("traces", "logs", "metrics"):
            assert client.send(signal, 50) == 200, f"refused with the clock {seconds} s off"
        gateway.settle()
        # Where retention looks, it has looked.
        time.sleep(0.4)
    wanted = client.all_acknowledged()
    missing = (len(wanted - downstream.received()),
               len(wanted - numbered.in_sqlite(gateway.directory / "store.db")[0]))
    assert missing == (0, 0), f"missing at the destination and in SQLite: {missing}"


@case
def reloads_under_attack_lose_nothing(lab):
    downstream = lab.destination()

    def settings(has_other, header, is_decorated):
        exporters = {
            "otlp_http": {"endpoint": downstream.url + "/first", **RETRY},
            "sqlite": {"path": "store.db"}}
        if has_other:
            exporters["otlp_http/other"] = {
                "endpoint": downstream.url + "/other", "headers": {"x": header}, **RETRY}
        processors = {"resourcedetection": {"detectors": ["env"]}} if is_decorated else {}
        return configuration(exporters, processors=processors)

    gateway = lab.gateway(settings(True, "", False))
    client = lab.client(gateway)
    for signal_name in ("traces", "logs", "metrics"):
        for _ in range(10):
            assert client.send(signal_name, 100) == 200
    gateway.settle()
    before = gateway.memory()
    stop = beside(lab, throwing(gateway, bombs.EXPORT[:3]))
    until = time.monotonic() + (60 if lab.is_long else 3)
    reloads = 0
    where = gateway.config
    while time.monotonic() < until:
        changed = settings(lab.random.random() < 0.5, str(reloads), lab.random.random() < 0.5)
        # The port is the kernel's choice, and stays.
        if lab.random.random() < 0.1:
            changed["service"]["pipelines"]["nonsense"] = {}
        write_configuration(where.with_suffix(".next"), changed)
        os.rename(where.with_suffix(".next"), where)
        gateway.must_live()
        gateway.process.send_signal(signal.SIGHUP)
        reloads += 1
        client.send(lab.random.choice(["traces", "logs"]))
        time.sleep(lab.random.choice([0, 0.001, 0.005, 0.02, 0.1]))
    stop()
    # Whatever it was that came last: the first exporter is in each of them.
    write_configuration(where, settings(True, "", False))
    gateway.signal(signal.SIGHUP)
    gateway.settle(60)
    comes_back(gateway, before)
    wanted = client.all_acknowledged()
    missing = (len(wanted - downstream.received("/first")),
               len(wanted - numbered.in_sqlite(gateway.directory / "store.db")[0]))
    lab.say(f"{reloads} signals, {client.statuses}")
    assert missing == (0, 0), f"missing at the destination and in SQLite: {missing}"


@case(is_long=True)
def reloads_beside_a_dead_destination_pile_nothing_up(lab):
    """Each reload replaces an exporter whose every delivery hangs."""
    never = lab.destination(lambda path, body: None)

    def settings(number):
        return configuration({
            "otlp_http": {"endpoint": never.url, "timeout": "2s", "headers": {"x": str(number)}},
            "nop": {}})
    gateway = lab.gateway(settings(0), is_ended_by_case=True)
    client = lab.client(gateway)
    assert client.send() == 200
    before, threads = gateway.memory(), count_threads(gateway)
    for number in range(40):
        write_configuration(gateway.config, settings(number + 1))
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: len(gateway.log("configuration reloaded")) > number, 20,
                   what="the reload")
        assert client.send() == 200
    wait_until(lambda: count_threads(gateway) <= threads + 4, 30, 0.2, "threads back")
    comes_back(gateway, before)
    gateway.end()


def count_threads(gateway):
    return len(os.listdir(f"/proc/{gateway.process.pid}/task"))


@case
def files_that_block_stop_nothing(lab):
    """A pipe that nobody reads, as the path of `file` and of `debug`."""
    for name in ("lines", "printed"):
        os.mkfifo(lab.directory / name)
    gateway = lab.gateway(configuration({
        "file": {"path": str(lab.directory / "lines"), "fsync": False, **RETRY},
        "debug": {"output_paths": [str(lab.directory / "printed")]},
        "sqlite": {"path": "store.db"}}), is_ended_by_case=True, becomes_ready=False)
    client = lab.client(gateway)
    assert [client.send("logs") for _ in range(5)] == [200] * 5
    wanted = client.all_acknowledged()
    wait_until(lambda: not wanted - numbered.in_sqlite(gateway.directory / "store.db")[0], 10,
               0.1, "all in SQLite")
    started = time.monotonic()
    gateway.end()
    assert time.monotonic() - started < 28
