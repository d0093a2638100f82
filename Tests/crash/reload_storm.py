"""Reloads without end, under load: `make reload-storm RELOADS=10000`.

Each reload removes an exporter with a backlog, puts it back, replaces it or moves it to other
pipelines; its destination is up, slow, silent or refusing by turns. In the end the gateway must
live, every acknowledged item must have arrived, and the accounts must meet.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ITEM = re.compile(rb"#(\d{8})#")


class Destination:
    """Takes OTLP over HTTP, or doesn't, by `mode`."""

    def __init__(self):
        self.mode = "ok"
        self.got = set()
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.mode == "slow":
                    time.sleep(0.02)
                status = 503 if outer.mode == "refusing" else 200
                if status == 200:
                    with outer.lock:
                        outer.got.update(int(item) for item in ITEM.findall(body))
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def field(number, payload):
    head, size = bytes([number << 3 | 2]), len(payload)
    while size > 0x7F:
        head += bytes([size & 0x7F | 0x80])
        size >>= 7
    return head + bytes([size]) + payload


def log_records(numbers):
    records = b"".join(field(2, field(5, field(1, b"#%08d#" % n))) for n in numbers)
    return field(1, field(2, records))


class Storm:
    def __init__(self, seed, directory):
        self.random = random.Random(seed)
        self.directory = directory
        self.destination = Destination()
        self.sent = 0
        self.acknowledged = set()
        self.process = None
        self.log = directory / "gateway.log"

    def configuration(self, exporter, pipelines):
        """`exporter`: a number that makes it another one; None for none."""
        exporters = {"nop": {}}
        if exporter is not None:
            exporters["otlp_http"] = {
                "endpoint": f"http://127.0.0.1:{self.destination.port}",
                "compression": "none",
                "headers": {"version": str(exporter)},
                "sending_queue": {"num_consumers": 1 + exporter % 4, "batch": {
                    "min_size": 0, "max_size": 5, "flush_timeout": "10ms"}},
                "retry_on_failure": {"initial_interval": "100ms", "max_interval": "200ms"},
            }
        return {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": self.address}}}},
            "exporters": exporters,
            "service": {
                "log": {"directory": "data", "retain": "0s"},
                "telemetry": {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": {
                    "host": "127.0.0.1", "port": self.admin}}}}]}},
                "pipelines": {
                    f"logs/{name}": {
                        "receivers": ["otlp"],
                        "exporters": ["nop"] + (
                            ["otlp_http"] if exporter is not None and name in pipelines else []),
                    } for name in ("a", "b")},
            },
        }

    def write(self, configuration):
        path = self.directory / "configuration.yaml"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(configuration))
        temporary.rename(path)

    def start(self):
        self.address, self.admin = f"127.0.0.1:{free_port()}", free_port()
        self.write(self.configuration(1, "ab"))
        self.process = subprocess.Popen(
            [os.environ["SLUICE"], "run", "--config", "configuration.yaml"],
            cwd=self.directory, stdout=subprocess.DEVNULL, stderr=self.log.open("ab"))
        wait_for(lambda: self.get("/ready"), "the start")

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as answer:
                return answer.read()
        except OSError:
            return None

    def send(self):
        numbers = range(self.sent, self.sent + 3)
        self.sent += 3
        request = urllib.request.Request(
            f"http://{self.address}/v1/logs", log_records(numbers),
            {"Content-Type": "application/x-protobuf"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return numbers if answer.status == 200 else ()
        except OSError:
            return ()

    def load(self, stop):
        while not stop.is_set():
            self.acknowledged.update(self.send())

    def reloads(self):
        return self.log.read_bytes().count(b"configuration reloaded")

    def reload(self, configuration):
        """Returns when it is done, or at once: both have found faults."""
        before = self.reloads()
        self.write(configuration)
        self.process.send_signal(signal.SIGHUP)
        if self.random.random() < 0.2:
            return time.sleep(self.random.random() * 0.004)
        wait_for(lambda: self.reloads() > before or self.process.poll() is not None, "a reload")

    def run(self, reloads):
        self.start()
        stop = threading.Event()
        loader = threading.Thread(target=self.load, args=[stop])
        loader.start()
        began = time.monotonic()
        for number in range(reloads):
            if self.process.poll() is not None:
                break
            if number % 10 == 0:
                self.destination.mode = self.random.choice(["ok", "ok", "slow", "refusing"])
            # The exporter is gone for no longer than one reload, and while it is one pipeline
            # keeps it, so that every item is for it.
            exporter = self.random.choice([1, 1, 2, 3])
            pipelines = self.random.choice(["ab", "a", "b"])
            self.reload(self.configuration(exporter, pipelines))
            if number % 500 == 499:
                print(f"{number + 1} reloads, {len(self.acknowledged)} items", flush=True)
            if self.random.random() < 0.3:
                self.reload(self.configuration(None, ""))
        stop.set()
        loader.join()
        return self.finish(time.monotonic() - began)

    def finish(self, seconds):
        self.destination.mode = "ok"
        faults = []
        if self.process.poll() is not None:
            return [f"the gateway ended with {self.process.returncode}: {self.log}"]
        self.reload(self.configuration(1, "ab"))

        def pending():
            flow = json.loads(self.get("/flow") or b"{}")
            return [e["pending"]["items"] for p in flow.get("pipelines", [])
                    for e in p["exporters"]] or [1]

        wait_for(lambda: sum(pending()) == 0, "the rest to be delivered", seconds=120)
        flow = json.loads(self.get("/flow"))
        if not flow["balanced"]:
            faults.append(f"the accounts do not meet: {flow}")
        # An item is for the exporter if a pipeline had it when the item came. Both pipelines get
        # each, so that one that came to neither was sent while the exporter was gone.
        exported = sum(e["exported"] for p in flow["pipelines"] for e in p["exporters"]
                       if e["exporter"] == "otlp_http")
        print(f"{self.reloads()} reloads in {seconds:.0f} s, {len(self.acknowledged)} items "
              f"acknowledged, {len(self.destination.got)} arrived, {exported} exported")
        self.process.terminate()
        if self.process.wait(timeout=60) != 0:
            faults.append(f"it stopped with {self.process.returncode}")
        return faults


def free_port():
    import socket
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds} s in vain for {what}")
        time.sleep(0.002)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reloads", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="sluice-storm-") as directory:
        storm = Storm(options.seed, Path(directory))
        try:
            faults = storm.run(options.reloads)
        finally:
            if storm.process and storm.process.poll() is None:
                storm.process.kill()
        for fault in faults:
            print(fault)
        if faults:
            print(storm.log.read_text(errors="replace")[-3000:])
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
