"""A gateway to be measured, and load for it: what the benchmarks share."""
import collections
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLUICE = os.environ.get("SLUICE", str(ROOT / ".build/release/sluice"))
TICKS = os.sysconf("SC_CLK_TCK")

Load = collections.namedtuple("Load", "items seconds bytes p50 p99")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    """A gateway with one exporter for all signals, and its cost."""

    def __init__(
            self, exporter, settings, directory, durability="memory", log=None, environment=None,
            port=None):
        self.port, self.admin = port or free_port(), free_port()
        config = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{self.port}"}}}},
            "exporters": {exporter: settings},
            "service": {
                "log": {"directory": f"{directory}/data", "durability": durability, **(log or {})},
                "telemetry": {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": {
                    "host": "127.0.0.1", "port": self.admin}}}}]}},
                "pipelines": {
                    name: {"receivers": ["otlp"], "exporters": [exporter]}
                    for name in ("traces", "metrics", "logs")
                },
            },
        }
        directory = pathlib.Path(directory)
        directory.mkdir(exist_ok=True)
        path = directory / "sluice.json"
        path.write_text(json.dumps(config))  # JSON is YAML.
        started = time.perf_counter()
        self.log = open(directory / "log", "w")
        self.process = subprocess.Popen(
            [SLUICE, "run", "--config", str(path)], stdout=self.log, stderr=self.log,
            env={**os.environ, **(environment or {})})
        while not self.ready():
            if self.process.poll() is not None:
                sys.exit("the gateway did not start; see its log: " + self.log.name)
        self.start_milliseconds = (time.perf_counter() - started) * 1000
        self.start_cpu_milliseconds = self.cpu_seconds() * 1000

    def ready(self):
        try:
            url = f"http://127.0.0.1:{self.admin}/ready"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def queued(self):
        try:
            body = self.admin_page("ready")
        except urllib.error.HTTPError as error:
            body = error.read()
        return sum(e["queue"]["items"] for e in json.loads(body)["exporters"].values())

    def admin_page(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/{name}", timeout=5) as answer:
            return answer.read().decode()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")")[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mib(self, key):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+)", text)[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.close()
        return code


def load(gateway, arguments, seconds, connections=16, prepared=20):
    """Sends as much as the gateway takes, in requests of 100 items (traces: 45 KB).

    So many requests of each connection are made before, and sent over and over; 0: each is made when it is sent.
    """
    output = subprocess.run(
        [SLUICE, "generate", *arguments, "--endpoint", f"http://127.0.0.1:{gateway.port}",
         "--rate", "0", "--duration", f"{seconds}s", "--connections", str(connections),
         "--prepare", str(prepared), "--seed", "1"], capture_output=True, text=True, check=False).stdout
    match = re.match(
        r"sent (\d+) .* in ([\d.]+) s.*p50 ([\d.]+) ms, p99 ([\d.]+) ms; ([\d.]+) ([kMG]?)B",
        output)
    if not match:
        sys.exit("the load failed: " + output)
    unit = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[6]]
    return Load(
        int(match[1]), float(match[2]), float(match[5]) * unit, float(match[3]), float(match[4]))
