"""OTLP requests: made, encoded, decoded, and taken apart into items that can be compared."""

import base64
import binascii
import collections
import json
import re

from google.protobuf import json_format, text_format
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
SIGNALS = ("traces", "metrics", "logs")

REQUESTS = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
}
RESPONSES = {
    "traces": trace_service_pb2.ExportTraceServiceResponse,
    "metrics": metrics_service_pb2.ExportMetricsServiceResponse,
    "logs": logs_service_pb2.ExportLogsServiceResponse,
}
REJECTED = {
    "traces": "rejected_spans", "metrics": "rejected_data_points", "logs": "rejected_log_records",
}
NOUNS = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}
NOW = 1_790_000_000_000_000_000

ID_KEYS = {"traceId", "spanId", "parentSpanId"}


def to_json(message):
    """OTLP/JSON: protobuf's mapping, but ids in hex and enums as numbers."""
    tree = json_format.MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(convert_ids(tree, lambda text: base64.b64decode(text).hex())).encode()


def from_json(signal, data):
    """What Python's protobuf makes of OTLP/JSON."""
    tree = convert_ids(
        json.loads(data), lambda text: base64.b64encode(binascii.unhexlify(text)).decode())
    return json_format.ParseDict(tree, REQUESTS[signal]())


def convert_ids(tree, convert):
    if isinstance(tree, list):
        return [convert_ids(element, convert) for element in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        key: convert(value) if key in ID_KEYS else convert_ids(value, convert)
        for key, value in tree.items()
    }


def encode(message, content_type):
    return to_json(message) if content_type == JSON else message.SerializeToString()


def parse(signal, data, content_type):
    if content_type.startswith(JSON):
        return from_json(signal, data)
    return REQUESTS[signal].FromString(data)


def parse_response(signal, data, content_type):
    if content_type == JSON:
        return json_format.Parse(data, RESPONSES[signal]())
    return RESPONSES[signal].FromString(data)


def parse_status(data, content_type):
    """A google.rpc.Status with its details: (code, message, [detail])."""
    if content_type == JSON:
        status = json_format.Parse(data, status_pb2.Status())
    else:
        status = status_pb2.Status.FromString(data)
    details = []
    for packed in status.details:
        for kind in (error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            detail = kind()
            if packed.Unpack(detail):
                details.append(detail)
    assert len(details) == len(status.details), "a detail of unknown type"
    return status.code, status.message, details


# -- Items

Item = collections.namedtuple("Item", "resource scope metric item")


def items(signal, request):
    """Each item with all that encloses it, as comparable text."""
    for resource in resources(signal, request):
        outer = text(resource.resource) + f" schema_url: {resource.schema_url!r}"
        for scope in scopes(signal, resource):
            inner = text(scope.scope) + f" schema_url: {scope.schema_url!r}"
            for metric, item in children(signal, scope):
                described = ""
                if metric is not None:
                    described = text(without_points(metric))
                yield Item(outer, inner, described, text(item))


def resources(signal, request):
    return {
        "traces": lambda: request.resource_spans,
        "metrics": lambda: request.resource_metrics,
        "logs": lambda: request.resource_logs,
    }[signal]()


def scopes(signal, resource):
    return {
        "traces": lambda: resource.scope_spans,
        "metrics": lambda: resource.scope_metrics,
        "logs": lambda: resource.scope_logs,
    }[signal]()


def children(signal, scope):
    """Pairs of the metric (or None) and the item."""
    if signal == "traces":
        return [(None, span) for span in scope.spans]
    if signal == "logs":
        return [(None, record) for record in scope.log_records]
    return [
        (metric, point) for metric in scope.metrics if metric.WhichOneof("data")
        for point in getattr(metric, metric.WhichOneof("data")).data_points]


def without_points(metric):
    copy = type(metric)()
    copy.CopyFrom(metric)
    kind = copy.WhichOneof("data")
    if kind:
        getattr(copy, kind).ClearField("data_points")
    return copy


def text(message):
    return text_format.MessageToString(message, as_one_line=True, print_unknown_fields=True)


def item_count(signal, request):
    return sum(1 for _ in items(signal, request))


# -- Making requests

def value(of):
    """An AnyValue of a Python value."""
    any_value = common_pb2.AnyValue()
    match of:
        case None: pass
        case bool(): any_value.bool_value = of
        case str(): any_value.string_value = of
        case int(): any_value.int_value = of
        case float(): any_value.double_value = of
        case bytes(): any_value.bytes_value = of
        case list():
            any_value.array_value.SetInParent()
            any_value.array_value.values.extend(map(value, of))
        case dict():
            any_value.kvlist_value.SetInParent()
            any_value.kvlist_value.values.extend(attributes(of))
        case _: raise TypeError(of)
    return any_value


def attributes(of):
    return [common_pb2.KeyValue(key=key, value=value(each)) for key, each in of.items()]


def spans(count=1, name="span", trace_id=None, service="test", text_bytes=0):
    """A request with `count` small valid spans."""
    request = REQUESTS["traces"]()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend(attributes({"service.name": service}))
    scope = resource.scope_spans.add()
    scope.scope.name = "tests"
    for number in range(1, count + 1):
        span = scope.spans.add()
        span.trace_id = trace_id or bytes(15) + b"\x01"
        span.span_id = number.to_bytes(8, "big")
        span.name = f"{name}-{number}" if count > 1 else name
        span.kind = 2
        span.start_time_unix_nano = NOW + number
        span.end_time_unix_nano = NOW + number + 1_000_000
        if text_bytes:
            span.attributes.extend(attributes({"text": "x" * text_bytes}))
    return request


def gauge(count=1, name="gauge"):
    request = REQUESTS["metrics"]()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(attributes({"service.name": "test"}))
    metric = resource.scope_metrics.add().metrics.add(name=name, unit="1")
    for number in range(count):
        metric.gauge.data_points.add(
            time_unix_nano=NOW, as_int=number, attributes=attributes({"number": number}))
    return request


def logs(count=1, body="a log line"):
    request = REQUESTS["logs"]()
    resource = request.resource_logs.add()
    resource.resource.attributes.extend(attributes({"service.name": "test"}))
    scope = resource.scope_logs.add()
    for number in range(count):
        scope.log_records.add(
            time_unix_nano=NOW + number, observed_time_unix_nano=NOW + number,
            severity_number=9, severity_text="INFO", body=value(body))
    return request


def request(signal, count=1):
    return {"traces": spans, "metrics": gauge, "logs": logs}[signal](count)


def with_bad_item(signal):
    """Two good items with a bad one between them: an id has the wrong length."""
    whole = request(signal, 3)
    if signal == "traces":
        whole.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    elif signal == "logs":
        whole.resource_logs[0].scope_logs[0].log_records[1].trace_id = b"short"
    else:
        metric = whole.resource_metrics[0].scope_metrics[0].metrics[0]
        metric.gauge.data_points[1].exemplars.add(trace_id=b"short", as_int=1)
    return whole


# -- Protobuf by hand, for what no encoder writes

def varint(number):
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field(number, payload, wire_type=2):
    """A tag, the length where the wire type has one, and the bytes."""
    tag = varint(number << 3 | wire_type)
    return tag + (varint(len(payload)) if wire_type == 2 else b"") + payload


def nested(*numbers, payload):
    """`payload` within messages, the outermost first."""
    for number in reversed(numbers):
        payload = field(number, payload)
    return payload


def camel(name):
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)
