"""Runs the real binary: a configuration in, a process on ephemeral ports out."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("SLUICE", ROOT / ".build/release/sluice")).absolute()

START_SECONDS = 10
STOP_SECONDS = 40


def wait_until(condition, seconds=10, interval=0.01, what="the condition"):
    """Returns the first true value of `condition`; fails when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(interval)


def run(*arguments, cwd=None, env=None, stdin=None, timeout=30):
    """Runs a command of the binary to its end."""
    return subprocess.run(
        [BINARY, *map(str, arguments)], cwd=cwd, env=env, input=stdin, timeout=timeout,
        capture_output=True, text=True)


def configuration(exporters, *, http=None, signals=("traces", "metrics", "logs"),
                  processors=None, telemetry=None, limits=None, log=None):
    """One OTLP receiver, the same processors and exporters in a pipeline for each signal."""
    processors = processors or {}
    service = {
        "telemetry": {
            "logs": {"encoding": "json"},
            "metrics": {"readers": [{"pull": {"exporter": {"prometheus": {
                "host": "127.0.0.1", "port": 0}}}}]},
            **(telemetry or {}),
        },
        "pipelines": {
            name: {
                "receivers": ["otlp"], "processors": list(processors),
                "exporters": list(exporters),
            } for name in signals
        },
    }
    if limits:
        service["limits"] = limits
    if log:
        service["log"] = log
    return {
        "receivers": {"otlp": {"protocols": {"http": {
            "endpoint": "127.0.0.1:0", **(http or {})}}}},
        "processors": processors,
        "exporters": exporters,
        "service": service,
    }


def write_configuration(path, settings):
    """JSON is YAML."""
    path.write_text(json.dumps(settings, indent=2))
    return path


class Sluice:
    """A running gateway. `address` is its receiver's, `admin` that of /ready and /metrics."""

    def __init__(self, directory, settings, env=None, descriptors=None, becomes_ready=True,
                 prefix=()):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.config = write_configuration(directory / "sluice.yaml", settings)
        self.log_path = directory / "sluice.log"
        self.has_stopped = False
        command = [*prefix, BINARY, "run", "--config", self.config]
        if descriptors:
            command = ["prlimit", f"--nofile={descriptors}:{descriptors}", *command]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=directory, stdout=log, stderr=log, env=env, start_new_session=True)
        receivers = {
            name for pipeline in settings["service"]["pipelines"].values()
            for name in pipeline["receivers"]}
        try:
            lines = wait_until(
                lambda: self._started(len(receivers)), START_SECONDS, what="the start")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.addresses = {line["receiver"]: address(line["address"]) for line in lines}
        self.address = next(iter(self.addresses.values()))
        self.admin = address(self.log("health, readiness and metrics")[0]["address"])
        if becomes_ready:
            wait_until(lambda: self.get("/ready")[0] == 200, START_SECONDS, what="/ready")

    def _started(self, count):
        assert self.process.poll() is None, f"ended at start:\n{self.log_path.read_text()}"
        # One that lists memory ceilings is the last line of the start.
        if not self.log("memory ceilings, in MiB"):
            return None
        lines = self.log("receiving")
        return lines if len({line["receiver"] for line in lines}) >= count else None

    @property
    def url(self):
        return "http://%s:%d" % self.address

    def log(self, message=None, **fields):
        """The log's lines so far, those with this message and these fields."""
        lines = []
        for text in self.log_path.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if message in (None, line.get("message")) and fields.items() <= line.items():
                lines.append(line)
        return lines

    def wait_for_log(self, message, seconds=10, **fields):
        return wait_until(
            lambda: self.log(message, **fields), seconds, what=f"the log line '{message}'")

    def get(self, path):
        """Status and text of a page of the admin port."""
        url = "http://%s:%d%s" % (*self.admin, path)
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ready(self):
        status, text = self.get("/ready")
        return status, json.loads(text)

    def get_json(self, path):
        status, text = self.get(path)
        assert status == 200, f"{path}: {status} {text}"
        return json.loads(text)

    def metrics(self):
        """Every sample: {(name, frozenset of labels): value}."""
        samples = {}
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith("#") or not line:
                continue
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            samples[name, frozenset(pairs)] = float(value)
        return samples

    def metric(self, name, **labels):
        """The sum of the samples that have these labels; the counter's suffix is optional."""
        return sum(
            value for (sample, pairs), value in self.metrics().items()
            if sample in (name, f"{name}_total") and labels.items() <= dict(pairs).items())

    def memory(self):
        """Resident bytes now."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10

    def peak_memory(self):
        """The most resident bytes since the last `forget_peak`."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10

    def cpu_seconds(self):
        """User and system time so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, expect=0):
        """Ends it as an operator would; the exit code tells whether everything was delivered."""
        if self.has_stopped:
            return
        self.has_stopped = True
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop:\n{self.log_path.read_text()[-4000:]}") from None
        assert code == expect, f"exit code {code}:\n{self.log_path.read_text()[-4000:]}"

    def kill(self):
        """For the end of a test that has failed already."""
        self.has_stopped = True
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def address(text):
    if text.startswith("unix:"):
        return text
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
