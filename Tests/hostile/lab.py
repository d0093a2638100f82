"""What a case needs: gateways in cages, destinations, a directory; all of it ends with the case."""

import dataclasses
import os
import pathlib
import random
import resource
import shutil
import subprocess
import tempfile
import time
import traceback

import numbered
from cage import CagedSluice, Died
from destination import OK, Destination

CASES = {}
# Beyond what was resident before the attack, when it is over and delivered.
IDLE_BYTES_MAX = 8 << 20
IDLE_SECONDS = 15


@dataclasses.dataclass
class Case:
    name: str
    run: object
    # The long form alone: what waits for deadlines, or for time to pass.
    is_long: bool


def case(function=None, *, is_long=False):
    """A case is named after its function: what it shows, as a sentence."""
    def keep(function):
        name = function.__name__.replace("_", " ")
        CASES[name] = Case(name, function, is_long)
        return function
    return keep(function) if function else keep


class Lab:
    def __init__(self, name, seed, is_long):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sluice-hostile-"))
        self.random = random.Random(f"{seed} {name}")
        self.is_long = is_long
        self.lines = []
        self._gateways, self._destinations, self._clients, self._closing = [], [], [], []

    def say(self, text):
        self.lines.append(text)

    def gateway(self, settings, directory=None, is_ended_by_case=False, **options):
        directory = directory or self.directory / f"gateway-{len(self._gateways)}"
        gateway = CagedSluice(directory, settings, **options)
        self._gateways.append((gateway, is_ended_by_case))
        return gateway

    def destination(self, behave=lambda path, body: OK):
        self._destinations.append(Destination(behave))
        return self._destinations[-1]

    def client(self, gateway, source="127.0.0.9"):
        self._clients.append(
            numbered.Client(gateway.address, len(self._clients) + 1, source))
        return self._clients[-1]

    def closing(self, thing):
        """Closed at the end, whatever happens."""
        self._closing.append(thing)
        return thing

    def at_end(self, function):
        self._closing.append(function)

    def death(self):
        """That a gateway has ended by itself says more than the connection that broke with it."""
        for gateway, is_ended_by_case in self._gateways:
            try:
                if not gateway.has_stopped:
                    gateway.must_live()
            except Died as died:
                return str(died)
        return None

    def close(self, has_failed):
        try:
            for gateway, is_ended_by_case in self._gateways:
                if not has_failed and not is_ended_by_case and not gateway.has_stopped:
                    within_ceiling(gateway)
                    gateway.end()
        finally:
            for one in self._clients:
                one.close()
            for gateway, _ in self._gateways:
                gateway.kill()
            for destination in self._destinations:
                destination.close()
            for thing in reversed(self._closing):
                thing.close() if hasattr(thing, "close") else thing()
            shutil.rmtree(self.directory, ignore_errors=True)


def within_ceiling(gateway):
    peak, ceiling = gateway.peak_memory(), gateway.ceiling()
    assert peak <= ceiling, f"peak RSS {peak >> 20} MiB, the printed sum is {ceiling >> 20} MiB"


def comes_back(gateway, before, what="idle RSS"):
    """Memory that was needed once is given back."""
    deadline = time.monotonic() + IDLE_SECONDS
    while (now := gateway.memory()) > before + IDLE_BYTES_MAX:
        assert time.monotonic() < deadline, \
            f"{what}: {now / (1 << 20):.1f} MiB, before it was {before / (1 << 20):.1f} MiB"
        time.sleep(0.1)
    return now


def run(name, seed, is_long):
    """(name, error or None, lines, seconds) of a case, in a process of the pool."""
    # Some cases have thousands of connections.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    started = time.monotonic()
    lab = Lab(name, seed, is_long)
    error = None
    try:
        CASES[name].run(lab)
    except Exception as raised:  # A case that breaks has failed, whatever broke.
        error = lab.death() or describe(raised)
    try:
        lab.close(error is not None)
    except Exception as raised:
        error = error or describe(raised)
    return name, error, lab.lines, time.monotonic() - started


def describe(error):
    if isinstance(error, AssertionError):
        text = str(error)
        if text:
            return text
    return "".join(traceback.format_exception(error)[-3:])


def mounted(lab, size):
    """A small file system of its own, or None where this user may not mount."""
    path = lab.directory / "disk"
    path.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
            capture_output=True).returncode != 0:
        return None
    lab.at_end(lambda: subprocess.run(["umount", "-l", path], check=False))
    return path
