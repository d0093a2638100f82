#!/usr/bin/env python3
"""Runs the steps of `make test` and sums what their runners counted.

Each step's output appears as it comes. At the end stand the runners' own closing lines, and as the
last line `N passed, N failed`. A step that ends badly without naming a failed test counts as one
failure, so that the sum is 0 failed only when everything went well; that is the exit code, too.
"""
import dataclasses
import os
import re
import subprocess
import sys
import time

BINARY = os.path.abspath(".build/release/sluice")
LAYERS = "--explicit-target-dependency-import-check error"
SWIFT_TEST = f"swift test {LAYERS}"

STEPS = {
    "lint": "make --no-print-directory lint",
    "unit": SWIFT_TEST,
    "release": "make --no-print-directory build",
    "integration": (
        f"SLUICE={BINARY} .venv/bin/python -m pytest Tests/integration Tests/crash"
        " --color=no -q -rfEs"),
    # The short form; `make crash-test` is the long one.
    "crash": (
        f"SLUICE={BINARY} .venv/bin/python Tests/crash/crash_test.py --kills 15"
        " --skip-without-log"),
    "fuzz-corpora": "scripts/fuzz replay",
    # LeakSanitizer reports what XCTest itself allocates once and keeps.
    "asan": f"ASAN_OPTIONS=detect_leaks=0 {SWIFT_TEST} --sanitize=address --scratch-path .build/asan",
    "tsan": f"{SWIFT_TEST} --sanitize=thread --scratch-path .build/tsan",
}

# Swift Testing: "✔ Test run with 12 tests in 3 suites passed after 0.1 seconds."
SWIFT_CLOSING = re.compile(r"Test run with (\d+) tests?.* (?:passed|failed) after ")
# One a test; a parameterized test also names each failed case, which is not a test of its own.
SWIFT_FAILED = re.compile(r"^\S+ Test (?!run with |case passing )(.+) failed after ")
# pytest: "3 failed, 12 passed, 1 skipped in 4.56s"
PYTEST_CLOSING = re.compile(
    r"^(?:=+ )?((?:\d+ (?:failed|passed|skipped|errors?|warnings?|deselected|xfailed|xpassed)"
    r"(?:, )?)+) in [\d.]+s")

# The crash test: "crash test passed: 15 kills, ..."
CRASH_CLOSING = re.compile(r"^crash test (passed|failed)\b")

# Where a message of Swift Testing or of the build begins; what follows until the next belongs to it.
MARKED = re.compile(r"^(?:[◇✔✘↳] |\[\d+/\d+\]|Build|Test Suite|error|warning|/|\d+ passed)")
UNREMARKABLE = re.compile(r"^(?:◇ |✔ |\[\d+/\d+\])")


@dataclasses.dataclass
class Result:
    name: str
    passed: int = 0
    failed: int = 0
    seconds: float = 0
    closing: list = dataclasses.field(default_factory=list)

    def read(self, line):
        if found := SWIFT_CLOSING.search(line):
            self.passed += int(found[1])
            self.closing.append(line)
        elif SWIFT_FAILED.match(line):
            self.failed += 1
            self.passed -= 1
        elif found := PYTEST_CLOSING.match(line):
            counts = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", found[1])}
            self.passed += counts.get("passed", 0)
            self.failed += sum(counts.get(word, 0) for word in ("failed", "error", "errors"))
            self.closing.append(line)
        elif found := CRASH_CLOSING.match(line):
            self.passed += found[1] == "passed"
            self.failed += found[1] == "failed"
            self.closing.append(line)
        elif line.startswith("crash test skipped"):
            self.closing.append(line)


def run(name):
    print(f"\n== {name}: {STEPS[name]}", flush=True)
    result = Result(name)
    started = time.monotonic()
    process = subprocess.Popen(
        STEPS[name], shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, errors="replace")
    hidden = False
    for line in process.stdout:
        result.read(line.rstrip("\n"))
        # A line of its own for each test that began and each that passed would hide the others.
        if MARKED.match(line):
            hidden = bool(UNREMARKABLE.match(line)) and not SWIFT_CLOSING.search(line)
        if not hidden:
            sys.stdout.write(line)
            sys.stdout.flush()
    code = process.wait()
    result.seconds = time.monotonic() - started
    if code != 0 and result.failed == 0:
        result.failed = 1
        result.closing.append(f"failed with exit code {code}")
    elif not result.closing:
        result.closing.append("done")
    # A runner that dies midway names failures that its closing line never added up.
    result.passed = max(result.passed, 0)
    return result


def main(names):
    unknown = [name for name in names if name not in STEPS]
    if unknown or not names:
        print(f"usage: {sys.argv[0]} {'|'.join(STEPS)} ...", file=sys.stderr)
        return 2
    results = [run(name) for name in names]
    print()
    for result in results:
        for line in result.closing:
            print(f"{result.name} ({result.seconds:.0f} s): {line}")
    failed = sum(result.failed for result in results)
    print(f"{sum(result.passed for result in results)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
