"""For the tests of the durable log: what waits in it, where that lies, and disks that fail."""

import collections
import concurrent.futures
import os
import pathlib
import random
import re
import subprocess
import time

import client
import otlp
from client import Connection, head_and_body
from sink import Answer
from sluice import Sluice, configuration, run, wait_until, write_configuration

# Set to run the tests against a binary without service.log: it shows that they can fail.
LEAVE_OUT = bool(os.environ.get("SLUICE_WITHOUT_LOG"))
DEAD = Answer(503, b"dead")
RETRY = {"initial_interval": "20ms", "max_interval": "200ms"}
# Between the bytes of two requests there is at most this much of the log's own.
RECORD_HEADER_MAX = 128


def has_log(directory):
    """Whether this binary knows service.log: a key of it that it rejects must fail, not skip."""
    settings = configuration({"nop": {}})
    settings["service"]["log"] = {"durability": "fsync"}
    path = write_configuration(directory / "probe.yaml", settings)
    return run("validate", "--config", path).returncode == 0


def log_settings(exporters, *, log=None, **options):
    """As `configuration`, with a log of small segments in ./data."""
    settings = configuration(exporters, **options)
    if not LEAVE_OUT:
        settings["service"]["log"] = {
            "directory": "data", "durability": "fsync", "max_size": "1GiB", "retain": "0s",
            "disk_reserve": "4MiB", "segment_size": "1MiB", **(log or {})}
    return settings


def to(sink, **settings):
    return {"endpoint": sink.url, "retry_on_failure": RETRY, **settings}


def body(name, size=0):
    return otlp.spans(name=name, text_bytes=size).SerializeToString()


def send(gateway, names, size=0):
    """One request each on one connection; all must be acknowledged."""
    connection = Connection(gateway.address)
    for name in names:
        response = connection.request("/v1/traces", body(name, size))
        assert response.is_full_success("traces"), (name, response)
    connection.close()
    return list(names)


def send_by_several(gateway, names, connections=4):
    """As `send`, from several connections at once."""
    names = list(names)
    parts = [names[start::connections] for start in range(connections)]
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(lambda part: send(gateway, part), parts), [])


def delivered(sink):
    """How often each span arrived, by its name."""
    return collections.Counter(
        span.name for request in list(sink.taken) if request.signal == "traces"
        for resource in request.message().resource_spans
        for scope in resource.scope_spans for span in scope.spans)


def wait_for(sink, names, seconds=15):
    """Until all of them are there; says which are missing."""
    names = set(names)
    deadline = time.monotonic() + seconds
    while missing := names - set(delivered(sink)):
        assert time.monotonic() < deadline, (
            f"{len(missing)} of {len(names)} are missing, the first is {min(missing)}")
        time.sleep(0.05)


def assert_refused(response):
    assert response.status == 503, response
    assert float(response.header("Retry-After")) >= 0


def wait_until_accepted(gateway, name, seconds=20):
    wait_until(
        lambda: client.post(gateway, "/v1/traces", body(name)).status == 200, seconds,
        interval=0.1, what="new data is accepted again")


def again(processes, gateway, settings):
    """Another start in the same directory."""
    started = Sluice(gateway.directory, settings)
    processes.gateways.append(started)
    return started


class Backlog:
    """Requests that wait on disk for a dead sink. The gateway was killed."""

    def __init__(self, processes, count=100, seed=1):
        self.random = random.Random(seed)
        self.processes = processes
        self.sink = processes.sink(DEAD)
        self.settings = log_settings({"otlp_http": to(self.sink)})
        self.gateway = processes.sluice(self.settings)
        self.bodies = {}
        for number in range(count):
            # Sizes of all kinds, so that no block of the disk is always the same part of a record.
            name = f"item-{number:06d}"
            self.bodies[name] = body(name, self.random.choice([0, 100, 5000, 30_000, 90_000]))
        connection = Connection(self.gateway.address)
        for data in self.bodies.values():
            connection.send(head_and_body("/v1/traces", data))
            assert connection.response().is_full_success("traces")
        connection.close()

    @property
    def data(self):
        return self.gateway.directory / "data"

    @property
    def segments(self):
        found = sorted(self.data.glob("log/*/*.seg"))
        assert found, "there are no segment files"
        return found

    def kill(self):
        self.gateway.kill()
        return self

    def places(self):
        """{name: (path, first byte, end)} of each request's bytes."""
        places = {}
        for path in self.segments:
            content = path.read_bytes()
            for name, data in self.bodies.items():
                if (start := content.find(data)) >= 0:
                    places[name] = (path, start, start + len(data))
        assert len(places) == len(self.bodies), "not every request stands in a segment as it came"
        return places

    def intact(self, places, damage):
        """The names of the requests that no damage [(path, first byte, end)] comes near."""
        return {
            name for name, (path, start, end) in places.items()
            if not any(
                path == where and first < end + RECORD_HEADER_MAX
                and start - RECORD_HEADER_MAX < last for where, first, last in damage)}

    def start(self):
        """The sink is healthy, and a gateway starts on what is on the disk."""
        self.sink.answer = Answer()
        self.gateway = again(self.processes, self.gateway, self.settings)
        return self.gateway

    def assert_only_genuine(self):
        """Whatever was delivered is, to the last byte, something that was sent."""
        genuine = {
            item for data in self.bodies.values()
            for item in otlp.items("traces", otlp.REQUESTS["traces"].FromString(data))}
        assert set(self.sink.items("traces")) <= genuine


def tells_of_damage(gateway):
    """The lines of the log, and the metric."""
    lines = [
        line for line in gateway.log()
        if line.get("level", "").lower() in ("warn", "warning", "error")
        and re.search(r"damag|corrupt|unreadable", str(line), re.I)]
    return lines, gateway.metric("sluice_log_damaged_bytes")


# -- Disks

class Mount:
    """A file system of its own; None of `make` succeeds without root."""

    def __init__(self, path, *commands):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True)
        self.failure = None
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                self.failure = f"{' '.join(command[:2])}: {done.stderr.strip()}"
                return

    def unmount(self):
        # Lazily: a test that failed may have left a process in it.
        subprocess.run(["umount", "--lazy", self.path], capture_output=True)

    def free(self):
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def fill(self, leave=0):
        """Takes all the room but `leave` bytes, and returns the file that has it."""
        path = self.path / "somebody-elses"
        with path.open("wb", buffering=0) as file:
            while (room := self.free() - leave) > 0:
                try:
                    file.write(bytes(min(room, 1 << 20)))
                except OSError:
                    break
        return path


def tmpfs(path, mebibytes):
    return Mount(path, [
        "mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "sluice-test", str(path)])


def ext4(path, mebibytes):
    """An image in a file, that turns read-only at the first error."""
    image = pathlib.Path(f"{path}.img")
    image.parent.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    return Mount(
        path, ["mkfs.ext4", "-q", str(image)],
        ["mount", "-o", "loop,errors=remount-ro", str(image), str(path)])


def make_read_only(mount):
    """As after an I/O error. False where the kernel gives no such means."""
    device = os.stat(mount.path).st_dev
    name = os.path.basename(os.readlink(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"))
    try:
        pathlib.Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1")
    except OSError:
        return False
    # Not every kernel shows it in the flags of the mount.
    try:
        (mount.path / "probe").write_text("")
    except OSError:
        return True
    return False


def immutable(path, is_on):
    """Not even root may write to any file below it, open or not. False where that can't be set."""
    sign = "+i" if is_on else "-i"
    return subprocess.run(["chattr", "-R", sign, path], capture_output=True).returncode == 0
