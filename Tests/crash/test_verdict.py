"""A test that cannot fail shows nothing: each kind of fault, one at a time, must be found."""

import pathlib
import random
import sys
import types

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import crash_test  # noqa: E402
import destinations  # noqa: E402
import items  # noqa: E402
import otlp  # noqa: E402
from clients import Record, Sent  # noqa: E402
from downstream import Downstream  # noqa: E402

EXPORTERS = ("otlp_http", "file", "sqlite", "postgres")


class Run:
    """Two requests of ten items each, delivered once to each exporter."""

    def __init__(self):
        self.requests = [
            Sent("traces", 1, first, 10, acknowledged=True) for first in (0, 10)]
        self.records = [Record(1, end=20, sent=self.requests)]
        self.copies = {name: items.Copies() for name in EXPORTERS}
        for name in EXPORTERS:
            self.deliver(name, range(20))
        self.downstream = types.SimpleNamespace(errors=[])
        self.unreadable = 0
        self.faults = []

    def deliver(self, exporter, sequences):
        for sequence in sequences:
            self.copies[exporter].add(items.item_id(1, sequence))

    def verdict(self):
        return crash_test.Verdict(self)


def test_a_run_without_faults_passes():
    assert not Run().verdict().faults


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_an_item_that_is_missing_anywhere_is_a_fault(exporter):
    run = Run()
    run.copies[exporter] = items.Copies()
    run.deliver(exporter, [each for each in range(20) if each != 13])
    fault, = run.verdict().faults
    assert fault == f"1 acknowledged items are not in {exporter}"


def test_a_missing_item_that_was_never_acknowledged_is_none():
    run = Run()
    run.requests[1].acknowledged = False
    for name in EXPORTERS:
        run.copies[name] = items.Copies()
        run.deliver(name, range(10))
    assert not run.verdict().faults


@pytest.mark.parametrize("exporter, faults", [
    ("otlp_http", 0), ("file", 0), ("sqlite", 1), ("postgres", 1)])
def test_an_item_sent_once_may_be_twice_only_where_it_is_delivered_at_least_once(exporter, faults):
    run = Run()
    run.deliver(exporter, [5])
    verdict = run.verdict()
    assert len(verdict.faults) == faults
    assert verdict.exporters[exporter]["twice, sent once"] == 1


@pytest.mark.parametrize("exporter", crash_test.ONCE)
def test_an_item_sent_again_without_an_answer_may_be_there_twice(exporter):
    run = Run()
    run.requests[0].unanswered = 1
    run.deliver(exporter, [5])
    verdict = run.verdict()
    assert not verdict.faults and verdict.exporters[exporter]["twice, sent again"] == 1


@pytest.mark.parametrize("exporter", crash_test.ONCE)
def test_an_item_that_was_refused_first_may_not(exporter):
    run = Run()
    run.requests[0].refused = 1
    run.deliver(exporter, [5])
    assert len(run.verdict().faults) == 1


@pytest.mark.parametrize("number", [
    items.item_id(1, 20), items.item_id(2, 0), 0, (1 << 64) - 1, items.item_id(1, 1 << 40)])
def test_an_item_that_nobody_sent_is_a_fault(number):
    run = Run()
    run.copies["otlp_http"].add(number)
    assert run.verdict().faults == ["1 items in otlp_http are nobody's"]


@pytest.mark.parametrize("signal", otlp.SIGNALS)
def test_items_are_known_again_in_protobuf_and_json(signal):
    message = items.request(signal, 3, 7, 4, "padding")
    wanted = [(items.item_id(3, sequence), True) for sequence in range(7, 11)]
    assert list(items.received(signal, message)) == wanted
    line = destinations.json.loads(otlp.to_json(message))
    assert list(destinations.in_line(line)) == wanted


@pytest.mark.parametrize("signal", otlp.SIGNALS)
def test_an_item_with_another_ones_text_is_noticed(signal):
    """As when two records were mixed up on the disk."""
    data = items.request(signal, 3, 7, 1).SerializeToString()
    mixed = data.replace(f"{items.item_id(3, 7):016x}".encode(), b"0" * 16)
    message = otlp.REQUESTS[signal].FromString(mixed)
    assert list(items.received(signal, message)) == [(items.item_id(3, 7), False)]


def test_the_sink_is_far_faster_than_the_clients():
    rate = crash_test.measure_sink(seconds=0.3)
    assert rate > 20_000, rate


def test_the_sink_counts_and_fails_as_told():
    import client
    from gateway import free_ports
    downstream = Downstream(free_ports(1, random.Random())[0])
    data = client.head_and_body(
        "/v1/logs", items.request("logs", 1, 0, 3).SerializeToString())

    def attempt():
        try:
            connection = client.Connection(downstream.address)
        except ConnectionRefusedError:
            return "refused"
        try:
            connection.send(data)
            return connection.response().status
        except (EOFError, OSError):
            return "cut"
        finally:
            connection.close()

    assert attempt() == "refused"
    for mode, answer, copies in [
            ("ok", 200, 3), ("unavailable", 503, 3), ("reset", "cut", 3),
            ("lost answer", "cut", 6), ("down", "refused", 6), ("ok", 200, 9)]:
        downstream.become(mode)
        assert (mode, attempt(), downstream.copies.total) == (mode, answer, copies)
    downstream.become("down")
