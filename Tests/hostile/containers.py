"""What a body travels in: content encodings, and the empty parts that each of them allows."""

import gzip
import struct
import zlib

import cramjam
import zstandard

CONTAINERS = (
    "identity", "gzip", "deflate", "zlib", "zstd", "snappy", "x-snappy-framed", "lz4")

# Parts that hold no byte of the body, and cost the reader something each.
EMPTY = {
    ("gzip", "members"): gzip.compress(b"", mtime=0),
    ("gzip", "stored"): bytes.fromhex("1f8b08000000000000ff" "010000ffff") + bytes(8),
    ("zstd", "frames"): bytes.fromhex("28b52ffd2000010000"),
    ("zstd", "skippable"): struct.pack("<II", 0x184D2A50, 0),
    ("x-snappy-framed", "members"): b"\xff\x06\0\0sNaPpY",
    ("x-snappy-framed", "skippable"): b"\xfe\0\0\0",
    # A head, no block, and the checksum of no bytes.
    ("lz4", "frames"): bytes.fromhex("04224d186440a7" "00000000" "055dcc02"),
    ("lz4", "skippable"): struct.pack("<II", 0x184D2A50, 0),
}


def compressed(body, container, level=1, parts=1, empty=None, empties=0):
    """`parts` members or frames in a row, after `empties` empty ones."""
    if container == "identity":
        return body
    size = max(1, -(-len(body) // max(1, parts)))
    pieces = [body[at:at + size] for at in range(0, len(body), size)] or [b""]
    match container:
        case "gzip":
            whole = b"".join(gzip.compress(piece, level, mtime=0) for piece in pieces)
        case "deflate" | "zlib":
            # One stream; its parts are flushed blocks.
            stream = zlib.compressobj(level)
            whole = b"".join(
                stream.compress(piece) + stream.flush(zlib.Z_FULL_FLUSH) for piece in pieces)
            whole += stream.flush()
        case "zstd":
            packer = zstandard.ZstdCompressor(level=level)
            whole = b"".join(packer.compress(piece) for piece in pieces)
        case "snappy":
            # A block is one; it has no parts.
            whole = bytes(cramjam.snappy.compress_raw(body))
        case "x-snappy-framed":
            whole = b"".join(bytes(cramjam.snappy.compress(piece)) for piece in pieces)
        case "lz4":
            whole = b"".join(bytes(cramjam.lz4.compress(piece)) for piece in pieces)
        case _:
            raise ValueError(container)
    return EMPTY.get((container, empty), b"") * empties + whole
