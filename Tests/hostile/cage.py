"""A gateway that may take 512 MiB and no more: in a control group, or else by its limit on data."""

import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from sluice import BINARY, STOP_SECONDS, Sluice, wait_until

MEMORY_MAX = 512 << 20
GROUPS_V1 = pathlib.Path("/sys/fs/cgroup/memory")
GROUPS_V2 = pathlib.Path("/sys/fs/cgroup")
_numbers = iter(range(1 << 30))
_numbers_lock = threading.Lock()


class Cage:
    """A control group of its own, where one can be had: `name` says which kind it is."""

    def __init__(self):
        with _numbers_lock:
            number = next(_numbers)
        self.path = None
        self.name = "RLIMIT_DATA"
        for name, parent, file in (
                ("cgroup v1", GROUPS_V1, "memory.limit_in_bytes"),
                ("cgroup v2", GROUPS_V2, "memory.max")):
            path = parent / f"sluice-hostile-{os.getpid()}-{number}"
            try:
                path.mkdir()
                (path / file).write_text(str(MEMORY_MAX))
            except OSError:
                if path.is_dir():
                    path.rmdir()
                continue
            self.path, self.name = path, name
            return

    def prefix(self):
        if self.path is None:
            return ["prlimit", f"--data={MEMORY_MAX}"]
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.path / "cgroup.procs")]

    def close(self):
        if self.path is not None:
            # The kernel lets go of a process that has ended a moment later.
            wait_until(self._removed, 5, what="the end of the control group")

    def _removed(self):
        try:
            self.path.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True


class Died(AssertionError):
    """The gateway ended by itself."""


class CagedSluice(Sluice):
    """`prefix` stands before the command within the cage, as `prlimit` does."""

    def __init__(self, directory, settings, prefix=(), cage=True, **options):
        self.cage = Cage() if cage else None
        before = [*(self.cage.prefix() if cage else ()), *prefix]
        try:
            super().__init__(directory, settings, prefix=before, **options)
        except BaseException:
            if self.cage:
                self.cage.close()
            raise

    def cpu_nanoseconds(self):
        """User and system time of all its threads, those that have ended too."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def must_live(self):
        code = self.process.poll()
        if code is None:
            return
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        why = " (out of memory)" if self.was_killed_for_memory() else ""
        raise Died(f"the gateway ended by itself: {name}{why}\n{self.tail()}")

    def was_killed_for_memory(self):
        if not self.cage or not self.cage.path:
            return False
        for file in ("memory.oom_control", "memory.events"):
            try:
                text = (self.cage.path / file).read_text()
            except OSError:
                continue
            return bool(re.search(r"^oom_kill [1-9]", text, re.MULTILINE))
        return False

    def ceiling(self):
        """The printed sum, in bytes."""
        return self.log("memory ceilings, in MiB")[-1]["sum"] << 20

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def tail(self, lines=6):
        """The end of its log, without what is no news."""
        text = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(line[:300] for line in text if '"level":"info"' not in line)[-lines * 300:]

    def flow(self):
        return self.get_json("/flow")

    def pending(self):
        """Items that an exporter does not have yet."""
        return sum(
            exporter["pending"]["items"] for pipeline in self.flow()["pipelines"]
            for exporter in pipeline["exporters"])

    def settle(self, seconds=60):
        """Until nothing is under way any more."""
        def is_done():
            self.must_live()
            return self.pending() == 0
        wait_until(is_done, seconds, 0.05, "the delivery of everything")

    def end(self, expect=0):
        """An orderly stop; the control group goes with it."""
        try:
            self.must_live()
            self.stop(expect)
        finally:
            self.kill()

    def kill(self):
        super().kill()
        if self.cage:
            self.cage.close()
            self.cage = None


def compiled(source, target):
    """A library for LD_PRELOAD."""
    subprocess.run(
        ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", target, source],
        check=True)
    return target


__all__ = ["BINARY", "STOP_SECONDS", "MEMORY_MAX", "CagedSluice", "Cage", "Died", "compiled"]
