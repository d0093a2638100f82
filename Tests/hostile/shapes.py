"""Amplifying requests: what is small on the wire and may be large, slow or endless for its reader.

Each shape (`shapes_*.py`) is a function of the parameters and of a count, which is how often the shape's unit
stands there; `build` finds the count for the size that is wanted. Nothing here is random: the same
parameters make the same bytes.
"""

from messages import Times, encode

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
    # Nearly a match of the configured patterns, for a matcher that goes back.
    "almost": b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
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


def build(p):
    """(bytes before compression, items) of the parameters, about `p.size` long."""
    function, signals, encodings = SHAPES[p.shape]
    assert p.signal in signals and p.encoding in encodings, p
    first, _ = encode(p.signal, function(p, 1), p.encoding)
    second, _ = encode(p.signal, function(p, 2), p.encoding)
    unit = max(1, len(second) - len(first))
    count = max(1, 1 + (p.size - len(first)) // unit)
    return encode(p.signal, function(p, count), p.encoding)


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
