"""The system says no: no more threads, no more descriptors, at a start and in mid-reload."""

import os
import pathlib
import signal
import subprocess
import time

from lab import case
from sluice import BINARY, configuration, wait_until, write_configuration

PIDS = [pathlib.Path("/sys/fs/cgroup/pids"), pathlib.Path("/sys/fs/cgroup")]
RETRY = {"retry_on_failure": {"initial_interval": "20ms", "max_interval": "100ms"}}


class ThreadLimit:
    """A control group that bounds the number of threads, or None where there is none to be had."""

    @staticmethod
    def made(lab):
        for parent in PIDS:
            path = parent / f"sluice-hostile-threads-{os.getpid()}"
            try:
                path.mkdir()
                (path / "pids.max").write_text("max")
            except OSError:
                if path.is_dir():
                    path.rmdir()
                continue
            lab.at_end(lambda: wait_until(lambda: removed(path), 5, what="the group's end"))
            return path
        lab.say("skipped: no control group for threads")
        return None


def removed(path):
    try:
        path.rmdir()
        return True
    except OSError:
        return False


def settings(url, consumers, header):
    return configuration({
        "otlp_http": {"endpoint": url, "headers": {"x": header},
                      "sending_queue": {"num_consumers": consumers}, **RETRY},
        "sqlite": {"path": "store.db"}})


@case
def a_reload_without_threads_leaves_the_old_configuration(lab):
    group = ThreadLimit.made(lab)
    if group is None:
        return
    downstream = lab.destination()
    gateway = lab.gateway(settings(downstream.url, 2, "a"), prefix=[
        "sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")])
    client = lab.client(gateway)
    assert client.send() == 200
    threads = int((group / "pids.current").read_text())
    for room in (0, 1, 3, 10):
        (group / "pids.max").write_text(str(threads + room))
        write_configuration(gateway.config, settings(downstream.url, 40, f"{room}"))
        before = len(gateway.log())
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: [line for line in gateway.log()[before:] if "reload" in json_text(line)
                            or line["level"] == "error"], 10, what="a word about the reload")
        gateway.must_live()
        assert client.send() == 200, f"after a reload with room for {room} threads"
    (group / "pids.max").write_text("max")
    gateway.settle()
    assert not client.all_acknowledged() - downstream.received()


def json_text(line):
    return " ".join(str(value) for value in line.values())


@case
def a_start_without_threads_or_descriptors_says_so(lab):
    """An error and an exit code, never a trap."""
    write_configuration(lab.directory / "c.yaml", settings("http://127.0.0.1:1", 10, "a"))
    group = ThreadLimit.made(lab)
    seen = {}
    for name, prefix, limits in (
            ("threads", ["sh", "-c", 'echo $$ > "$0" && exec "$@"',
                         str(group / "cgroup.procs")] if group else [], (2, 3, 5, 9, 14, 20)),
            ("descriptors", ["prlimit"], (6, 9, 12, 16, 20, 26, 32))):
        for limit in limits:
            if name == "threads":
                if group is None:
                    continue
                (group / "pids.max").write_text(str(limit))
                command = prefix
            else:
                command = [*prefix, f"--nofile={limit}:{limit}"]
            directory = lab.directory / f"{name}-{limit}"
            directory.mkdir()
            process = subprocess.Popen(
                [*command, BINARY, "run", "--config", lab.directory / "c.yaml"], cwd=directory,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                output, _ = process.communicate(timeout=1)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=30)
            seen[name, limit] = process.returncode
            assert process.returncode in (0, 1), \
                f"{name} {limit}: exit code {process.returncode}: {output[-300:]}"
            assert process.returncode == 0 or output.strip(), "it ended without a word"
    lab.say(f"{seen}")


@case(is_long=True)
def reloads_without_descriptors_leave_the_old_configuration(lab):
    downstream = lab.destination()
    gateway = lab.gateway(settings(downstream.url, 2, "a"), prefix=["prlimit", "--nofile=400:400"])
    client = lab.client(gateway)
    assert client.send() == 200
    for room in (0, 1, 2, 3, 5, 8, 13):
        limit = gateway.descriptors() + room
        subprocess.run(["prlimit", f"--pid={gateway.process.pid}", f"--nofile={limit}:400"],
                       check=True)
        write_configuration(gateway.config, settings(downstream.url, 4, f"{room}"))
        gateway.signal(signal.SIGHUP)
        time.sleep(1)
        gateway.must_live()
        subprocess.run(["prlimit", f"--pid={gateway.process.pid}", "--nofile=400:400"], check=True)
        assert client.send() == 200, f"after a reload with room for {room} descriptors"
    gateway.settle()
    assert not client.all_acknowledged() - downstream.received()
