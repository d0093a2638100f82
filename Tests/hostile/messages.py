"""OTLP messages as trees, written as protobuf or JSON without a protobuf library.

A message is a list of (field, value). A value may be `Times(n, value)`: the element is encoded once
and repeated by copying, so that a request of 60 MB is made in a moment. A field None with a `Raw`
value puts bytes where no encoder would. Items (spans, log records, data points) are counted.
"""

import base64
import dataclasses
import json
import re
import struct

# field: (number, kind). A kind is a message's name, with * where it is repeated, or a scalar.
SCHEMA = {
    "traces": {"resourceSpans": (1, "ResourceSpans*")},
    "ResourceSpans": {
        "resource": (1, "Resource"), "scopeSpans": (2, "ScopeSpans*"), "schemaUrl": (3, "text")},
    "ScopeSpans": {"scope": (1, "Scope"), "spans": (2, "Span*"), "schemaUrl": (3, "text")},
    "Span": {
        "traceId": (1, "id"), "spanId": (2, "id"), "traceState": (3, "text"),
        "parentSpanId": (4, "id"), "name": (5, "text"), "kind": (6, "varint"),
        "startTimeUnixNano": (7, "fixed64"), "endTimeUnixNano": (8, "fixed64"),
        "attributes": (9, "KeyValue*"), "droppedAttributesCount": (10, "varint"),
        "events": (11, "Event*"), "links": (13, "Link*"), "status": (15, "Status")},
    "Event": {
        "timeUnixNano": (1, "fixed64"), "name": (2, "text"), "attributes": (3, "KeyValue*")},
    "Link": {
        "traceId": (1, "id"), "spanId": (2, "id"), "traceState": (3, "text"),
        "attributes": (4, "KeyValue*")},
    "Status": {"message": (2, "text"), "code": (3, "varint")},
    "logs": {"resourceLogs": (1, "ResourceLogs*")},
    "ResourceLogs": {
        "resource": (1, "Resource"), "scopeLogs": (2, "ScopeLogs*"), "schemaUrl": (3, "text")},
    "ScopeLogs": {"scope": (1, "Scope"), "logRecords": (2, "LogRecord*"), "schemaUrl": (3, "text")},
    "LogRecord": {
        "timeUnixNano": (1, "fixed64"), "severityNumber": (2, "varint"),
        "severityText": (3, "text"), "body": (5, "AnyValue"), "attributes": (6, "KeyValue*"),
        "traceId": (9, "id"), "spanId": (10, "id"), "observedTimeUnixNano": (11, "fixed64"),
        "eventName": (12, "text")},
    "metrics": {"resourceMetrics": (1, "ResourceMetrics*")},
    "ResourceMetrics": {
        "resource": (1, "Resource"), "scopeMetrics": (2, "ScopeMetrics*"),
        "schemaUrl": (3, "text")},
    "ScopeMetrics": {"scope": (1, "Scope"), "metrics": (2, "Metric*"), "schemaUrl": (3, "text")},
    "Metric": {
        "name": (1, "text"), "description": (2, "text"), "unit": (3, "text"),
        "gauge": (5, "Gauge"), "sum": (7, "Sum"), "histogram": (9, "Histogram"),
        "exponentialHistogram": (10, "ExponentialHistogram"), "summary": (11, "Summary"),
        "metadata": (12, "KeyValue*")},
    "Gauge": {"dataPoints": (1, "NumberPoint*")},
    "Sum": {"dataPoints": (1, "NumberPoint*"), "aggregationTemporality": (2, "varint")},
    "Histogram": {
        "dataPoints": (1, "HistogramPoint*"), "aggregationTemporality": (2, "varint")},
    "ExponentialHistogram": {
        "dataPoints": (1, "ExponentialPoint*"), "aggregationTemporality": (2, "varint")},
    "Summary": {"dataPoints": (1, "SummaryPoint*")},
    "NumberPoint": {
        "timeUnixNano": (3, "fixed64"), "asDouble": (4, "double"), "exemplars": (5, "Exemplar*"),
        "asInt": (6, "fixed64"), "attributes": (7, "KeyValue*")},
    "HistogramPoint": {
        "timeUnixNano": (3, "fixed64"), "count": (4, "fixed64"), "sum": (5, "double"),
        "bucketCounts": (6, "packed fixed64"), "explicitBounds": (7, "packed double"),
        "exemplars": (8, "Exemplar*"), "attributes": (9, "KeyValue*")},
    "ExponentialPoint": {
        "attributes": (1, "KeyValue*"), "timeUnixNano": (3, "fixed64"), "count": (4, "fixed64"),
        "scale": (6, "varint"), "positive": (8, "Buckets"), "negative": (9, "Buckets")},
    "Buckets": {"offset": (1, "varint"), "bucketCounts": (2, "packed varint")},
    "SummaryPoint": {
        "timeUnixNano": (3, "fixed64"), "count": (4, "fixed64"), "sum": (5, "double"),
        "quantileValues": (6, "Quantile*"), "attributes": (7, "KeyValue*")},
    "Quantile": {"quantile": (1, "double"), "value": (2, "double")},
    "Exemplar": {
        "timeUnixNano": (2, "fixed64"), "asDouble": (3, "double"), "spanId": (4, "id"),
        "traceId": (5, "id"), "filteredAttributes": (7, "KeyValue*")},
    "Resource": {"attributes": (1, "KeyValue*"), "droppedAttributesCount": (2, "varint")},
    "Scope": {"name": (1, "text"), "version": (2, "text"), "attributes": (3, "KeyValue*")},
    "KeyValue": {"key": (1, "text"), "value": (2, "AnyValue")},
    "AnyValue": {
        "stringValue": (1, "text"), "boolValue": (2, "varint"), "intValue": (3, "varint"),
        "doubleValue": (4, "double"), "arrayValue": (5, "ArrayValue"),
        "kvlistValue": (6, "KeyValueList"), "bytesValue": (7, "bytes")},
    "ArrayValue": {"values": (1, "AnyValue*")},
    "KeyValueList": {"values": (1, "KeyValue*")},
}
ITEMS = {
    "Span", "LogRecord", "NumberPoint", "HistogramPoint", "ExponentialPoint", "SummaryPoint"}


@dataclasses.dataclass
class Times:
    """The same element `count` times."""
    count: int
    value: object


@dataclasses.dataclass
class Raw:
    """Bytes as they are: within a message for protobuf, as members of an object for JSON."""
    protobuf: bytes = b""
    json: bytes = b""
    items: int = 0


def varint(number):
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def delimited(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def encode(signal, message, encoding):
    """(bytes, number of items)"""
    if encoding == "json":
        return to_json(signal, message)
    return to_protobuf(signal, message)


# -- protobuf

def to_protobuf(kind, message):
    pieces, items = [], 0
    for field, value in message:
        count = 1
        if isinstance(value, Times):
            count, value = value.count, value.value
        if isinstance(value, Raw):
            pieces.append(value.protobuf * count)
            items += count * value.items
            continue
        number, child = SCHEMA[kind][field]
        child = child.rstrip("*")
        if child in SCHEMA:
            payload, inner = to_protobuf(child, value)
            piece = delimited(number, payload)
            items += count * (inner + (child in ITEMS))
        else:
            piece = scalar(number, child, value)
        pieces.append(piece * count)
    return b"".join(pieces), items


def scalar(number, kind, value):
    match kind:
        case "text":
            return delimited(number, value if isinstance(value, bytes) else value.encode())
        case "bytes" | "id":
            return delimited(number, value)
        case "varint":
            return varint(number << 3) + varint(value & (1 << 64) - 1)
        case "fixed64":
            return varint(number << 3 | 1) + struct.pack("<Q", value)
        case "double":
            return varint(number << 3 | 1) + struct.pack("<d", value)
    # Packed; a value is (element, count), or a list.
    element, count = value if isinstance(value, tuple) else (None, 0)
    encode_one = {
        "packed fixed64": lambda each: struct.pack("<Q", each),
        "packed double": lambda each: struct.pack("<d", each), "packed varint": varint}[kind]
    payload = encode_one(element) * count if isinstance(value, tuple) else b"".join(
        map(encode_one, value))
    return delimited(number, payload)


# -- JSON

NOT_BARE = re.compile(rb'[\x00-\x1f"\\]')


def escaped(match):
    return b"\\u%04x" % match[0][0]


def to_json(kind, message):
    members, items = [], 0
    at = 0
    while at < len(message):
        field, value = message[at]
        at += 1
        if field is None:
            repeats = 1
            if isinstance(value, Times):
                repeats, value = value.count, value.value
            if value.json:
                members.append(joined(value.json, repeats))
            continue
        child = SCHEMA[kind][field][1]
        values = [value]
        # A repeated field's neighbours are one array; of another they are the same key again.
        while child.endswith("*") and at < len(message) and message[at][0] == field:
            values.append(message[at][1])
            at += 1
        texts = []
        for each in values:
            count = 1
            if isinstance(each, Times):
                count, each = each.count, each.value
            text, inner = json_value(child.rstrip("*"), each)
            items += count * inner
            if count:
                texts.append((text, count))
        name = b'"' + field.encode() + b'":'
        if child.endswith("*"):
            members.append(
                name + b"[" + b",".join(joined(text, count) for text, count in texts) + b"]")
        else:
            members.extend(joined(name + text, count) for text, count in texts)
    return b"{" + b",".join(members) + b"}", items


def joined(text, count):
    return (text + b",") * (count - 1) + text if count else b""


def json_value(kind, value):
    """(text, items in it)"""
    if kind in SCHEMA:
        text, inner = to_json(kind, value)
        return text, inner + (kind in ITEMS)
    match kind:
        case "text":
            # What is no UTF-8 stays as it is: the reader has to cope.
            if isinstance(value, bytes):
                return b'"' + NOT_BARE.sub(escaped, value) + b'"', 0
            return json.dumps(value).encode(), 0
        case "id":
            return b'"' + value.hex().encode() + b'"', 0
        case "bytes":
            return b'"' + base64.b64encode(value) + b'"', 0
        case "fixed64":
            return b'"%d"' % value, 0
        case "varint":
            return b"%d" % value, 0
        case "double":
            return json.dumps(value).encode(), 0
    one = b'"%d"' if kind != "packed double" else b"%r"
    if isinstance(value, tuple):
        text = (repr(value[0]).encode() if kind == "packed double" else one % value[0])
        return b"[" + joined(text, value[1]) + b"]", 0
    return json.dumps(value).encode(), 0
