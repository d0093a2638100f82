"""What the gateway does when there is too little of something: others are served, probes get in, and
/ready says so."""

import socket
import threading
import time

import pytest

import client
import otlp
from client import head_and_body, post
from sluice import configuration, wait_until

MEBIBYTE = 1 << 20
SMALL = otlp.spans().SerializeToString()


@pytest.fixture
def gateway(processes):
    return processes.sluice(configuration({"nop": {}}, limits={"request_bodies": "16MiB"}))


def connect_from(address, target):
    connection = socket.socket()
    connection.settimeout(10)
    connection.bind((address, 0))
    connection.connect(target)
    return connection


def hold(gateway, length, sent, address="127.0.0.1"):
    """A client that has sent a part of a body, and sends no more."""
    connection = connect_from(address, gateway.address)
    connection.sendall(head_and_body(
        "/v1/traces", headers={"Content-Length": str(length)}, has_length=False))
    connection.sendall(bytes(sent))
    return connection


def test_slow_clients_with_large_bodies_leave_room_for_small_ones(gateway):
    slow = [hold(gateway, 8 * MEBIBYTE, 8 * MEBIBYTE - 1) for _ in range(3)]
    for _ in range(20):
        assert post(gateway, "/v1/traces", SMALL).is_full_success("traces")
    assert gateway.ready()[0] == 200
    for connection in slow:
        connection.close()


def test_slow_clients_with_small_bodies_are_ended_once_memory_is_scarce(gateway):
    slow = [hold(gateway, MEBIBYTE, MEBIBYTE - 1) for _ in range(17)]
    # Nothing is left: it says so, and ends those that send nothing.
    wait_until(lambda: gateway.ready()[0] == 503, what="/ready to be off")
    assert "request_bodies" in gateway.ready()[1]["reason"]
    wait_until(
        lambda: post(gateway, "/v1/traces", SMALL).status == 200, what="room for others")
    wait_until(lambda: gateway.ready()[0] == 200, seconds=2, what="/ready to be on")
    for connection in slow:
        connection.close()


def test_a_peer_that_fills_the_memory_gives_way_to_others(gateway):
    """Both move on; the first has more than its share until the second is refused."""
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            try:
                connection = hold(gateway, 6 * MEBIBYTE, 6 * MEBIBYTE - 1, "127.0.0.2")
                connection.sendall(b"\0")
                connection.recv(1000)
                connection.close()
            except OSError:
                pass

    threads = [threading.Thread(target=flood) for _ in range(6)]
    for thread in threads:
        thread.start()
    body = head_and_body("/v1/traces", otlp.spans(text_bytes=300_000).SerializeToString())
    try:
        refused = 0
        for _ in range(50):
            with connect_from("127.0.0.9", gateway.address) as connection:
                connection.sendall(body)
                refused += not connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert refused <= 2
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_connections_that_are_refused_turn_readiness_off(processes, connect):
    gateway = processes.sluice(configuration(
        {"nop": {}}, limits={"connections": 4, "event_loops": 1}))
    idle = [connect(gateway.address) for _ in range(4)]
    wait_until(lambda: gateway.metric("http_server_open_connections") == 4)

    def is_off():
        connect(gateway.address).close()
        return gateway.ready()[0] == 503

    wait_until(is_off, what="/ready to be off")
    assert "4 connections" in gateway.ready()[1]["reason"]
    for connection in idle:
        connection.close()
    wait_until(lambda: gateway.ready()[0] == 200, what="/ready to be on")


def test_probes_get_in_while_the_admin_port_is_flooded(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    flood = []
    for number in range(300):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(gateway.admin)
        connection.setblocking(False)
        try:
            connection.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * (number % 3 * 50))
        except BlockingIOError:
            pass
        flood.append(connection)
    for _ in range(5):
        assert gateway.get("/health")[0] == 200
        assert gateway.get("/ready")[0] == 200
    assert post(gateway, "/v1/traces", SMALL).status == 200
    for connection in flood:
        connection.close()


def test_few_descriptors_are_said_at_the_start_and_kept_for_the_log_and_probes(processes):
    gateway = processes.sluice(
        configuration({"file": {"path": "out"}}, log={"segment_size": "1MiB"}), descriptors=80)
    line, = gateway.log("fewer connections than service.limits.connections: raise the limit on "
                        "open files (ulimit -n, LimitNOFILE=, docker run --ulimit nofile=), or "
                        "lower the key")
    assert line["open_files_limit"] == 80 and 0 < line["connections"] < 80
    first = client.Connection(gateway.address)
    assert first.request("/v1/traces", SMALL).status == 200
    crowd = []
    for _ in range(120):
        connection = socket.socket()
        connection.settimeout(1)
        connection.connect(gateway.address)
        crowd.append(connection)
    body = otlp.spans(text_bytes=300_000).SerializeToString()
    for _ in range(10):
        assert first.request("/v1/traces", body).status == 200
    assert gateway.get("/health")[0] == 200
    for connection in crowd:
        connection.close()
