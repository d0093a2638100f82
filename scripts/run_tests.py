#!/usr/bin/env python3
"""Runs the steps of `make test` and sums what their runners counted.

Each step's output appears as it comes. At the end stand what a sanitizer reported first, the
runners' own closing lines, and as the last line `N passed, N failed`. A step that ends badly
without naming a failed test counts as one failure, so that the sum is 0 failed only when everything
went well; that is the exit code, too.
"""
import collections
import dataclasses
import os
import re
import subprocess
import sys
import time

BINARY = os.path.abspath(".build/release/sluice")

STEPS = {
    "lint": "make --no-print-directory lint",
    "unit": "make --no-print-directory test-debug",
    "release": "make --no-print-directory build",
    "integration": (
        # Most of a test is waiting, for a timeout or a disk: three files at a time take half as long
        # on two processors. Tests of one file share gateways and servers.
        f"SLUICE={BINARY} .venv/bin/python -m pytest Tests/integration Tests/crash"
        " -n 3 --dist loadfile --color=no -q -rfEs"),
    # The short form; `make crash-test` is the long one.
    "crash": f"SLUICE={BINARY} .venv/bin/python Tests/crash/crash_test.py --kills 15",
    # The short form; `make hostile` searches for worse inputs than those that are kept.
    "hostile": f"SLUICE={BINARY} .venv/bin/python Tests/hostile/hostile.py --short",
    "fuzz-corpora": "scripts/fuzz replay",
    "asan": "make --no-print-directory test-asan",
    "tsan": "make --no-print-directory test-tsan",
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

# Where a message of Swift Testing, of the build, of a sanitizer or of a crash begins; what follows
# until the next belongs to it.
MARKED = re.compile(
    r"^(?:[◇✔✘↳] |\[\d+/\d+\]|Build|Test Suite|error|warning|/|\d+ passed"
    r"|={10}|==\d+==|WARNING: |SUMMARY: |\w+Sanitizer|[💣💥]|\*\*\* |\S+\.swift:\d+: |Fatal error)")
UNREMARKABLE = re.compile(r"^(?:◇ |✔ |\[\d+/\d+\])")

# A sanitizer's report, from "WARNING: ThreadSanitizer: …" or "==1==ERROR: AddressSanitizer: …" to
# "SUMMARY: ThreadSanitizer: …".
REPORT = re.compile(r"^(?:==\d+==)?(?:WARNING|ERROR): (\w+Sanitizer): ")
SUMMARY = re.compile(r"^SUMMARY: \w+Sanitizer: ")
# CI keeps the end of the output, so that the first report, as far as it fits, is repeated there.
REPORT_LINES_MAX = 24
SUMMARIES_MAX = 8
MODULE_OFFSET = re.compile(r" \([^()]*\+0x[0-9a-f]+\)( \(BuildId: \w+\))?$")
DEEP_FRAME = re.compile(r"^ +#(?:[4-9]|\d\d+) ")


@dataclasses.dataclass
class Result:
    name: str
    passed: int = 0
    failed: int = 0
    seconds: float = 0
    closing: list = dataclasses.field(default_factory=list)
    reports: list = dataclasses.field(default_factory=list)

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

    def compact_report(self):
        """The first report without what is far down its stacks."""
        lines = [
            line for line in (self.reports[0] if self.reports else [])
            if line.strip("= ") and not DEEP_FRAME.match(line)
        ]
        return lines[:REPORT_LINES_MAX]

    def summaries(self):
        """What each report says last, without repetitions."""
        counts = collections.Counter(report[-1] for report in self.reports)
        lines = [f"{line} ({count} ×)" if count > 1 else line for line, count in counts.items()]
        more = len(lines) - SUMMARIES_MAX
        return lines[:SUMMARIES_MAX] + ([f"{more} more"] if more > 0 else [])


def demangled(lines):
    try:
        command = [os.environ.get("SWIFT", "swift"), "demangle", "--simplified"]
        done = subprocess.run(
            command, input="\n".join(lines), stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return lines


def show(output, result):
    """Writes the lines that matter. A sanitizer's report is kept, too."""
    hidden = False
    report = None

    def finish():
        result.reports.append(demangled([MODULE_OFFSET.sub("", line) for line in report]))
        print("\n".join(result.reports[-1]), flush=True)

    for line in output:
        line = line.rstrip("\n")
        result.read(line)
        # Tests go on while a sanitizer writes its report.
        if report is not None and not UNREMARKABLE.match(line):
            report.append(line)
            if SUMMARY.match(line):
                finish()
                report = None
            continue
        if REPORT.match(line):
            report = [line]
            continue
        # A line of its own for each test that began and each that passed would hide the others.
        if MARKED.match(line):
            hidden = bool(UNREMARKABLE.match(line)) and not SWIFT_CLOSING.search(line)
        if not hidden:
            print(line, flush=True)
    if report is not None:
        finish()


def run(name):
    print(f"\n== {name}: {STEPS[name]}", flush=True)
    result = Result(name)
    started = time.monotonic()
    process = subprocess.Popen(
        STEPS[name], shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, errors="replace")
    show(process.stdout, result)
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
        print("".join(f"{line}\n" for line in result.compact_report()), end="")
    for result in results:
        for line in result.summaries() + result.closing:
            print(f"{result.name} ({result.seconds:.0f} s): {line}")
    failed = sum(result.failed for result in results)
    print(f"{sum(result.passed for result in results)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
