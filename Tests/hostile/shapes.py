"""Amplifying requests: what is small on the wire and may be large, slow or endless for its reader.

Each shape is a function of the parameters and of a count, which is how often the shape's unit
stands there; `build` finds the count for the size that is wanted. Nothing here is random: the same
parameters make the same bytes.
"""

from messages import Raw, Times, encode

TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))
NOW = 1_790_000_000_000_000_000
DEPTH_MAX = 140
SHAPES = {}

# A text's characters, by what they cost: plain; six times as long in JSON; not UTF-8; cut within a
# character; what debug escapes; what a sampler parses.
TEXTS = {
    "plain": b"a", "control": b"\x01", "quote": b'"', "invalid": b"\xff", "cut": b"\xe2\x82",
    "wide": "€".encode(), "zero": b"\x00", "bidi": "\u202e".encode(), "digits": b"9",
    "member": b"a=1,", "sub": b"a:1;",
}


def shape(*signals, encodings=("protobuf", "json")):
    def keep(function):
        SHAPES[function.__name__] = (function, signals or ("traces", "metrics", "logs"), encodings)
        return function
    return keep


def text(p):
    """`p.text` bytes of the parameters' kind of characters."""
    unit = TEXTS[p.characters]
    return (unit * (p.text // len(unit) + 1))[:p.text]


def string(p):
    return [("stringValue", text(p))]


def attribute(p, key="k", value=None):
    return [("key", key), ("value", string(p) if value is None else value)]


# -- Where things stand, by signal

def request(signal, *resource):
    return [({"traces": "resourceSpans", "metrics": "resourceMetrics",
              "logs": "resourceLogs"}[signal], list(resource))]


def scope_field(signal):
    return {"traces": "scopeSpans", "metrics": "scopeMetrics", "logs": "scopeLogs"}[signal]


def item_field(signal):
    return {"traces": "spans", "metrics": "metrics", "logs": "logRecords"}[signal]


def within_scope(signal, *content):
    """A request with one resource and one scope."""
    return request(signal, (scope_field(signal), list(content)))


def item(signal, *content):
    """The least that is accepted, and `content`. Of metrics a gauge with one point."""
    match signal:
        case "traces":
            return [("traceId", TRACE), ("spanId", SPAN), *content]
        case "logs":
            return list(content)
    return [("gauge", [("dataPoints", [("asDouble", 1.5), *content])])]


def items(signal, count, *content):
    return within_scope(signal, (item_field(signal), Times(count, item(signal, *content))))


def one(signal):
    """A whole resource with an ordinary item, so that a request is no empty one."""
    return within_scope(signal, (item_field(signal), item(signal)))


# -- Messages without content

@shape()
def empty_resources(p, n):
    outer = request(p.signal)[0][0]
    return [(outer, Times(n, [])), *one(p.signal)]


@shape()
def empty_scopes(p, n):
    field = scope_field(p.signal)
    return request(
        p.signal, (field, Times(n, [])), (field, [(item_field(p.signal), item(p.signal))]))


@shape()
def empty_items(p, n):
    """Spans that are rejected, log records that are accepted, metrics without data."""
    field = item_field(p.signal)
    return within_scope(p.signal, (field, Times(n, [])), (field, item(p.signal)))


@shape()
def least_items(p, n):
    return items(p.signal, n)


@shape()
def good_and_bad_items(p, n):
    """Each bad one is a cut of its own."""
    pair = (item_field(p.signal), item(p.signal)), (
        item_field(p.signal), [("traceId", b"bad")] if p.signal != "metrics" else item(
            p.signal, ("exemplars", [("traceId", b"bad")])))
    if p.encoding == "protobuf":
        inner, _ = encode(p.signal, within_scope(p.signal, *pair), "protobuf")
        # Without the two outer heads: the pair is what is repeated.
        return within_scope(p.signal, (None, Times(n, Raw(strip(strip(inner)), items=2))))
    return within_scope(p.signal, *(pair * n))


def strip(message):
    """The content of a message's first field, which is all of it."""
    at = 1
    while message[at] & 0x80:
        at += 1
    return message[at + 1:]


@shape()
def an_item_each_resource(p, n):
    outer, resource = one(p.signal)[0]
    return [(outer, Times(n, [("resource", []), *resource]))]


@shape()
def an_item_each_scope(p, n):
    return request(p.signal, (scope_field(p.signal), Times(
        n, [("scope", [("name", text(p))]), (item_field(p.signal), item(p.signal))])))


@shape("metrics")
def empty_points(p, n):
    kind = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")[p.width % 5]
    return within_scope(
        "metrics", ("metrics", [("name", "m"), (kind, [("dataPoints", Times(n, []))])]))


@shape("metrics")
def a_point_each_metric(p, n):
    kind = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")[p.width % 5]
    return within_scope("metrics", ("metrics", Times(n, [
        ("name", "m"), ("metadata", attribute(p)), (kind, [("dataPoints", [])])])))


# -- Attributes

@shape()
def empty_attributes(p, n):
    return items(p.signal, n, ("attributes", Times(max(1, p.width), [])))


@shape()
def one_item_of_attributes(p, n):
    return items(p.signal, 1, ("attributes", Times(n, attribute(p))))


@shape()
def attributes_that_actions_name(p, n):
    """Keys that the configured actions insert, hash, convert, extract from, delete."""
    keys = ("secret.token", "user.email", "url.path", "number", "copy.of", "gone", "inserted")
    each = [("attributes", attribute(p, key)) for key in keys]
    return items(p.signal, n, *(each * max(1, p.width // 7)))


@shape()
def resource_attributes(p, n):
    outer, content = one(p.signal)[0]
    return [(outer, [("resource", [("attributes", Times(n, attribute(p)))]), *content])]


@shape()
def shared_resource(p, n):
    """What each item of a resource repeats where it is written out."""
    outer, _ = one(p.signal)[0]
    resource = [("attributes", Times(max(1, p.width), attribute(p)))]
    scope = [("scope", [("name", text(p))]), (item_field(p.signal), Times(n, item(p.signal)))]
    return [(outer, [("resource", resource), (scope_field(p.signal), scope)])]


# -- Values

def nested(p, inner):
    kinds = {"array": "arrayValue", "map": "kvlistValue"}
    for level in range(min(p.depth, DEPTH_MAX)):
        is_map = p.nesting == "map" or (p.nesting == "both" and level % 2)
        element = [("key", "k"), ("value", inner)] if is_map else inner
        inner = [(kinds["map" if is_map else "array"], [("values", element)])]
    return inner


@shape()
def deep_values(p, n):
    return items(p.signal, n, ("attributes", attribute(p, value=nested(p, string(p)))))


@shape()
def one_deep_text(p, n):
    """Little on the wire, moved at each level by what rewrites from the outside in."""
    inner = [("stringValue", TEXTS[p.characters] * n if p.encoding == "protobuf" else "a" * n)]
    return items(p.signal, 1, ("attributes", attribute(p, value=nested(p, inner))))


@shape()
def wide_array(p, n):
    element = string(p) if p.text else []
    inner = [("arrayValue", [("values", Times(n, element))])]
    return items(p.signal, 1, ("attributes", attribute(p, value=nested(p, inner))))


@shape()
def wide_map(p, n):
    inner = [("kvlistValue", [("values", Times(n, attribute(p)))])]
    return items(p.signal, 1, ("attributes", attribute(p, value=nested(p, inner))))


@shape()
def bushes(p, n):
    """Small empty lists, each in lists of its own."""
    return items(p.signal, n, ("attributes", attribute(p, value=nested(
        p, [("arrayValue", [("values", Times(max(1, p.width), [("arrayValue", [])]))])]))))


@shape("logs")
def bodies(p, n):
    return items("logs", n, ("body", nested(p, string(p))))


@shape("logs")
def byte_bodies(p, n):
    return items("logs", 1, ("body", [("bytesValue", b"\xa5" * n)]))


@shape()
def doubles(p, n):
    inner = [("arrayValue", [("values", Times(n, [("doubleValue", 1.7976931348623e-308)]))])]
    return items(p.signal, 1, ("attributes", attribute(p, value=inner)))


@shape()
def integers(p, n):
    inner = [("arrayValue", [("values", Times(n, [("intValue", (1 << 63) - 1)]))])]
    return items(p.signal, 1, ("attributes", attribute(p, value=inner)))


# -- What may stand once, many times

@shape(encodings=("protobuf",))
def split_value(p, n):
    """Parts of one value: protobuf joins them, or takes the last."""
    part = {0: b"\x2a\x00", 1: b"\x0a\x00", 2: b"\x32\x00", 3: b"\x10\x00\x2a\x00"}[p.width % 4]
    value = [(None, Times(n, Raw(part)))]
    return items(p.signal, 1, ("attributes", attribute(p, value=value)))


@shape()
def repeated_resource(p, n):
    outer, content = one(p.signal)[0]
    resource = [("attributes", attribute(p))] if p.text else []
    return [(outer, [("resource", Times(n, resource)), *content])]


@shape()
def repeated_scope(p, n):
    scope = [("scope", Times(n, [("name", text(p))])), (item_field(p.signal), item(p.signal))]
    return request(p.signal, (scope_field(p.signal), scope))


@shape()
def repeated_schema(p, n):
    outer, content = one(p.signal)[0]
    return [(outer, [*content, ("schemaUrl", Times(n, text(p)))])]


@shape("metrics", encodings=("protobuf",))
def changing_data(p, n):
    """The oneof of a metric, set again and again."""
    return within_scope("metrics", ("metrics", [
        ("name", "m"), (None, Times(n, Raw(b"\x2a\x00\x3a\x00"))),
        ("gauge", [("dataPoints", [("asDouble", 1.5)])])]))


# -- Fields that nobody knows, and numbers longer than they need be

@shape(encodings=("protobuf",))
def unknown_fields(p, n):
    part = {
        0: b"\xf8\x07\x01", 1: b"\xfa\x07\x00", 2: b"\xf8\x07" + b"\xff" * 9 + b"\x01",
        3: b"\xfd\x07\0\0\0\0"}[p.width % 4]
    return items(p.signal, 1, (None, Times(n, Raw(part))))


@shape(encodings=("protobuf",))
def groups(p, n):
    depth = max(1, min(p.depth, 90))
    part = b"\xfb\x07" * depth + b"\xfc\x07" * depth
    return items(p.signal, 1, (None, Times(n, Raw(part))))


@shape(encodings=("protobuf",))
def long_varints(p, n):
    """Lengths and tags in ten bytes where one would do."""
    return items(p.signal, 1, (None, Times(n, Raw(b"\x50" + b"\x80" * 9 + b"\x00"))))


@shape(encodings=("json",))
def unknown_keys(p, n):
    value = b"[" * p.depth + b"1" + b"]" * p.depth if p.depth < 100 else b"1e300"
    return [*one(p.signal), (None, Times(n, Raw(json=b'"k":' + value)))]


@shape(encodings=("json",))
def white_space(p, n):
    return [*one(p.signal), (None, Raw(json=b'"k":' + b" " * n + b"1"))]


@shape(encodings=("json",))
def escapes(p, n):
    part = (b"\\u00e9", b"\\ud83d\\ude00", b"\\n", b"\\ud800", b"\\/")[p.width % 5]
    value = [(None, Raw(json=b'"stringValue":"' + part * n + b'"'))]
    return items(p.signal, 1, ("attributes", attribute(p, value=value)))


@shape(encodings=("json",))
def long_numbers(p, n):
    digits = (b"0." + b"1234567890" * (p.text // 10 + 1), b"9" * (p.text + 1) + b"e-300",
              b'"' + b"9" * (p.text + 1) + b'"')[p.width % 3]
    inner = [("arrayValue", [("values", [(None, Raw(json=b'"doubleValue":' + digits))])])]
    value = [("arrayValue", [("values", Times(n, inner))])]
    return items(p.signal, 1, ("attributes", attribute(p, value=value)))


# -- Of one signal

@shape("traces")
def events(p, n):
    return items("traces", n, ("events", Times(max(1, p.width), [("name", text(p))])))


@shape("traces")
def one_span_of_events(p, n):
    return items("traces", 1, ("events", Times(n, [("attributes", Times(p.width, []))])))


@shape("traces")
def one_span_of_links(p, n):
    link = [("traceId", TRACE), ("spanId", SPAN), ("traceState", text(p))]
    return items("traces", 1, ("links", Times(n, link)))


@shape("traces")
def trace_states(p, n):
    members = (b"ot=th:8;" + b"rv:00000000000001;" * (p.width % 9) + text(p), text(p),
               b"v=1," * p.width + b"ot=th:0")[p.depth % 3]
    return items("traces", n, ("traceState", members))


@shape("traces")
def one_trace_state(p, n):
    part = (b"a=1,", b"ot=th:8,", b"x:1;", b",")[p.width % 4]
    head = b"ot=" if p.width % 4 == 2 else b""
    return items("traces", 1, ("traceState", head + part * n))


@shape("metrics")
def buckets(p, n):
    point = [("bucketCounts", (1, n)), ("explicitBounds", (0.1, max(0, n - 1)))]
    return within_scope(
        "metrics", ("metrics", [("name", "m"), ("histogram", [("dataPoints", point)])]))


@shape("metrics")
def exponential_buckets(p, n):
    point = [("positive", [("bucketCounts", (p.width & 1, n))])]
    return within_scope(
        "metrics",
        ("metrics", [("name", "m"), ("exponentialHistogram", [("dataPoints", point)])]))


@shape("metrics")
def quantiles(p, n):
    each = [("quantile", 0.5), ("value", 1.0)] if p.width & 1 else []
    point = [("quantileValues", Times(n, each))]
    return within_scope(
        "metrics", ("metrics", [("name", "m"), ("summary", [("dataPoints", point)])]))


@shape("metrics")
def exemplars(p, n):
    each = [("filteredAttributes", Times(p.width, []))]
    return items("metrics", 1, ("exemplars", Times(n, each)))


@shape("metrics", encodings=("protobuf",))
def unpacked_buckets(p, n):
    """A repeated number without packing, and packed in parts."""
    part = (b"\x31" + bytes(8), b"\x32\x00", b"\x32\x08" + bytes(8))[p.width % 3]
    point = [(None, Times(n, Raw(part)))]
    return within_scope(
        "metrics", ("metrics", [("name", "m"), ("histogram", [("dataPoints", point)])]))


def build(p):
    """(bytes before compression, items) of the parameters, about `p.size` long."""
    function, signals, encodings = SHAPES[p.shape]
    assert p.signal in signals and p.encoding in encodings, p
    first, _ = encode(p.signal, function(p, 1), p.encoding)
    second, _ = encode(p.signal, function(p, 2), p.encoding)
    unit = max(1, len(second) - len(first))
    count = max(1, 1 + (p.size - len(first)) // unit)
    return encode(p.signal, function(p, count), p.encoding)
