"""What the log costs: the same load forwarded with durability memory, os and fsync.

64 connections send requests of 45 KB, which are forwarded uncompressed to a gateway that drops
them. The exporter's queue has no limit of its own, so that with `memory` nothing is refused and
waits for a retry; a rate is what was sent through the time until the last of it was delivered.
Segments are small and not retained, so that memory of deleted ones holds what comes next: on a
virtual machine, what was free for long costs several times as much to write to first.

Every case is measured once a round, with `fio` in between (sequential writes of the size of a
commit, each synced), and what is printed is the median over the rounds of figures of one round.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

from gateway import ROOT, Gateway, load

ROUNDS = 3
CONNECTIONS = 64
LOG = {"retain": "0s", "segment_size": "16MiB", "max_size": "8GiB"}
SLOWER = "2 ms more"


def delaying_library():
    """fdatasync that takes 2 ms longer, for LD_PRELOAD."""
    source = ROOT / "Benchmarks/slow_fdatasync.c"
    library = ROOT / "Benchmarks/.build/slow_fdatasync.so"
    library.parent.mkdir(exist_ok=True)
    subprocess.run(
        ["clang", "-O2", "-Wall", "-shared", "-fPIC", "-o", library, source], check=True)
    return str(library)


def forward(durability, seconds, sink_port, environment):
    """One case: its figures."""
    with tempfile.TemporaryDirectory() as directory:
        gateway = Gateway(
            "otlp_http", {
                "endpoint": f"http://127.0.0.1:{sink_port}", "compression": "none",
                "sending_queue": {"queue_size": 10_000_000, "queue_bytes_max": "16GiB"},
            }, directory, durability, LOG, environment)
        cpu, written, started = gateway.cpu_seconds(), written_bytes(gateway), time.perf_counter()
        sent = load(gateway, ["traces"], seconds, CONNECTIONS)
        while gateway.queued():
            time.sleep(0.02)
        wall = time.perf_counter() - started
        cpu, written = gateway.cpu_seconds() - cpu, written_bytes(gateway) - written
        commits = max(1, metric(gateway, "sluice_log_commits"))
        log_bytes = metric(gateway, "sluice_log_written_bytes")
        peak = gateway.memory_mib("VmHWM")
        gateway.stop()
        return {
            "rate": sent.items / cpu, "wall": sent.items / wall, "bytes": sent.bytes / wall,
            "written": written / sent.bytes, "commit": log_bytes / commits, "p50": sent.p50,
            "p99": sent.p99, "peak": peak}


def written_bytes(gateway):
    text = pathlib.Path(f"/proc/{gateway.process.pid}/io").read_text()
    return int(re.search(r"^write_bytes: (\d+)", text, re.MULTILINE)[1])


def metric(gateway, name):
    return sum(
        float(value) for value in
        re.findall(rf"^{name}{{[^}}]*}} (\S+)", gateway.admin_page("metrics"), re.MULTILINE))


def fio(block, environment):
    """Bytes a second of sequential writes, each followed by fdatasync."""
    block = max(4096, int(block) // 4096 * 4096)
    with tempfile.TemporaryDirectory() as directory:
        output = subprocess.run(
            ["fio", "--name=log", f"--directory={directory}", "--rw=write", f"--bs={block}",
             "--fdatasync=1", "--ioengine=psync", "--size=2g", "--runtime=3", "--time_based",
             "--fallocate=none", "--output-format=json"], capture_output=True, text=True,
            check=True, env={**os.environ, **environment}).stdout
    return json.loads(output[output.index("{"):])["jobs"][0]["write"]["bw_bytes"]


def measure(seconds):
    slower = {"LD_PRELOAD": delaying_library()}
    cases = {
        "memory": ("memory", {}), "os": ("os", {}), "fsync": ("fsync", {}),
        f"fsync, {SLOWER}": ("fsync", slower)}
    rounds = []
    with tempfile.TemporaryDirectory() as directory:
        sink = Gateway("nop", {}, directory)
        for _ in range(ROUNDS):
            figures = {
                name: forward(durability, seconds, sink.port, environment)
                for name, (durability, environment) in cases.items()}
            for name, (durability, environment) in cases.items():
                if durability == "fsync":
                    figures[name]["fio"] = fio(figures[name]["commit"], environment)
            rounds.append(figures)
        sink.stop()
    report(cases, rounds)


def report(cases, rounds):
    def median(name, figure):
        return statistics.median(figure(r[name], r["memory"]) for r in rounds)

    print(f"\n{'the log, traces -> OTLP':24} {'items/CPU-s':>11} {'items/s':>8} {'MB/s':>6}"
          f" {'fio MB/s':>8} {'commit KB':>9} {'p50 ms':>7} {'p99 ms':>7} {'peak MB':>7}")
    for name, (durability, _) in cases.items():
        disk = median(name, lambda f, _: f["fio"]) / 1e6 if durability == "fsync" else None
        commit = median(name, lambda f, _: f["commit"]) / 1e3 if durability != "memory" else None
        print(f"{name:24} {median(name, lambda f, _: f['rate']) / 1e3:10.0f}k"
              f" {median(name, lambda f, _: f['wall']) / 1e3:7.0f}k"
              f" {median(name, lambda f, _: f['bytes']) / 1e6:6.0f}"
              f" {'' if disk is None else f'{disk:.0f}':>8}"
              f" {'' if commit is None else f'{commit:.0f}':>9}"
              f" {median(name, lambda f, _: f['p50']):7.1f}"
              f" {median(name, lambda f, _: f['p99']):7.1f}"
              f" {median(name, lambda f, _: f['peak']):7.0f}")
    print(f"\n{'of the same round':48} {'result':>7} {'goal':>8}")
    for name, (durability, _) in cases.items():
        if durability == "memory":
            continue
        goal = durability == "fsync"
        row(f"{name}: items/CPU-s, parts of memory's", goal and 0.8,
            median(name, lambda f, m: f["rate"] / m["rate"]))
        if goal:
            # The lesser of 0.6 of memory's rate and 0.85 of fio's.
            row(f"{name}: items/s, parts of the lesser bound", 1, median(
                name, lambda f, m: f["bytes"] / min(0.6 * m["bytes"], 0.85 * f["fio"])))
        row(f"{name}: bytes written, parts of payload", 1.05,
            median(name, lambda f, _: f["written"]), is_most=True)


def row(name, goal, result, is_most=False):
    if not goal:
        return print(f"{name:48} {result:7.2f}")
    met = result <= goal if is_most else result >= goal
    print(f"{name:48} {result:7.2f} {'<=' if is_most else '>='} {goal:5.2f}"
          f"{'' if met else '  missed'}", flush=True)
