"""Content encodings that hold little and cost much, or claim what they don't hold."""

import gzip
import struct
import zlib

import cramjam

from containers import EMPTY
from lab import case
from metering import FACTOR_MAX, NOISE_NANOSECONDS, Meter
from messages import varint
from parameters import Parameters
from paths import BY_NAME

MEBIBYTE = 1 << 20
LIMIT = 64 * MEBIBYTE
ZSTD = bytes.fromhex("28b52ffd")


def gzip_of_empty_blocks(count):
    """Blocks of fixed codes with nothing but their end: ten bits each."""
    bits, length, output = 0, 0, bytearray()
    for number in range(8 * (count // 8)):
        bits |= 0b0000000_01_0 << length
        length += 10
        while length >= 8:
            output.append(bits & 255)
            bits >>= 8
            length -= 8
        if number == 7:
            # Eight blocks are ten whole bytes.
            output *= count // 8
            break
    return bytes.fromhex("1f8b08000000000000ff") + bytes(output) + b"\x03\x00" + bytes(8)


def zstd_of_one_byte(total, window=0x70):
    """Blocks of 128 KiB in four bytes each; the frame does not say how much it holds."""
    blocks = total >> 17
    block = struct.pack("<I", (128 << 10) << 3 | 1 << 1)[:3] + b"\x20"
    last = struct.pack("<I", (128 << 10) << 3 | 1 << 1 | 1)[:3] + b"\x20"
    return ZSTD + bytes([0, window]) + block * (blocks - 1) + last


def made():
    """name: (encoding, bytes, how many they hold)"""
    megabytes = 2
    zeros = gzip.compress(b" " * (LIMIT - 2), 9, mtime=0)
    return {
        "gzip of empty blocks": ("gzip", gzip_of_empty_blocks(800_000 * megabytes), 0),
        "gzip of empty members": ("gzip", gzip.compress(b"", mtime=0) * 50_000 * megabytes, 0),
        "gzip of 1 GiB in members": ("gzip", zeros * 16, LIMIT),
        "gzip with a long name": (
            "gzip", b"\x1f\x8b\x08\x08" + bytes(5) + b"\xff" + b"n" * MEBIBYTE + b"\0\x03\0"
            + bytes(8), 0),
        "deflate of flushes": ("deflate", flushes(100_000 * megabytes), 0),
        "zstd of empty frames": ("zstd", bytes.fromhex("28b52ffd2000010000") * 100_000, 0),
        "zstd of skippable frames": ("zstd", struct.pack("<II", 0x184D2A50, 0) * 100_000, 0),
        "zstd of empty blocks": ("zstd", ZSTD + b"\0\x50" + bytes(3) * 300_000 + b"\1\0\0", 0),
        "zstd of 64 MiB": ("zstd", zstd_of_one_byte(LIMIT), LIMIT),
        "zstd of 1 GiB": ("zstd", zstd_of_one_byte(1 << 30), LIMIT),
        "zstd of 3 GiB in frames": ("zstd", zstd_of_one_byte(LIMIT) * 48, LIMIT),
        "snappy that says 4 GiB": ("snappy", b"\xff\xff\xff\xff\x0f\0 ", 0),
        "snappy of copies": ("snappy", snappy_of_copies(LIMIT), LIMIT),
        "snappy of literals": ("snappy", varint(MEBIBYTE) + b"\0 " * MEBIBYTE, MEBIBYTE),
        "snappy of chunks of a byte": (
            "x-snappy-framed", b"\xff\x06\0\0sNaPpY" + snappy_chunk(b" ") * 200_000, 200_000),
        "snappy of padding": (
            "x-snappy-framed", b"\xff\x06\0\0sNaPpY" + b"\xfe\0\0\0" * 400_000, 0),
        "snappy of beginnings": ("x-snappy-framed", b"\xff\x06\0\0sNaPpY" * 200_000, 0),
        "lz4 of empty frames": ("lz4", EMPTY["lz4", "frames"] * 100_000, 0),
        "lz4 of skippable frames": ("lz4", struct.pack("<II", 0x184D2A50, 0) * 100_000, 0),
        "lz4 of 64 MiB": ("lz4", bytes(cramjam.lz4.compress(b" " * LIMIT)), LIMIT),
        "lz4 of 1 GiB in frames": ("lz4", bytes(cramjam.lz4.compress(b" " * LIMIT)) * 16, LIMIT),
        "zstd with a window of 2 GiB": ("zstd", zstd_of_one_byte(1 << 17, 0xA8), 1 << 17),
        "zstd with a window of 8 MiB": ("zstd", zstd_of_one_byte(1 << 17, 0x71), 1 << 17),
        "zstd with a window of 3.75 TiB": ("zstd", zstd_of_one_byte(1 << 17, 0xFF), 1 << 17),
    }


def snappy_of_copies(total):
    """A byte, then copies of 64 bytes in three each."""
    return varint(total) + b"\0 " + b"\xfe\x01\0" * (total // 64)


def snappy_chunk(data):
    return b"\1" + (len(data) + 4).to_bytes(3, "little") + masked(crc32c(data)) + data


def masked(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def flushes(count):
    packer = zlib.compressobj(9)
    return packer.compress(b"a") + packer.flush(zlib.Z_FULL_FLUSH) + b"\0\0\0\xff\xff" * count


@case
def containers_cost_by_what_they_hold(lab):
    lines = []
    with Meter(BY_NAME["intake"], lab.directory) as meter:
        for name, (container, body, plain) in made().items():
            p = Parameters("least_items", "logs", container=container)
            fixed, rate = meter.ordinary(p)
            measured = meter.measure(p, body, plain, 0)
            bound = NOISE_NANOSECONDS + FACTOR_MAX * (fixed + rate * measured.counted_bytes)
            lines.append((measured.nanoseconds / bound * FACTOR_MAX, name, measured))
            assert measured.peak_bytes <= meter.gateway.ceiling(), f"{name}: {measured}"
        ordinary = Parameters("least_items", "logs", size=1000)
        assert meter.measure(ordinary, *ordinary.body()).status == 200
    times, name, measured = max(lines, key=lambda line: line[0])
    lab.say(f"worst of {len(lines)}: {times:.1f} x ordinary: {name}: {measured}")
    assert times <= FACTOR_MAX, [
        f"{times:.0f} x: {name}: {measured}" for times, name, measured in lines
        if times > FACTOR_MAX]
