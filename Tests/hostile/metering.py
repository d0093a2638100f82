"""CPU time of one request on one path, beside that of ordinary telemetry.

Time on the processors of all the gateway's threads, from before the request until it is delivered:
never time on the wall, which others on the machine decide.
"""

import dataclasses
import os
import time

import client
import ordinary
import postgres
from cage import CagedSluice

# An item counts as at least so many bytes.
ITEM_BYTES = 32
FACTOR_MAX = 10
# What the log's keeper, a commit that fell on a busy disk and the like may add to a measurement.
NOISE_NANOSECONDS = 500_000
QUIET_SECONDS = 0.01
QUIET_NANOSECONDS = 200_000
ORDINARY_BYTES = 1 << 20
ORDINARY_REQUESTS = 3
# One small request says little by itself.
SMALL_BYTES = 16 << 10
SMALL_REQUESTS = 10
TIMEOUT_SECONDS = 100

TYPES = {"protobuf": "application/x-protobuf", "json": "application/json"}


def headers(p):
    fields = {} if p.container == "identity" else {"Content-Encoding": p.container}
    # Several of the same name, as one has a longest length.
    return [*fields.items(), *([("X-Tenant", "t" * min(p.header, 8000))] * (-(-p.header // 8000)))]


@dataclasses.dataclass
class Measured:
    status: int
    nanoseconds: int
    wire_bytes: int
    plain_bytes: int
    items: int
    header_bytes: int = 0
    peak_bytes: int = 0
    # Times the bound; above 1 it is broken.
    score: float = 0.0

    @property
    def counted_bytes(self):
        """By what the bound goes. Empty members and frames are read too, though they hold nothing."""
        return max(self.plain_bytes, self.wire_bytes, ITEM_BYTES * self.items) + self.header_bytes

    def __str__(self):
        return (f"{self.nanoseconds / 1e6:.1f} ms CPU for {self.wire_bytes} B on the wire,"
                f" {self.plain_bytes} B plain, {self.items} items;"
                f" peak {self.peak_bytes >> 20} MiB; answered {self.status}")


class Meter:
    """A gateway with one path."""

    def __init__(self, path, directory):
        self.path, self.directory = path, directory
        self.destination = path.destination()
        self.database = None
        self.gateway = None
        self.connection = None
        self._ordinary = {}
        self._starts = 0

    def __enter__(self):
        if self.path.has_database:
            self.database = postgres.Server().database(applied=False)
        self.start()
        return self

    def __exit__(self, *exception):
        if self.connection:
            self.connection.close()
        if self.gateway:
            self.gateway.kill()
        if self.destination:
            self.destination.close()
        if self.database:
            self.database.close()
            self.database.server.close()

    def start(self):
        self._starts += 1
        url = self.destination.url if self.destination else None
        connection = self.database.dsn() if self.database else None
        self.gateway = CagedSluice(
            self.directory / f"start-{self._starts}", self.path.configuration(url, connection),
            env={**os.environ, **self.path.env})

    def restart(self):
        """On a directory of its own: what ended the last one must not end this one."""
        self.connection = None
        self.gateway.kill()
        self.start()

    def send(self, p, body):
        data = client.head_and_body(
            f"/v1/{p.signal}", body, TYPES[p.encoding], headers=headers(p))
        for is_last in (False, True):
            try:
                if self.connection is None:
                    self.connection = client.Connection(self.gateway.address, TIMEOUT_SECONDS)
                self.connection.send(data)
                answer = self.connection.response()
            except (OSError, EOFError):
                # Closed between requests, or refused early while the body was being sent.
                self.connection = None
                self.gateway.must_live()
                if is_last:
                    return 0
                continue
            if answer.header("Connection") == "close":
                self.connection.close()
                self.connection = None
            return answer.status

    def measure(self, p, body, plain_bytes, items):
        gateway = self.gateway
        gateway.forget_peak()
        before = gateway.cpu_nanoseconds()
        status = self.send(p, body)
        spent = self._settled() - before
        self._clean()
        return Measured(
            status, spent, len(body), plain_bytes, items, p.header, peak_bytes=gateway.peak_memory())

    def _settled(self):
        """The clock when all was delivered, without the time that asking for it took."""
        asking = 0
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            before = self.gateway.cpu_nanoseconds()
            time.sleep(QUIET_SECONDS)
            self.gateway.must_live()
            now = self.gateway.cpu_nanoseconds()
            if now - before < QUIET_NANOSECONDS:
                pending = self.gateway.pending()
                asked = self.gateway.cpu_nanoseconds() - now
                if pending == 0:
                    return now - asking
                asking += asked
                if time.monotonic() > deadline:
                    raise AssertionError(f"{pending} items are not delivered:"
                                         f"\n{self.gateway.tail()}")

    def _clean(self):
        """What a print-out holds is nobody's; the disk is small."""
        for directory in self.directory.glob("start-*/debug.txt"):
            if directory.stat().st_size > 64 << 20:
                with directory.open("r+b") as file:
                    file.truncate(0)

    def ordinary(self, p):
        """What ordinary telemetry of this signal, encoding and container costs on this path: the
        nanoseconds of a request of one item, which are the fixed part, and those of a byte."""
        key = (p.signal, p.encoding, p.container)
        if key not in self._ordinary:
            self._ordinary[key] = tuple(
                self._median(p, ordinary.body(*key, size), requests) / divisor
                for size, requests, divisor in (
                    (0, SMALL_REQUESTS, 1),
                    (ORDINARY_BYTES, ORDINARY_REQUESTS, ordinary.body(*key, ORDINARY_BYTES)[1])))
        return self._ordinary[key]

    def _median(self, p, body, requests):
        self.measure(p, *body)
        measured = sorted(self.measure(p, *body).nanoseconds for _ in range(requests))
        return measured[len(measured) // 2]

    def try_out(self, p):
        fixed, rate = self.ordinary(p)
        body = p.body()
        measured = self.measure(p, *body)
        if measured.counted_bytes < SMALL_BYTES:
            for _ in range(SMALL_REQUESTS - 1):
                measured.nanoseconds += self.measure(p, *body).nanoseconds
            measured.nanoseconds //= SMALL_REQUESTS
        measured.score = measured.nanoseconds / (
            NOISE_NANOSECONDS + FACTOR_MAX * (fixed + rate * measured.counted_bytes))
        return measured
