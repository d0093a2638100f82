"""Requests that use every field of the three signals' messages, edge values included."""

import otlp
from otlp import NOW, REQUESTS, attributes, value

TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPAN = bytes.fromhex("f7ad6b7169203331")

VALUES = {
    "string": "Käse, 日本, 😀, \"quotes\", \\, \n, \x01, \x7f, \u2028",
    "string.empty": "",
    "bool.true": True, "bool.false": False,
    "int": 42, "int.zero": 0, "int.min": -(1 << 63), "int.max": (1 << 63) - 1,
    "int.beyond.double": (1 << 53) + 1,
    "double": 3.14, "double.whole": 1.0, "double.negative.zero": -0.0, "double.tiny": 5e-324,
    "double.huge": 1.7976931348623157e308, "double.nan": float("nan"),
    "double.infinity": float("inf"), "double.minus.infinity": float("-inf"),
    "bytes": bytes(range(256)), "bytes.empty": b"",
    "list": ["mixed", 1, 1.5, True, b"\x00", None, [], {}],
    "list.empty": [],
    "map": {"a": 1, "b": {"c": ["d", {"e": None}]}, "$bytes": "no bytes", "$double": 2.5, "": 0},
    "map.empty": {},
    "absent": None,
    "": "an empty key",
}


def fill(resource, scope, name):
    resource.schema_url = "https://opentelemetry.io/schemas/1.30.0"
    resource.resource.attributes.extend(attributes({
        "service.name": name, "service.namespace": "shop", "service.instance.id": "i-1",
        **VALUES}))
    resource.resource.dropped_attributes_count = 3
    reference = resource.resource.entity_refs.add(
        schema_url="https://example.com", type="service")
    reference.id_keys.append("service.name")
    reference.description_keys.append("service.namespace")
    scope.schema_url = "https://opentelemetry.io/schemas/1.29.0"
    scope.scope.name = "every.thing"
    scope.scope.version = "1.2.3"
    scope.scope.attributes.extend(attributes(VALUES))
    scope.scope.dropped_attributes_count = 4


def everything(signal):
    request = REQUESTS[signal]()
    {"traces": fill_spans, "metrics": fill_metrics, "logs": fill_logs}[signal](request)
    return request


def fill_spans(request):
    for service in ("first", "second"):
        resource = request.resource_spans.add()
        scope = resource.scope_spans.add()
        fill(resource, scope, service)
        for kind in range(6):
            full_span(scope.spans.add(), kind)
        bare = scope.spans.add()
        bare.trace_id, bare.span_id = TRACE, bytes(7) + b"\x01"
        # Another scope without a name, and a resource without a scope's items.
        nameless = resource.scope_spans.add().spans.add()
        nameless.trace_id, nameless.span_id = TRACE, bytes(7) + b"\x02"
        nameless.name = "of no scope"
    request.resource_spans.add()


def full_span(span, kind):
    span.trace_id, span.span_id = TRACE, SPAN[:-1] + bytes([kind + 1])
    span.parent_span_id = SPAN
    span.trace_state = "vendor=value,other=1"
    span.flags = 0x301
    span.name = f"kind {kind}"
    span.kind = kind
    span.start_time_unix_nano = NOW
    span.end_time_unix_nano = NOW + 123_456_789
    span.attributes.extend(attributes(VALUES))
    span.dropped_attributes_count = 5
    span.dropped_events_count = 6
    span.dropped_links_count = 7
    span.events.add(
        time_unix_nano=NOW + 1, name="exception", attributes=attributes(VALUES),
        dropped_attributes_count=8)
    span.events.add(time_unix_nano=NOW + 2)
    span.links.add(
        trace_id=TRACE[::-1], span_id=SPAN[::-1], trace_state="a=b",
        attributes=attributes(VALUES), dropped_attributes_count=9, flags=0x100)
    span.links.add(trace_id=TRACE, span_id=SPAN)
    span.status.code = kind % 3
    span.status.message = "went wrong" if kind % 3 == 2 else ""


def fill_logs(request):
    resource = request.resource_logs.add()
    scope = resource.scope_logs.add()
    fill(resource, scope, "logs")
    bodies = ["text", "", None, *VALUES.values()]
    for number, body in enumerate(bodies):
        record = scope.log_records.add(
            time_unix_nano=NOW + number, observed_time_unix_nano=NOW + number + 5,
            severity_number=number % 25, severity_text="SEV" if number % 2 else "",
            attributes=attributes(VALUES), dropped_attributes_count=number, flags=1,
            trace_id=TRACE, span_id=SPAN, event_name="event" if number % 3 else "")
        record.body.CopyFrom(value(body))
    scope.log_records.add(observed_time_unix_nano=NOW)


def fill_metrics(request):
    resource = request.resource_metrics.add()
    scope = resource.scope_metrics.add()
    fill(resource, scope, "metrics")
    for number, kind in enumerate(
            ("gauge", "sum", "histogram", "exponential_histogram", "summary")):
        metric = scope.metrics.add(
            name=f"a.{kind}", description="What it means", unit="ms",
            metadata=attributes({"prometheus.type": kind}))
        data = getattr(metric, kind)
        data.SetInParent()
        if kind not in ("gauge", "summary"):
            data.aggregation_temporality = 1 + number % 2
        if kind == "sum":
            data.is_monotonic = True
        for variant in range(2):
            point = data.data_points.add(
                time_unix_nano=NOW + variant, start_time_unix_nano=NOW - 1,
                attributes=attributes({**VALUES, "variant": variant}))
            point.flags = variant
            if kind != "summary":
                exemplars(point)
            fill_point(kind, point, variant)
    # Numbers of every kind, and one that has none.
    numbers = scope.metrics.add(name="numbers").gauge.data_points
    for number in (0, -1, (1 << 63) - 1, -(1 << 63)):
        numbers.add(time_unix_nano=NOW, as_int=number)
    for number in (0.0, -0.5, float("nan"), float("inf"), float("-inf")):
        numbers.add(time_unix_nano=NOW, as_double=number)
    numbers.add(time_unix_nano=NOW, flags=1)


def fill_point(kind, point, variant):
    match kind:
        case "gauge" | "sum":
            if variant:
                point.as_int = -7
            else:
                point.as_double = 2.5
        case "histogram":
            point.count = 6
            point.explicit_bounds.extend([-1.0, 0.0, 10.5])
            point.bucket_counts.extend([1, 2, 3, 0])
            if variant:
                point.sum, point.min, point.max = 12.5, -3.0, 9.0
        case "exponential_histogram":
            point.count, point.scale, point.zero_count = 9, -3 if variant else 20, 2
            point.zero_threshold = 0.25
            point.positive.offset = -4
            point.positive.bucket_counts.extend([1, 0, 300])
            point.negative.offset = 5
            point.negative.bucket_counts.extend([4])
            if variant:
                point.sum, point.min, point.max = float("nan"), float("-inf"), float("inf")
        case "summary":
            point.count, point.sum = 4, 8.0
            for quantile in (0.0, 0.5, 1.0):
                point.quantile_values.add(quantile=quantile, value=quantile * 3)


def exemplars(point):
    point.exemplars.add(
        time_unix_nano=NOW, as_int=5, trace_id=TRACE, span_id=SPAN,
        filtered_attributes=attributes(VALUES))
    point.exemplars.add(time_unix_nano=NOW, as_double=float("nan"))


def count(signal):
    return otlp.item_count(signal, everything(signal))
