#!/usr/bin/env python3
"""What the formatter does not check of the project's style. Prints each fault; exits 1 on any.

Lines, files and functions have a longest length; Foundation stays out of the product; unsafe code
stays where it is listed here, with its invariant written above it.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["Sources", "Tests", "Fuzz", "Benchmarks"]
LINE_CHARACTERS_MAX = 100
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
# An invariant stands at most this many lines from what it is the reason for.
INVARIANT_LINES_MAX = 16

# Files that are longer, and why.
LONG_FILES = {
    "Tests/HTTPClientTests/HTTPClientTests.swift": "one client against one scripted server",
}

# Where unsafe code may be, and what for. A file that no longer has any must go from here.
UNSAFE = {
    "Sources/Bytes": "loads of whole integers",
    "Sources/Compression": "zlib, libdeflate, libzstd, libsnappy, liblz4",
    "Sources/Configuration/Loading/ConfigurationSources.swift": "getenv",
    "Sources/Configuration/YAML/YAMLEvents.swift": "libyaml",
    "Sources/DurableLog/LogFormat.swift": "integers as their bytes",
    "Sources/EventLoop": "epoll, read, writev",
    "Sources/Exporters/File": "fstat, pread",
    "Sources/Exporters/Postgres/Connection": "libpq",
    "Sources/Exporters/SQL/OutputBuffer.swift": "the audited buffer that rows are written through",
    "Sources/Exporters/SQLite": "SQLite",
    "Sources/Exporters/Zipkin": "inet_pton",
    "Sources/HTTP": "wide comparisons in the head parser",
    "Sources/HTTPServer": "buffers of the event loop",
    "Sources/OTLP/Index/PlainAttribute.swift": "loads below a length that was checked, for speed",
    "Sources/OTLP/JSON": "the audited buffer that JSON is written through",
    "Sources/OTLP/Schema/Schema.swift": "enums from their own raw values, for speed",
    "Sources/OTLP/Views": "identifiers as integers",
    "Sources/OTLP/Wire": "the audited protobuf writer",
    "Sources/Platform": "system calls",
    "Sources/Processors/Matching/RegularExpression.swift": "PCRE2",
    "Sources/Processors/ResourceDetection/DetectionSources.swift": "uname, getenv",
    "Sources/Telemetry/Logging/LogSink.swift": "write",
    "Sources/sluice/Sluice.swift": "write",
}

DECLARATION = re.compile(r"^( *)(?:@?[\w.()]+ )*(?:func\b|init[?(<]|deinit\b|subscript\b)")
VAGUE_NAME = re.compile(
    r"\b(?:struct|class|enum|protocol|actor|typealias) (\w*(?:Manager|Helper|Utils|Impl))\b")
UNCHECKED = re.compile(r"@unchecked Sendable|nonisolated\(unsafe\)")
FOUNDATION = re.compile(r"^\s*(?:@\w+ )?(?:\w+ )?import Foundation")


def without_comments_and_texts(line):
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', line).split("//")[0]


def check(path, lines):
    """Yields the faults of one file as (line number, text)."""
    name = path.as_posix()
    is_product = name.startswith("Sources/")
    if len(lines) > FILE_LINES_MAX and name not in LONG_FILES:
        yield 1, f"{len(lines)} lines; {FILE_LINES_MAX} are the most without a reason"
    for number, line in enumerate(lines, 1):
        # A text that a test compares as a whole may be longer.
        is_text = not is_product and not line.lstrip().startswith("//")
        if len(line) > LINE_CHARACTERS_MAX and not is_text:
            yield number, f"{len(line)} characters; {LINE_CHARACTERS_MAX} are the most"
        if is_product and FOUNDATION.match(line):
            yield number, "Foundation has no place in the product"
        if found := VAGUE_NAME.search(without_comments_and_texts(line)):
            yield number, f"'{found[1]}' doesn't say what it is"
        if UNCHECKED.search(without_comments_and_texts(line)):
            first = max(0, number - 1 - INVARIANT_LINES_MAX)
            if not any("SAFETY:" in near for near in lines[first : number + INVARIANT_LINES_MAX]):
                yield number, "needs a '// SAFETY:' line near it"
    yield from check_functions(lines)
    if is_product:
        yield from check_unsafe(name, lines)


def check_functions(lines):
    # The formatter has put each closing brace below the first letter of its declaration.
    for number, line in enumerate(lines, 1):
        declaration = DECLARATION.match(line)
        if not declaration or line.rstrip().endswith("}"):
            continue
        indent = declaration[1]
        for end in range(number, len(lines)):
            text = lines[end]
            if text == indent + "}":
                length = end + 2 - number
                if length > FUNCTION_LINES_MAX:
                    yield number, f"a function of {length} lines; {FUNCTION_LINES_MAX} are the most"
                break
            # A declaration without a body, as in a protocol, ends where another thing begins.
            if text and not text.startswith(indent + " ") and not text.startswith(indent + ")"):
                break


def unsafe_line(lines):
    """The first line with unsafe code, or None."""
    for number, line in enumerate(lines, 1):
        if re.search(r"\bunsafe\b", without_comments_and_texts(line)):
            return number
    return None


def is_listed(name):
    return any(name == entry or name.startswith(entry + "/") for entry in UNSAFE)


def check_unsafe(name, lines):
    number = unsafe_line(lines)
    if number is None:
        return
    if not is_listed(name):
        yield number, "unsafe code in a file that scripts/check_style.py does not list"
    if not any("SAFETY:" in line for line in lines):
        yield number, "unsafe code without a '// SAFETY:' line"


def main():
    files = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.swift")):
            relative = path.relative_to(ROOT)
            if ".build" not in relative.parts:
                files[relative] = path.read_text().removesuffix("\n").split("\n")
    faults = [
        f"{path}:{number}: {text}"
        for path, lines in files.items()
        for number, text in check(path, lines)
    ]
    for entry in UNSAFE:
        if not any(
            unsafe_line(lines)
            for path, lines in files.items()
            if path.as_posix() == entry or path.as_posix().startswith(entry + "/")
        ):
            faults.append(f"scripts/check_style.py: {entry} has no unsafe code any more")
    for name in LONG_FILES:
        lines = files.get(pathlib.Path(name), [])
        if len(lines) <= FILE_LINES_MAX:
            faults.append(f"scripts/check_style.py: {name} is not long any more")
    print("\n".join(faults + [f"style: {len(files)} files, {len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
