"""What is sent is what PostgreSQL holds: every field and type, to the nanosecond, in all editions.

What it refuses is in test_postgres_data.py, how it is reached in test_postgres_connection.py,
settings that change what it holds in test_postgres_options.py.
"""

import collections
import math
import random
import struct
import time

import pytest

import client
import everything
import otlp
import sdk_telemetry
from otlp import JSON, NOW, PROTOBUF, SIGNALS, attributes
from sluice import configuration, wait_until
from stored_postgres import Store, as_jsonb, expected, freeze, in_view
from test_flow import assert_sums
from test_real_clients import assert_same

YEARS = "87600h"
# What the tests send is older than what counts as plausible and is kept by default.
OLD_DATA = {"time_window": YEARS, "retention": {
    "traces": YEARS, "logs": YEARS, "metrics": YEARS, "rollups": YEARS}}


def gateway_for(processes, database, exporter=(), **settings):
    """A gateway whose only exporter, `postgres`, writes to this database."""
    return processes.sluice(configuration({"postgres": {
        "connection": database.dsn(), **OLD_DATA,
        "retry_on_failure": {"initial_interval": "20ms", "max_interval": "200ms"},
        **dict(exporter)}}, **settings))


def wait_for_rows(database, signal, count, seconds=30):
    store = Store(database)
    wait_until(lambda: store.count(signal) >= count, seconds, what=f"{count} rows of {signal}")
    assert store.count(signal) == count
    return store


def check(database, signal, *sent):
    """All that was sent is there, and nothing else is."""
    wanted = sum((expected(signal, each) for each in sent), collections.Counter())
    store = wait_for_rows(database, signal, wanted.total())
    assert_same(store.actual(signal), wanted, "PostgreSQL")
    return store


def without(rows, key):
    """The rows less what they have under this key."""
    return collections.Counter(
        tuple(pair for pair in row if pair[0] != key) for row in rows.elements())


@pytest.fixture
def empty(edition, make_database):
    """A database without a schema, once for each edition: the gateway makes it."""
    return make_database(edition, applied=False)


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_every_field_of_every_message_comes_back(processes, empty, content_type):
    gateway = gateway_for(processes, empty)
    for signal in SIGNALS:
        sent = everything.everything(signal)
        assert client.export(gateway, signal, sent, content_type).is_full_success(signal)
        check(empty, signal, sent)
    pipelines = assert_sums(gateway)
    for signal in SIGNALS:
        assert pipelines[signal]["exporters"]["postgres"]["exported"] == everything.count(signal)
    assert empty.value("SELECT @schema@.edition()") == empty.edition


@pytest.mark.parametrize("compression", list(sdk_telemetry.COMPRESSIONS))
def test_what_the_python_sdk_exports_comes_back(processes, make_database, compression):
    database = make_database(applied=False)
    gateway = gateway_for(processes, database)
    for signal in SIGNALS:
        sent = sdk_telemetry.EMIT[signal](gateway.url, compression)
        check(database, signal, sent)


def test_the_views_show_it_too(processes, empty):
    """As far as they have columns for it, with types and nanoseconds."""
    gateway = gateway_for(processes, empty)
    for signal in SIGNALS:
        sent = everything.everything(signal)
        client.export(gateway, signal, sent)
        wait_for_rows(empty, signal, everything.count(signal))
        shown = [as_jsonb(row) for row in in_view(empty, signal)]
        keys = set.intersection(*map(set, shown))
        assert len(keys) > 10
        wanted = collections.Counter(
            tuple(pair for pair in row if pair[0] in keys)
            for row in expected(signal, sent).elements())
        got = collections.Counter(
            tuple(pair for pair in freeze(row) if pair[0] in keys) for row in shown)
        assert_same(got, wanted, f"the view of {signal}")
    # Of those with a value the type of the number is shown as well.
    numbers = {
        freeze(as_jsonb(row)["value"]) for row in in_view(empty, "metrics") if "value" in row}
    assert {("int", (1 << 63) - 1), ("int", -(1 << 63)), ("double", "nan"), ("double", "-inf"),
            ("double", "0.0"), ("int", 0), None} <= numbers
    bodies = {body for body, in empty.execute("SELECT body FROM @schema@.logs")}
    assert {"text", "42", "true", None, '{"$bytes": ""}', "[]", "1.0"} <= bodies


DOUBLES = [
    0.0, -0.0, 1.0, -1.0, 0.1, 1e15, 1e16, 123456789012345680.0, 2.0 ** 53, 2.0 ** 53 + 2,
    2.0 ** 62, 2.0 ** 63, -(2.0 ** 63), 2.0 ** 63 + 2048, 2.0 ** 64, 1e22, 1e23, 1e300, -1e300,
    1.7976931348623157e308, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-7, 0.001, 0.0001,
    999999999999.999, 0.3, 1 / 3, math.pi, math.inf, -math.inf, math.nan]
INTS = [0, -1, 1, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1, (1 << 63) - 1, -(1 << 63), 10 ** 18]


def test_a_double_stays_a_double_and_an_int_an_int(native, processes):
    """Each as an attribute, in a list, in a map, as a body, as a point's value, an exemplar's."""
    gateway = gateway_for(processes, native)
    spans = otlp.spans()
    values = DOUBLES + INTS
    span = spans.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(attributes({f"{index}": each for index, each in enumerate(values)}))
    span.attributes.extend(attributes({"list": values, "map": {str(n): n for n in values}}))
    logs = otlp.logs()
    for each in values:
        logs.resource_logs[0].scope_logs[0].log_records.add(
            time_unix_nano=NOW, body=otlp.value(each))
    points = otlp.REQUESTS["metrics"]()
    metric = points.resource_metrics.add().scope_metrics.add().metrics.add(name="numbers")
    for each in values:
        point = metric.gauge.data_points.add(time_unix_nano=NOW)
        exemplar = point.exemplars.add(time_unix_nano=NOW)
        for to in (point, exemplar):
            if isinstance(each, int):
                to.as_int = each
            else:
                to.as_double = each
    for signal, sent in (("traces", spans), ("logs", logs), ("metrics", points)):
        assert client.export(gateway, signal, sent).is_full_success(signal)
        check(native, signal, sent)


def test_random_doubles_come_back_bit_for_bit(native, processes):
    draw = random.Random(4)
    values = [
        struct.unpack("<d", draw.randbytes(8))[0] for _ in range(3000)]
    values += [draw.uniform(-1, 1) * 10 ** draw.randint(-20, 30) for _ in range(3000)]
    values += [float(draw.randint(-1 << 64, 1 << 64)) for _ in range(3000)]
    gateway = gateway_for(processes, native)
    sent = otlp.spans()
    sent.resource_spans[0].scope_spans[0].spans[0].attributes.extend(attributes({"list": values}))
    assert client.export(gateway, "traces", sent).status == 200
    check(native, "traces", sent)


def test_of_a_repeated_key_the_last_counts(native, processes):
    gateway = gateway_for(processes, native)
    sent = otlp.spans()
    span = sent.resource_spans[0].scope_spans[0].spans[0]
    for value in (1, "two", 3.0):
        span.attributes.extend(attributes({"again": value, "z": 1, "a": 2}))
    client.export(gateway, "traces", sent)
    check(native, "traces", sent)
    assert native.value("SELECT attributes::text FROM @schema@.span") \
        == '{"a": 2, "z": 1, "again": 3.0}'


def test_numbers_of_points_keep_all_64_bits(native, processes):
    """Counts beyond int8 become the highest, and that is counted."""
    gateway = gateway_for(processes, native)
    most = (1 << 64) - 1
    sent = otlp.REQUESTS["metrics"]()
    scope = sent.resource_metrics.add().scope_metrics.add()
    histogram = scope.metrics.add(name="h").histogram.data_points.add(
        time_unix_nano=NOW, count=most, bucket_counts=[0, 1 << 63, (1 << 63) - 1],
        explicit_bounds=[-math.inf, math.nan])
    exponential = scope.metrics.add(name="e").exponential_histogram.data_points.add(
        time_unix_nano=NOW, count=most, zero_count=most, scale=-(1 << 31), zero_threshold=-0.0)
    exponential.positive.offset = (1 << 31) - 1
    exponential.positive.bucket_counts.extend([most, 1])
    summary = scope.metrics.add(name="s").summary.data_points.add(
        time_unix_nano=NOW, count=most, sum=-0.0)
    summary.quantile_values.add(quantile=math.nan, value=-0.0)
    assert client.export(gateway, "metrics", sent).is_full_success("metrics")
    wait_for_rows(native, "metrics", 3)
    highest = (1 << 63) - 1
    histogram.count = exponential.count = exponential.zero_count = summary.count = highest
    histogram.bucket_counts[1] = exponential.positive.bucket_counts[0] = highest
    # The series keep their ids; only what stands in the tables is compared.
    assert_same(Store(native).actual("metrics"), expected("metrics", sent), "PostgreSQL")
    assert gateway.metric(
        "sluice_postgres_changed_values", exporter="postgres", change="clamped") == 6


def test_times_are_kept_to_the_nanosecond(native, processes):
    gateway = gateway_for(processes, native)
    sent = otlp.spans(1000)
    now = time.time_ns()
    for number, span in enumerate(sent.resource_spans[0].scope_spans[0].spans):
        span.start_time_unix_nano = now + number
        span.end_time_unix_nano = now + 2 * number + (1 << number % 50)
        span.events.add(time_unix_nano=now + 3 * number)
    client.export(gateway, "traces", sent)
    check(native, "traces", sent)
    assert native.value("SELECT count(*) FROM @schema@.span WHERE sent_start_time IS NOT NULL") == 0


def test_a_time_outside_the_window_is_kept_beside_the_time_of_receipt(processes, empty):
    """Everything has times of two months ago, and the window is a month by default."""
    gateway = gateway_for(processes, empty, {"time_window": "720h", "retention": {}})
    began = time.time_ns()
    sent = {signal: everything.everything(signal) for signal in SIGNALS}
    # One that has no time at all keeps none: it gets that of receipt.
    del sent["logs"].resource_logs[0].scope_logs[0].log_records[-1]
    for signal in SIGNALS:
        client.export(gateway, signal, sent[signal])
        wait_for_rows(empty, signal, otlp.item_count(signal, sent[signal]))
    for signal in ("traces", "metrics"):
        assert_same(Store(empty).actual(signal), expected(signal, sent[signal]), "PostgreSQL")
    assert_same(
        without(Store(empty).actual("logs"), "time_source"),
        without(expected("logs", sent["logs"]), "time_source"), "PostgreSQL")
    for table, column in (("span", "start_time"), ("log", "time"), ("metric_number", "time")):
        assert empty.value(
            f"SELECT count(*) FROM @schema@.{table} WHERE {column} NOT BETWEEN"
            " to_timestamp(%s) AND now()", [began / 1e9 - 1]) == 0


def test_an_accepted_span_can_be_queried_within_two_seconds(native, processes):
    """At default settings, and with nothing else under way."""
    gateway = processes.sluice(configuration({"postgres": {"connection": native.dsn()}}))
    gateway.wait_for_log("connected to PostgreSQL")
    for number in range(5):
        trace = bytes(15) + bytes([number + 1])
        assert client.export(gateway, "traces", otlp.spans(trace_id=trace)).status == 200
        wait_until(
            lambda: native.execute(
                "SELECT 1 FROM @schema@.span WHERE trace_id = %s", [trace.hex()]),
            seconds=2, what="the span")
