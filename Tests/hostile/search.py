"""Looks for the input that costs most for its size, on every path, and replays the worst known.

Hill climbing: from the worst known and from random starts, each step changes some parameters and
stays where that costs more. A seed repeats the choices, though not the measurements.
"""

import json
import pathlib
import time

import shapes
from cage import Died
from metering import FACTOR_MAX, Meter
from parameters import Parameters, is_possible, mutated, random_parameters
from paths import BY_NAME

KEPT = pathlib.Path(__file__).parent / "worst.json"
KEPT_MAX = 3
# A measurement that breaks the bound is made again, as another process may have spoiled it.
REPEATS = 2
# So many steps without a rise, and the climb begins elsewhere.
PATIENCE = 12


class Findings:
    """What was measured on one path."""

    def __init__(self, path):
        self.path = path
        self.inputs = 0
        self.bytes = 0
        self.worst = None
        # The worst of each shape: (score, parameters).
        self.by_shape = {}
        self.faults = []
        self.peak_bytes = 0
        self.ceiling_bytes = 0

    def add(self, p, measured):
        self.inputs += 1
        self.bytes += measured.wire_bytes
        self.peak_bytes = max(self.peak_bytes, measured.peak_bytes)
        if self.worst is None or measured.score > self.worst[1].score:
            self.worst = (p, measured)
        if measured.score > self.by_shape.get(p.shape, (0, None))[0]:
            self.by_shape[p.shape] = measured.score, p


def kept(path):
    """The parameters that were worst on a path, of this build's shapes."""
    known = json.loads(KEPT.read_text()).get(path.name, [])
    return [p for each in known if (p := Parameters(**each)).shape in shapes.SHAPES
            and p.signal in path.signals]


def keep(all_findings):
    """Writes the worst of each path for later runs: parameters, a line each."""
    known = json.loads(KEPT.read_text())
    for findings in all_findings:
        worst = sorted(findings.by_shape.values(), key=lambda each: -each[0])[:KEPT_MAX]
        if worst:
            known[findings.path] = [p.known() for _, p in worst]
    lines = [f"  {json.dumps(path)}: [\n" + ",\n".join(
        "    " + json.dumps(p) for p in inputs) + "]" for path, inputs in known.items()]
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def try_out(meter, findings, p):
    """The score, or infinity for what ends the gateway."""
    try:
        measured = meter.try_out(p)
        for _ in range(REPEATS):
            if measured.score <= 1:
                break
            again = meter.try_out(p)
            measured = min(measured, again, key=lambda each: each.score)
    except (Died, AssertionError) as error:
        findings.inputs += 1
        findings.faults.append(f"{p}: {str(error).splitlines()[0]}")
        meter.restart()
        return float("inf")
    findings.add(p, measured)
    if measured.score > 1:
        findings.faults.append(
            f"{measured.score * FACTOR_MAX:.0f} times ordinary telemetry, {FACTOR_MAX} are the"
            f" most: {p}: {measured}")
    ceiling = findings.ceiling_bytes = meter.gateway.ceiling()
    if measured.peak_bytes > ceiling:
        findings.faults.append(
            f"{p}: peak {measured.peak_bytes >> 20} MiB, the printed sum is {ceiling >> 20} MiB")
        meter.restart()
    return measured.score


def replay(findings, directory):
    """Each known input of a path once."""
    with Meter(findings.path, directory) as meter:
        for p in kept(findings.path):
            try_out(meter, findings, p)


def search(findings, directory, random, seconds):
    """Climbs until the time is over: from what is known, then from random starts."""
    path = findings.path
    deadline = time.monotonic() + seconds
    starts = kept(path)
    with Meter(path, directory) as meter:
        while time.monotonic() < deadline:
            p = starts.pop() if starts else random_parameters(random, path.signals)
            if p.signal not in path.signals or not is_possible(p):
                continue
            score, failures = try_out(meter, findings, p), 0
            while failures < PATIENCE and time.monotonic() < deadline:
                candidate = mutated(random, p, path.signals)
                found = try_out(meter, findings, candidate)
                if found > score and found != float("inf"):
                    p, score, failures = candidate, found, 0
                else:
                    failures += 1


def path_named(name):
    return BY_NAME[name]
