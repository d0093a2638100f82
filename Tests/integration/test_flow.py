"""What became of every item: /flow, `sluice flow`, and the metrics of each exporter's place."""

import json
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

import otlp
from client import export
from sink import OK, Answer
from sluice import BINARY, configuration, run, wait_until, write_configuration

PENDING = {"initial_interval": "50ms", "max_interval": "50ms"}


def flow(gateway):
    """The report by pipeline, each with its exporters by id."""
    status, text = gateway.get("/flow")
    assert status == 200
    report = json.loads(text)
    for pipeline in report["pipelines"]:
        pipeline["exporters"] = {each["exporter"]: each for each in pipeline["exporters"]}
    return report["balanced"], {each["pipeline"]: each for each in report["pipelines"]}


def assert_sums(gateway, is_idle=True):
    """Adds up what the report says, without believing what it says of itself."""
    balanced, pipelines = flow(gateway)
    assert balanced, pipelines
    for pipeline in pipelines.values():
        removed = sum(
            each.get("sampled_away", 0) + each.get("dropped", 0)
            for each in pipeline["processors"])
        assert pipeline["accepted"] == removed + pipeline["appended"], pipeline
        if is_idle:
            assert pipeline["appended"] == pipeline["log"]["items_since_start"], pipeline
        for exporter in pipeline["exporters"].values():
            assert exporter["items"] == exporter["pending"]["items"] + sum(
                exporter[key] for key in ("exported", "dropped", "set_aside", "skipped", "lost"))
    return pipelines


def reload(gateway, settings):
    count = len(gateway.log("configuration reloaded"))
    write_configuration(gateway.config, settings)
    gateway.signal(signal.SIGHUP)
    wait_until(
        lambda: len(gateway.log("configuration reloaded")) > count, what="the reload")


def sink_exporter(sink, **settings):
    return {"endpoint": sink.url, "retry_on_failure": PENDING, **settings}


def test_every_accepted_item_is_exported_or_pending(processes):
    up, down = processes.sink(), processes.sink(Answer(503))
    gateway = processes.sluice(configuration({
        "otlp_http/up": sink_exporter(up), "otlp_http/down": sink_exporter(down)}))
    for name, count in (("traces", 7), ("metrics", 5), ("logs", 3)):
        assert export(gateway, name, otlp.request(name, count)).status == 200
        up.wait_for_items(name, count)
    wait_until(
        lambda: all(
            each["exporters"]["otlp_http/up"]["pending"]["items"] == 0
            for each in flow(gateway)[1].values()),
        what="everything exported")
    pipelines = assert_sums(gateway)
    for name, count in (("traces", 7), ("metrics", 5), ("logs", 3)):
        assert pipelines[name]["accepted"] == pipelines[name]["appended"] == count
        exporters = pipelines[name]["exporters"]
        assert exporters["otlp_http/up"]["exported"] == count
        assert exporters["otlp_http/down"]["pending"]["items"] == count
        assert exporters["otlp_http/down"]["pending"]["requests"] == 1
        assert exporters["otlp_http/down"]["pending"]["bytes"] > 0
        assert exporters["otlp_http/down"]["lag_seconds"] > 0
    down.answer = OK
    for name in otlp.SIGNALS:
        down.wait(lambda sink: sink.items_of(name))


def test_what_a_sampler_takes_out_is_sampled_away_and_the_rest_dropped(processes):
    gateway = processes.sluice(configuration(
        {"nop": {}}, signals=["logs", "traces"],
        processors={"probabilistic_sampler": {"sampling_percentage": 0.0001}}))
    assert export(gateway, "traces", otlp.spans(50)).status == 200
    pipeline = assert_sums(gateway)["traces"]
    assert pipeline["accepted"] == 50
    sampled, = pipeline["processors"]
    assert sampled["processor"] == "probabilistic_sampler"
    assert sampled["sampled_away"] == 50 - pipeline["appended"] > 0


def test_what_is_refused_is_not_accepted(processes):
    sink = processes.sink(Answer(503))
    gateway = processes.sluice(configuration({"otlp_http": sink_exporter(
        sink, sending_queue={"queue_size": 2})}))
    statuses = [export(gateway, "traces", otlp.spans(3)).status for _ in range(5)]
    assert statuses == [200, 200, 503, 503, 503]
    pipeline = assert_sums(gateway)["traces"]
    assert (pipeline["accepted"], pipeline["refused"]) == (6, 9)
    sink.answer = OK
    sink.wait_for_items("traces", 6)


def test_what_a_destination_rejects_is_counted_as_such(processes):
    sink = processes.sink(Answer(400, b"no", {"Content-Type": "text/plain"}))
    gateway = processes.sluice(configuration({"otlp_http": sink_exporter(sink)}))
    export(gateway, "logs", otlp.logs(4))
    wait_until(
        lambda: flow(gateway)[1]["logs"]["exporters"]["otlp_http"]["pending"]["items"] == 0,
        what="the rejection")
    exporter = assert_sums(gateway)["logs"]["exporters"]["otlp_http"]
    assert exporter["dropped"] + exporter["set_aside"] == 4
    assert exporter["exported"] == 0


def test_the_sums_meet_at_every_moment_under_load(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration(
        {"otlp_http": sink_exporter(sink)},
        processors={"probabilistic_sampler": {"sampling_percentage": 50}},
        signals=["traces", "logs"]))
    load = subprocess.Popen(
        [BINARY, "generate", "traces", "--endpoint", gateway.url, "--duration", "2s",
         "--rate", "5000", "--batch", "50", "--seed", "3"], stdout=subprocess.DEVNULL)
    looks = 0
    while load.poll() is None:
        assert_sums(gateway, is_idle=False)
        looks += 1
    assert load.returncode == 0 and looks > 10
    pipeline = assert_sums(gateway)["traces"]
    assert pipeline["accepted"] > pipeline["appended"] > 0


def test_the_sums_go_on_over_a_restart(processes):
    sink = processes.sink(Answer(503))
    settings = configuration({"otlp_http": sink_exporter(sink)})
    first = processes.sluice(settings)
    export(first, "traces", otlp.spans(5))
    first.stop()
    second = processes.sluice(settings, directory=first.directory)
    export(second, "traces", otlp.spans(2))
    pipeline = assert_sums(second)["traces"]
    assert (pipeline["accepted"], pipeline["log"]["items"]) == (2, 7)
    assert pipeline["exporters"]["otlp_http"]["pending"]["items"] == 7
    sink.answer = OK
    sink.wait_for_items("traces", 7)


def test_the_sums_meet_after_a_reload_that_replaces_an_exporter(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": sink_exporter(sink)}))
    export(gateway, "traces", otlp.spans(3))
    sink.wait_for_items("traces", 3)
    reload(gateway, configuration({"otlp_http": sink_exporter(sink, compression="none")}))
    export(gateway, "traces", otlp.spans(4))
    sink.wait_for_items("traces", 7)
    wait_until(
        lambda: flow(gateway)[1]["traces"]["exporters"]["otlp_http"]["exported"] == 7,
        what="all are counted")
    assert assert_sums(gateway)["traces"]["accepted"] == 7


def test_lags_are_metrics(processes):
    sink = processes.sink(Answer(503))
    gateway = processes.sluice(configuration(
        {"otlp_http": sink_exporter(sink), "nop": {}}, signals=["traces"]))
    lag = lambda unit, **labels: gateway.metric(
        f"sluice_cursor_lag_{unit}", pipeline="traces", **labels)
    assert lag("items", exporter="otlp_http") == 0
    export(gateway, "traces", otlp.spans(6))
    wait_until(lambda: lag("items", exporter="otlp_http") == 6, what="the lag")
    wait_until(lambda: lag("items", exporter="nop") == 0, what="no lag")
    assert lag("bytes", exporter="otlp_http") > 0
    first = lag("seconds", exporter="otlp_http")
    wait_until(lambda: lag("seconds", exporter="otlp_http") > first, what="time passes")
    until_full = "sluice_cursor_seconds_until_full"
    assert gateway.metric(until_full, exporter="nop") == float("inf")

    def is_filling():
        export(gateway, "traces", otlp.spans(6))
        return gateway.metric(until_full, exporter="otlp_http") != float("inf")

    wait_until(is_filling, what="a time until full", interval=0.2)
    assert gateway.metric(until_full, exporter="otlp_http") > 0
    sink.answer = OK
    wait_until(lambda: lag("items", exporter="otlp_http") == 0, what="the end of the lag")
    reload(gateway, configuration({"nop": {}}, signals=["traces"]))
    wait_until(
        lambda: not any(
            ("exporter", "otlp_http") in labels
            for name, labels in gateway.metrics() if name.startswith("sluice_cursor_")),
        what="the end of the series")


# -- sluice flow

def test_flow_shows_the_sums_through_the_data_directory_and_the_admin_port(processes):
    sink = processes.sink(Answer(503))
    gateway = processes.sluice(configuration(
        {"otlp_http": sink_exporter(sink), "nop": {}}, signals=["traces"]))
    export(gateway, "traces", otlp.spans(5))
    for place in (["--data-dir", gateway.directory / "sluice-data"],
                  ["--endpoint", "http://%s:%d" % gateway.admin]):
        result = run("flow", "--interval", "50ms", *place)
        assert result.returncode == 0, result.stderr
        assert re.search(r"^traces\n  accepted 5 \(\S+/s\) = 5 put into the log", result.stdout)
        assert re.search(r"^  nop +5 +5 ", result.stdout, re.M)
        assert re.search(r"^  otlp_http +5 +0 +0.0/s +0 +0 +0 +0 +5 ", result.stdout, re.M)
        assert result.stdout.endswith("every sum meets\n")
    sink.answer = OK
    sink.wait_for_items("traces", 5)


def test_flow_watches_until_it_is_interrupted(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    watching = subprocess.Popen(
        [BINARY, "flow", "--watch", "--interval", "20ms"], cwd=gateway.directory,
        stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        while "every sum meets" not in watching.stdout.readline():
            pass
    watching.terminate()
    watching.wait(5)
    watching.stdout.close()


@pytest.mark.parametrize("arguments", [
    ["flow", "extra"], ["flow", "--interval", "x"], ["flow", "--endpoint", "nowhere"],
    ["flow", "--endpoint", "http://localhost:1", "--data-dir", "."]])
def test_flow_refuses_wrong_usage(arguments):
    assert run(*arguments).returncode == 2


def test_flow_fails_where_no_gateway_answers(tmp_path):
    result = run("flow", "--data-dir", tmp_path)
    assert result.returncode == 1 and "no gateway answers" in result.stderr


# -- The control socket

def test_the_control_socket_is_its_owners_alone_and_goes_with_the_process(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    path = gateway.directory / "sluice-data/control.sock"
    mode = path.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    gateway.stop()
    assert not path.exists()


def test_the_control_socket_of_a_killed_process_is_replaced(processes):
    settings = configuration({"nop": {}})
    first = processes.sluice(settings)
    first.kill()
    path = first.directory / "sluice-data/control.sock"
    assert path.exists()
    processes.sluice(settings, directory=first.directory)
    assert run("flow", "--interval", "10ms", "--data-dir", path.parent).returncode == 0


def test_a_path_that_is_too_long_for_a_socket_is_a_warning(processes, tmp_path):
    directory = tmp_path / ("x" * 110)
    gateway = processes.sluice(configuration({"nop": {}}, log={"directory": str(directory)}))
    line, = gateway.log(level="warn")
    assert line["message"].startswith("no control socket: its path is too long")
    assert flow(gateway)[0]
    result = run("flow", "--data-dir", directory)
    assert result.returncode == 1 and "too long" in result.stderr


def test_a_log_in_memory_has_no_control_socket_and_sums_that_meet(processes):
    sink = processes.sink(Answer(503))
    gateway = processes.sluice(configuration(
        {"otlp_http": sink_exporter(sink)}, log={"durability": "memory"}))
    assert not (gateway.directory / "sluice-data/control.sock").exists()
    export(gateway, "logs", otlp.logs(2))
    pipeline = assert_sums(gateway)["logs"]
    assert pipeline["exporters"]["otlp_http"]["pending"]["items"] == 2
    assert pipeline["log"]["max_bytes"] is None
    sink.answer = OK
    sink.wait_for_items("logs", 2)


def test_the_control_socket_answers_no_other_command(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    with socket.socket(socket.AF_UNIX) as connection:
        # The path from the working directory is short enough for any place of the tests.
        before = os.getcwd()
        os.chdir(gateway.directory / "sluice-data")
        connection.connect("control.sock")
        os.chdir(before)
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert b" 404 " in connection.recv(4096).split(b"\r\n")[0]
