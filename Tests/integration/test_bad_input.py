"""Whatever clients and destinations do: it is answered, logged once, counted; the gateway stays up
and its memory stays flat."""

import functools
import gzip
import json
import random
import resource
import socket
import subprocess
import threading
import time
import zlib
from signal import SIGTERM

import pytest
import zstandard

import client
import otlp
from client import head_and_body, post
from otlp import JSON
from sink import HANG, OK, RESET, Answer, Sink
from sluice import BINARY, address, configuration, wait_until, write_configuration

MEBIBYTE = 1 << 20
QUICK = {"read_header_timeout": "300ms", "idle_timeout": "300ms"}


@pytest.fixture
def gateway(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    assert post(gateway, "/v1/traces").status == 200
    yield gateway
    # Still in service, for new clients and on the port for probes.
    assert gateway.process.poll() is None
    assert client.export(gateway, "traces", otlp.spans()).is_full_success("traces")
    assert gateway.ready()[0] == 200


@pytest.fixture
def flat(gateway):
    """Fails where the gateway needed more than `mebibytes` on top at any moment of the test."""

    class Flat:
        mebibytes = 16

    limit = Flat()
    gateway.forget_peak()
    before = gateway.memory()
    yield limit
    grown = (gateway.peak_memory() - before) / MEBIBYTE
    assert grown < limit.mebibytes, f"memory grew by {grown:.1f} MiB"


def refused_count(gateway, status):
    return gateway.metric(
        "http_server_request_duration_seconds_count", http_response_status_code=str(status))


def logged(gateway, status):
    """The line about it, whatever its words; there may be no second within its window."""
    return gateway.log(status=status)


# -- Requests that never end, or never begin

def test_half_requests_are_forgotten(gateway, flat, connect):
    whole = head_and_body("/v1/traces", otlp.spans().SerializeToString())
    for length in range(len(whole)):
        connection = connect(gateway.address)
        connection.send(whole[:length])
        connection.close()
    # Promised bodies take no memory before they arrive.
    for _ in range(200):
        connect(gateway.address).send(head_and_body(
            "/v1/traces", headers={"Content-Length": str(64 * MEBIBYTE)}, has_length=False))


def test_half_requests_whose_client_stops_sending_are_closed(gateway, connect):
    whole = head_and_body("/v1/traces", otlp.spans().SerializeToString())
    for length in (0, 1, 30, len(whole) - 1):
        connection = connect(gateway.address)
        connection.send(whole[:length])
        connection.finish_sending()
        assert connection.is_closed()
    # A whole request is answered although the client will send no more.
    connection = connect(gateway.address)
    connection.send(whole)
    connection.finish_sending()
    assert connection.response().is_full_success("traces")
    assert connection.is_closed()


def test_slow_heads_are_cut_off(processes, connect):
    """Slowloris: a header line now and then keeps no connection alive."""
    gateway = processes.sluice(configuration({"nop": {}}, http=QUICK))
    connections = [connect(gateway.address, timeout=5) for _ in range(50)]
    started = time.monotonic()
    for connection in connections:
        connection.send(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
    while time.monotonic() - started < 0.2:
        for connection in connections:
            connection.send(b"X-A: b\r\n")
        time.sleep(0.05)
    for connection in connections:
        assert connection.response().status == 408
        assert connection.is_closed()
    assert time.monotonic() - started < 3
    wait_until(lambda: refused_count(gateway, 408) == 50, what="50 refusals counted")
    assert len(wait_until(lambda: logged(gateway, 408), 2)) == 1


def test_silent_connections_are_closed(processes, connect):
    gateway = processes.sluice(configuration({"nop": {}}, http=QUICK))
    silent, used = connect(gateway.address, timeout=5), connect(gateway.address, timeout=5)
    assert used.request("/v1/traces").status == 200
    assert silent.is_closed() and used.is_closed()
    wait_until(
        lambda: gateway.metric("http_server_open_connections") == 0, what="no connection")


def test_slow_bodies_are_cut_off_by_the_read_timeout(processes, connect):
    gateway = processes.sluice(configuration({"nop": {}}, http={"read_timeout": "300ms"}))
    connection = connect(gateway.address, timeout=5)
    connection.send(head_and_body(
        "/v1/traces", headers={"Content-Length": "1000"}, has_length=False))
    for _ in range(3):
        connection.send(b"x")
        time.sleep(0.05)
    assert connection.response().status == 408
    assert connection.is_closed()


def test_clients_that_do_not_read_their_answers_are_cut_off(processes, connect):
    gateway = processes.sluice(configuration({"nop": {}}, http={"write_timeout": "300ms"}))
    gateway.forget_peak()
    before = gateway.memory()
    connection = connect(gateway.address, timeout=5)
    flood = head_and_body("/nowhere") * 1000
    with pytest.raises(ConnectionError):
        for _ in range(1000):
            connection.send(flood)
    assert gateway.peak_memory() - before < 8 * MEBIBYTE
    assert post(gateway, "/v1/traces").status == 200


def test_10_000_idle_connections_cost_little(gateway, flat):
    count = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 500:
        pytest.skip(f"needs {count + 500} file descriptors, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))
    flat.mebibytes = 32
    connections = []
    try:
        for _ in range(count):
            connections.append(socket.create_connection(gateway.address, timeout=10))
        wait_until(
            lambda: gateway.metric("http_server_open_connections") >= count,
            what=f"{count} connections")
        assert client.export(gateway, "traces", otlp.spans()).status == 200
        # They are alive: the first and the last still get an answer.
        for connection in (connections[0], connections[-1]):
            connection.sendall(head_and_body("/v1/traces"))
            assert connection.recv(12) == b"HTTP/1.1 200"
    finally:
        for connection in connections:
            connection.close()
    wait_until(
        lambda: gateway.metric("http_server_open_connections") < 10, what="closed connections")


def test_more_connections_than_descriptors_do_no_lasting_harm(processes, connect):
    gateway = processes.sluice(configuration({"nop": {}}), descriptors=64)
    connections = []
    for _ in range(200):
        connections.append(connect(gateway.address, timeout=2))
    # Those that found a descriptor are served; the loops do not spin on the others.
    assert connections[0].request("/v1/traces").status == 200
    before = gateway.cpu_seconds()
    time.sleep(0.5)
    assert gateway.cpu_seconds() - before < 0.3
    for connection in connections:
        connection.close()
    wait_until(lambda: post(gateway, "/v1/traces").status == 200, what="service again")


# -- Heads

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("flood, status", [
    (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", 414),
    (HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    (HEAD + b"X: y\r\n" * 101 + b"\r\n", 431),
    (HEAD + b"X: y\r\n" * 100_000 + b"\r\n", 431),
    (HEAD + b"a" * 100_000, 431),
], ids=["long target", "long field", "101 fields", "100,000 fields", "endless name"])
def test_header_floods_are_refused(gateway, flat, connect, flood, status):
    for _ in range(20):
        connection = connect(gateway.address)
        try:
            connection.send(flood)
        except OSError:
            pass  # The answer is there before the flood is.
        response = connection.response()
        assert response.status == status
        code, message, _ = response.rpc_status()
        assert code == 3 and message
    wait_until(lambda: refused_count(gateway, status) == 20, what="20 refusals counted")
    assert len(wait_until(lambda: logged(gateway, status), 2)) == 1


MALFORMED = {
    "no request": b"\r\n\r\n\r\nhello\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500) + b"\r\n\r\n",
    "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http 3.0": b"POST /v1/traces HTTP/3.0\r\nHost: x\r\n\r\n",
    "no version": b"POST /v1/traces\r\nHost: x\r\n\r\n",
    "no host": b"POST /v1/traces HTTP/1.1\r\n\r\n",
    "two hosts": HEAD + b"Host: y\r\n\r\n",
    "bare lf": b"POST /v1/traces HTTP/1.1\nHost: x\n\n",
    "folded": HEAD + b"A: b\r\n c\r\n\r\n",
    "space before colon": HEAD + b"A : b\r\n\r\n",
    "no colon": HEAD + b"A\r\n\r\n",
    "control in value": HEAD + b"A: \x00\r\n\r\n",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "hex length": HEAD + b"Content-Length: 0x10\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "list of lengths": HEAD + b"Content-Length: 1, 1\r\n\r\na",
    "length and chunked":
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "absurd version": b"POST /v1/traces FTP/1.1\r\nHost: x\r\n\r\n",
    "spaces": b"POST  /v1/traces  HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_heads_are_refused_and_the_connection_closed(gateway, connect, name):
    connection = connect(gateway.address)
    connection.send(MALFORMED[name])
    response = connection.response()
    assert response.status in (400, 505)
    assert response.rpc_status()[1]
    assert response.header("Connection") == "close"
    assert connection.is_closed()


@pytest.mark.parametrize("first, name", [
    (MALFORMED["tls"], "TLS"), (b"\x16\x03\x01", "TLS"), (MALFORMED["http 2"], "gRPC"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 4318\r\n", "PROXY"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "PROXY")])
def test_a_client_of_another_protocol_is_named_in_the_log(gateway, connect, first, name):
    for _ in range(10):
        connection = connect(gateway.address)
        connection.send(first)
        assert connection.response().status in (400, 505)
    wait_until(lambda: refused_count(gateway, 400) + refused_count(gateway, 505) == 10)
    line, = wait_until(lambda: [line for line in gateway.log() if name in line["message"]], 2)
    assert "refused" in line["message"]
    assert line["client"] == "127.0.0.1"
    assert "this port" in line["reason"]


def test_a_smuggled_request_is_not_answered(gateway, connect):
    """Two readings of one body's end: one answer and no more."""
    connection = connect(gateway.address)
    connection.send(
        HEAD + b"Content-Type: application/x-protobuf\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + head_and_body("/v1/logs"))
    assert connection.response().status == 400
    assert connection.is_closed()


CHUNKED = HEAD + (
    b"Content-Type: application/x-protobuf\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.parametrize("chunks, status", [
    (b"x\r\n", 400), (b"-1\r\n", 400), (b"\r\n", 400), (b"5\nhello", 400),
    (b"5\r\nhelloX", 400), (b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n", 400),
    (b"8000000000000000\r\n", 413), (b"FFFFFFFFFFFFFFFF\r\n", 413),
    (b"10000000000000000\r\n", 400), (b"7FFFFFFFFFFFFFFF\r\n", 413),
    (b"1;" + b"x" * 10_000 + b"\r\n", 400), (b"0" * 1000 + b"\r\n", 400),
    (b"0\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
])
def test_malformed_chunks_are_refused(gateway, connect, chunks, status):
    connection = connect(gateway.address)
    connection.send(CHUNKED + chunks)
    assert connection.response().status == status


def test_random_bytes_are_refused(gateway, flat, connect):
    draw = random.Random(1)
    for _ in range(300):
        connection = connect(gateway.address)
        connection.send(draw.randbytes(draw.randrange(1, 3000)) + b"\r\n\r\n")
        response = connection.response()
        assert 400 <= response.status < 600
        connection.close()


# -- Bodies

@functools.cache
def bomb(encoding, size):
    zeros = bytes(MEBIBYTE)
    if encoding in ("snappy", "x-snappy-framed", "lz4"):
        return client.compress(bytes(size), encoding)
    if encoding == "zstd":
        stream = zstandard.ZstdCompressor(level=3).compressobj()
    else:
        stream = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    pieces = [stream.compress(zeros) for _ in range(size // MEBIBYTE)]
    return b"".join(pieces) + stream.flush()


@pytest.mark.parametrize("encoding", [
    "gzip", "deflate", "zstd", "snappy", "x-snappy-framed", "lz4"])
@pytest.mark.parametrize("content_type", [otlp.PROTOBUF, JSON])
def test_bombs_cost_no_memory(gateway, flat, encoding, content_type):
    body = bomb(encoding, 256 * MEBIBYTE)
    # Snappy expands 22 times at most, LZ4 255 times.
    most = 13 if "snappy" in encoding else 2
    assert len(body) < most * MEBIBYTE
    flat.mebibytes = 24 + most
    for _ in range(2):
        response = post(
            gateway, "/v1/traces", body, content_type, headers={"Content-Encoding": encoding})
        assert response.status == 413
    wait_until(lambda: refused_count(gateway, 413) == 2, what="2 refusals counted")
    assert len(logged(gateway, 413)) == 1


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_bombs_of_many_members_cost_no_memory(gateway, flat, encoding):
    flat.mebibytes = 24
    body = bomb(encoding, 16 * MEBIBYTE) * 40
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": encoding})
    assert response.status == 413


def test_bombs_of_empty_members_end_in_time(gateway, flat):
    flat.mebibytes = 40
    body = gzip.compress(b"") * 100_000
    started = time.monotonic()
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": "gzip"})
    assert response.status in (200, 400, 413)
    assert time.monotonic() - started < 5


# One block that repeats a zero 128 Ki times: no valid protobuf, so that it is never 200.
ZEROS = ((128 << 10) << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\x00"


def zstd_frame(descriptor, header):
    return b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + header + ZEROS


@pytest.mark.parametrize("body", [
    zstd_frame(0x00, bytes([(31 - 10) << 3])),
    zstd_frame(0x00, bytes([(41 - 10) << 3])),
    zstd_frame(0xE0, (1 << 40).to_bytes(8, "little")),
    zstd_frame(0xE0, ((1 << 64) - 1).to_bytes(8, "little")),
], ids=["window of 2 GiB", "window of 2 TiB", "content of 1 TiB", "content of 2^64"])
def test_zstd_that_promises_too_much_costs_no_memory(gateway, flat, body):
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": "zstd"})
    assert response.status in (400, 413)


@pytest.mark.parametrize("body", [
    b'{"resourceSpans":' + b"[" * 5_000_000, b'{"a":' * 1_000_000, b"[" * 5_000_000,
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"k","value":'
    + b'{"arrayValue":{"values":[' * 200_000])
def test_deeply_nested_json_is_refused(gateway, flat, body):
    flat.mebibytes = 40
    assert post(gateway, "/v1/traces", body, JSON).status == 400
    assert len(logged(gateway, 400)) == 1


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6, 9])
def test_deeply_nested_protobuf_is_refused_or_skipped(gateway, flat, number):
    """100,000 messages within each other, in every field that could be one."""
    flat.mebibytes = 40
    body, sizes = b"", []
    size = 0
    for _ in range(100_000):
        sizes.append(size)
        size += 1 + len(otlp.varint(size))
    body = b"".join(bytes([number << 3 | 2]) + otlp.varint(each) for each in reversed(sizes))
    for prefix in ((), (1,), (1, 2), (1, 2, 2), (1, 2, 2, 9), (1, 2, 2, 9, 2), (1, 2, 2, 5)):
        for signal in otlp.SIGNALS:
            response = post(gateway, f"/v1/{signal}", otlp.nested(*prefix, payload=body))
            assert response.status in (200, 400)


def test_values_nested_as_deep_as_protobuf_goes_are_refused(gateway, flat):
    value = b""
    for _ in range(5000):
        value = otlp.field(5, otlp.field(1, value))
    body = otlp.nested(1, 2, 2, payload=otlp.field(5, value))
    assert post(gateway, "/v1/logs", body).status == 400


def test_flipped_bits_never_harm(gateway, flat, connect):
    """Wrong lengths among them. What is not refused has to be forwarded without a crash."""
    import everything
    draw = random.Random(2)
    connection = connect(gateway.address)
    for signal in otlp.SIGNALS:
        for content_type in (otlp.PROTOBUF, JSON):
            original = otlp.encode(everything.everything(signal), content_type)
            for _ in range(150):
                body = bytearray(original)
                for _ in range(draw.randrange(1, 6)):
                    body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
                response = connection.request(f"/v1/{signal}", bytes(body), content_type)
                assert response.status in (200, 400)


def test_flipped_bits_never_harm_the_stores(processes, connect):
    import everything
    sink = processes.sink()
    gateway = processes.sluice(configuration({
        "sqlite": {"path": "store.db"}, "file": {"path": "lines.json"},
        "zipkin": {"endpoint": f"{sink.url}/api/v2/spans"},
        "debug": {"verbosity": "detailed"},
        "otlp_http": {"endpoint": sink.url, "encoding": "json"},
    }, signals=["traces"]))
    draw = random.Random(3)
    connection = connect(gateway.address)
    original = everything.everything("traces").SerializeToString()
    accepted = 0
    for _ in range(300):
        body = bytearray(original)
        for _ in range(draw.randrange(1, 4)):
            body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
        response = connection.request("/v1/traces", bytes(body))
        assert response.status in (200, 400)
        accepted += response.status == 200
    assert accepted > 10
    wait_until(
        lambda: gateway.metric("otelcol_receiver_accepted_spans") == gateway.metric(
            "otelcol_exporter_sent_spans", exporter="sqlite"), what="all stored")


def test_the_same_mistake_a_thousand_times_is_logged_once(gateway, connect):
    connection = connect(gateway.address)
    for _ in range(1000):
        assert connection.request("/v1/traces", b"\x0a\xff\x01").status == 400
    lines = logged(gateway, 400)
    assert len(lines) == 1
    assert lines[0]["component"] == "otlp" and lines[0]["reason"] and lines[0]["client"]
    wait_until(lambda: gateway.metric(
        "http_server_request_duration_seconds_count", http_route="/v1/traces",
        http_response_status_code="400") == 1000, what="1000 refusals counted")


def test_how_often_a_mistake_was_not_logged_is_told_at_the_end(processes, connect):
    gateway = processes.sluice(configuration({"nop": {}}))
    connection = connect(gateway.address)
    for _ in range(100):
        assert connection.request("/v1/traces", b"\x0a\xff\x01").status == 400
    gateway.stop()
    held_back = [line["suppressed"] for line in gateway.log() if "suppressed" in line]
    assert len(logged(gateway, 400)) == 1 and sum(held_back) == 99


def test_request_bodies_in_flight_share_one_budget(processes, connect):
    gateway = processes.sluice(configuration({"nop": {}}, limits={"request_bodies": "1MiB"}))
    gateway.forget_peak()
    before = gateway.memory()
    holders = []
    for _ in range(8):
        connection = connect(gateway.address)
        connection.send(head_and_body(
            "/v1/traces", headers={"Content-Length": "300000"}, has_length=False))
        connection.send(bytes(299_999))
        holders.append(connection)
    # Three bodies fit; the others are told to come again.
    wait_until(lambda: refused_count(gateway, 503) == 5, what="5 requests without room")
    assert gateway.peak_memory() - before < 8 * MEBIBYTE
    answered = 0
    for connection in holders:
        connection.socket.setblocking(False)
        try:
            answered += b"503" in connection.socket.recv(1000, socket.MSG_PEEK)
        except BlockingIOError:
            pass
        connection.close()
    assert answered == 5
    body = otlp.spans(text_bytes=500_000).SerializeToString()
    wait_until(lambda: post(gateway, "/v1/traces", body).status == 200, what="room again")


# -- Destinations

GARBAGE = {
    "no http": b"garbage\r\n\r\n",
    "nothing": b"",
    "binary": bytes(range(256)) * 100,
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000,
    "cut body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    "absurd length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "bad status": b"HTTP/1.1 999999 What\r\n\r\n",
}
RETRY = {"initial_interval": "5ms", "max_interval": "20ms"}


def deliver_after(processes, answer, *, settings=None, failures=3, timeout="2s"):
    """A destination that answers so a few times and then comes to its senses."""
    sink = processes.sink()
    sink.answer = lambda _: answer if len(sink.requests) < failures else OK
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "timeout": timeout, "retry_on_failure": RETRY,
        **(settings or {})}}))
    gateway.forget_peak()
    before = gateway.memory()
    assert client.export(gateway, "traces", otlp.spans(name="kept")).status == 200
    sink.wait(lambda sink: sink.taken, seconds=20, what="the delivery")
    span, = sink.taken[0].message().resource_spans[0].scope_spans[0].spans
    assert span.name == "kept"
    assert len(sink.requests) == failures + 1
    wait_until(lambda: gateway.metric("otelcol_exporter_sent_spans") == 1, what="it is counted")
    assert gateway.peak_memory() - before < 16 * MEBIBYTE
    lines = gateway.log("delivery failed, will try again")
    assert len(lines) == 1 and lines[0]["reason"]
    assert gateway.log("delivering again")
    assert gateway.metric("sluice_exporter_dropped_items") == 0
    return gateway, sink


@pytest.mark.parametrize("name", GARBAGE)
def test_a_destination_that_answers_garbage_gets_it_again(processes, name):
    deliver_after(processes, Answer(kind="raw", body=GARBAGE[name]))


def test_a_destination_that_resets_gets_it_again(processes):
    deliver_after(processes, RESET)


def test_a_destination_that_hangs_gets_it_again(processes):
    deliver_after(processes, HANG, timeout="200ms")


@pytest.mark.parametrize("status", [429, 503])
def test_a_destination_that_is_overloaded_gets_it_again(processes, status):
    gateway, _ = deliver_after(processes, Answer(status, b"too much"))
    state = gateway.ready()[1]["exporters"]["otlp_http"]
    assert state["state"] == "ok" and str(status) in state["last_error"]


def test_a_destination_that_names_a_retry_after_is_left_alone_so_long(processes):
    started = time.monotonic()
    deliver_after(processes, Answer(429, headers={"Retry-After": "1"}), failures=1)
    assert time.monotonic() - started >= 1


def test_a_destination_that_answers_400_costs_that_request_alone(processes):
    sink = processes.sink(
        lambda request: Answer(400, b"no") if b"poison" in request.body else OK)
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "compression": "none", "retry_on_failure": RETRY,
        "sending_queue": {"num_consumers": 1, "batch": {"min_size": 3, "flush_timeout": "5s"}}}}))
    for name in ("before", "poison", "after"):
        client.export(gateway, "traces", otlp.spans(name=name))
    # Together they are refused; one by one the good ones arrive.
    names = [item.item for item in sink.wait_for_items("traces", 2)]
    assert any("before" in name for name in names) and any("after" in name for name in names)
    wait_until(
        lambda: gateway.metric("sluice_exporter_set_aside_items", reason="rejected") == 1,
        what="the item is counted")
    assert len(gateway.log("items set aside in dead-letter/", cause="rejected")) == 1


@pytest.mark.parametrize("settings, counts", [
    ({}, [1, 5]),
    ({"batch": {"min_size": 0, "max_size": 1}}, [1, 1, 1, 1, 1, 1]),
], ids=["joined", "each alone"])
def test_what_waited_for_a_slow_destination_goes_together(processes, settings, counts):
    came, go = threading.Event(), threading.Event()

    def answer(_):
        came.set()
        return OK if go.wait(20) else HANG

    sink = processes.sink(answer)
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "sending_queue": {"num_consumers": 1, **settings}}}))
    names = [f"span {number}" for number in range(6)]
    for name in names:
        client.export(gateway, "traces", otlp.spans(name=name))
        assert came.wait(10)
    go.set()
    sink.wait(lambda sink: len(sink.items_of("traces")) == 6, what="all of it")
    messages = [request.message() for request in sink.taken]
    assert [len(message.resource_spans) for message in messages] == counts
    assert [
        resource.scope_spans[0].spans[0].name for message in messages
        for resource in message.resource_spans] == names


def test_a_destination_that_takes_a_part_is_believed(processes):
    response = otlp.RESPONSES["traces"]()
    response.partial_success.rejected_spans = 2
    response.partial_success.error_message = "two were bad"
    sink = processes.sink(Answer(200, response.SerializeToString()))
    gateway = processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))
    client.export(gateway, "traces", otlp.spans(5))
    wait_until(
        lambda: gateway.metric(
            "sluice_exporter_dropped_items", reason="partial_success", signal="traces") == 2,
        what="the rejected items are counted")
    # Its words are in the log, and hide none of the line's own.
    line, = gateway.wait_for_log(
        "the destination rejected items of a request that it took", seconds=2)
    assert line["items"] == 2 and "two were bad" in line.values()
    assert len(sink.requests) == 1


def test_a_success_that_is_no_otlp_is_believed_and_counted(processes):
    sink = processes.sink(Answer(200, b"<html>", {"Content-Type": "text/html"}))
    gateway = processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))
    client.export(gateway, "traces", otlp.spans())
    wait_until(
        lambda: gateway.metric("sluice_exporter_unreadable_responses") == 1, what="it is counted")
    assert len(sink.requests) == 1


def test_an_endless_answer_costs_no_memory(processes):
    body = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes(64 * MEBIBYTE)
    sink = processes.sink(Answer(kind="raw", body=body))
    gateway = processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))
    gateway.forget_peak()
    before = gateway.memory()
    client.export(gateway, "traces", otlp.spans())
    wait_until(
        lambda: gateway.metric("otelcol_exporter_sent_spans") == 1 or gateway.log(
            "delivery failed, will try again"), what="an outcome")
    assert gateway.peak_memory() - before < 16 * MEBIBYTE
    sink.answer = OK


def test_a_full_disk_is_waited_out(processes):
    """/dev/full takes no byte, as a disk without room."""
    gateway = processes.sluice(configuration(
        {"file": {"path": "/dev/full", "fsync": False, "retry_on_failure": RETRY}, "nop": {}},
        limits={"shutdown_timeout": "200ms"}, log={"durability": "memory"}))
    assert client.export(gateway, "traces", otlp.spans()).status == 200
    line, = gateway.wait_for_log("delivery failed, will try again", component="file")
    assert "No space left" in line["reason"]
    status, body = gateway.ready()
    assert status == 200 and body["exporters"]["file"]["state"] == "failing"
    gateway.stop(expect=3)


def test_a_log_that_nobody_reads_stops_nothing(tmp_path):
    sink = Sink()
    config = write_configuration(
        tmp_path / "c.yaml", configuration({"otlp_http": {"endpoint": sink.url}}))
    process = subprocess.Popen(
        [BINARY, "run", "--config", config], cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        lines = []
        while not lines or lines[-1]["message"] != "memory ceilings, in MiB":
            lines.append(json.loads(process.stderr.readline()))
        process.stderr.close()
        where, = [line["address"] for line in lines if line["message"] == "receiving"]
        connection = client.Connection(address(where))
        assert connection.request("/v1/traces", b"\x0a\xff\x01").status == 400
        body = otlp.spans().SerializeToString()
        assert connection.request("/v1/traces", body).status == 200
        sink.wait_for_items("traces", 1)
        connection.close()
        assert process.poll() is None
    finally:
        process.send_signal(SIGTERM)
        code = process.wait(30)
        sink.close()
    assert code == 0


def test_a_dead_destination_costs_no_more_memory_than_its_queue(processes, connect):
    sink = processes.sink(HANG)
    gateway = processes.sluice(configuration(
        {"otlp_http": {"endpoint": sink.url, "timeout": "60s", "sending_queue": {
            "num_consumers": 1, "queue_size": 1_000_000, "queue_bytes_max": "32MiB"}}},
        limits={"shutdown_timeout": "100ms"}, log={"durability": "memory"}))
    gateway.forget_peak()
    before = gateway.memory()
    body = otlp.spans(text_bytes=500_000).SerializeToString()
    connection = connect(gateway.address)
    statuses = [connection.request("/v1/traces", body).status for _ in range(200)]
    accepted = statuses.count(200)
    assert statuses == [200] * accepted + [503] * (200 - accepted)
    assert 60 <= accepted <= 68
    assert gateway.peak_memory() - before < 56 * MEBIBYTE
    gateway.stop(expect=3)
    line, = gateway.log("stopped, acknowledged items were not delivered")
    assert line["items_lost"] == accepted


def test_a_dead_destination_stops_nobody_else(processes):
    dead, alive = processes.sink(HANG), processes.sink()
    gateway = processes.sluice(configuration({
        "otlp_http/dead": {"endpoint": dead.url, "timeout": "60s", "retry_on_failure": RETRY},
        "otlp_http/alive": {"endpoint": alive.url}}))
    for number in range(100):
        assert client.export(gateway, "traces", otlp.spans(name=f"n{number}")).status == 200
    assert len(alive.wait_for_items("traces", 100)) == 100
    state = gateway.ready()[1]["exporters"]
    assert state["otlp_http/alive"]["queue"]["items"] == 0
    assert state["otlp_http/dead"]["queue"]["items"] == 100
    assert state["otlp_http/dead"]["lag_seconds"] > 0
    dead.answer = OK
    dead.release()
    assert len(dead.wait_for_items("traces", 100)) == 100
