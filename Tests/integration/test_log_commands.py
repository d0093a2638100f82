"""`sluice log`: looking into a data directory, and what a running gateway does with its log."""

import json
import re
import subprocess
import time

import pytest

import otlp
from client import export
from sink import OK, Answer
from sluice import BINARY, configuration, run, wait_until
from stored import Store

RETRY = {"initial_interval": "20ms", "max_interval": "100ms"}


def to(sink, **settings):
    return {"endpoint": sink.url, "retry_on_failure": RETRY, **settings}


def data(gateway):
    return gateway.directory / "sluice-data"


def log(gateway, *arguments, **options):
    return run("log", *arguments, "--data-dir", data(gateway), **options)


def segments(gateway, pipeline="traces"):
    return sorted((data(gateway) / "log" / pipeline).glob("*.seg"))


def names(sink):
    """The requests that the spans came in, whose names are numbered behind a hyphen."""
    return sorted(
        re.search(r'\bname: "(\w+)', item.item)[1] for item in sink.items("traces"))


def flow(gateway, pipeline="traces"):
    report = json.loads(gateway.get("/flow")[1])
    assert report["balanced"], report
    exporters = next(
        each for each in report["pipelines"] if each["pipeline"] == pipeline)["exporters"]
    return {each["exporter"]: each for each in exporters}


def wait_until_exported(gateway, exporter, count, pipeline="traces"):
    wait_until(
        lambda: flow(gateway, pipeline)[exporter]["exported"] == count
        and flow(gateway, pipeline)[exporter]["pending"]["items"] == 0,
        what=f"{count} exported")


# -- list

def test_list_shows_segments_and_cursors_of_a_stopped_and_of_a_running_gateway(processes):
    sink = processes.sink(Answer(503))
    settings = configuration({"otlp_http": to(sink), "nop": {}}, signals=["traces"])
    gateway = processes.sluice(settings)
    for count in (3, 4):
        assert export(gateway, "traces", otlp.spans(count)).status == 200
    wait_until_exported(gateway, "nop", 7)
    result = log(gateway, "list")
    assert result.returncode == 0, result.stderr
    assert f"running, process {gateway.process.pid}" in result.stdout
    assert re.search(r"^traces: 7 items", result.stdout, re.M)
    assert re.search(r"^  0000000000000001.seg +1\.\.<3 +7 .* open$", result.stdout, re.M)
    gateway.stop()
    result = log(gateway, "list")
    assert "sluice-data: stopped" in result.stdout
    assert re.search(r" 1\.\.<3 +7 .*Z +\d{4}-.*Z +sealed$", result.stdout, re.M)
    assert re.search(r"^  nop +3 +7 +0 +0 B ", result.stdout, re.M)
    assert re.search(r"^  otlp_http +1 +0 +7 ", result.stdout, re.M)


def test_list_changes_nothing(processes):
    gateway = processes.sluice(configuration({"nop": {}}, signals=["traces"]))
    export(gateway, "traces", otlp.spans(3))
    gateway.kill()
    before = {path: path.read_bytes() for path in data(gateway).rglob("*") if path.is_file()}
    for command in (["list"], ["verify"], ["inspect", "traces"]):
        assert log(gateway, *command).returncode == 0
    after = {path: path.read_bytes() for path in data(gateway).rglob("*") if path.is_file()}
    assert before == after


# -- inspect

def test_inspect_shows_records_and_their_telemetry(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    requests = [otlp.spans(2, name=f"request{number}") for number in range(5)]
    for request in requests:
        assert export(gateway, "traces", request).status == 200
    result = log(gateway, "inspect", "traces", "--from", "2", "--count", "3")
    lines = result.stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == [2, 3, 4]
    assert all("2 spans" in line and "epoch " in line for line in lines)
    result = log(gateway, "inspect", "traces", "--json")
    found = [otlp.from_json("traces", line) for line in result.stdout.splitlines()]
    assert [sorted(otlp.items("traces", each)) for each in found] == [
        sorted(otlp.items("traces", each)) for each in requests]


def test_inspect_reads_compressed_records(processes):
    gateway = processes.sluice(configuration({"nop": {}}, log={"compression": "zstd"}))
    export(gateway, "logs", otlp.logs(30))
    assert " as zstd " in log(gateway, "inspect", "logs").stdout
    line, = log(gateway, "inspect", "logs", "--json").stdout.splitlines()
    assert otlp.item_count("logs", otlp.from_json("logs", line)) == 30


def test_inspect_names_the_pipelines_that_there_are(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    result = log(gateway, "inspect", "nonsense")
    assert result.returncode == 1 and "there are: logs, metrics, traces" in result.stderr


# -- verify

def test_verify_finds_every_flipped_bit(processes):
    gateway = processes.sluice(configuration({"nop": {}}, signals=["traces"]))
    for number in range(5):
        export(gateway, "traces", otlp.spans(3, name=f"request{number}"))
    gateway.stop()
    result = log(gateway, "verify")
    assert result.returncode == 0
    assert re.search(r"^traces: 1 segments, 15 items, .*: sound$", result.stdout, re.M)
    path, = segments(gateway)
    sound = path.read_bytes()
    for offset in range(0, len(sound), 97):
        path.write_bytes(
            sound[:offset] + bytes([sound[offset] ^ 0x10]) + sound[offset + 1:])
        # Padding has no checksum, and a seal is not needed.
        result = log(gateway, "verify")
        if result.returncode == 0:
            changed = log(gateway, "inspect", "traces", "--json").stdout
            path.write_bytes(sound)
            assert log(gateway, "inspect", "traces", "--json").stdout == changed, offset
        else:
            assert path.name in result.stdout
    path.write_bytes(sound)
    assert log(gateway, "verify").returncode == 0


def test_verify_finds_damaged_cursors_and_files_that_are_no_segments(processes):
    gateway = processes.sluice(configuration({"nop": {}}, signals=["traces"]))
    export(gateway, "traces", otlp.spans(3))
    gateway.stop()
    cursors = data(gateway) / "log/traces/cursors"
    text = cursors.read_text()
    cursors.write_text(text.replace("exported 3", "exported 4"))
    result = log(gateway, "verify")
    assert result.returncode == 1 and "cursors" in result.stdout
    cursors.write_text(text)
    segments(gateway)[0].with_name("00000000000000ff.seg").write_bytes(b"no segment" * 100)
    result = log(gateway, "verify")
    assert result.returncode == 1 and "00000000000000ff.seg: is no segment" in result.stdout


def test_verify_says_that_an_unfinished_end_is_no_damage(processes):
    gateway = processes.sluice(configuration({"nop": {}}, signals=["traces"]))
    export(gateway, "traces", otlp.spans(3))
    gateway.kill()
    path, = segments(gateway)
    content = path.read_bytes()
    # Where the next record would begin, at a multiple of eight; zeros fill up the block.
    end = -(-len(content.rstrip(b"\0")) // 8) * 8
    path.write_bytes(content[:end] + content[256:256 + 60])
    result = log(gateway, "verify")
    assert result.returncode == 0, result.stdout
    assert "60 bytes at the end are unfinished" in result.stdout


def test_verify_finds_no_damage_in_a_log_that_is_being_written(processes):
    gateway = processes.sluice(configuration(
        {"nop": {}}, signals=["traces"], log={"segment_size": "1MiB", "retain": "0s"}))
    load = subprocess.Popen(
        [BINARY, "generate", "traces", "--endpoint", gateway.url, "--duration", "3s",
         "--rate", "10000", "--seed", "5"], stdout=subprocess.DEVNULL)
    looks = 0
    while load.poll() is None:
        result = log(gateway, "verify")
        assert result.returncode == 0, result.stdout + result.stderr
        assert log(gateway, "list").returncode == 0
        looks += 1
    assert load.returncode == 0 and looks > 5


# -- replay

def test_replay_sends_a_time_range_to_one_exporter_again(processes):
    first, second = processes.sink(), processes.sink()
    gateway = processes.sluice(configuration(
        {"otlp_http/first": to(first), "otlp_http/second": to(second)}, signals=["traces"]))
    times = []
    for number in range(4):
        times.append(time.time())
        export(gateway, "traces", otlp.spans(2, name=f"request{number}"))
        time.sleep(1.1)
    wait_until_exported(gateway, "otlp_http/first", 8)
    wait_until_exported(gateway, "otlp_http/second", 8)
    first.taken.clear()
    second.taken.clear()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(times[3]))
    digits = "%09d" % (times[3] % 1 * 1e9)
    result = log(
        gateway, "replay", "--from", str(int(times[1])), "--to", f"{stamp}.{digits}Z",
        "--exporter", "otlp_http/first")
    assert result.returncode == 0, result.stderr
    # Whole seconds may take in the end of the first request's.
    assert set(names(first)) >= {"request1", "request2"}
    assert "request3" not in names(first) and not second.taken
    count = len(names(first))
    assert result.stdout == f"{count} items read, {count} exported\n"
    exporter = flow(gateway)["otlp_http/first"]
    assert (exporter["replayed"], exporter["exported"]) == (count, 8)
    assert flow(gateway)["otlp_http/second"]["replayed"] == 0


def test_replay_retries_and_delivers_what_comes_meanwhile(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": to(sink)}, signals=["traces"]))
    export(gateway, "traces", otlp.spans(5, name="old"))
    wait_until_exported(gateway, "otlp_http", 5)
    sink.answer = Answer(503)
    replay = subprocess.Popen(
        [BINARY, "log", "replay", "--from", "1h ago", "--to", "now", "--exporter", "otlp_http"],
        cwd=gateway.directory, stdout=subprocess.PIPE, text=True)
    sink.wait(lambda sink: len(sink.requests) > 3)
    export(gateway, "traces", otlp.spans(1, name="new"))
    assert replay.poll() is None
    busy = log(gateway, "replay", "--from", "1h ago", "--to", "now", "--exporter", "otlp_http")
    assert busy.returncode == 1 and "has a replay already" in busy.stderr
    sink.answer = OK
    assert replay.wait(10) == 0
    assert replay.stdout.read() == "5 items read, 5 exported\n"
    replay.stdout.close()
    wait_until_exported(gateway, "otlp_http", 6)
    assert names(sink) == ["new"] + ["old"] * 10
    assert flow(gateway)["otlp_http"]["replayed"] == 5


def test_replay_leaves_what_the_exporter_has_not_had_to_its_cursor(processes):
    sink = processes.sink(Answer(503))
    gateway = processes.sluice(configuration({"otlp_http": to(sink)}, signals=["traces"]))
    export(gateway, "traces", otlp.spans(5))
    result = log(gateway, "replay", "--from", "1h ago", "--to", "now", "--exporter", "otlp_http")
    assert (result.returncode, result.stdout) == (0, "0 items read, 0 exported\n")
    sink.answer = OK
    sink.wait_for_items("traces", 5)


def test_replay_brings_an_earlier_runs_items_to_an_exporter_that_is_new(processes):
    settings = configuration({"nop": {}}, signals=["traces", "logs"])
    first = processes.sluice(settings)
    for number in range(3):
        export(first, "traces", otlp.spans(2, name=f"request{number}"))
    export(first, "logs", otlp.logs(4))
    first.stop()
    sink = processes.sink()
    second = processes.sluice(
        configuration({"nop": {}, "otlp_http": to(sink)}, signals=["traces", "logs"]),
        directory=first.directory)
    export(second, "traces", otlp.spans(1, name="new"))
    wait_until_exported(second, "otlp_http", 1)
    result = log(
        second, "replay", "--from", "1h ago", "--to", "now", "--exporter", "otlp_http",
        "--pipeline", "traces")
    assert result.stdout == "7 items read, 7 exported\n"
    assert names(sink) == ["new"] * 2 + [f"request{each // 2}" for each in range(6)]
    assert not sink.items("logs")
    result = log(second, "replay", "--from", "1h ago", "--to", "now", "--exporter", "otlp_http")
    assert result.stdout == "11 items read, 11 exported\n"
    assert flow(second, "logs")["otlp_http"]["replayed"] == 4
    assert flow(second)["otlp_http"]["replayed"] == 14


def test_replay_tells_what_was_rejected(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": to(sink)}, signals=["logs"]))
    export(gateway, "logs", otlp.logs(3))
    wait_until_exported(gateway, "otlp_http", 3, "logs")
    sink.answer = Answer(400)
    result = log(gateway, "replay", "--from", "1h ago", "--to", "now", "--exporter", "otlp_http")
    assert result.returncode == 1
    assert re.fullmatch(r"3 items read, 0 exported, 3 (dropped|set aside)\n", result.stdout)


def test_replay_goes_through_many_records(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration(
        {"otlp_http": to(sink)}, signals=["traces"], log={"segment_size": "1MiB"}))
    assert run(
        "generate", "traces", "--endpoint", gateway.url, "--duration", "1s", "--rate", "30000",
        "--seed", "4").returncode == 0
    wait_until(lambda: flow(gateway)["otlp_http"]["pending"]["items"] == 0, what="the export")
    exported = flow(gateway)["otlp_http"]["exported"]
    assert len(segments(gateway)) > 3
    result = log(gateway, "replay", "--from", "1h ago", "--to", "now", "--exporter", "otlp_http")
    assert result.stdout == f"{exported} items read, {exported} exported\n"
    assert flow(gateway)["otlp_http"]["replayed"] == exported


def test_replay_adds_to_sqlite_what_it_lacks_unless_told_to_add_all(processes):
    settings = configuration({"sqlite": {"path": "store.db"}}, signals=["traces"])
    gateway = processes.sluice(settings)
    for number in range(3):
        export(gateway, "traces", otlp.spans(2, name=f"request{number}"))
    wait_until_exported(gateway, "sqlite", 6)
    path = gateway.directory / "store.db"
    replay = ["replay", "--from", "1h ago", "--to", "now", "--exporter", "sqlite"]
    assert log(gateway, *replay).returncode == 0
    store = Store(path)
    assert store.count("traces") == 6
    assert log(gateway, *replay, "--again").returncode == 0
    assert store.count("traces") == 12
    store.close()
    gateway.stop()
    # The store is lost, and the log still has what it had.
    for each in path.parent.glob("store.db*"):
        each.unlink()
    second = processes.sluice(settings, directory=gateway.directory)
    assert log(second, *replay).stdout == "6 items read, 6 exported\n"
    store = Store(path)
    assert store.count("traces") == 6
    store.close()


def test_a_replay_ends_with_the_gateway(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": to(sink)}, signals=["traces"]))
    export(gateway, "traces", otlp.spans(5))
    wait_until_exported(gateway, "otlp_http", 5)
    sink.answer = Answer(503)
    replay = subprocess.Popen(
        [BINARY, "log", "replay", "--from", "1h ago", "--to", "now", "--exporter", "otlp_http"],
        cwd=gateway.directory, stderr=subprocess.PIPE, text=True)
    sink.wait(lambda sink: len(sink.requests) > 3)
    gateway.stop()
    assert replay.wait(10) == 1
    assert replay.stderr.read()
    replay.stderr.close()


@pytest.mark.parametrize("arguments, reason", [
    (["--exporter", "nonsense"], "no exporter 'nonsense' is running"),
    (["--exporter", "nop", "--pipeline", "metrics/x"], "has nothing of a pipeline 'metrics/x'")])
def test_replay_says_what_is_not_there(processes, arguments, reason):
    gateway = processes.sluice(configuration({"nop": {}}))
    result = log(gateway, "replay", "--from", "1h ago", "--to", "now", *arguments)
    assert result.returncode == 1 and reason in result.stderr


@pytest.mark.parametrize("start, end, count", [
    ("1970-01-01T02:00:00+02:00", "now", 3), ("2026-02-28T23:59:59.5-11:30", "now", 3),
    ("0", "2100-02-28T00:00:00z", 3), ("0", "1970-03-01T00:00:00Z", 0),
    ("1s ago", "0s ago", 0), ("1h30m ago", "now", 3)])
def test_replay_reads_times_as_people_write_them(processes, start, end, count):
    gateway = processes.sluice(configuration({"nop": {}}, signals=["traces"]))
    export(gateway, "traces", otlp.spans(3))
    wait_until_exported(gateway, "nop", 3)
    if start == "1s ago":
        time.sleep(1.5)
    result = log(gateway, "replay", "--from", start, "--to", end, "--exporter", "nop")
    assert result.stdout == f"{count} items read, {count} exported\n", result.stderr


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["inspect"], ["list", "extra"], ["abandon"], ["replay"],
    ["replay", "--from", "1h ago", "--to", "now"],
    ["replay", "--from", "now", "--to", "1h ago", "--exporter", "nop"],
    ["replay", "--from", "yesterday", "--to", "now", "--exporter", "nop"],
    ["replay", "--from", "2026-02-30T00:00:00Z", "--to", "now", "--exporter", "nop"],
    ["replay", "--from", "2026-02-03T00:00:00", "--to", "now", "--exporter", "nop"],
    ["replay", "--from", "2026-02-03", "--to", "now", "--exporter", "nop"],
    ["replay", "--from", "-5m ago", "--to", "now", "--exporter", "nop"],
    ["inspect", "traces", "--from", "x"], ["inspect", "traces", "--count", "0"]])
def test_log_refuses_wrong_usage(arguments):
    result = run("log", *arguments)
    assert result.returncode == 2 and not result.stdout


@pytest.mark.parametrize("command", [
    ["list"], ["verify"], ["inspect", "traces"], ["abandon", "nop"],
    ["replay", "--from", "1h ago", "--to", "now", "--exporter", "nop"]])
def test_log_fails_where_there_is_no_data_directory(tmp_path, command):
    result = run("log", *command, "--data-dir", tmp_path / "nowhere")
    assert result.returncode == 1 and result.stderr and not result.stdout


def test_help_of_log_names_every_command():
    text = run("log", "--help").stdout
    for word in ("list", "inspect", "verify", "replay", "abandon", "--again", "Exit codes"):
        assert word in text


# -- abandon

def test_abandon_gives_up_what_is_kept_for_an_exporter_that_is_gone(processes):
    sink = processes.sink(Answer(503))
    first = processes.sluice(configuration({"otlp_http": to(sink), "nop": {}}))
    export(first, "traces", otlp.spans(5))
    export(first, "logs", otlp.logs(2))
    result = log(first, "abandon", "otlp_http")
    assert result.returncode == 1 and "is configured" in result.stderr
    first.stop()
    second = processes.sluice(configuration({"nop": {}}), directory=first.directory)
    assert flow(second)["otlp_http"]["orphaned"] is True
    assert flow(second)["otlp_http"]["pending"]["items"] == 5
    assert " (not configured) " in run("flow", cwd=second.directory).stdout
    result = log(second, "abandon", "otlp_http")
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "logs: 2 items given up", "traces: 5 items given up"]
    assert "otlp_http" not in flow(second)
    assert second.log("items given up by command", pipeline="traces", items=5)
    result = log(second, "abandon", "otlp_http")
    assert result.returncode == 1 and "no log has a cursor" in result.stderr
