#!/usr/bin/env python3
"""OTLP/JSON against Python's protobuf, over random requests of the full schema.

For each random message m:
  1. Python's JSON of m, ids in hex, through our transcoder, parses back to m.
  2. m's protobuf through our writer is JSON that our transcoder and Python both read as m.
  3. m's protobuf with its fields scattered (each message cut in parts, joined in random order of
     fields) is written as the JSON of what Python makes of the same bytes.
Usage: otlp_json.py TOOL [COUNT [SEED]], TOOL being Benchmarks' CodecTool. Exits 1 at the first difference.
"""
import base64
import difflib
import json
import math
import random
import struct
import subprocess
import sys

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as F
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOTS = [ExportTraceServiceRequest, ExportMetricsServiceRequest, ExportLogsServiceRequest]
IDS = {"traceId", "spanId", "parentSpanId"}
ALPHABET = ["a", "Z", "0", " ", '"', "\\", "/", "\n", "\t", "\b", "\x00", "\x1f", "\x7f", "é", "漢", "😀", "\u2028", "\ufffd"]


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, operation, signal, payload):
        pipe = self.process
        pipe.stdin.write(operation + bytes([signal]) + struct.pack(">I", len(payload)) + payload)
        pipe.stdin.flush()
        status = pipe.stdout.read(1)
        body = pipe.stdout.read(struct.unpack(">I", pipe.stdout.read(4))[0])
        return status == b"+", body


def text(r):
    n = r.choice([0, 1, 3, 7, 8, 9, 20, 64, 127, 128, 300])
    return "".join(r.choice(ALPHABET if r.random() < 0.3 else "abcdefghij._-/") for _ in range(n))


def integer(r, low, high):
    pick = r.randrange(5)
    if pick == 0:
        return r.choice([low, high, 0, 1])
    if pick == 1:
        return max(low, min(high, r.randrange(-1000, 1000)))
    return max(low, min(high, r.choice([1, -1]) * r.getrandbits(r.randrange(1, 65))))


def double(r):
    pick = r.randrange(6)
    if pick == 0:
        return r.choice([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 1e22, 1e23, 0.1, 1e15, 1e16, 123456789012345680.0])
    if pick == 1:
        return struct.unpack("<d", r.randbytes(8))[0]
    if pick == 2:
        return float(r.randrange(-10**6, 10**6))
    return round(r.random() * 10 ** r.randrange(-5, 15), r.randrange(0, 8))


RANGES = {F.TYPE_INT32: (-2**31, 2**31 - 1), F.TYPE_SINT32: (-2**31, 2**31 - 1), F.TYPE_INT64: (-2**63, 2**63 - 1),
          F.TYPE_SFIXED64: (-2**63, 2**63 - 1), F.TYPE_UINT32: (0, 2**32 - 1), F.TYPE_FIXED32: (0, 2**32 - 1),
          F.TYPE_UINT64: (0, 2**64 - 1), F.TYPE_FIXED64: (0, 2**64 - 1)}


def scalar(r, field):
    if field.type == F.TYPE_STRING:
        return text(r)
    if field.type == F.TYPE_BYTES:
        if field.json_name in IDS:
            return r.randbytes(r.choice([16, 8, 16, 8, 0, 3, 17]))
        return r.randbytes(r.randrange(70))
    if field.type == F.TYPE_BOOL:
        return r.random() < 0.5
    if field.type == F.TYPE_DOUBLE:
        return double(r)
    if field.type == F.TYPE_ENUM:
        return r.choice([0, 1, 2, 3, 24, 77, -5])
    return integer(r, *RANGES[field.type])


def fill(r, message, depth):
    for field in message.DESCRIPTOR.fields:
        if r.random() < (0.35 if depth < 6 else 0.75):
            continue
        if field.message_type is not None:
            if depth > 14:
                continue
            if field.is_repeated:
                for _ in range(r.randrange(1, 3)):
                    fill(r, getattr(message, field.name).add(), depth + 1)
            else:
                child = getattr(message, field.name)
                child.SetInParent()
                fill(r, child, depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(scalar(r, field) for _ in range(r.randrange(0, 6)))
        else:
            setattr(message, field.name, scalar(r, field))


def swap_ids(value, convert):
    if isinstance(value, dict):
        for key, item in value.items():
            if key in IDS and isinstance(item, str):
                value[key] = convert(item)
            else:
                swap_ids(item, convert)
    elif isinstance(value, list):
        for item in value:
            swap_ids(item, convert)
    return value


def to_hex(b64):
    return base64.b64decode(b64).hex()


def to_base64(digits):
    return base64.b64encode(bytes.fromhex(digits)).decode()


def dump(r, value):
    separators = r.choice([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n ")])
    return json.dumps(value, separators=separators, ensure_ascii=r.random() < 0.5).encode()


def canonical(message):
    return message.SerializeToString(deterministic=True)


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def scatter(r, message):
    """An encoding of the message whose fields come in any order, messages in up to three parts."""
    pieces = []
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                if field.is_repeated:
                    bodies = [b"".join(scatter(r, child))]
                else:
                    parts = scatter(r, child)
                    cut = r.randrange(len(parts) + 1)
                    bodies = [b"".join(parts[:cut]), b"".join(parts[cut:])]
                pieces += [varint(field.number << 3 | 2) + varint(len(b)) + b for b in bodies]
        else:
            single = type(message)()
            if field.is_repeated:
                for item in value:
                    single.Clear()
                    getattr(single, field.name).append(item)
                    pieces.append(single.SerializeToString())
            else:
                if r.random() < 0.2:
                    setattr(single, field.name, scalar(r, field))
                    pieces.append(single.SerializeToString())
                setattr(single, field.name, value)
                pieces.append(single.SerializeToString())
    pieces.append(varint(100 << 3 | 2) + b"\x03abc")
    r.shuffle(pieces)
    return pieces


def must(tool, operation, signal, payload, what):
    ok, body = tool(operation, signal, payload)
    if not ok:
        sys.exit(f"{what}: refused: {body.decode()}\n{payload[:2000]!r}")
    return body


def compare(expected, actual, what, payload):
    if canonical(expected) != canonical(actual):
        lines = difflib.unified_diff(str(expected).split("\n"), str(actual).split("\n"), "expected", "actual", "", "", 3, "")
        sys.exit(f"{what} differs\n" + "\n".join(list(lines)[:40]) + f"\ninput: {payload[:2000]!r}")


def main():
    tool = Tool(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    for number in range(count):
        r = random.Random(f"{seed}-{number}")
        signal = number % 3
        root = ROOTS[signal]
        message = root()
        fill(r, message, 0)
        data = json_format.MessageToDict(message, use_integers_for_enums=r.random() < 0.8)
        source = dump(r, swap_ids(data, to_hex))
        wire = must(tool, b"j", signal, source, f"{number} JSON to protobuf")
        compare(message, root.FromString(wire), f"{number} JSON to protobuf", source)

        encoded = message.SerializeToString()
        line = must(tool, b"p", signal, encoded, f"{number} protobuf to JSON")
        back = json_format.ParseDict(swap_ids(json.loads(line), to_base64), root())
        compare(message, back, f"{number} protobuf to JSON", encoded)
        again = must(tool, b"j", signal, line, f"{number} round trip")
        compare(message, root.FromString(again), f"{number} round trip", line)

        scattered = b"".join(scatter(r, message))
        line = must(tool, b"p", signal, scattered, f"{number} scattered")
        back = json_format.ParseDict(swap_ids(json.loads(line), to_base64), root())
        expected = root.FromString(scattered)
        json_format.ParseDict(json_format.MessageToDict(expected), known := root())
        compare(known, back, f"{number} scattered protobuf to JSON", scattered)
    print(f"{count} requests, no difference")


if __name__ == "__main__":
    main()
