#!/usr/bin/env python3
"""Can anything that anybody sends hurt the gateway? Runs the release binary in 512 MiB and tries.

Cases (`cases_*.py`): one attack each, and what must hold beside it. The siege (`siege.py`): many
attacks at once on a gateway with every exporter. Inputs (`search.py`): what costs most for its size
on each path, those that are kept (`worst.json`), and in the long form those that a search finds.

`make test` runs the short form. `make hostile SECONDS=600 SEED=1` searches for so long, then runs
the cases that wait for deadlines too. The last line counts; the lines above have the figures.
"""

import argparse
import concurrent.futures
import multiprocessing
import pathlib
import random
import shutil
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import cases_containers  # noqa: E402, F401
import cases_delivery  # noqa: E402, F401
import cases_doors  # noqa: E402, F401
import cases_limits  # noqa: E402, F401
import cases_log  # noqa: E402, F401
import cases_memory  # noqa: E402, F401
import lab  # noqa: E402
import postgres  # noqa: E402
import search  # noqa: E402
import siege  # noqa: E402, F401
from cage import BINARY, Cage  # noqa: E402
from metering import FACTOR_MAX  # noqa: E402
from paths import PATHS  # noqa: E402

# Most of a case is waiting; more at a time would starve each other on two processors.
WORKERS = 3


def replay_path(name, seed, seconds):
    """A path's kept inputs, and for so many seconds a search from there."""
    path = search.path_named(name)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sluice-hostile-"))
    started = time.monotonic()
    findings = search.Findings(path)
    try:
        if seconds:
            search.search(findings, directory, random.Random(f"{seed} {name}"), seconds)
        else:
            search.replay(findings, directory)
    except Exception as error:  # A path that cannot be tried has failed.
        findings.faults.append(lab.describe(error))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return findings_of(findings), time.monotonic() - started


def findings_of(findings):
    """Without the path, whose functions don't travel between processes."""
    findings.path = findings.path.name
    return findings


class Outcome:
    def __init__(self):
        self.passed, self.failed = 0, []
        self.inputs = self.bytes = self.peak = 0
        self.worst = None
        self.findings = []

    def case(self, name, error, lines, seconds):
        print(f"{'failed' if error else 'passed'} {seconds:5.1f} s  {name}", flush=True)
        for line in lines:
            print(f"         {line}", flush=True)
        self.count(name, error)

    def path(self, findings, seconds):
        self.findings.append(findings)
        faults = findings.faults
        worst = "no inputs"
        if findings.worst:
            p, measured = findings.worst
            times = measured.score * FACTOR_MAX
            worst = f"worst {times:.1f} x ordinary: {p}: {measured}"
            if self.worst is None or measured.score > self.worst[1].score:
                self.worst = (p, measured, findings.path)
        self.inputs += findings.inputs
        self.bytes += findings.bytes
        self.peak = max(self.peak, findings.peak_bytes)
        print(f"{'failed' if faults else 'passed'} {seconds:5.1f} s  cost on the path"
              f" '{findings.path}': {findings.inputs} inputs; {worst}", flush=True)
        self.count(f"cost on the path '{findings.path}'", "\n".join(faults[:10]))

    def count(self, name, error):
        if error:
            print("         " + error.replace("\n", "\n         "), flush=True)
            self.failed.append(name)
        else:
            self.passed += 1

    def close(self, seconds):
        print()
        if self.worst:
            p, measured, path = self.worst
            print(f"inputs {self.inputs}, {self.bytes} bytes on the wire; the worst costs"
                  f" {measured.nanoseconds / measured.plain_bytes:.0f} ns of CPU a plain byte,"
                  f" {measured.nanoseconds / measured.wire_bytes:.0f} ns one on the wire,"
                  f" {measured.score * FACTOR_MAX:.1f} times ordinary telemetry, on '{path}':"
                  f" {p}; peak RSS {self.peak >> 20} MiB")
        for name in self.failed:
            print(f"failed: {name}")
        # As pytest closes, so that scripts/run_tests.py adds it up.
        print(f"{len(self.failed)} failed, {self.passed} passed in {seconds:.2f}s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="what `make test` runs")
    parser.add_argument("--seconds", type=float, default=600, help="how long to search")
    parser.add_argument("--seed", default="1")
    parser.add_argument(
        "--keep", action="store_true", help="write what was worst on each path to worst.json")
    parser.add_argument("--only", default="", help="cases and paths whose names contain it")
    options = parser.parse_args()
    if not BINARY.exists():
        sys.exit(f"no binary at {BINARY}: run 'make build', or set SLUICE")
    cage = Cage()
    print(f"512 MiB by {cage.name}; seed {options.seed}", flush=True)
    cage.close()

    started = time.monotonic()
    cases = [case.name for case in lab.CASES.values()
             if options.only in case.name and (not case.is_long or not options.short)]
    paths = [path.name for path in PATHS if options.only in path.name]
    if postgres.find_binaries() is None:
        paths = [name for name in paths if not search.path_named(name).has_database]
    if options.short:
        kept = {path.name for path in PATHS if search.kept(path)}
        paths = [name for name in paths if name in kept]
    outcome = Outcome()
    with concurrent.futures.ProcessPoolExecutor(
            WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        seconds = 0 if options.short else options.seconds * WORKERS / max(1, len(paths))
        running = [pool.submit(lab.run, name, options.seed, not options.short) for name in cases]
        searching = [
            pool.submit(replay_path, name, options.seed, seconds) for name in paths]
        for future in concurrent.futures.as_completed(running + searching):
            result = future.result()
            if future in running:
                outcome.case(*result)
            else:
                outcome.path(*result)
    if options.keep:
        search.keep([findings for findings in outcome.findings if findings.inputs])
    outcome.close(time.monotonic() - started)
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
