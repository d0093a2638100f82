"""The gateway under test: started again and again on the same ports and the same directory."""

import re
import signal
import socket
import subprocess
import time
import urllib.error

from sluice import BINARY, Sluice, configuration, write_configuration

READY_SECONDS = 30
# What tells of items that are not delivered yet: today's queues, and the log's lag.
PENDING = re.compile(r"otelcol_exporter_queue_size|sluice_log_\w*(lag|pending|backlog)\w*")
# Names above that are no amount of data.
NOT_PENDING = re.compile(r"_capacity|until_full|_limit")


class Gateway(Sluice):
    def __init__(self, directory, settings, address, admin):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.config = write_configuration(directory / "sluice.yaml", settings)
        self.log_path = directory / "sluice.log"
        self.address, self.admin = address, admin
        self.process = None
        self.has_stopped = True
        self.started = 0

    def start(self):
        with self.log_path.open("ab") as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                [BINARY, "run", "--config", self.config], cwd=self.directory, stdout=log,
                stderr=log, start_new_session=True)
        self.has_stopped = False

    def wait_until_ready(self):
        """Seconds from the start until /ready said so."""
        while True:
            if (code := self.process.poll()) is not None:
                raise Ended(f"ended at start with {code}:\n{self.tail()}")
            try:
                if self.get("/ready")[0] == 200:
                    return time.monotonic() - self.started
            except (urllib.error.URLError, ConnectionError):
                pass
            if time.monotonic() - self.started > READY_SECONDS:
                raise Ended(f"not ready within {READY_SECONDS} s:\n{self.tail()}")
            time.sleep(0.002)

    def kill_at_once(self):
        if (code := self.process.poll()) is not None:
            raise Ended(f"ended by itself with {code}:\n{self.tail()}")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.has_stopped = True

    def pending(self):
        return {
            f"{name}{sorted(labels)}": value for (name, labels), value in self.metrics().items()
            if PENDING.fullmatch(name) and not NOT_PENDING.search(name) and value}

    def tail(self):
        return self.log_path.read_text(errors="replace")[-4000:]


class Ended(Exception):
    """The gateway ended or did not start, and nobody had killed it."""


def free_ports(count, random):
    """Below the ephemeral range: while the gateway is down, a client's own port could be its."""
    first_ephemeral = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
    ports = set()
    while len(ports) < count:
        port = random.randrange(10_000, min(first_ephemeral, 60_000))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.add(port)
    return sorted(ports)


def settings(address, admin, downstream, log, database=None):
    """`log` is the section service.log, or None for a binary without one; `database` is where
    PostgreSQL is, if it takes part."""
    retry = {"retry_on_failure": {"initial_interval": "20ms", "max_interval": "300ms"}}
    exporters = {
        "otlp_http": {"endpoint": downstream.url, "timeout": "1s", "compression": "none", **retry},
        "file": {"path": "lines.json", **retry},
        # Nothing may go by age or size: what is gone would count as lost.
        "sqlite": {"path": "store.db", "retention": {"max_age": "0", "max_size": "0"}, **retry},
    }
    if database is not None:
        exporters["postgres"] = {
            "connection": database, "connect_timeout": "5s", "statement_timeout": "20s",
            "transaction": {"max_wait": "20ms"}, "maintenance_interval": "5s", **retry}
    whole = configuration(exporters, http={"endpoint": "%s:%d" % address})
    reader, = whole["service"]["telemetry"]["metrics"]["readers"]
    reader["pull"]["exporter"]["prometheus"]["port"] = admin[1]
    if log is not None:
        whole["service"]["log"] = log
    return whole
