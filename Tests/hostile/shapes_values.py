"""Attributes and values: many, deep, wide, unknown, or written in more bytes than they need."""

from messages import Raw, Times
from shapes import DEPTH_MAX, TEXTS, attribute, items, item, item_field, one, scope_field, shape, \
    string, text


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
