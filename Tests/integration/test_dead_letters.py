"""What a destination rejects for its data is narrowed to the item and set aside; the rest goes on."""

import json

import pytest

import client
import otlp
from sink import OK, Answer
from sluice import configuration, wait_until

RETRY = {"initial_interval": "5ms", "max_interval": "20ms"}


def names(request):
    return [
        span.name for resource in request.message().resource_spans
        for scope in resource.scope_spans for span in scope.spans]


def rejecting(*bad):
    """Rejects requests that hold one of these spans."""
    return lambda request: Answer(400) if set(names(request)) & set(bad) else OK


def letters(gateway):
    files = sorted((gateway.directory / "sluice-data/dead-letter").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def spans_of(letter):
    return [
        span["name"] for resource in letter["otlp"]["resourceSpans"]
        for scope in resource["scopeSpans"] for span in scope["spans"]]


def request(*span_names):
    message = otlp.spans(len(span_names))
    spans = [
        span for resource in message.resource_spans for scope in resource.scope_spans
        for span in scope.spans]
    for span, name in zip(spans, span_names):
        span.name = name
    return message


@pytest.mark.parametrize("bad", [["n3"], ["n0", "n7"], ["n1", "n2", "n3"]])
def test_the_items_at_fault_alone_are_set_aside(processes, bad):
    sink = processes.sink(rejecting(*bad))
    gateway = processes.sluice(configuration({
        "otlp_http": {"endpoint": sink.url, "retry_on_failure": RETRY}}))
    all_names = [f"n{number}" for number in range(8)]
    assert client.export(gateway, "traces", request(*all_names)).status == 200
    assert client.export(gateway, "traces", request("after")).status == 200
    good = sorted(set(all_names) - set(bad)) + ["after"]
    wait_until(
        lambda: sorted(name for taken in sink.taken for name in names(taken)) == sorted(good),
        what="the good spans")
    wait_until(
        lambda: sorted(name for letter in letters(gateway) for name in spans_of(letter))
        == sorted(bad), what="the letters")
    letter = letters(gateway)[0]
    assert (letter["exporter"], letter["pipeline"], letter["signal"]) == (
        "otlp_http", "traces", "traces")
    assert "400" in letter["reason"]
    wait_until(lambda: gateway.metric(
        "sluice_exporter_set_aside_items", exporter="otlp_http", signal="traces",
        reason="rejected") == len(bad), what="the count")
    gateway.stop(expect=0)
    cursors = (gateway.directory / "sluice-data/log/traces/cursors").read_text()
    assert f"exported {len(good)} dropped 0 set-aside {len(bad)} " in cursors


def test_an_exporter_waits_when_the_letters_have_reached_their_limit(processes):
    sink = processes.sink(lambda _: Answer(400))
    other = processes.sink()
    gateway = processes.sluice(configuration(
        {"otlp_http": {"endpoint": sink.url, "retry_on_failure": RETRY},
         "otlp_http/other": {"endpoint": other.url}},
        log={"dead_letters_max_size": "1MiB"}))
    for number in range(30):
        body = otlp.spans(name=f"n{number}", text_bytes=100_000)
        assert client.export(gateway, "traces", body).status == 200
    line, *_ = gateway.wait_for_log("items cannot be set aside, the exporter waits")
    assert "dead_letters_max_size" in line["reason"]
    # Nobody else waits, and nothing is lost.
    assert len(other.wait_for_items("traces", 30)) == 30
    count = len(letters(gateway))
    assert 5 <= count < 12
    sink.answer = OK
    for file in (gateway.directory / "sluice-data/dead-letter").glob("*.jsonl"):
        file.unlink()
    wait_until(
        lambda: gateway.ready()[1]["exporters"]["otlp_http"]["queue"]["items"] == 0,
        what="an empty queue")
    assert len(sink.items("traces")) + len(letters(gateway)) + count == 30
    gateway.stop(expect=0)


def test_max_elapsed_time_sets_aside(processes):
    sink = processes.sink(Answer(503))
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "retry_on_failure": {**RETRY, "max_elapsed_time": "50ms"}}}))
    assert client.export(gateway, "traces", request("late", "too")).status == 200
    wait_until(lambda: letters(gateway), what="a letter")
    letter, = letters(gateway)
    assert spans_of(letter) == ["late", "too"] and letter["items"] == 2
    gateway.stop(expect=0)
