"""What real clients send is what every destination holds: item by item, attribute by attribute."""

import collections
import json
import subprocess

import pytest

import client
import everything
import otlp
import sdk_telemetry
from otlp import JSON, PROTOBUF, SIGNALS
from sink import decompress
from sluice import BINARY, configuration, wait_until
from stored import Store, expected

ENCODINGS = [None, "gzip", "deflate", "zstd"]


class Destinations:
    """A gateway that stores in SQLite and in a file, and sends on; each seen from outside."""

    def __init__(self, processes, **settings):
        self.sink = processes.sink()
        self.gateway = processes.sluice(configuration({
            "sqlite": {"path": "store.db"},
            "file": {"path": "lines.json"},
            "otlp_http": {"endpoint": self.sink.url, **settings},
            "otlp_http/json": {"endpoint": self.sink.url, "encoding": "json"},
        }))
        self.directory = self.gateway.directory

    def lines(self, signal):
        key = {"traces": "resourceSpans", "metrics": "resourceMetrics", "logs": "resourceLogs"}
        path = self.directory / "lines.json"
        # Not splitlines(): U+2028 is legal within a line of JSON.
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [line for line in lines if key[signal] in json.loads(line)]

    def check(self, signal, sent):
        """All that was sent is everywhere, and nothing else is."""
        wanted = collections.Counter(otlp.items(signal, sent))
        count = wanted.total()
        assert count > 0
        self.sink.wait_for_items(signal, 2 * count)
        for content_type in (PROTOBUF, JSON):
            got = collections.Counter(
                item for request in self.sink.taken
                if request.signal == signal and request.headers["content-type"] == content_type
                for item in otlp.items(signal, request.message()))
            assert_same(got, wanted, f"downstream, {content_type}")
        self._check_file(signal, wanted)
        self._check_store(signal, sent, count)

    def _check_file(self, signal, wanted):
        def items():
            return collections.Counter(
                item for line in self.lines(signal)
                for item in otlp.items(signal, otlp.from_json(signal, line)))
        wait_until(lambda: items().total() >= wanted.total(), what="the file's lines")
        assert_same(items(), wanted, "the file")

    def _check_store(self, signal, sent, count):
        path = self.directory / "store.db"
        store = Store(path)
        try:
            wait_until(lambda: store.count(signal) >= count, what=f"{count} rows of {signal}")
            assert_same(store.actual(signal), expected(signal, sent), "SQLite")
        finally:
            store.close()


def assert_same(got, wanted, where):
    if got == wanted:
        return
    missing, extra = list((wanted - got).elements()), list((got - wanted).elements())
    text = f"{where}: {len(missing)} missing, {len(extra)} extra of {wanted.total()}"
    if missing and extra:
        pairs = [
            f"\n  sent {one!r}\n  got  {other!r}" for one, other in zip(missing[0], extra[0])
            if one != other]
        text += "".join(pairs[:5])
    elif missing or extra:
        text += f"\n  {(missing or extra)[0]!r}"
    raise AssertionError(text)


@pytest.mark.parametrize("compression", list(sdk_telemetry.COMPRESSIONS))
def test_what_the_python_sdk_exports_is_what_every_destination_holds(processes, compression):
    destinations = Destinations(processes)
    for signal in SIGNALS:
        sent = sdk_telemetry.EMIT[signal](destinations.gateway.url, compression)
        destinations.check(signal, sent)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_every_field_of_every_message_arrives(processes, content_type, encoding):
    destinations = Destinations(processes)
    for signal in SIGNALS:
        sent = everything.everything(signal)
        response = client.export(destinations.gateway, signal, sent, content_type, encoding)
        assert response.is_full_success(signal), response
        destinations.check(signal, sent)


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate", "zstd"])
def test_the_exporter_compresses_as_configured(processes, compression):
    destinations = Destinations(processes, compression=compression)
    sent = everything.everything("traces")
    client.export(destinations.gateway, "traces", sent)
    destinations.check("traces", sent)
    encodings = {
        request.headers.get("content-encoding") for request in destinations.sink.taken
        if request.headers["content-type"] == PROTOBUF}
    assert encodings == {None if compression == "none" else compression}


def test_the_sdk_reports_success_and_the_counters_agree(processes):
    destinations = Destinations(processes)
    gateway = destinations.gateway
    counts = {}
    for signal in SIGNALS:
        sent = sdk_telemetry.EMIT[signal](gateway.url, "gzip")
        counts[signal] = otlp.item_count(signal, sent)
        destinations.check(signal, sent)
    for signal, count in counts.items():
        noun = otlp.NOUNS[signal]
        assert gateway.metric(f"otelcol_receiver_accepted_{noun}", receiver="otlp") == count
        for exporter in ("sqlite", "file", "otlp_http", "otlp_http/json"):
            wait_until(
                lambda: gateway.metric(f"otelcol_exporter_sent_{noun}", exporter=exporter) == count,
                what=f"{exporter} counts {count} {noun}")


def test_a_person_finds_it_in_the_views(processes):
    """Hex ids, times to read, JSON attributes: what the README shows."""
    destinations = Destinations(processes)
    for signal in SIGNALS:
        client.export(destinations.gateway, signal, everything.everything(signal))
    store = Store(destinations.directory / "store.db")
    for signal in SIGNALS:
        wait_until(lambda: store.count(signal) == everything.count(signal), what=signal)
    span, = store.rows(
        "SELECT * FROM spans WHERE trace_id = ? AND name = 'kind 2' AND service_name = 'first'",
        everything.TRACE.hex())
    assert span["span_id"] == "f7ad6b7169203303"
    assert span["parent_span_id"] == everything.SPAN.hex()
    assert span["start_time"] == "2026-09-21T14:13:20.000000000Z"
    assert span["end_time"] == "2026-09-21T14:13:20.123456789Z"
    assert span["duration_ms"] == pytest.approx(123.456789)
    assert (span["kind"], span["status"], span["status_message"]) == (
        "server", "error", "went wrong")
    assert json.loads(span["attributes"])["int"] == 42
    assert json.loads(span["resource"])["service.name"] == "first"
    assert json.loads(span["events"])[0]["name"] == "exception"
    found = store.rows(
        "SELECT 1 FROM spans WHERE attributes ->> '$.\"bool.true\"' = 1 AND scope_name = ?",
        "every.thing")
    assert len(found) == 12
    record = store.rows("SELECT * FROM logs WHERE body = 'text'")[0]
    assert record["time"] == "2026-09-21T14:13:20.000000000Z"
    assert (record["trace_id"], record["span_id"]) == (
        everything.TRACE.hex(), everything.SPAN.hex())
    counts = dict(map(tuple, store.rows("SELECT type, count(*) FROM metrics GROUP BY type")))
    assert counts == {
        "gauge": 12, "sum": 2, "histogram": 2, "exponential_histogram": 2, "summary": 2}
    histogram = store.rows(
        "SELECT * FROM metrics WHERE type = 'histogram' AND sum IS NOT NULL")[0]
    assert json.loads(histogram["details"]) == {
        "bucket_counts": [1, 2, 3, 0], "explicit_bounds": [-1.0, 0.0, 10.5]}
    store.close()


def test_under_load_every_accepted_item_is_everywhere_once(processes):
    """All signals at once for a second; what was accepted is counted at every destination."""
    sink = processes.sink()
    as_it_came = {"sending_queue": {"batch": {"min_size": 0, "max_size": 1}}}
    gateway = processes.sluice(configuration({
        "sqlite": {"path": "store.db"},
        "file": {"path": "records", "format": "proto", **as_it_came},
        "otlp_http": {"endpoint": sink.url, "compression": "zstd", **as_it_came}}))
    gateway.forget_peak()
    before = gateway.memory()
    senders = [
        subprocess.Popen(
            [BINARY, "generate", signal, "--endpoint", gateway.url, "--duration", "1s", "--rate",
             "8000", "--batch", "200", "--compression", "gzip"], stdout=subprocess.DEVNULL)
        for signal in SIGNALS]
    assert [sender.wait(30) for sender in senders] == [0, 0, 0]
    queues = 3 * 64
    assert gateway.peak_memory() - before < (64 + queues) << 20
    accepted = {
        signal: gateway.metric(f"otelcol_receiver_accepted_{otlp.NOUNS[signal]}")
        for signal in SIGNALS}
    assert min(accepted.values()) > 2000
    gateway.stop()
    store = Store(gateway.directory / "store.db")
    records = list(read_records(gateway.directory / "records"))
    for signal in SIGNALS:
        assert store.count(signal) == accepted[signal]
        assert len(sink.items(signal)) == accepted[signal]
    # The same requests, byte for byte, in whatever order.
    sent = sorted(decompress(each.body, each.headers["content-encoding"]) for each in sink.taken)
    assert sorted(records) == sent
    store.close()


def read_records(path):
    """The `file` exporter's binary form: a length of four bytes, big-endian, and so many bytes."""
    data = path.read_bytes()
    while data:
        length = int.from_bytes(data[:4], "big")
        assert len(data) >= 4 + length
        yield data[4:4 + length]
        data = data[4 + length:]
