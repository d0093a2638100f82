"""Processors and the other exporters in the running gateway, one behaviour each; their details are
tested in Swift."""

import collections
import json
import os
import random
import re

import pytest

import everything
import otlp
import stored
from client import export
from sluice import configuration, wait_until
from stored import Store


@pytest.fixture
def through(processes):
    """Sends a request through processors, and returns what comes out."""

    def send(signal, request, processors, count, **options):
        sink = processes.sink()
        gateway = processes.sluice(
            configuration(
                {"otlp_http": {"endpoint": sink.url}}, processors=processors, signals=[signal]),
            **options)
        assert export(gateway, signal, request).is_full_success(signal)
        sink.wait_for_items(signal, count)
        gateway.stop()
        assert len(sink.items(signal)) == count
        return [request.message() for request in sink.taken]

    return send


def spans_of(messages):
    return [
        span for message in messages for resource in message.resource_spans
        for scope in resource.scope_spans for span in scope.spans]


def plain(attributes):
    """Attributes as a dictionary of comparable values."""
    return {each.key: stored.value(each.value) for each in attributes}


def random_trace_ids(count):
    draw = random.Random(4)
    request = otlp.spans(count)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.trace_id = draw.randbytes(16)
    return request


def test_attributes_edits_items_and_leaves_the_rest(through):
    request = otlp.spans()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(otlp.attributes({
        "keep": everything.VALUES, "drop.me": 1, "email": "a@example.com", "old": 5}))
    messages = through("traces", request, {"attributes": {"actions": [
        {"key": "drop.me", "action": "delete"}, {"key": "email", "action": "hash"},
        {"key": "added", "value": 7, "action": "insert"},
        {"key": "old", "value": "new", "action": "update"},
        {"key": "absent", "value": 1, "action": "update"}]}}, 1)
    got = plain(spans_of(messages)[0].attributes)
    assert set(got) == {"keep", "email", "added", "old"}
    assert got["keep"] == stored.value(otlp.value(everything.VALUES))
    assert (got["added"], got["old"]) == (("int", 7), "new")
    assert re.fullmatch("[0-9a-f]{40,64}", got["email"])


def test_attributes_that_match_are_the_only_ones_edited(through):
    request = otlp.spans(2)
    request.resource_spans[0].scope_spans[0].spans[0].name = "GET /secret"
    messages = through("traces", request, {"attributes": {
        "include": {"match_type": "regexp", "span_names": ["^GET"]},
        "actions": [{"key": "matched", "value": True, "action": "insert"}]}}, 2)
    got = {span.name: plain(span.attributes) for span in spans_of(messages)}
    assert got == {"GET /secret": {"matched": True}, "span-2": {}}


def test_resource_edits_resources_of_every_signal(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration(
        {"otlp_http": {"endpoint": sink.url}}, processors={"resource": {"attributes": [
            {"key": "deployment.environment.name", "value": "test", "action": "upsert"}]}}))
    for signal in otlp.SIGNALS:
        export(gateway, signal, otlp.request(signal))
        sink.wait_for_items(signal, 1)
    for request in sink.taken:
        resource, = otlp.resources(request.signal, request.message())
        assert plain(resource.resource.attributes) == {
            "service.name": "test", "deployment.environment.name": "test"}


def test_resourcedetection_reads_the_environment(through):
    environment = {**os.environ, "OTEL_RESOURCE_ATTRIBUTES": "team=shop,region=eu%20west"}
    messages = through(
        "traces", otlp.spans(), {"resourcedetection": {"detectors": ["env", "system"]}}, 1,
        env=environment)
    got = plain(messages[0].resource_spans[0].resource.attributes)
    assert got["service.name"] == "test"
    assert (got["team"], got["region"]) == ("shop", "eu west")
    assert got["host.name"] and got["os.type"] == "linux"


@pytest.mark.parametrize("mode", ["hash_seed", "proportional", "equalizing"])
def test_probabilistic_sampler_keeps_the_same_traces_everywhere(processes, mode):
    kept = []
    for _ in range(2):
        sink = processes.sink()
        gateway = processes.sluice(configuration(
            {"otlp_http": {"endpoint": sink.url}}, processors={"probabilistic_sampler": {
                "mode": mode, "sampling_percentage": 25, "hash_seed": 22}},
            signals=["traces"]))
        request = random_trace_ids(2000)
        response = export(gateway, "traces", request)
        assert response.is_full_success("traces")
        gateway.stop()
        spans = spans_of(request.message() for request in sink.taken)
        kept.append({span.trace_id for span in spans})
        assert len(spans) == len(kept[-1])
        if mode != "hash_seed":
            assert {re.search(r"th:(\w+)", span.trace_state)[1] for span in spans} == {"c"}
    assert kept[0] == kept[1]
    # 2000 draws at 25 %: within five standard deviations.
    assert 400 < len(kept[0]) < 600


def test_probabilistic_sampler_counts_what_it_drops(processes):
    gateway = processes.sluice(configuration({"nop": {}}, processors={
        "probabilistic_sampler": {"sampling_percentage": 0}}, signals=["traces"]))
    assert export(gateway, "traces", otlp.spans(50)).is_full_success("traces")
    labels = {"processor": "probabilistic_sampler", "otel_signal": "traces"}
    assert gateway.metric("otelcol_processor_incoming_items", **labels) == 50
    assert gateway.metric("otelcol_processor_outgoing_items", **labels) == 0


def test_span_limits_keep_the_dropped_counts_right(through):
    request = everything.everything("traces")
    sent = [
        span for resource in request.resource_spans for scope in resource.scope_spans
        for span in scope.spans]
    messages = through("traces", request, {"span_limits": {
        "attribute_count_limit": 4, "event_count_limit": 1, "link_count_limit": 0}}, len(sent))
    for before, after in zip(sent, spans_of(messages), strict=True):
        for field, limit in (("attributes", 4), ("events", 1), ("links", 0)):
            many = getattr(before, field)
            assert list(getattr(after, field)) == list(many)[:limit]
            dropped = f"dropped_{field}_count"
            assert getattr(after, dropped) == getattr(before, dropped) + max(
                0, len(many) - limit)


def test_batch_is_accepted_and_changes_nothing(through):
    request = everything.everything("logs")
    messages = through("logs", request, {"batch": {"timeout": "1s"}}, everything.count("logs"))
    assert collections.Counter(otlp.items("logs", messages[0])) == collections.Counter(
        otlp.items("logs", request))


def test_pipelines_of_one_receiver_have_each_their_own_copy(processes):
    first, second = processes.sink(), processes.sink()
    settings = configuration({
        "otlp_http/first": {"endpoint": first.url}, "otlp_http/second": {"endpoint": second.url}})
    settings["processors"] = {"attributes": {"actions": [
        {"key": "edited", "value": True, "action": "insert"}]}}
    settings["service"]["pipelines"] = {
        "traces": {"receivers": ["otlp"], "exporters": ["otlp_http/first"]},
        "traces/edited": {"receivers": ["otlp"], "processors": ["attributes"],
                          "exporters": ["otlp_http/first", "otlp_http/second"]},
    }
    gateway = processes.sluice(settings)
    assert export(gateway, "traces", otlp.spans()).is_full_success("traces")
    first.wait_for_items("traces", 2)
    second.wait_for_items("traces", 1)
    assert sorted("edited" in item.item for item in first.items("traces")) == [False, True]
    assert ["edited" in item.item for item in second.items("traces")] == [True]


def test_attributes_take_values_from_the_request(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration(
        {"otlp_http": {"endpoint": sink.url}}, http={"include_metadata": True}, processors={
            "attributes": {"actions": [
                {"key": "tenant", "from_context": "metadata.x-tenant", "action": "insert"},
                {"key": "client", "from_context": "client.address", "action": "insert"}]}}))
    export(gateway, "traces", otlp.spans(), headers={"X-Tenant": "blue"})
    sink.wait_for_items("traces", 1)
    span, = spans_of([sink.taken[0].message()])
    assert plain(span.attributes) == {"tenant": "blue", "client": "127.0.0.1"}


def test_processors_run_in_the_order_of_the_pipeline(through):
    def insert(value):
        return {"actions": [{"key": "who", "value": value, "action": "insert"}]}
    messages = through(
        "traces", otlp.spans(), {"attributes/b": insert("first"), "attributes/a": insert("x")}, 1)
    assert plain(spans_of(messages)[0].attributes) == {"who": "first"}


# -- Exporters

def test_zipkin_gets_v2_json(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration(
        {"zipkin": {"endpoint": f"{sink.url}/api/v2/spans"}}, signals=["traces"]))
    request = otlp.spans(trace_id=everything.TRACE, name="GET /orders", service="checkout")
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(otlp.attributes({"http.route": "/orders", "count": 3}))
    span.events.add(name="started", time_unix_nano=otlp.NOW)
    span.status.code = 2
    export(gateway, "traces", request)
    sink.wait(lambda sink: sink.taken)
    sent = sink.taken[0]
    assert sent.path == "/api/v2/spans" and sent.headers["content-type"] == "application/json"
    from sink import decompress
    got, = json.loads(decompress(sent.body, sent.headers.get("content-encoding")))
    assert got["traceId"] == everything.TRACE.hex() and got["id"] == "0000000000000001"
    assert got["kind"] == "SERVER" and got["localEndpoint"]["serviceName"] == "checkout"
    assert got["timestamp"] == otlp.NOW // 1000 and got["duration"] == 1000
    assert got["tags"]["http.route"] == "/orders" and got["tags"]["count"] == "3"
    assert "error" in got["tags"]
    assert got["annotations"][0]["value"] == "started"


@pytest.mark.parametrize("verbosity", ["basic", "normal", "detailed"])
def test_debug_prints_as_much_as_it_is_asked_to(processes, verbosity):
    gateway = processes.sluice(configuration({"debug": {"verbosity": verbosity}}))
    export(gateway, "traces", otlp.spans(3, name="shown"))
    wait_until(
        lambda: gateway.metric("otelcol_exporter_sent_spans", exporter="debug") == 3,
        what="the delivery")
    text = gateway.log_path.read_text()
    assert ("shown-2" in text) == (verbosity != "basic")
    assert ("End time" in text) == (verbosity == "detailed")
    assert "\x1b" not in text


def test_debug_cannot_be_made_to_write_control_characters(processes):
    gateway = processes.sluice(configuration({"debug": {"verbosity": "detailed"}}))
    export(gateway, "traces", otlp.spans(name="\x1b[31mred\x07\nnew line"))
    export(gateway, "logs", otlp.logs(body="\x1b]0;title\x07"))
    wait_until(
        lambda: gateway.metric("otelcol_exporter_sent_log_records") == 1
        and gateway.metric("otelcol_exporter_sent_spans") == 1, what="the delivery")
    text = gateway.log_path.read_bytes()
    assert b"red" in text and b"\x1b" not in text and b"\x07" not in text


def test_file_rotates_and_loses_no_line(processes):
    gateway = processes.sluice(configuration({"file": {
        "path": "lines.json", "rotation": {"max_megabytes": 1, "max_backups": 0}}}))
    for number in range(8):
        assert export(
            gateway, "traces", otlp.spans(name=f"n{number}", text_bytes=300_000)).status == 200
        wait_until(
            lambda: gateway.metric("otelcol_exporter_sent_spans") == number + 1, what="a line")
    gateway.stop()
    files = list(gateway.directory.glob("lines*.json"))
    assert len(files) >= 3
    assert all(path.stat().st_size <= 1 << 20 for path in files)
    names = [
        span.name for path in files for line in path.read_text().split("\n")[:-1]
        for span in spans_of([otlp.from_json("traces", line)])]
    assert sorted(names) == [f"n{number}" for number in range(8)]


def test_file_that_ends_in_half_a_line_is_mended_at_start(processes):
    from sluice import Sluice
    settings = configuration({"file": {"path": "lines.json"}})
    gateway = processes.sluice(settings)
    export(gateway, "traces", otlp.spans(name="whole"))
    gateway.stop()
    path = gateway.directory / "lines.json"
    with path.open("ab") as lines:
        lines.write(b'{"resourceSpans":[{"torn')
    again = Sluice(gateway.directory, settings)
    processes.gateways.append(again)
    export(again, "traces", otlp.spans(name="after"))
    again.stop()
    lines = path.read_text().split("\n")[:-1]
    assert [spans_of([otlp.from_json("traces", line)])[0].name for line in lines] == [
        "whole", "after"]
    assert b"torn" in (gateway.directory / "lines.json.torn").read_bytes()


def test_sqlite_waits_while_another_process_holds_the_lock(processes):
    import sqlite3
    gateway = processes.sluice(configuration({"sqlite": {
        "path": "store.db", "busy_timeout": "50ms",
        "retry_on_failure": {"initial_interval": "20ms", "max_interval": "50ms"}}}))
    holder = sqlite3.connect(gateway.directory / "store.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert export(gateway, "traces", otlp.spans(5)).status == 200
    gateway.wait_for_log("delivery failed, will try again", component="sqlite")
    assert gateway.ready()[0] == 200
    holder.execute("ROLLBACK")
    holder.close()
    store = Store(gateway.directory / "store.db")
    wait_until(lambda: store.count("traces") == 5, what="the rows")
    store.close()
