"""What comes to the doors: slow clients, floods, heads, resets, and those who never read."""

import contextlib
import json
import os
import socket
import struct
import time

import numbered
from lab import case, comes_back
from sluice import configuration, wait_until

PLAIN = {"nop": {}}
HEAD = b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
WHOLE = b"%sContent-Length: %d\r\n\r\n%s" % (
    HEAD, len(numbered.request("logs", ["900:1"])), numbered.request("logs", ["900:1"]))
SMALL, LARGE = 0, 300_000


def opened(lab, address, count, data=b"", source=lambda number: f"127.0.0.{2 + number % 4}"):
    """Connections from some loopback addresses, which stay as they are."""
    connections = []
    for number in range(count):
        one = lab.closing(socket.socket())
        one.settimeout(5)
        try:
            one.bind((source(number), 0))
            one.connect(address)
            if data:
                one.sendall(data)
        except OSError:
            continue
        connections.append(one)
    return connections


def close_all(connections):
    for one in connections:
        one.close()


def hold_bodies(lab, gateway, total=64 << 20):
    """Three clients that have sent all but the last bytes of what the budget can hold."""
    for length, sent in ((total, total - 4096), (total, total - 4096), (9000, 8100)):
        one, = opened(lab, gateway.address, 1, source=lambda _: "127.0.0.2")
        with contextlib.suppress(OSError):
            one.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % length)
            block = bytes(1 << 20)
            for at in range(0, sent, len(block)):
                one.sendall(block[:sent - at])
        yield one


@case
def three_slow_clients_shut_nobody_out(lab):
    gateway = lab.gateway(configuration(PLAIN))
    slow = list(hold_bodies(lab, gateway))
    statuses = {}
    for name, source in (("another", "127.0.0.9"), ("the same", "127.0.0.2")):
        client = lab.client(gateway, source)
        for size in (SMALL, LARGE):
            statuses[name, size] = [client.send("logs", 1, size) for _ in range(5)]
    lab.say(f"{statuses}")
    assert all(status == 200 for status in statuses["another", SMALL]), statuses
    assert all(status == 200 for status in statuses["another", LARGE]), statuses
    # A part for small bodies is nobody's share.
    assert all(status == 200 for status in statuses["the same", SMALL]), statuses
    close_all(slow)
    wait_until(lambda: lab.client(gateway, "127.0.0.2").send("logs", 1, LARGE) == 200, 10, 0.1,
               "room after they have gone")


@case(is_long=True)
def slow_bodies_have_an_end(lab):
    """A byte every few seconds is no way to hold a body, a trailer or what is skipped for ever."""
    gateway = lab.gateway(configuration(PLAIN))
    length = HEAD + b"Content-Length: 1000000\r\n\r\n"
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    drips = {
        "body": (length + bytes(10), b"\0"),
        "chunks": (chunked, b"1\r\n\0\r\n"),
        "chunk's extension": (chunked + b"1;", b"a"),
        "trailers": (chunked + b"0\r\n", b"X: y\r\n"),
        "skipped body": (length.replace(b"/v1/logs", b"/nowhere") + bytes(10), b"\0"),
        "head": (HEAD, b"X: y\r\n"),
    }
    open_still = {name: opened(lab, gateway.address, 1, data)[0]
                  for name, (data, _) in drips.items()}
    started, ended = time.monotonic(), {}
    while open_still and time.monotonic() - started < 150:
        for name, one in list(open_still.items()):
            if has_ended(one, drips[name][1]):
                ended[name] = round(time.monotonic() - started)
                del open_still[name]
        time.sleep(1)
    lab.say(f"ended after seconds: {ended}")
    assert not open_still, f"open after 150 s: {list(open_still)}"


def has_ended(one, drip):
    try:
        one.sendall(drip)
        one.settimeout(0.01)
        while True:
            if not one.recv(1 << 16):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True


@case
def heads_of_many_connections_stay_in_bounds_and_are_given_back(lab):
    gateway = lab.gateway(configuration(PLAIN))
    before = gateway.memory()
    fields = b"".join(b"x%02d: %s\r\n" % (number, b"a" * 640) for number in range(96))
    count = 8000 if lab.is_long else 1500
    held = opened(lab, gateway.address, count, HEAD + fields)
    assert lab.client(gateway).send() == 200, "an ordinary client is not served"
    peak = gateway.peak_memory()
    close_all(held)
    idle = comes_back(gateway, before)
    lab.say(f"{len(held)} heads of {len(HEAD + fields)} B: peak {peak >> 20} MiB, idle"
            f" {idle >> 20}, before {before >> 20}")


@case
def half_heads_and_idle_connections_are_given_back(lab):
    gateway = lab.gateway(configuration(PLAIN))
    before, descriptors = gateway.memory(), gateway.descriptors()
    count = 8000 if lab.is_long else 800
    held = opened(lab, gateway.address, count)
    held += opened(lab, gateway.address, count, HEAD + b"X: " + b"a" * 3000)
    held += opened(lab, gateway.address, count, HEAD + b"Content-Length: 65536\r\n\r\n\0")
    assert lab.client(gateway).send() == 200
    close_all(held)
    comes_back(gateway, before)
    wait_until(lambda: gateway.descriptors() <= descriptors + 2, 10, what="descriptors back")


@case
def without_descriptors_admin_and_log_go_on(lab):
    downstream = lab.destination()
    gateway = lab.gateway(configuration({
        "otlp_http": {"endpoint": downstream.url}, "sqlite": {"path": "store.db"}}),
        prefix=["prlimit", "--nofile=160:160"])
    client = lab.client(gateway)
    assert client.send() == 200
    held = opened(lab, gateway.address, 400)
    time.sleep(0.2)
    before = gateway.cpu_nanoseconds()
    assert [client.send() for _ in range(5)] == [200] * 5, "who was there is not served"
    assert gateway.get("/health")[0] == 200
    assert gateway.get("/ready")[0] in (200, 503)
    time.sleep(0.5)
    spent = (gateway.cpu_nanoseconds() - before) / 1e9
    assert spent < 0.25, f"{spent:.2f} s of CPU in half a second of waiting"
    close_all(held)
    wait_until(lambda: lab.client(gateway).send() == 200, 10, 0.1, "recovery")
    gateway.settle()
    assert not client.all_acknowledged() - downstream.received()


@case
def resets_leave_nothing_behind(lab):
    gateway = lab.gateway(configuration(PLAIN))
    before, descriptors = gateway.memory(), gateway.descriptors()
    pieces = [b"", WHOLE, WHOLE[:50], WHOLE * 10, WHOLE[:-3], b"\x16\x03\x01",
              HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
              HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"]
    count = 20_000 if lab.is_long else 1500
    for number in range(count):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                one.connect(gateway.address)
                one.sendall(pieces[number % len(pieces)])
    wait_until(lambda: gateway.descriptors() <= descriptors + 2, 10, what="descriptors back")
    assert lab.client(gateway).send() == 200
    comes_back(gateway, before)


@case
def who_never_reads_holds_little(lab):
    gateway = lab.gateway(configuration(PLAIN))
    before = gateway.memory()
    held = []
    for _ in range(400 if lab.is_long else 100):
        one = lab.closing(socket.socket())
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        one.settimeout(0.02)
        with contextlib.suppress(OSError):
            one.connect(gateway.address)
            for _ in range(20):
                one.sendall(WHOLE * 50)
        held.append(one)
    assert lab.client(gateway).send() == 200
    close_all(held)
    comes_back(gateway, before)


@case
def a_flood_of_the_admin_port_hurts_neither_probes_nor_ingest(lab):
    gateway = lab.gateway(configuration(PLAIN))
    client = lab.client(gateway)
    idle = opened(lab, gateway.admin, 300)
    for one in idle[:100]:
        one.settimeout(0.02)
        with contextlib.suppress(OSError):
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
    assert [client.send() for _ in range(10)] == [200] * 10
    # A liveness probe opens a connection of its own each time.
    answers = [gateway.get("/health")[0] for _ in range(3)]
    assert answers == [200] * 3, answers
    close_all(idle)


@case
def bytes_in_single_chunks_and_many_small_requests_stay_in_proportion(lab):
    gateway = lab.gateway(configuration(PLAIN))
    body = numbered.request("logs", [f"900:{number}" for number in range(40)])
    single = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    whole = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + single + b"0\r\n\r\n"
    plain = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    costs = {}
    for name, data in (("whole", plain), ("bytes", whole)):
        connection = lab.closing(numbered.connect(gateway.address))
        for is_counted in (False, True):
            before = gateway.cpu_nanoseconds()
            for _ in range(50):
                connection.send(data)
                assert connection.response().status == 200
            if is_counted:
                costs[name] = (gateway.cpu_nanoseconds() - before) / 50
    lab.say(f"a request of {len(body)} B: {costs['whole'] / 1000:.0f} us whole,"
            f" {costs['bytes'] / 1000:.0f} us in chunks of a byte ({len(whole)} B)")
    # By what came over the wire, which is six times as much.
    assert costs["bytes"] < 10 * costs["whole"], costs


@case
def foreign_protocols_are_refused_and_cost_nothing(lab):
    gateway = lab.gateway(configuration(PLAIN))
    descriptors = gateway.descriptors()
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(508),
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), b"SSH-2.0-x\r\n",
                 b"GET / HTTP/0.9\r\n\r\n", b"\0" * 5000, b"\r\n" * 5000,
                 b"POST /v1/logs HTTP/1.1\r\n" + b"a" * 70_000,
                 HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
                 HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                 HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
                 HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 50_000):
        one, = opened(lab, gateway.address, 1)
        with contextlib.suppress(OSError):
            one.sendall(data)
            one.settimeout(0.2)
            one.recv(1 << 16)
        one.close()
    gateway.must_live()
    assert lab.client(gateway).send() == 200
    wait_until(lambda: gateway.descriptors() <= descriptors + 2, 10, what="descriptors back")


@case
def closed_standard_streams_are_no_sockets(lab):
    """Started without them, what is written to the log must not go to a client."""
    gateway = lab.gateway(configuration(PLAIN), prefix=["sh", "-c", 'exec "$0" "$@" <&-'])
    assert lab.client(gateway).send() == 200
    assert os.readlink(f"/proc/{gateway.process.pid}/fd/0").startswith("/dev/null")


@case
def a_flood_of_faults_does_not_flood_the_log(lab):
    """What a client does wrong is logged, not each time, and it can't forge a line."""
    gateway = lab.gateway(configuration(PLAIN))
    before = gateway.log_path.stat().st_size
    faults = [
        b"POST /nowhere/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % (b"\x1b[2J" * 200),
        b'GET /"},{"level":"error"} HTTP/1.1\r\nHost: x\r\n\r\n',
        HEAD + b"Content-Length: 3\r\n\r\n\xff\xff\xff", HEAD + b"Content-Length: x\r\n\r\n",
        b"\xff\xfe\0\r\n\r\n", HEAD + b"Content-Encoding: \xff\x1b\r\nContent-Length: 1\r\n\r\nx"]
    count = 3000 if lab.is_long else 600
    for number in range(count):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.settimeout(2)
            one.connect(gateway.address)
            one.sendall(faults[number % len(faults)])
            one.recv(1 << 16)
    added = gateway.log_path.read_bytes()[before:]
    lines = added.decode(errors="strict").splitlines()
    for line in lines:
        json.loads(line)
    assert not any(ord(character) < 32 for line in lines for character in line)
    lab.say(f"{len(lines)} lines, {len(added)} bytes for {count} faults")
    assert len(added) < count * 100, f"{len(added)} bytes of log for {count} faults"
    parse_metrics(gateway)


def parse_metrics(gateway):
    """What clients sent has not broken the exposition."""
    assert gateway.metrics()


@case
def it_ends_in_time_although_clients_hold_on(lab):
    gateway = lab.gateway(
        configuration(PLAIN, limits={"shutdown_timeout": "1s"}), is_ended_by_case=True)
    client = lab.client(gateway)
    assert client.send() == 200
    held = opened(lab, gateway.address, 20, HEAD + b"Content-Length: 100000\r\n\r\n" + bytes(9000))
    held += opened(lab, gateway.address, 20, HEAD)
    held += opened(lab, gateway.admin, 20, b"GET /metrics HTTP/1.1\r\n")
    started = time.monotonic()
    gateway.end()
    seconds = time.monotonic() - started
    lab.say(f"{seconds:.1f} s")
    assert seconds < 4, f"{seconds:.1f} s"
    close_all(held)


@case
def many_addresses_are_forgotten(lab):
    """A share for each peer is no reason to remember every peer that there ever was."""
    gateway = lab.gateway(configuration(PLAIN))
    before, samples = gateway.memory(), len(gateway.metrics())
    count = 20_000 if lab.is_long else 1500
    for number in range(count):
        with contextlib.suppress(OSError):
            one = numbered.connect(
                gateway.address, f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}")
            one.send(WHOLE)
            assert one.response().status == 200
            one.close()
    comes_back(gateway, before)
    more = len(gateway.metrics()) - samples
    assert more < 20, f"{more} metrics more than before"
