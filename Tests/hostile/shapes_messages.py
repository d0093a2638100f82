"""Messages without content, and messages in unusual numbers and places."""

from messages import Raw, Times, encode
from shapes import attribute, item, item_field, items, one, request, scope_field, shape, text, \
    within_scope


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
