#!/usr/bin/env python3
"""Is everything that was acknowledged at every destination, although the gateway was killed?

Clients send numbered items while the gateway is `kill -9`ed at random moments and started again on
the same directory, and while its destinations fail and recover. At the end everything is healed,
the gateway delivers what is left and is stopped, and every destination is searched for every item.

`make crash-test` runs it with KILLS=1000 (about 20 minutes). It fails on an acknowledged item that
is missing anywhere, on an item that was sent once and stands in SQLite or PostgreSQL more than
once, on items that nobody sent, and on a gateway that ends by itself or does not start. SEED=
repeats a run's random choices, though not the scheduler's.

A request whose connection broke before the answer is sent again, and may rightly be there twice:
such items are counted apart. One that was refused with 503 must not have been taken.
"""

import argparse
import collections
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import client  # noqa: E402
import clients  # noqa: E402
import destinations  # noqa: E402
import items  # noqa: E402
import otlp  # noqa: E402
import postgres  # noqa: E402
from downstream import Downstream, Flapping  # noqa: E402
from gateway import Ended, Gateway, free_ports, settings  # noqa: E402
from logged import has_log  # noqa: E402

LOG = {
    "directory": "data", "durability": "fsync", "max_size": "2GiB", "disk_reserve": "64MiB",
    # Small and short, so that segments are begun and deleted all the time.
    "segment_size": "1MiB", "retain": "5s",
}
KILL_SECONDS = (0.02, 1.5)
START_UP_SECONDS = 0.03
START_UP_SHARE = 0.15
DRAIN_SECONDS = 120
# A column of the table: items that no client sent, or whose parts don't belong together.
NOBODYS = "nobody's"
# Exporters that deliver each item once, however often they are killed.
ONCE = ("sqlite", "postgres")


def plans(seed, per_second):
    """What each process runs; `per_second` requests are sent by all clients together."""
    shapes = [
        [("traces", 1, None), ("logs", 4, None), ("metrics", 1, "gzip")],
        [("traces", 4, "gzip"), ("logs", 1, None), ("metrics", 4, None)],
        [("traces", 0, None)],  # The SDK.
    ]
    number = 0
    for shape in shapes:
        process = []
        for signal, depth, encoding in shape:
            number += 1
            process.append(clients.Plan(
                number, signal, depth, encoding, per_second / 6 if depth else 10, 20, seed))
        yield process


class Clients:
    def __init__(self, seed, per_second, address):
        context = multiprocessing.get_context("spawn")
        self.stopping = context.Event()
        self.processes = []
        for process_plans in plans(seed, per_second):
            results, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=clients.run, args=(process_plans, address, self.stopping, theirs),
                daemon=True)
            process.start()
            theirs.close()
            self.processes.append((process, results))

    def stop(self):
        """What they did, as `Record`s."""
        self.stopping.set()
        records = []
        for process, results in self.processes:
            if not results.poll(clients.FINISH_SECONDS * 2):
                raise Ended("a client process did not finish")
            records += results.recv()
            process.join()
        return records

    def abandon(self):
        for process, _ in self.processes:
            process.kill()
            process.join()


class Run:
    def __init__(self, options, directory):
        self.options = options
        self.random = random.Random(options.seed)
        receiver, admin, sink = free_ports(3, self.random)
        self.downstream = Downstream(sink)
        log = None if options.without_log else {**LOG, **options.log}
        self.postgres = None
        if options.postgres:
            # Damage by the server's own crashes would not be the gateway's.
            self.postgres = postgres.Server(fsync=True).database(applied=False)
        self.gateway = Gateway(
            directory, settings(("127.0.0.1", receiver), ("127.0.0.1", admin),
                                self.downstream, log,
                                self.postgres and self.postgres.dsn()),
            ("127.0.0.1", receiver), ("127.0.0.1", admin))
        self.database, self.lines = directory / "store.db", directory / "lines.json"
        # Another thread's draws would depend on the scheduler.
        self.flapping = Flapping(
            random.Random(options.seed + 1), self.downstream, self.database, self.lines,
            self.postgres)
        self.ready_seconds, self.ready_while_locked = [], []
        self.kills = collections.Counter()
        self.faults = []

    def run(self):
        started = time.monotonic()
        self.downstream.become("ok")
        self.clients = Clients(self.options.seed, self.options.rate, self.gateway.address)
        try:
            self.flapping.start()
            try:
                self.kill_again_and_again()
                self.start()
            finally:
                self.flapping.stop()
            self.records = self.clients.stop()
            self.killing_seconds = time.monotonic() - started
            self.drain()
            self.stop()
        finally:
            self.clients.abandon()
            if not self.gateway.has_stopped:
                self.gateway.kill()
        self.copies = {"otlp_http": self.downstream.copies}
        self.copies["file"], self.unreadable = destinations.in_file(self.lines)
        self.copies["sqlite"] = destinations.in_database(self.database)
        if self.postgres:
            self.copies["postgres"] = destinations.in_postgres(self.postgres.dsn())
        self.seconds = time.monotonic() - started

    def close(self):
        if self.postgres:
            self.postgres.close()
            self.postgres.server.close()

    def start(self):
        self.gateway.start()
        seconds = self.gateway.wait_until_ready()
        # A start that waits for somebody else's lock says nothing about the recovery.
        was_locked = self.flapping.locked.is_set() or seconds > 0.5
        (self.ready_while_locked if was_locked else self.ready_seconds).append(seconds)

    def kill_again_and_again(self):
        shown = time.monotonic()
        for number in range(self.options.kills):
            if self.options.gently:
                self.start()
                time.sleep(self.random.uniform(*KILL_SECONDS))
                self.gateway.stop(expect=0)
                self.kills["with SIGTERM"] += 1
                continue
            if self.random.random() < START_UP_SHARE:
                self.gateway.start()
                time.sleep(self.random.uniform(0, START_UP_SECONDS))
                self.kills["during start-up"] += 1
            else:
                self.start()
                time.sleep(self.random.uniform(*KILL_SECONDS))
                self.kills["when ready"] += 1
            self.gateway.kill_at_once()
            if time.monotonic() - shown > 15:
                shown = time.monotonic()
                print(f"{number + 1} kills, {self.downstream.copies.total} items at the sink",
                      flush=True)

    def drain(self):
        """Until nothing is pending, twice: a lot may be between two places."""
        began = time.monotonic()
        quiet = 0
        while quiet < 2:
            pending = self.gateway.pending()
            quiet = 0 if pending else quiet + 1
            if time.monotonic() - began > DRAIN_SECONDS:
                self.faults.append(f"still pending after {DRAIN_SECONDS} s: {pending}")
                break
            time.sleep(0.2)
        self.drain_seconds = time.monotonic() - began

    def stop(self):
        began = time.monotonic()
        try:
            self.gateway.stop(expect=0)
        except AssertionError as error:
            self.faults.append(f"SIGTERM: {error}")
        self.stop_seconds = time.monotonic() - began


class Verdict:
    """What is missing and what is there too often, per exporter."""

    def __init__(self, run):
        self.requests = [sent for record in run.records for sent in record.sent]
        self.ends = {record.client: record.end for record in run.records}
        self.acknowledged = [sent for sent in self.requests if sent.acknowledged]
        self.items = sum(sent.count for sent in self.acknowledged)
        self.once = sum(sent.count for sent in self.acknowledged if not sent.unanswered)
        self.exporters = {
            name: self.compare(copies) for name, copies in run.copies.items()}
        self.faults = list(run.faults)
        self.judge(run)

    def compare(self, copies):
        """Items by what is wrong with them."""
        found = collections.Counter(copies=copies.total)
        found[NOBODYS] = copies.bogus + copies.beyond(self.ends)
        for sent in self.acknowledged:
            counts = copies.of(sent.client, sent.first, sent.count)
            lost = counts.count(0)
            found["lost"] += lost
            found[f"lost {sent.signal}"] += lost
            repeated = sum(count > 1 for count in counts)
            if sent.unanswered:
                found["twice, sent again"] += repeated
            elif sent.refused:
                found["twice, after 503"] += repeated
            else:
                found["twice, sent once"] += repeated
        return found

    def judge(self, run):
        for name, found in self.exporters.items():
            if found["lost"]:
                self.faults.append(f"{found['lost']} acknowledged items are not in {name}")
            if found[NOBODYS]:
                self.faults.append(f"{found[NOBODYS]} items in {name} are nobody's")
        for name in self.exporters.keys() & ONCE:
            for kind in ("sent once", "after 503"):
                if count := self.exporters[name][f"twice, {kind}"]:
                    self.faults.append(f"{count} items ({kind}) are in {name} more than once")
        if run.unreadable:
            self.faults.append(f"{run.unreadable} unreadable lines in the file")
        self.faults += [f"the sink could not read a request: {each}"
                        for each in run.downstream.errors[:5]]
        unexpected = [text for record in run.records for text in record.unexpected]
        for text, count in collections.Counter(unexpected).most_common(5):
            self.faults.append(f"{count} times an unexpected answer: {text}")
        if not self.items:
            self.faults.append("nothing was acknowledged: this run shows nothing")


def measure_sink(seconds=1.0, connections=4):
    """Items a second that the sink takes from clients in the same process: a lower bound."""
    port, = free_ports(1, random.Random())
    downstream = Downstream(port)
    downstream.become("ok")
    body = items.request("traces", 1, 0, 20, "x" * 200).SerializeToString()
    data = client.head_and_body("/v1/traces", body, otlp.PROTOBUF)
    deadline = time.monotonic() + seconds

    def send():
        connection = client.Connection(downstream.address)
        while time.monotonic() < deadline:
            connection.send(data)
            connection.response()
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    downstream.become("down")
    return downstream.copies.total / seconds


def report(run, verdict, sink_rate):
    def line(name, value):
        print(f"  {name:<34}{value}")

    def number(value):
        return f"{value:,}"

    sent = verdict.requests
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(run.kills.items()))
    print()
    line("seed", run.options.seed)
    line("durability", "no log" if run.options.without_log else
         {**LOG, **run.options.log}["durability"])
    line("kills", f"{number(run.kills.total())} ({kinds})")
    line("destinations' faults",
         ", ".join(f"{count} {kind}" for kind, count in sorted(run.flapping.counts.items())))
    line("requests", number(len(sent)))
    line("  acknowledged", number(len(verdict.acknowledged)))
    line("  sendings", number(sum(record.sendings for record in run.records)))
    line("  without an answer", number(sum(each.unanswered for each in sent)))
    line("  refused with 429 or 503", number(sum(each.refused for each in sent)))
    line("items acknowledged", number(verdict.items))
    for signal in otlp.SIGNALS:
        line(f"  {signal}", number(sum(
            each.count for each in verdict.acknowledged if each.signal == signal)))
    line("  by the SDK", number(sum(
        each.count for each in verdict.acknowledged if each.client == max(verdict.ends))))
    line("  of requests sent once", number(verdict.once))
    line("invalid items, all rejected", number(sum(record.bad_items for record in run.records)))
    for name, times in (
            ("ready after, median and max", run.ready_seconds),
            ("  where a lock was waited for", run.ready_while_locked)):
        if times:
            line(name, f"{statistics.median(times) * 1000:.0f} ms, {max(times) * 1000:.0f} ms "
                       f"({len(times)} starts)")
    line("draining at the end, SIGTERM", f"{run.drain_seconds:.1f} s, {run.stop_seconds:.1f} s")
    line("duration", f"{run.seconds:.0f} s")
    line("the sink, items/s",
         f"{run.downstream.busiest_second:,} in its busiest second; alone it takes "
         f"{sink_rate:,.0f} or more")
    columns = [
        "copies", "lost", "twice, sent once", "twice, after 503", "twice, sent again", NOBODYS]
    print("\n  " + f"{'exporter':<12}" + "".join(f"{name:>19}" for name in columns))
    for name, found in verdict.exporters.items():
        print(f"  {name:<12}" + "".join(f"{number(found[column]):>19}" for column in columns))
    for fault in verdict.faults:
        print(f"\n  FAULT: {fault}")
    losses = ", ".join(
        f"{found['lost']} lost at {name}" for name, found in verdict.exporters.items())
    twice = ", ".join(
        f"{found['twice, sent once'] + found['twice, after 503']} twice in {name}"
        for name, found in verdict.exporters.items() if name in ONCE)
    print(f"\ncrash test {'failed' if verdict.faults else 'passed'}: {run.kills.total()} kills, "
          f"{number(verdict.items)} items acknowledged, {losses}, {twice}, "
          f"{run.seconds:.0f} s", flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    parser.add_argument(
        "--rate", type=float, default=120, help="requests a second of all plain clients")
    parser.add_argument(
        "--log", type=json.loads, default={}, metavar="JSON",
        help="keys of service.log in place of the defaults: '{\"durability\": \"os\"}'")
    parser.add_argument(
        "--without-log", action="store_true",
        help="leave service.log out: the queues are in memory, and the test has to fail")
    parser.add_argument(
        "--skip-without-log", action="store_true",
        help="succeed at once where the binary has no service.log")
    parser.add_argument(
        "--gently", action="store_true",
        help="SIGTERM in place of kill -9: passes without a log, too, and so shows that what this "
             "test calls lost is lost by the kills")
    parser.add_argument(
        "--directory", type=pathlib.Path, help="kept after the run; default: a temporary one")
    parser.add_argument(
        "--postgres", action=argparse.BooleanOptionalAction,
        default=postgres.find_binaries() is not None,
        help="PostgreSQL as a destination; default: where its server is installed")
    parser.add_argument("--measure-sink", action="store_true", help="only that")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def main():
    options = arguments()
    if options.measure_sink:
        print(f"{measure_sink():,.0f} items/s")
        return 0
    directory = options.directory or pathlib.Path(tempfile.mkdtemp(prefix="sluice-crash-"))
    directory.mkdir(parents=True, exist_ok=True)
    if not options.without_log and not has_log(directory):
        print("crash test skipped: this binary has no service.log")
        if not options.directory:
            shutil.rmtree(directory)
        return 0 if options.skip_without_log else 1
    print(f"crash test: SEED={options.seed} KILLS={options.kills} in {directory}", flush=True)
    run = Run(options, directory)
    try:
        run.run()
    except Ended as error:
        print(f"\ncrash test failed after {run.kills.total()} kills, SEED={options.seed}: {error}")
        return 1
    finally:
        run.close()
    verdict = Verdict(run)
    report(run, verdict, measure_sink())
    if verdict.faults:
        print(f"kept for a look: {directory}")
    elif not options.directory:
        shutil.rmtree(directory)
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "*")
    sys.exit(main())
