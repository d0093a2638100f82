"""What only spans, metrics or log records have."""

from messages import Raw, Times
from shapes import NOW, SPAN, TRACE, attribute, item_field, items, request, scope_field, shape, \
    text, within_scope


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


# -- Numbers at their ends

LARGEST = (1 << 64) - 1
ENDS = {
    "fixed64": (0, 1, LARGEST, 1 << 63, (1 << 63) - 1),
    "double": (0.0, -0.0, float("nan"), float("inf"), -1.7976931348623157e308, 5e-324),
    "varint": (0, LARGEST, 1 << 31, (1 << 31) - 1, (1 << 63)),
}


def end(p, kind, offset=0):
    choices = ENDS[kind]
    return choices[(p.width + offset) % len(choices)]


@shape("traces", encodings=("protobuf",))
def spans_at_the_ends(p, n):
    time = [("timeUnixNano", end(p, "fixed64", 1)), ("name", text(p))]
    return items(
        "traces", n, ("startTimeUnixNano", end(p, "fixed64")),
        ("endTimeUnixNano", end(p, "fixed64", p.depth)), ("kind", end(p, "varint")),
        ("droppedAttributesCount", end(p, "varint", 1)), ("events", time),
        ("status", [("code", end(p, "varint", 2))]),
        ("attributes", attribute(p, value=[("doubleValue", end(p, "double"))])),
        ("attributes", attribute(p, value=[("intValue", end(p, "varint", 3))])))


@shape("logs", encodings=("protobuf",))
def records_at_the_ends(p, n):
    return items(
        "logs", n, ("timeUnixNano", end(p, "fixed64")), ("severityNumber", end(p, "varint")),
        ("observedTimeUnixNano", end(p, "fixed64", p.depth)), ("severityText", text(p)),
        ("body", [("doubleValue", end(p, "double"))]))


@shape("metrics", encodings=("protobuf",))
def points_at_the_ends(p, n):
    kind, point = [
        ("gauge", [("asDouble", end(p, "double"))]),
        ("sum", [("asInt", end(p, "fixed64"))]),
        ("histogram", [
            ("count", end(p, "fixed64")), ("sum", end(p, "double")),
            ("bucketCounts", (end(p, "fixed64", 1), p.depth)),
            ("explicitBounds", (end(p, "double", 2), p.text % 50))]),
        ("exponentialHistogram", [
            ("scale", end(p, "varint")), ("count", end(p, "fixed64")),
            ("positive", [("offset", end(p, "varint", 1)),
                          ("bucketCounts", (end(p, "varint", 2), p.depth))])]),
        ("summary", [("count", end(p, "fixed64")), ("quantileValues", [
            ("quantile", end(p, "double")), ("value", end(p, "double", 1))])]),
    ][p.parts % 5]
    point.append(("timeUnixNano", end(p, "fixed64", p.depth)))
    return within_scope("metrics", ("metrics", [
        ("name", "ends"), (kind, [("dataPoints", Times(n, point))])]))


# -- Each one different, for what remembers what it has seen

DISTINCT_MAX = 40_000


@shape()
def distinct_resources(p, n):
    """A service, a scope and an operation of its own each."""
    outer = request(p.signal)[0][0]

    def resource(number):
        name = [("stringValue", f"{number:07}" + "x" * min(p.text, 200))]
        return (outer, [
            ("resource", [("attributes", [("key", "service.name"), ("value", name)])]),
            (scope_field(p.signal), [
                ("scope", [("name", f"{number:07}")]), (item_field(p.signal), distinct(p, number))])])
    return [resource(number) for number in range(min(n, DISTINCT_MAX))]


@shape()
def distinct_items(p, n):
    """Of one resource: a name, an attribute's key and value of its own each."""
    return within_scope(p.signal, *(
        (item_field(p.signal), distinct(p, number)) for number in range(min(n, DISTINCT_MAX))))


def distinct(p, number):
    text = f"{number:07}"
    own = ("attributes", [("key", "k" + text), ("value", [("stringValue", text)])])
    match p.signal:
        case "traces":
            return [("traceId", (number + 1).to_bytes(16, "big")), ("spanId", SPAN),
                    ("name", text), own]
        case "logs":
            return [("body", [("stringValue", text)]), ("severityText", text), own]
    return [("name", text), ("gauge", [("dataPoints", [
        ("timeUnixNano", NOW), ("asDouble", 1.5), own])])]
