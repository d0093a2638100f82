"""`sluice dead-letters`: what destinations have rejected, looked at and sent again."""

import re
import subprocess

import pytest

import otlp
from client import export
from sink import OK, Answer
from sluice import BINARY, configuration, run, wait_until
from test_log_commands import flow, names, to

REJECT = Answer(400, b"bad item", {"Content-Type": "text/plain"})


def dead_letters(gateway, *arguments):
    return run("dead-letters", *arguments, "--data-dir", gateway.directory / "sluice-data")


def files(gateway):
    return sorted((gateway.directory / "sluice-data/dead-letter").glob("*"))


def rejects_bad(request):
    """A destination that takes no request with a span of the name bad."""
    is_bad = any('name: "bad' in item.item for item in otlp.items("traces", request.message()))
    return REJECT if is_bad else OK


def set_aside(processes, *requests):
    """A gateway whose destination has rejected the items called bad."""
    sink = processes.sink(rejects_bad)
    gateway = processes.sluice(configuration({"otlp_http": to(sink)}, signals=["traces"]))
    for request in requests:
        export(gateway, "traces", request)
    bad = sum(
        'name: "bad' in item.item for request in requests
        for item in otlp.items("traces", request))
    wait_until(lambda: flow(gateway)["otlp_http"]["set_aside"] == bad, what="the rejection")
    wait_until(lambda: flow(gateway)["otlp_http"]["pending"]["items"] == 0, what="the rest")
    return gateway, sink


def test_list_and_show_tell_what_was_rejected_and_why(processes):
    gateway, _ = set_aside(
        processes, otlp.spans(2, name="bad"), otlp.spans(3, name="good"),
        otlp.spans(1, name="bad"))
    result = dead_letters(gateway, "list")
    assert result.returncode == 0, result.stderr
    assert re.search(r"^otlp_http-00000001.jsonl +\d +3 ", result.stdout, re.M)
    assert re.search(r"^3 items  otlp_http: .*bad item", result.stdout, re.M)
    result = dead_letters(gateway, "show", "otlp_http")
    assert all(" traces " in line and "bad item" in line for line in result.stdout.splitlines())
    result = dead_letters(gateway, "show", "otlp_http", "--json")
    found = [otlp.from_json("traces", line) for line in result.stdout.splitlines()]
    assert sum(otlp.item_count("traces", each) for each in found) == 3
    # It changes nothing, and needs no gateway.
    gateway.stop()
    assert dead_letters(gateway, "show", "otlp_http", "--json").stdout == result.stdout


def test_resend_delivers_what_a_destination_takes_by_now(processes):
    gateway, sink = set_aside(
        processes, otlp.spans(2, name="bad"), otlp.spans(3, name="good"))
    sink.answer = OK
    result = dead_letters(gateway, "resend", "otlp_http")
    assert (result.returncode, result.stdout) == (0, "2 items read, 2 exported\n")
    assert names(sink) == ["bad"] * 2 + ["good"] * 3
    assert not files(gateway)
    assert dead_letters(gateway, "list").stdout == "no dead letters\n"
    exporter = flow(gateway)["otlp_http"]
    assert (exporter["exported"], exporter["set_aside"]) == (3, 2)
    result = dead_letters(gateway, "resend", "otlp_http")
    assert (result.returncode, result.stdout) == (0, "0 items read, 0 exported\n")


def test_resend_sets_aside_again_what_is_still_rejected(processes):
    gateway, _ = set_aside(processes, otlp.spans(2, name="bad"))
    before = [path.read_bytes() for path in files(gateway)]
    result = dead_letters(gateway, "resend", "otlp_http")
    assert result.returncode == 1
    assert result.stdout == "2 items read, 0 exported, 2 set aside\n"
    path, = files(gateway)
    assert path.name == "otlp_http-00000002.jsonl"
    # But for the time of it the letters are the same: pipeline, position and telemetry.
    strip = lambda data: re.sub(rb'"time":"[^"]*"', b"", data)
    assert strip(path.read_bytes()) == strip(b"".join(before))


def test_resend_keeps_a_file_in_which_something_cannot_be_read(processes):
    gateway, sink = set_aside(processes, otlp.spans(1, name="bad"))
    path, = files(gateway)
    path.write_bytes(b"no letter\n" + path.read_bytes())
    sink.answer = OK
    assert dead_letters(gateway, "resend", "otlp_http").stdout == "1 items read, 1 exported\n"
    assert names(sink) == ["bad"]
    kept, = files(gateway)
    assert kept.name == path.name + ".damaged"


def test_resend_leaves_the_file_where_the_gateway_ends_meanwhile(processes):
    gateway, sink = set_aside(processes, otlp.spans(1, name="bad"))
    before = [(path.name, path.read_bytes()) for path in files(gateway)]
    sink.answer = Answer(503)
    count = len(sink.requests)
    resend = subprocess.Popen(
        [BINARY, "dead-letters", "resend", "otlp_http"], cwd=gateway.directory,
        stderr=subprocess.DEVNULL)
    sink.wait(lambda sink: len(sink.requests) > count + 1)
    gateway.stop()
    assert resend.wait(10) == 1
    assert [(path.name, path.read_bytes()) for path in files(gateway)] == before


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["list", "x"], ["show"], ["resend"], ["show", "x", "--count", "0"]])
def test_dead_letters_refuses_wrong_usage(arguments):
    result = run("dead-letters", *arguments)
    assert result.returncode == 2 and not result.stdout


def test_dead_letters_says_what_is_not_there(processes, tmp_path):
    gateway = processes.sluice(configuration({"nop": {}}))
    assert dead_letters(gateway, "list").stdout == "no dead letters\n"
    assert dead_letters(gateway, "show", "nop").returncode == 1
    result = dead_letters(gateway, "resend", "nonsense")
    assert result.returncode == 1 and "no exporter 'nonsense'" in result.stderr
    assert run("dead-letters", "list", "--data-dir", tmp_path / "nowhere").returncode == 1
