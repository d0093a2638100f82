"""Small requests that want much memory, or that ended the process."""

import collections
import concurrent.futures
import os
import pathlib
import sqlite3
import tempfile

import bombs
import numbered
from lab import case, comes_back
from paths import ACTIONS, DETECTED, RESOURCE
from sluice import configuration, run, wait_until, write_configuration

RETRY = {"retry_on_failure": {"initial_interval": "100ms", "max_interval": "1s"}}
# Everything that edits, in the order of the README's sample.
EDITING = {
    "resourcedetection": {"detectors": ["env", "system"]},
    "resource": {"attributes": RESOURCE}, "attributes": {"actions": ACTIONS}}


def throw(gateway, parameters, at_once):
    """How often each status came; beside it an ordinary client is answered."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        statuses = list(pool.map(lambda p: bombs.post(gateway.address, p), parameters))
    gateway.must_live()
    return collections.Counter(statuses)


def warm(gateway):
    """What the first requests of each signal take once, and keep."""
    for signal in ("traces", "metrics", "logs"):
        for _ in range(20):
            numbered_post(gateway, signal)
    gateway.settle()
    return gateway.memory()


def numbered_post(gateway, signal):
    one = numbered.Client(gateway.address, 999)
    status = one.send(signal, 50)
    one.close()
    return status


def withstands(lab, settings, parameters, at_once, rounds=1, **options):
    gateway = lab.gateway(settings, **options)
    client = lab.client(gateway)
    before = warm(gateway)
    statuses = throw(gateway, parameters * rounds, at_once)
    wire = sum(len(bombs.wire(p)) for p in parameters) * rounds
    assert all(status in (200, 400, 413, 503) for status in statuses), dict(statuses)
    assert wait_until(lambda: client.send("traces") == 200, 10, 0.2, "a 200 for an ordinary client")
    gateway.settle()
    idle = comes_back(gateway, before)
    lab.say(f"{dict(statuses)} for {wire} bytes; RSS before {before >> 20} MiB, peak"
            f" {gateway.peak_memory() >> 20}, sum {gateway.ceiling() >> 20}, idle {idle >> 20}")
    return gateway


@case
def empty_messages_take_no_gigabytes(lab):
    withstands(lab, configuration({"nop": {}}), bombs.INDEX, 2, 4 if lab.is_long else 1)


@case
def as_many_messages_as_are_allowed_stay_in_bounds(lab):
    withstands(lab, configuration({"nop": {}}), bombs.NEAR, 6, 6 if lab.is_long else 1)


@case(is_long=True)
def eight_at_once_take_no_gigabytes(lab):
    withstands(lab, configuration({"nop": {}}), bombs.INDEX, 8, 4)


@case
def edits_of_empty_messages_stay_in_bounds(lab):
    withstands(lab, configuration({"nop": {}}, processors=EDITING), bombs.GROWTH, 3,
               4 if lab.is_long else 1, env={**os.environ, **DETECTED})


@case
def repairs_stay_in_proportion_and_in_bounds(lab):
    gateway = withstands(lab, configuration({"nop": {}}), bombs.REPAIR, 2)
    plain = sum(p.size for p in bombs.REPAIR)
    nanoseconds = gateway.cpu_nanoseconds() / plain
    lab.say(f"{nanoseconds:.0f} ns of CPU a byte")
    # Ordinary telemetry takes 1 to 2; a repair that looks at each level again took 400.
    assert nanoseconds < 60, f"{nanoseconds:.0f} ns a byte"


@case
def what_exporters_make_of_small_requests_stays_in_bounds(lab):
    downstream = lab.destination()
    settings = configuration({
        "otlp_http": {"endpoint": downstream.url, **RETRY},
        "otlp_http/json": {"endpoint": downstream.url, "encoding": "json", **RETRY},
        "file": {"path": "lines.json", **RETRY}, "sqlite": {"path": "store.db"},
        "debug": {"verbosity": "detailed", "output_paths": ["/dev/null"]}})
    settings["exporters"]["zipkin"] = {"endpoint": downstream.url, **RETRY}
    settings["service"]["pipelines"]["traces"]["exporters"].append("zipkin")
    withstands(lab, settings, bombs.EXPORT, 2)


@case
def the_memory_limiter_recovers_by_itself(lab):
    settings = configuration(
        {"nop": {}}, processors={"memory_limiter": {"check_interval": "100ms", "limit_mib": 200}})
    gateway = lab.gateway(settings)
    client = lab.client(gateway)
    assert client.send() == 200
    statuses = throw(gateway, bombs.INDEX * 2, 8)
    wait_until(lambda: client.send() == 200, 20, 0.2, "a 200 after the attack")
    lab.say(f"{dict(statuses)}; then {client.statuses}")


# What a run with more room takes, and one with the defaults does not.
HEAVY = [
    bombs.empties("logs", "empty_items", 6 << 20),
    bombs.empties("traces", "an_item_each_resource", 24 << 20),
    bombs.empties("traces", "one_span_of_events", 6 << 20),
    bombs.empties("metrics", "buckets", 24 << 20),
    bombs.empties("logs", "one_deep_text", 100 << 20, characters="control", depth=2),
]
ROOM = {"request_bodies": "4GiB", "request_messages": 1 << 28, "edit_growth": "1GiB"}


@case
def a_record_that_larger_limits_let_in_does_not_end_later_runs(lab):
    """Accepted with 4 GiB, worked through or set aside with the defaults; neighbours arrive."""
    held = lab.destination(lambda path, body: None)
    well = lab.destination()
    directory = lab.directory / "poison"
    directory.mkdir()
    os.mkfifo(directory / "nobody-reads")

    def settings(url, output, **more):
        return configuration({
            "otlp_http": {"endpoint": url, **RETRY}, "otlp_http/json": {
                "endpoint": url, "encoding": "json", **RETRY},
            "sqlite": {"path": "store.db", **RETRY},
            "debug": {"verbosity": "detailed", "output_paths": [output]}}, **more)

    roomy = lab.gateway(
        settings(held.url, "nobody-reads", http={"max_request_body_size": "256MiB"},
                 limits=known(ROOM)), directory, is_ended_by_case=True, cage=False,
        becomes_ready=False)
    client = lab.client(roomy)
    # No exporter gets further than a record before it is killed.
    wait_until((directory / "store.db").exists, what="the database")
    database = lab.closing(sqlite3.connect(directory / "store.db", isolation_level=None))
    wait_until(lambda: database.execute(
        "SELECT count(*) FROM sqlite_master WHERE name = 'span'").fetchone()[0], what="tables")
    database.execute("BEGIN IMMEDIATE")
    assert client.send("logs") == client.send("traces") == client.send("metrics") == 200
    statuses = [bombs.post(roomy.address, p) for p in HEAVY]
    assert client.send("logs") == client.send("traces") == client.send("metrics") == 200
    roomy.kill()
    database.execute("ROLLBACK")

    gateway = lab.gateway(settings(well.url, "/dev/null"), directory)
    gateway.settle(120)
    wanted = client.all_acknowledged()
    missing = wanted - well.received(), wanted - numbered.in_sqlite(directory / "store.db")[0]
    assert not any(missing), f"missing at the destination and in SQLite: {missing}"
    lab.say(f"heavy {statuses}; peak {gateway.peak_memory() >> 20} MiB of"
            f" {gateway.ceiling() >> 20}")


def known(limits):
    """Those keys of service.limits that this binary knows."""
    with tempfile.TemporaryDirectory() as directory:
        return {key: value for key, value in limits.items() if run(
            "validate", "--config", write_configuration(
                pathlib.Path(directory) / "c.yaml",
                configuration({"nop": {}}, limits={key: value}))).returncode == 0}


@case
def long_texts_that_grow_on_the_way_out_stay_in_bounds(lab):
    """One text of bytes that JSON writes as six, in the largest body that is taken."""
    downstream = lab.destination()
    settings = configuration({
        "otlp_http/json": {"endpoint": downstream.url, "encoding": "json", **RETRY},
        "file": {"path": "lines.json", **RETRY}, "sqlite": {"path": "store.db", **RETRY},
        "debug": {"verbosity": "detailed", "output_paths": ["/dev/null"]}})
    texts = [
        bombs.empties("logs", "one_deep_text", size << 20, characters="control", depth=depth)
        for size, depth in ((60, 0), (30, 3))]
    texts.append(bombs.empties("traces", "one_deep_text", 60 << 20, characters="quote", depth=1))
    texts.append(bombs.empties("logs", "byte_bodies", 60 << 20))
    withstands(lab, settings, texts, 2)


@case
def a_header_that_processors_copy_is_bounded(lab):
    """60 KB of a header for each of many items."""
    context = [{"key": "tenant", "action": "upsert", "from_context": "metadata.x-tenant"}]
    settings = configuration(
        {"nop": {}}, processors={"resource": {"attributes": context},
                                 "attributes": {"actions": context}},
        http={"include_metadata": True})
    copied = [
        bombs.empties("logs", "empty_items", 400_000, header=56_000),
        bombs.empties("traces", "an_item_each_resource", 400_000, header=56_000),
        bombs.empties("metrics", "least_items", 400_000, header=56_000)]
    withstands(lab, settings, copied, 2)


@case
def many_names_are_not_remembered_for_ever(lab):
    """Each request has services, operations and keys that nobody has seen before."""
    # SQLite's own cache is full in the first round.
    gateway = lab.gateway(configuration({"sqlite": {"path": "store.db", "cache_size": "1MiB"}}))
    client = lab.client(gateway)
    rounds, samples = 12 if lab.is_long else 4, None
    for number in range(rounds):
        names = [bombs.empties(signal, "distinct_resources", 500_000, text=20 + number)
                 for signal in ("traces", "logs", "metrics")]
        throw(gateway, names, 2)
        gateway.settle()
        if number == 1:
            # Caches have a size; it is reached by now.
            before, samples = gateway.memory(), len(gateway.metrics())
    assert client.send() == 200
    comes_back(gateway, before)
    more = len(gateway.metrics()) - samples
    assert more < 20, f"{more} metrics more than before"
