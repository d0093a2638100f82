"""Destinations that are slow, that refuse, that answer nonsense or never."""

import numbered
from destination import OK, answer, slowly
from lab import case
from messages import delimited, varint
from sluice import configuration, wait_until

RETRY = {"retry_on_failure": {"initial_interval": "20ms", "max_interval": "100ms"}}


def everything_arrives(lab, destination, gateway, client, but=frozenset(), seconds=30):
    gateway.settle(seconds)
    missing = client.all_acknowledged() - destination.received() - but
    assert not missing, f"{len(missing)} of {len(client.all_acknowledged())} did not arrive"


@case
def what_is_too_large_is_split_by_size_until_it_fits(lab):
    destination = lab.destination(lambda path, body: OK if len(body) < 20_000 else answer(413))
    gateway = lab.gateway(configuration({"otlp_http": {"endpoint": destination.url, **RETRY}}))
    client = lab.client(gateway)
    for signal in ("traces", "logs", "metrics"):
        assert client.send(signal, 3000) == 200
    everything_arrives(lab, destination, gateway, client)
    asked = sum(destination.requests.values())
    lab.say(f"9000 items with a limit of 20 kB: {dict(destination.requests)}")
    assert asked < 400, f"{asked} requests"
    assert not numbered.set_aside(gateway.directory)


@case
def one_bad_item_is_set_aside_alone(lab):
    destination = lab.destination(
        lambda path, body: answer(400) if b"#1:1234#" in body else OK)
    gateway = lab.gateway(configuration({"otlp_http": {"endpoint": destination.url, **RETRY}}))
    client = lab.client(gateway)
    assert client.send("logs", 3000) == 200
    everything_arrives(lab, destination, gateway, client, but={"1:1234"})
    assert numbered.set_aside(gateway.directory) == {"1:1234"}
    lab.say(f"1 of 3000: {dict(destination.requests)}")


@case
def who_rejects_all_gets_few_requests_and_nothing_is_lost(lab):
    destination = lab.destination(lambda path, body: answer(400))
    gateway = lab.gateway(configuration({"otlp_http": {"endpoint": destination.url, **RETRY}}))
    client = lab.client(gateway)
    for _ in range(5):
        assert client.send("logs", 1000) == 200
    gateway.settle()
    aside = numbered.set_aside(gateway.directory)
    missing = client.all_acknowledged() - aside
    assert not missing, f"{len(missing)} are nowhere"
    lab.say(f"5000 items: {dict(destination.requests)}")
    assert sum(destination.requests.values()) < 1000


NONSENSE = [
    b"", b"\0" * 1000, b"HTTP/1.1 200", b"HTTP/9.9 200 OK\r\n\r\n", b"SSH-2.0-x\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    b"HTTP/1.1 503 x\r\nRetry-After: -1\r\nContent-Length: 0\r\n\r\n",
]


@case
def nonsense_for_an_answer_is_survived(lab):
    replies = iter(NONSENSE)
    destination = lab.destination(lambda path, body: next(replies, OK))
    gateway = lab.gateway(configuration({
        "otlp_http": {"endpoint": destination.url, "timeout": "300ms", **RETRY,
                      "sending_queue": {"num_consumers": 1}}}))
    client = lab.client(gateway)
    assert [client.send("logs") for _ in range(5)] == [200] * 5
    everything_arrives(lab, destination, gateway, client)
    assert sum(destination.requests.values()) > len(NONSENSE)


@case
def a_destination_that_never_answers_delays_no_other(lab):
    never = lab.destination(lambda path, body: None)
    well = lab.destination()
    gateway = lab.gateway(configuration({
        "otlp_http/never": {"endpoint": never.url, "timeout": "60s"},
        "otlp_http/well": {"endpoint": well.url}, "sqlite": {"path": "store.db"}}),
        is_ended_by_case=True)
    client = lab.client(gateway)
    assert [client.send("logs", 100) for _ in range(30)] == [200] * 30
    wanted = client.all_acknowledged()
    wait_until(lambda: not wanted - well.received(), 15, what="all at the other destination")
    wait_until(lambda: not wanted - numbered.in_sqlite(gateway.directory / "store.db")[0], 15,
               0.1, "all in SQLite")
    assert gateway.ready()[0] == 200, "a dead destination alone is no reason"
    gateway.end()


@case(is_long=True)
def a_slow_destination_takes_all_in_the_end(lab):
    destination = lab.destination(slowly(0.2))
    gateway = lab.gateway(configuration({"otlp_http": {"endpoint": destination.url, **RETRY}}))
    client = lab.client(gateway)
    for _ in range(300):
        assert client.send("logs", 100, 500) == 200
    everything_arrives(lab, destination, gateway, client, seconds=120)


WAITS = [
    "99999999999999999999999", "-1", "1e400", "", "0", "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 0000 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "NaN", "9223372036854775807"]


@case
def odd_times_to_wait_are_survived(lab):
    """Each exporter's destination names another; one without a fault takes its data beside them."""
    well = lab.destination()
    exporters = {"otlp_http/well": {"endpoint": well.url}}
    for number, wait in enumerate(WAITS):
        refusing = lab.destination(
            lambda path, body, wait=wait: answer(503, f"Retry-After: {wait}\r\n"))
        exporters[f"otlp_http/{number}"] = {"endpoint": refusing.url, **RETRY}
    gateway = lab.gateway(configuration(exporters, signals=("logs",)), is_ended_by_case=True)
    client = lab.client(gateway)
    assert [client.send("logs") for _ in range(3)] == [200] * 3
    wait_until(lambda: not client.all_acknowledged() - well.received(), 10, what="all at one")
    gateway.end()


REJECTED = [0, 1, 10, 11, -1, (1 << 63) - 1, -(1 << 63)]


@case
def odd_partial_successes_are_survived(lab):
    """Of ten items a destination says that it rejected more, or fewer than none."""
    destinations = []
    exporters = {}
    for number, rejected in enumerate(REJECTED):
        partial = delimited(1, b"\x08" + varint(rejected & (1 << 64) - 1) + delimited(2, b"no"))
        text = b'{"partialSuccess":{"rejectedLogRecords":"%d"}}' % rejected
        for encoding, body, kind in (
                ("proto", partial, "x-protobuf"), ("json", text, "json")):
            reply = (f"HTTP/1.1 200 OK\r\nContent-Type: application/{kind}\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n").encode() + body
            destinations.append(lab.destination(lambda path, body, reply=reply: reply))
            exporters[f"otlp_http/{encoding}-{number}"] = {
                "endpoint": destinations[-1].url, "encoding": encoding, **RETRY}
    gateway = lab.gateway(configuration(exporters, signals=("logs",)))
    client = lab.client(gateway)
    assert [client.send("logs", 10) for _ in range(3)] == [200] * 3
    gateway.settle()
    for destination in destinations:
        assert not client.all_acknowledged() - destination.received()
    for pipeline in gateway.flow()["pipelines"]:
        for exporter in pipeline["exporters"]:
            assert exporter["balanced"], exporter
