"""Many attacks at once on one gateway at default settings, with every exporter and processor.

Beside them a well-behaved client sends numbered items. It stays up; peak RSS stays below the
printed sum; what was resident before is again resident after; all that was acknowledged arrives.
How long the client waits is printed, and asserted in the long form alone.
"""

import contextlib
import multiprocessing
import os
import random
import socket
import time

import bombs
import numbered
import ordinary
import parameters
import postgres
from lab import case, comes_back
from paths import ACTIONS, DETECTED, RESOURCE, SPAN_LIMITS
from sluice import configuration

# 250 ms at p99 is the goal on a machine of its own. Here attackers and destinations share two
# processors with the gateway, so that only the ratio to the same client alone says something.
LATENCY_RATIO_MAX = 60
LATENCY_FLOOR_SECONDS = 0.05
WARM_UP_REQUESTS = 40
SIGNALS = ("traces", "metrics", "logs")


def settings(url, connection=None):
    """Every exporter; each pipeline has what its signal can have."""
    exporters = {
        "otlp_http": {"endpoint": url + "/proto"},
        "otlp_http/json": {"endpoint": url + "/json", "encoding": "json"},
        "file": {"path": "lines.json"}, "sqlite": {"path": "store.db"}, "nop": {},
        "debug": {"verbosity": "detailed", "output_paths": ["/dev/null"]},
    }
    if connection:
        exporters["postgres"] = {"connection": connection}
    processors = {
        "resourcedetection": {"detectors": ["env", "system"]},
        "resource": {"attributes": RESOURCE}, "attributes": {"actions": ACTIONS}}
    whole = configuration(exporters, processors=processors)
    whole["exporters"]["zipkin"] = {"endpoint": url + "/zipkin"}
    whole["processors"]["span_limits"] = SPAN_LIMITS
    traces = whole["service"]["pipelines"]["traces"]
    traces["exporters"].append("zipkin")
    traces["processors"].append("span_limits")
    return whole


# -- Attackers, each in a process of its own

def throw_bombs(address, seed, stopping, counts):
    """Known ones and generated ones in turn."""
    source = random.Random(seed)
    while not stopping.is_set():
        p = source.choice(bombs.ALL) if source.random() < 0.5 else \
            parameters.random_parameters(source, size_max=8 << 20)
        body, _, _ = p.body()
        with contextlib.suppress(OSError):
            bombs.post(address, p, f"127.0.0.{source.randrange(2, 6)}", 20, body)
        with counts.get_lock():
            counts[0] += 1
            counts[1] += len(body)


def annoy(address, admin, seed, stopping, counts):
    """Slow bodies, half heads, resets, floods of both ports."""
    source = random.Random(seed)
    held = []
    head = b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    beginnings = [
        head + b"Content-Length: 30000000\r\n\r\n" + bytes(200_000), head,
        head + b"".join(b"x%d: %s\r\n" % (number, b"a" * 600) for number in range(90)),
        head + b"Transfer-Encoding: chunked\r\n\r\n1;", b"", b"\x16\x03\x01",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20]
    while not stopping.is_set():
        with contextlib.suppress(OSError):
            one = socket.socket()
            one.settimeout(0.05)
            one.bind((f"127.0.0.{source.randrange(2, 6)}", 0))
            one.connect(admin if source.random() < 0.1 else address)
            held.append(one)
            one.sendall(source.choice(beginnings))
        while len(held) > 300:
            held.pop(source.randrange(len(held))).close()
        with counts.get_lock():
            counts[2] += 1
        time.sleep(0.002)


def behave_well(address, number, seed, seconds, results):
    """Sends numbered items until the time is over; what it saw goes into the queue."""
    source = random.Random(seed)
    one = numbered.Client(address, number, "127.0.0.9")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        one.send(source.choice(SIGNALS), 20)
        time.sleep(0.01)
    one.close()
    results.put((one.acknowledged, one.statuses, one.seconds))


def well_behaved(context, gateway, number, lab, seconds):
    results = context.Queue()
    process = context.Process(
        target=behave_well, args=(gateway.address, number, lab.random.random(), seconds, results))
    process.start()
    found = results.get(timeout=seconds + 120)
    process.join()
    return found


@case
def a_siege_of_all_at_once(lab):
    context = multiprocessing.get_context("spawn")
    downstream = lab.destination()
    database = None
    if lab.is_long and postgres.find_binaries():
        database = postgres.Server().database(applied=False)
        lab.at_end(database.server.close)
        lab.at_end(database.close)
    gateway = lab.gateway(
        settings(downstream.url, database.dsn() if database else None), env={**os.environ, **DETECTED})
    warm_up(gateway)
    quiet = 10 if lab.is_long else 1.5
    acknowledged, _, alone = well_behaved(context, gateway, 1, lab, quiet)
    gateway.settle()
    time.sleep(0.5)
    before = gateway.memory()

    stopping, counts = context.Event(), context.Array("q", 3)
    attackers = [
        context.Process(target=throw_bombs, args=(
            gateway.address, lab.random.random(), stopping, counts)) for _ in range(2)]
    attackers.append(context.Process(target=annoy, args=(
        gateway.address, gateway.admin, lab.random.random(), stopping, counts)))
    for process in attackers:
        process.start()
    started_cpu = gateway.cpu_nanoseconds()
    try:
        more, statuses, beside = well_behaved(
            context, gateway, 2, lab, 120 if lab.is_long else 6)
        gateway.must_live()
    finally:
        stopping.set()
        for process in attackers:
            process.join(30)
            if process.is_alive():
                process.terminate()
    gateway.settle(300 if lab.is_long else 60)
    spent = gateway.cpu_nanoseconds() - started_cpu
    lab.say(f"{counts[0]} bombs of {counts[1]} bytes, {counts[2]} connections;"
            f" {spent / max(1, counts[1]):.0f} ns of CPU a byte on the wire")
    lab.say(f"a well-behaved client: {statuses}, {numbered.milliseconds(beside)} ms; alone"
            f" {numbered.milliseconds(alone)}")
    lab.say(f"RSS before {before / 2**20:.1f} MiB, peak {gateway.peak_memory() / 2**20:.1f}, sum"
            f" {gateway.ceiling() >> 20}")
    lab.say(f"idle RSS {comes_back(gateway, before) / 2**20:.1f} MiB")
    for signal in SIGNALS:
        acknowledged[signal] |= more[signal]
    nothing_is_missing(gateway, downstream, database, acknowledged)
    if lab.is_long:
        ratio = numbered.quantile(beside, 0.99) / max(
            LATENCY_FLOOR_SECONDS, numbered.quantile(alone, 0.99))
        assert ratio < LATENCY_RATIO_MAX, f"p99 is {ratio:.0f} times that of the client alone"


def warm_up(gateway):
    """Ordinary telemetry of each signal, so that caches and workspaces have their usual size."""
    one = numbered.connect(gateway.address)
    for number in range(WARM_UP_REQUESTS):
        for signal in SIGNALS:
            body, _, _ = ordinary.body(signal, "protobuf", "identity", 200_000)
            status = one.request(f"/v1/{signal}", body).status
            assert status == 200, f"{status} for ordinary telemetry"
    one.close()
    gateway.settle(60)


def nothing_is_missing(gateway, downstream, database, acknowledged):
    wanted = set().union(*acknowledged.values())
    stored, twice = numbered.in_sqlite(gateway.directory / "store.db")
    missing = {
        "otlp_http": wanted - downstream.received("/proto"),
        "otlp_http/json": wanted - downstream.received("/json"),
        "zipkin": acknowledged["traces"] - downstream.received("/zipkin"),
        "file": wanted - numbered.in_files(gateway.directory, "lines*.json"),
        "sqlite": wanted - stored}
    if database:
        in_postgres = numbered.in_texts(text for query in (
            "SELECT name FROM otel.span", "SELECT body FROM otel.log",
            "SELECT exemplars::text FROM otel.metric_number")
            for (text,) in database.execute(query))
        missing["postgres"] = wanted - set(in_postgres)
        assert len(in_postgres) == len(set(in_postgres)), "items are twice in PostgreSQL"
    assert not any(missing.values()), {name: len(marks) for name, marks in missing.items()}
    assert twice == 0, f"{twice} items are more than once in SQLite"
