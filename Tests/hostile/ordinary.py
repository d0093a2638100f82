"""Ordinary telemetry: what services export. Its cost is what that of attacks is compared with."""

import functools
import random

import containers
from messages import encode

ITEMS_A_RESOURCE = 50


def attributes(random, count, prefix):
    return [
        ("attributes", [("key", f"{prefix}.attribute.{number}"), (
            "value", [("intValue", random.randrange(10_000))] if number % 4 == 3 else
            [("stringValue", f"value-{random.randrange(5000)}-of-some-length")])])
        for number in range(count)]


def span(random):
    start = 1_790_000_000_000_000_000 + random.randrange(1 << 40)
    return ("spans", [
        ("traceId", random.randbytes(16)), ("spanId", random.randbytes(8)),
        ("parentSpanId", random.randbytes(8)), ("name", f"GET /cart/{random.randrange(50)}"),
        ("kind", 2), ("startTimeUnixNano", start),
        ("endTimeUnixNano", start + random.randrange(1 << 30)),
        *attributes(random, 10, "http"), ("status", [("code", 1)])])


def log_record(random):
    return ("logRecords", [
        ("timeUnixNano", 1_790_000_000_000_000_000 + random.randrange(1 << 40)),
        ("severityNumber", 9), ("severityText", "INFO"),
        ("body", [("stringValue", f"order {random.randrange(10_000)} was placed and is paid for")]),
        *attributes(random, 5, "log"), ("traceId", random.randbytes(16)),
        ("spanId", random.randbytes(8))])


def metric(random):
    point = [
        ("timeUnixNano", 1_790_000_000_000_000_000), ("asDouble", random.random()),
        *attributes(random, 4, "metric")]
    if random.random() < 0.3:
        histogram = [
            ("timeUnixNano", 1_790_000_000_000_000_000), ("count", 40), ("sum", 9.5),
            ("bucketCounts", [random.randrange(9) for _ in range(15)]),
            ("explicitBounds", [float(bound) for bound in range(14)]),
            *attributes(random, 4, "metric")]
        return ("metrics", [
            ("name", f"duration.{random.randrange(20)}"), ("unit", "ms"),
            ("histogram", [("dataPoints", histogram), ("aggregationTemporality", 2)])])
    return ("metrics", [
        ("name", f"queue.size.{random.randrange(20)}"), ("unit", "1"),
        ("gauge", [("dataPoints", point)])])


MAKERS = {"traces": span, "logs": log_record, "metrics": metric}
NAMES = {
    "traces": ("resourceSpans", "scopeSpans"), "logs": ("resourceLogs", "scopeLogs"),
    "metrics": ("resourceMetrics", "scopeMetrics")}


@functools.cache
def plain(signal, encoding, size):
    """(bytes, items), a resource for each 50 items; of a size of 0 one item."""
    source = random.Random(f"{signal} {encoding}")
    a_resource = ITEMS_A_RESOURCE if size else 1
    outer, inner = NAMES[signal]

    def resource():
        items = [MAKERS[signal](source) for _ in range(a_resource)]
        return (outer, [
            ("resource", [
                ("attributes", [("key", "service.name"), ("value", [
                    ("stringValue", f"shop-{source.randrange(20)}")])]),
                *attributes(source, 5, "resource")]),
            (inner, [("scope", [("name", "instrumentation")]), *items])])

    first, _ = encode(signal, [resource()], encoding)
    return encode(
        signal, [resource() for _ in range(max(1, round(size / len(first))))], encoding)


@functools.cache
def body(signal, encoding, container, size):
    """(wire bytes, bytes before compression, items)"""
    data, items = plain(signal, encoding, size)
    return containers.compressed(data, container), len(data), items
