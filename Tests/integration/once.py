"""For the tests of "once": numbered telemetry under load, what became of it in PostgreSQL, and a
network that holds a COMMIT back."""

import collections
import contextlib
import pathlib
import random
import shutil
import socket
import struct
import sys
import threading
import time

import otlp
from client import Connection, head_and_body
from sluice import ROOT, configuration, run, wait_until

sys.path.append(str(ROOT / "Tests/crash"))

import destinations  # noqa: E402
import items  # noqa: E402

# Items that no client sent, or that were refused and are there.
NOBODYS = "nobody's"
RETRY = {"initial_interval": "20ms", "max_interval": "200ms"}
# Far below what a person would set: the tests make what these wait for.
TIMEOUTS = {"connect_timeout": "5s", "statement_timeout": "20s", "lock_timeout": "5s"}


def settings(database, port=0, **exporter):
    """A gateway with one exporter, named `postgres`; `transaction` and the like replace keys."""
    made = configuration(
        {"postgres": {
            "connection": database if isinstance(database, str) else database.dsn(),
            "maintenance_interval": "1h", "retry_on_failure": RETRY,
            "transaction": {"max_rows": 400, "max_wait": "20ms"}, **TIMEOUTS, **exporter}},
        http={"endpoint": f"127.0.0.1:{port}"})
    made["service"]["log"] = {
        "directory": "data", "durability": "fsync", "max_size": "1GiB", "disk_reserve": "4MiB",
        "segment_size": "1MiB", "retain": "1h"}
    return made


class Sent:
    """One request; `outcome` is acknowledged, unanswered or refused."""

    def __init__(self, signal, client, first, count):
        self.signal, self.client, self.first, self.count = signal, client, first, count
        self.outcome = None


class Load:
    """Clients that send until `stop`. A request without an answer is never sent again, so that
    every item has to be there at most once."""

    clients = 0

    def __init__(self, address, clients=2, per_second=150):
        """`address` is asked each time: the gateway may have ended."""
        self.address = address if callable(address) else lambda: address
        self.sent = []
        self._stopping = threading.Event()
        self._pause = clients / per_second
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self.stop()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self):
        number = Load.clients = Load.clients + 1
        draw = random.Random(number)
        sequence, connection = 0, None
        while not self._stopping.wait(self._pause):
            signal = draw.choice(otlp.SIGNALS)
            count = draw.randint(1, 40)
            sent = Sent(signal, number, sequence, count)
            try:
                if connection is None:
                    connection = Connection(self.address(), timeout=20)
                self.sent.append(sent)
                sequence += count
                sent.outcome = post(connection, sent)
            except (OSError, EOFError):
                if sent in self.sent[-10:]:
                    sent.outcome = "unanswered"
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def acknowledged(self):
        return sum(sent.count for sent in self.sent if sent.outcome == "acknowledged")


def post(connection, sent, started_at=None):
    """Spans may be given the time of their start, in nanoseconds since 1970."""
    message = items.request(sent.signal, sent.client, sent.first, sent.count)
    if started_at:
        for span in message.resource_spans[0].scope_spans[0].spans:
            span.start_time_unix_nano, span.end_time_unix_nano = started_at, started_at + 1000
    connection.send(head_and_body(f"/v1/{sent.signal}", message.SerializeToString()))
    status = connection.response().status
    assert status in (200, 429, 503), status
    return "acknowledged" if status == 200 else "refused"


def send(gateway, requests=30, count=20, signals=otlp.SIGNALS, after=(), started_at=None):
    """So many requests one after the other, all acknowledged. Returns what was sent.

    `after` is what was sent before: the same client goes on, so that there are no new resources.
    """
    Load.clients += not after
    client = after[-1].client if after else Load.clients
    sent = []
    connection = Connection(gateway.address, timeout=20)
    for number in range(len(after), len(after) + requests):
        each = Sent(signals[number % len(signals)], client, number * count, count)
        each.outcome = post(connection, each, started_at)
        assert each.outcome == "acknowledged"
        sent.append(each)
    connection.close()
    return sent


class Verdict:
    """Of all items: how many were acknowledged and are missing, or are there too often."""

    def __init__(self, database, sent):
        copies = destinations.in_postgres(database.dsn(), database.schema)
        counts = collections.Counter()
        for each in sent:
            found = copies.of(each.client, each.first, each.count)
            counts[each.outcome] += each.count
            counts["lost"] += found.count(0) if each.outcome == "acknowledged" else 0
            counts["twice"] += sum(number > 1 for number in found)
            # What was refused was not taken.
            counts[NOBODYS] += sum(found) if each.outcome == "refused" else 0
        sequence_ends = collections.defaultdict(int)
        for each in sent:
            sequence_ends[each.client] = max(
                sequence_ends[each.client], each.first + each.count)
        counts[NOBODYS] += copies.bogus + copies.beyond(sequence_ends)
        self.rows, self.counts = copies.total, counts

    @property
    def is_clean(self):
        return not (self.counts["lost"] or self.counts["twice"] or self.counts[NOBODYS])

    def __str__(self):
        return (f"{self.counts['acknowledged']} acknowledged, {self.counts['unanswered']} "
                f"unanswered, {self.rows} rows: {self.counts['lost']} lost, "
                f"{self.counts['twice']} twice, {self.counts[NOBODYS]} {NOBODYS}")


def judge(database, sent, what=""):
    verdict = Verdict(database, sent)
    print(f"{what or 'verdict'}: {verdict}")
    assert verdict.counts["acknowledged"], "nothing was acknowledged: this shows nothing"
    assert verdict.is_clean, str(verdict)
    return verdict


def pending(gateway):
    return sum(
        value for (name, _), value in gateway.metrics().items()
        if name == "otelcol_exporter_queue_size")


def wait_until_drained(gateway, seconds=60):
    """Twice: a lot may be between two places."""
    for _ in range(2):
        wait_until(lambda: pending(gateway) == 0, seconds, 0.1, "an empty queue")


def wait_until_stuck(database, condition, seconds=20, count=1):
    """The process ids of backends for which this part of a WHERE holds."""
    def backends():
        rows = database.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            f" AND pid <> pg_backend_pid() AND {condition}")
        return [pid for pid, in rows] if len(rows) >= count else None
    return wait_until(backends, seconds, what=f"{count} backends with {condition}")


def replay(gateway, *arguments):
    return run("log", "replay", "--from", "1h ago", "--to", "now", "--exporter", "postgres",
               "--data-dir", gateway.directory / "data", *arguments, timeout=60)


# -- A network that is slow, cut, or both

class Held:
    """A COMMIT that has left the gateway and is on its way."""

    def __init__(self, pipe, message):
        self._pipe, self._message = pipe, message

    def cut(self):
        """The gateway finds its connection reset."""
        reset(self._pipe.client)

    def deliver(self, loses_answer=False):
        """The server gets it; its answer goes nowhere, too, if the gateway's side is cut."""
        self._pipe.swallows_answers = loses_answer
        with contextlib.suppress(OSError):
            self._pipe.server.sendall(self._message)
        self._pipe.resume()


def reset(connection):
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        connection.close()


class Pipe:
    """One connection through the proxy."""

    # The client's first message has no type; the password's exchange has its own.
    HEAD = struct.Struct("!cI")

    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.server = socket.create_connection(proxy.server)
        for each in (self.client, self.server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._is_open = threading.Event()
        self._is_open.set()
        self.swallows_answers = False
        for target in (self._forward, self._back):
            threading.Thread(target=target, daemon=True).start()

    def resume(self):
        self._is_open.set()

    def _forward(self):
        with contextlib.suppress(OSError, EOFError), self.client.makefile("rb") as reader:
            self._start_up(reader)
            while True:
                head = read(reader, self.HEAD.size)
                kind, length = self.HEAD.unpack(head)
                message = head + read(reader, length - 4)
                if kind == b"Q" and self.proxy.wants(message):
                    self._is_open.clear()
                    self.proxy.hold(Held(self, message))
                    self._is_open.wait()
                    continue
                self.server.sendall(message)
        # What was held keeps the server's side open.
        self._is_open.wait()
        if not self.proxy.keeps_server_side:
            reset(self.server)

    def _start_up(self, reader):
        while True:
            head = read(reader, 4)
            length, = struct.unpack("!I", head)
            message = head + read(reader, length - 4)
            self.server.sendall(message)
            # SSLRequest and GSSENCRequest are answered with a byte, and then comes another.
            if length != 8:
                return

    def _back(self):
        with contextlib.suppress(OSError):
            while piece := self.server.recv(1 << 16):
                if not self.swallows_answers:
                    with contextlib.suppress(OSError):
                        self.client.sendall(piece)
        if not self.swallows_answers:
            reset(self.client)


def read(reader, count):
    data = reader.read(count)
    if len(data) < count:
        raise EOFError
    return data


class Proxy:
    """Between a gateway and PostgreSQL. While `hold_commits` is above 0, so many of the exporter's
    COMMITs are held, and appear in `held`."""

    def __init__(self, server):
        self.server = ("127.0.0.1", server.port)
        self.hold_commits = 0
        self.held = []
        self.pipes = []
        # Whether a connection that the client has lost stays open at the server's end.
        self.keeps_server_side = False
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def dsn(self, database):
        return database.dsn().replace(f"port={database.server.port}", f"port={self.port}") \
            + " sslmode=disable gssencmode=disable"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    self.pipes.append(Pipe(self, client))
                except OSError:
                    reset(client)

    def wants(self, message):
        if b"ingested" not in message or not message.endswith(b"COMMIT\0"):
            return False
        with self._lock:
            self.hold_commits -= 1
            return self.hold_commits >= 0

    def hold(self, held):
        with self._lock:
            self.held.append(held)

    def wait_for_held(self, count=1, seconds=20):
        wait_until(lambda: len(self.held) >= count, seconds, what=f"{count} COMMITs on the way")
        return self.held[:count]

    def close(self):
        reset(self._listener)
        for pipe in self.pipes:
            pipe.resume()
            reset(pipe.client)
            reset(pipe.server)


def copy_directory(gateway, path):
    """The gateway's data in another directory, as a restored backup or a cloned machine has it."""
    path = pathlib.Path(path)
    path.mkdir(parents=True)
    shutil.copytree(gateway.directory / "data", path / "data",
                    ignore=shutil.ignore_patterns("*.sock", "control", "lock"))
    return path


def pause_a_while(seconds):
    """For what is to happen at a random moment of a load, not for a condition."""
    time.sleep(seconds)
