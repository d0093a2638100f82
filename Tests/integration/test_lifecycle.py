"""Commands, start, stop, reload, and what the gateway tells of itself."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

import client
import otlp
from client import export, post
from otlp import JSON
from sink import HANG, OK, Answer
from sluice import (
    BINARY, Sluice, configuration, run, wait_until, write_configuration)
from stored import Store

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
COMMANDS = [
    "run", "validate", "components", "print-config", "generate", "flow", "log", "dead-letters",
    "version"]


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


# -- Commands

def test_help_of_all():
    overview = run("--help")
    assert overview.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", overview.stdout, re.M), command
        for arguments in ([command, "--help"], [command, "-h"], ["help", command]):
            result = run(*arguments)
            assert result.returncode == 0, arguments
            assert result.stdout.startswith(f"usage: sluice {command}")
            assert not result.stderr


def test_help_names_every_option_and_exit_code():
    text = run("run", "--help").stdout
    for word in ("--config", "--set", "SIGTERM", "SIGHUP", "Exit codes", "0 ", "1 ", "2 ", "3 "):
        assert word in text
    text = run("generate", "--help").stdout
    for option in ("--endpoint", "--rate", "--duration", "--compression", "--encoding"):
        assert option in text


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["run", "--nonsense"], ["run", "extra"], ["run", "--config"],
    ["validate", "x"], ["version", "x"], ["generate"], ["generate", "spans"],
    ["generate", "traces", "--rate", "many"], ["generate", "traces", "--duration", "5"],
    ["generate", "traces", "--endpoint", "nowhere"]])
def test_wrong_usage_is_2_on_standard_error(arguments):
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stderr and not result.stdout


def test_version():
    for arguments in (["version"], ["--version"]):
        result = run(*arguments)
        assert result.returncode == 0
        assert re.fullmatch(r"sluice \d+\.\d+\.\d+\S*\n", result.stdout)


def test_components():
    result = run("components")
    assert result.returncode == 0
    sections = re.findall(r"^(\w+):$", result.stdout, re.M)
    assert sections == ["receivers", "processors", "exporters", "extensions"]
    for name in (
            "otlp", "attributes", "batch", "memory_limiter", "probabilistic_sampler", "resource",
            "resourcedetection", "debug", "file", "otlp_http", "sqlite", "zipkin", "health_check"):
        assert re.search(rf"^  {name}\b", result.stdout, re.M), name
    assert "otlphttp" in result.stdout


def test_output_that_nobody_reads_is_no_failure():
    result = subprocess.run(
        f"'{BINARY}' components | head -1", shell=True, capture_output=True, timeout=10)
    assert result.stdout == b"receivers:\n" and not result.stderr


# -- Configuration

def test_validate_says_valid(tmp_path):
    path = write_configuration(tmp_path / "c.yaml", configuration({"debug": {}}))
    result = run("validate", "--config", path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "valid\n", "")


def test_validate_names_every_error_with_its_place(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("""\
receivers:
  otlp:
    protocols:
      grpc:
      http:
        endpiont: localhost:4318
        read_timeout: soon
exporters:
  otlp_http:
    endpoint: ftp://x
  kafka:
  sqlitt:
processors:
  batch:
    timeout: -1s
service:
  pipelines:
    traces:
      receivers: [otlp, otlpp]
      exporters: [otlp_http]
    metricks:
      receivers: [otlp]
      exporters: [otlp_http]
""")
    result = run("validate", "--config", path)
    assert result.returncode == 1 and not result.stdout
    places = {
        match[0]: match[2] for match in re.findall(
            r"bad\.yaml:(\d+):(\d+): error: (.*)", result.stderr)}
    for line, *words in [
            ("4", "receivers.otlp.protocols.grpc", "not built"),
            ("6", "receivers.otlp.protocols.http.endpiont", "endpoint"),
            ("7", "receivers.otlp.protocols.http.read_timeout"),
            ("10", "exporters.otlp_http.endpoint"),
            ("11", "kafka", "otlp_http"), ("12", "sqlitt", "sqlite"),
            ("15", "processors.batch.timeout"), ("19", "otlpp", "otlp"),
            ("21", "metricks", "metrics")]:
        assert line in places, f"nothing about line {line}:\n{result.stderr}"
        for word in words:
            assert word in places[line], result.stderr


def test_validate_of_what_is_not_there(tmp_path):
    result = run("validate", "--config", tmp_path / "missing.yaml")
    assert result.returncode == 1
    assert "missing.yaml" in result.stderr and "No such file" in result.stderr


def test_validate_of_broken_yaml_has_line_and_column(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("receivers:\n  otlp: [\n")
    result = run("validate", "--config", path)
    assert result.returncode == 1
    assert re.search(r"broken\.yaml:\d+:\d+: error: ", result.stderr)


def test_files_merge_and_set_has_the_last_word(tmp_path):
    first = write_configuration(tmp_path / "a.yaml", configuration({"debug": {}}))
    second = tmp_path / "b.yaml"
    second.write_text("exporters:\n  debug:\n    verbosity: detailed\n")
    result = run(
        "print-config", "--config", first, "--config", second,
        "--set", "service.limits.shutdown_timeout=7s")
    assert result.returncode == 0, result.stderr
    assert "verbosity: detailed" in result.stdout
    assert "shutdown_timeout: 7s" in result.stdout


def test_print_config_masks_secrets(tmp_path):
    path = write_configuration(tmp_path / "c.yaml", configuration({"otlp_http": {
        "endpoint": "http://localhost:1",
        "headers": {"Authorization": "Bearer ${env:SECRET_TOKEN}", "X-Key": "plain-secret"}}}))
    environment = {**os.environ, "SECRET_TOKEN": "from-the-environment"}
    result = run("print-config", "--config", path, env=environment)
    assert result.returncode == 0, result.stderr
    assert "from-the-environment" not in result.stdout + result.stderr
    assert "plain-secret" not in result.stdout + result.stderr
    assert "Authorization" in result.stdout and "http://localhost:1" in result.stdout


def test_print_config_of_the_default_can_be_run(tmp_path):
    result = run("print-config", cwd=tmp_path)
    assert result.returncode == 0
    (tmp_path / "c.yaml").write_text(result.stdout)
    assert run("validate", "--config", tmp_path / "c.yaml").returncode == 0


def test_secrets_never_reach_the_log(processes):
    sink = processes.sink(Answer(400, b"no"))
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "headers": {"Authorization": "Bearer top-secret"}}}, telemetry={
            "logs": {"encoding": "json", "level": "debug"}}))
    export(gateway, "traces", otlp.spans())
    sink.wait(lambda sink: sink.requests)
    assert sink.requests[0].headers["authorization"] == "Bearer top-secret"
    gateway.stop()
    assert "top-secret" not in gateway.log_path.read_text()


# -- Start and stop

@pytest.mark.skipif(
    not (is_free(4318) and is_free(8888)), reason="port 4318 or 8888 is in use on this machine")
def test_without_a_configuration(tmp_path):
    """Receives on localhost:4318, stores in ./sluice-data, says where and how to look."""
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([BINARY, "run"], cwd=tmp_path, stdout=output, stderr=output)
    try:
        wait_until(lambda: "/ready" in log.read_text(), what="the welcome")
        text = log.read_text()
        assert "sluice-data/sluice.db" in text
        # What it suggests works as it stands.
        command = re.search(r"sluice (generate traces .*)", text)[1].split()
        generated = run(*command, "--duration", "1s", "--rate", "200")
        ready = re.search(r"curl (\S+)", text)[1]
        with urllib.request.urlopen(f"http://{ready}", timeout=5) as response:
            assert response.status == 200
        with socket.create_connection(("localhost", 4318)):
            pass
        assert generated.returncode == 0, generated.stderr
        store = Store(tmp_path / "sluice-data/sluice.db")
        wait_until(lambda: store.count("traces") >= 100, what="spans")
        # The query of the welcome is one that works.
        query = re.search(r"'(SELECT [^']*)'", text)[1]
        assert len(store.rows(query)) == 5
        store.close()
        ours = pathlib.Path(f"/proc/{process.pid}/net/tcp").read_text()
        listening = re.findall(r": (\w+):10DE 00000000:0000 0A", ours)
        assert set(listening) == {"0100007F"}, "localhost only"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_the_data_directory_is_private(processes):
    gateway = processes.sluice(configuration({
        "sqlite": {"path": "data/store.db"}, "file": {"path": "lines.json"}}))
    export(gateway, "traces", otlp.spans())
    wait_until(lambda: (gateway.directory / "lines.json").stat().st_size > 0)
    for name in ("data/store.db", "lines.json"):
        assert (gateway.directory / name).stat().st_mode & 0o077 == 0, name


def test_sigterm_drains_what_was_acknowledged(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "sending_queue": {"num_consumers": 1, "batch": {
            "min_size": 1_000_000, "flush_timeout": "1h"}}}}))
    for _ in range(20):
        assert export(gateway, "traces", otlp.spans(10)).status == 200
    assert not sink.taken
    gateway.stop(expect=0)
    assert len(sink.items("traces")) == 200
    assert gateway.log("stopped, everything was delivered")


def test_sigint_drains_as_well(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    gateway.signal(signal.SIGINT)
    assert gateway.process.wait(10) == 0


def test_sigterm_under_load_loses_nothing_that_was_acknowledged(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))
    acknowledged = []

    def send(worker):
        connection = client.Connection(gateway.address)
        for number in range(1_000_000):
            name = f"{worker}/{number}"
            body = otlp.spans(name=name).SerializeToString()
            try:
                response = connection.request("/v1/traces", body)
            except (EOFError, OSError):
                break
            if response.status == 200:
                acknowledged.append(name)
            if response.header("Connection") == "close":
                break
        connection.close()

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 200, what="some load")
    gateway.stop(expect=0)
    for thread in threads:
        thread.join()
    delivered = {
        span.name for request in sink.taken for resource in request.message().resource_spans
        for scope in resource.scope_spans for span in scope.spans}
    assert set(acknowledged) <= delivered
    assert len(sink.items("traces")) == len(delivered)


def test_sigterm_answers_requests_under_way(processes, connect):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))
    body = otlp.spans(name="under way").SerializeToString()
    idle, busy = connect(gateway.address), connect(gateway.address)
    assert idle.request("/v1/traces").status == 200
    whole = client.head_and_body("/v1/traces", body)
    busy.send(whole[:-5])
    wait_until(lambda: gateway.metric("http_server_open_connections") >= 2)
    time.sleep(0.1)  # There is no telling from outside that half a body was read.
    gateway.signal(signal.SIGTERM)
    assert idle.is_closed()
    busy.send(whole[-5:])
    response = busy.response()
    assert response.is_full_success("traces")
    assert busy.is_closed()
    gateway.stop(expect=0)
    assert "under way" in str(sink.items("traces"))


def test_sigterm_with_a_dead_destination_is_3_with_the_loss_counted(processes):
    sink = processes.sink(HANG)
    gateway = processes.sluice(configuration(
        {"otlp_http": {"endpoint": sink.url}}, limits={"shutdown_timeout": "500ms"},
        log={"durability": "memory"}))
    for _ in range(3):
        assert export(gateway, "traces", otlp.spans(4)).status == 200
    started = time.monotonic()
    gateway.stop(expect=3)
    assert time.monotonic() - started < 5
    line, = gateway.log("stopped, acknowledged items were not delivered")
    assert line["items_lost"] == 12


def test_sigterm_gives_a_destination_that_has_recovered_its_data(processes):
    """Although the next attempt would have been later than the process may live."""
    sink = processes.sink(Answer(503))
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "retry_on_failure": {
            "initial_interval": "60s", "max_interval": "60s"}}},
        limits={"shutdown_timeout": "5s"}))
    export(gateway, "traces", otlp.spans(name="late"))
    gateway.wait_for_log("delivery failed, will try again")
    sink.answer = OK
    gateway.stop(expect=0)
    assert "late" in str(sink.items("traces"))


def test_a_port_in_use_is_an_error_at_start(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        path = write_configuration(tmp_path / "c.yaml", configuration(
            {"nop": {}}, http={"endpoint": f"127.0.0.1:{port}"}))
        result = run("run", "--config", path)
    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in result.stderr and "otlp" in result.stderr
    assert "in use" in result.stderr.lower()


def test_two_gateways_cannot_share_a_port(processes, tmp_path):
    first = processes.sluice(configuration({"nop": {}}))
    path = write_configuration(tmp_path / "c.yaml", configuration(
        {"nop": {}}, http={"endpoint": "%s:%d" % first.address}))
    result = run("run", "--config", path)
    assert result.returncode == 1 and "in use" in result.stderr.lower()


def test_a_store_that_cannot_be_written_is_an_error_at_start(tmp_path):
    (tmp_path / "file").write_text("no directory")
    path = write_configuration(
        tmp_path / "c.yaml", configuration({"sqlite": {"path": "file/store.db"}}))
    result = run("run", "--config", path, cwd=tmp_path)
    assert result.returncode == 1
    assert "sqlite" in result.stderr and "file/store.db" in result.stderr


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    (tmp_path / "store.db").write_text("precious text, not a database at all" * 100)
    before = (tmp_path / "store.db").read_bytes()
    path = write_configuration(
        tmp_path / "c.yaml", configuration({"sqlite": {"path": "store.db"}}))
    result = run("run", "--config", path, cwd=tmp_path)
    assert result.returncode == 1 and "store.db" in result.stderr
    assert (tmp_path / "store.db").read_bytes() == before


def test_a_start_after_a_stop_goes_on_in_the_same_store(processes):
    settings = configuration({"sqlite": {"path": "store.db"}})
    gateway = processes.sluice(settings)
    export(gateway, "traces", otlp.spans(3))
    gateway.stop()
    again = Sluice(gateway.directory, settings)
    processes.gateways.append(again)
    export(again, "traces", otlp.spans(4))
    again.stop()
    store = Store(gateway.directory / "store.db")
    assert store.count("traces") == 7
    assert store.rows("PRAGMA integrity_check")[0][0] == "ok"
    store.close()


def test_unix_sockets_receive_too(processes, tmp_path):
    path = tmp_path / "s.sock"
    settings = configuration({"nop": {}}, http={"endpoint": f"unix://{path}"})
    config = write_configuration(tmp_path / "c.yaml", settings)
    process = subprocess.Popen(
        [BINARY, "run", "--config", config], stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        wait_until(path.exists, what="the socket")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            wait_until(lambda: connection.connect_ex(str(path)) in (0, 106), what="listening")
            connection.sendall(client.head_and_body("/v1/traces"))
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not path.exists()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6_receives_too(processes):
    gateway = processes.sluice(configuration({"nop": {}}, http={"endpoint": "[::1]:0"}))
    assert gateway.address[0] == "::1"
    assert post(gateway, "/v1/traces").status == 200


# -- Reload

def reload(gateway, settings, message="configuration reloaded"):
    count = len(gateway.log(message))
    write_configuration(gateway.config, settings)
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: len(gateway.log(message)) > count, what=f"'{message}'")


def test_sighup_adds_an_exporter(processes):
    first, second = processes.sink(), processes.sink()
    exporters = {"otlp_http/first": {"endpoint": first.url}}
    gateway = processes.sluice(configuration(exporters))
    export(gateway, "traces", otlp.spans(name="one"))
    exporters["otlp_http/second"] = {"endpoint": second.url}
    reload(gateway, configuration(exporters))
    assert export(gateway, "traces", otlp.spans(name="two")).status == 200
    assert len(first.wait_for_items("traces", 2)) == 2
    assert "two" in str(second.wait_for_items("traces", 1))
    assert set(gateway.ready()[1]["exporters"]) == set(exporters)


def test_sighup_removes_an_exporter_that_delivers_first(processes):
    first, second = processes.sink(), processes.sink()
    gateway = processes.sluice(configuration({
        "otlp_http/first": {"endpoint": first.url, "sending_queue": {"batch": {
            "min_size": 1_000_000, "flush_timeout": "1h"}}},
        "otlp_http/second": {"endpoint": second.url}}))
    export(gateway, "traces", otlp.spans(name="one"))
    second.wait_for_items("traces", 1)
    reload(gateway, configuration({"otlp_http/second": {"endpoint": second.url}}))
    assert "one" in str(first.wait_for_items("traces", 1))
    assert set(gateway.ready()[1]["exporters"]) == {"otlp_http/second"}


def test_sighup_with_a_bad_configuration_is_refused_and_the_old_one_goes_on(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))
    refused = "configuration refused, the old one goes on"
    for broken in (
            configuration({"otlp_http": {"endpiont": sink.url}}),
            configuration({"otlp_http": {"endpoint": sink.url}, "sqlite": {
                "path": "/proc/nowhere/store.db"}})):
        reload(gateway, broken, message=refused)
        assert export(gateway, "traces", otlp.spans()).status == 200
    gateway.config.unlink()
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: len(gateway.log(refused)) == 3, what="the third refusal")
    sink.wait_for_items("traces", 2)
    assert gateway.ready()[0] == 200
    assert "endpiont" in gateway.log_path.read_text()


def test_sighup_changes_processors(processes):
    sink = processes.sink()
    exporters = {"otlp_http": {"endpoint": sink.url}}
    gateway = processes.sluice(configuration(exporters))
    reload(gateway, configuration(exporters, processors={"attributes": {"actions": [
        {"key": "added", "value": "by reload", "action": "insert"}]}}))
    export(gateway, "traces", otlp.spans())
    assert "by reload" in str(sink.wait_for_items("traces", 1))


def test_sighup_turns_a_signal_off_and_on(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    reload(gateway, configuration({"nop": {}}, signals=["traces"]))
    assert export(gateway, "logs", otlp.logs()).status == 404
    reload(gateway, configuration({"nop": {}}))
    assert export(gateway, "logs", otlp.logs()).status == 200


def test_sighup_under_load_loses_nothing(processes):
    sink, other = processes.sink(), processes.sink()
    base = {"otlp_http": {"endpoint": sink.url}}
    gateway = processes.sluice(configuration(base))
    acknowledged, failures = [], []
    stopping = threading.Event()

    def send(worker):
        connection = client.Connection(gateway.address)
        number = 0
        while not stopping.is_set():
            name = f"{worker}/{number}"
            try:
                response = connection.request(
                    "/v1/traces", otlp.spans(name=name).SerializeToString())
                (acknowledged if response.status == 200 else failures).append(name)
            except Exception as error:  # Reported by the main thread.
                failures.append(repr(error))
                return
            number += 1
        connection.close()

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        extra = {"otlp_http/other": {"endpoint": other.url}} if number % 2 else {}
        processors = {"attributes": {"actions": [
            {"key": "round", "value": number, "action": "insert"}]}}
        reload(gateway, configuration({**base, **extra}, processors=processors))
        wait_until(lambda: len(acknowledged) > 15 * number or failures, what="more requests")
    stopping.set()
    for thread in threads:
        thread.join()
    gateway.stop(expect=0)
    assert not failures, failures[:3]
    assert len(acknowledged) > 100
    delivered = [
        span.name for request in sink.taken for resource in request.message().resource_spans
        for scope in resource.scope_spans for span in scope.spans]
    assert sorted(delivered) == sorted(acknowledged)


def test_sighup_changes_a_receiver_on_the_port_that_it_has(processes):
    """The new one listens before the old one has gone: no client is turned away."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = {"endpoint": f"127.0.0.1:{port}"}
    gateway = processes.sluice(configuration({"nop": {}}, http=endpoint))
    big = otlp.spans(text_bytes=5000)
    kept = client.Connection(gateway.address)
    assert kept.request("/v1/traces", big.SerializeToString()).status == 200
    reload(gateway, configuration(
        {"nop": {}}, http={**endpoint, "max_request_body_size": 1000}))
    wait_until(lambda: export(gateway, "traces", big).status == 413, what="the new limit")
    assert export(gateway, "traces", otlp.spans()).status == 200
    kept.close()


def test_sighup_changes_a_receiver_on_the_unix_socket_that_it_has(processes, tmp_path):
    """It has its path, also after a reload that was refused because of another receiver."""
    path = tmp_path / "s.sock"

    def settings(limit, taken=None):
        result = configuration(
            {"nop": {}}, http={"endpoint": f"unix://{path}", "max_request_body_size": limit})
        if taken:
            result["receivers"]["otlp/taken"] = {"protocols": {"http": {"endpoint": taken}}}
            result["service"]["pipelines"]["traces"]["receivers"].append("otlp/taken")
        return result

    def status(text_bytes):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
            body = otlp.spans(text_bytes=text_bytes).SerializeToString()
            connection.sendall(client.head_and_body("/v1/traces", body))
            return int(connection.recv(100).split()[1])

    gateway = processes.sluice(settings(100_000))
    assert status(5000) == 200
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        reload(
            gateway, settings(1000, "127.0.0.1:%d" % other.getsockname()[1]),
            "configuration refused, the old one goes on")
    assert status(5000) == 200
    for limit, expected in ((1000, 413), (100_000, 200), (1000, 413)):
        reload(gateway, settings(limit))
        wait_until(lambda: status(5000) == expected, what="the new limit")
    assert [file.name for file in tmp_path.glob("s.sock*")] == ["s.sock"]


def test_sighup_moves_a_receiver_to_another_port(processes):
    def endpoint():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return {"endpoint": "127.0.0.1:%d" % probe.getsockname()[1]}
    before, after = endpoint(), endpoint()
    gateway = processes.sluice(configuration({"nop": {}}, http=before))
    reload(gateway, configuration({"nop": {}}, http=after))
    host, _, port = after["endpoint"].rpartition(":")
    moved = client.Connection((host, int(port)))
    assert moved.request("/v1/traces").status == 200
    moved.close()

    def is_gone():
        try:
            client.Connection(gateway.address).close()
        except ConnectionRefusedError:
            return True

    wait_until(is_gone, what="the old port is closed")


@pytest.mark.parametrize("exporter, before, after", [
    ("sqlite", {"path": "store.db"}, {"path": "store.db", "cache_size": "2MiB"}),
    ("file", {"path": "lines.json"}, {"path": "lines.json", "fsync": False})])
def test_sighup_changes_an_exporter_on_the_file_that_it_has(processes, exporter, before, after):
    gateway = processes.sluice(configuration({exporter: before}))
    for number in range(6):
        for _ in range(5):
            assert export(gateway, "traces", otlp.spans()).status == 200
        reload(gateway, configuration({exporter: before if number % 2 else after}))
    gateway.stop(expect=0)
    if exporter == "sqlite":
        store = Store(gateway.directory / "store.db")
        assert store.count("traces") == 30
        store.close()
    else:
        lines = (gateway.directory / "lines.json").read_text().split("\n")[:-1]
        assert sum(otlp.item_count("traces", otlp.from_json("traces", each))
                   for each in lines) == 30


def test_sighup_with_the_same_configuration_leaves_connections_open(processes, connect):
    settings = configuration({"nop": {}})
    gateway = processes.sluice(settings)
    connection = connect(gateway.address)
    for _ in range(3):
        assert connection.request("/v1/traces").status == 200
        reload(gateway, settings)
    assert connection.request("/v1/traces").status == 200
    assert len(gateway.log("receiving")) == 1


def test_sighup_changes_the_log_level(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    quiet = {"logs": {"encoding": "json", "level": "error"}}
    write_configuration(
        gateway.config, configuration({"nop": {}}, signals=["traces"], telemetry=quiet))
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: export(gateway, "logs", otlp.logs()).status == 404, what="the reload")
    reload(gateway, configuration({"nop": {}}))
    assert len(gateway.log("configuration reloaded")) == 1


# -- Health and metrics

def test_health(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    status, text = gateway.get("/health")
    assert status == 200 and json.loads(text) == {"status": "alive"}


def test_ready_tells_each_exporters_state_and_stays_200_while_one_is_down(processes):
    sink = processes.sink(Answer(503, b"maintenance", {"Content-Type": "text/plain"}))
    gateway = processes.sluice(configuration({
        "otlp_http": {"endpoint": sink.url, "retry_on_failure": {"initial_interval": "50ms"}},
        "nop": {}}))
    export(gateway, "traces", otlp.spans(7))
    wait_until(
        lambda: gateway.ready()[1]["exporters"]["otlp_http"]["state"] == "failing",
        what="the failure in /ready")
    status, body = gateway.ready()
    assert status == 200 and body["ready"] is True
    down = body["exporters"]["otlp_http"]
    assert "503" in down["last_error"] and "maintenance" in down["last_error"]
    assert abs(down["last_error_unix_seconds"] - time.time()) < 60
    assert down["queue"]["items"] == 7 and down["queue"]["requests"] == 1
    assert body["exporters"]["nop"]["state"] == "ok"
    sink.answer = OK
    wait_until(
        lambda: gateway.ready()[1]["exporters"]["otlp_http"]["state"] == "ok", what="recovery")
    assert gateway.ready()[1]["exporters"]["otlp_http"]["lag_seconds"] == 0


def test_ready_is_503_while_stopping(processes):
    sink = processes.sink(HANG)
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "retry_on_failure": {"initial_interval": "10ms"}}}))
    export(gateway, "traces", otlp.spans())
    sink.wait(lambda sink: sink.requests)
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: gateway.ready()[0] == 503, what="/ready turning off")
    assert gateway.get("/health")[0] == 200
    sink.answer = OK
    sink.release()


def test_the_admin_port_answers_other_paths_and_methods(processes, connect):
    gateway = processes.sluice(configuration({"nop": {}}))
    assert gateway.get("/")[0] == 404
    connection = connect(gateway.admin)
    response = connection.request("/ready", content_type=None)
    assert response.status == 405 and response.header("Allow") == "GET, HEAD"
    connection.send(client.head_and_body("/metrics", method="HEAD", has_length=False))
    assert connection.response(has_body=False).status == 200


def test_the_health_check_extension_answers_as_the_collectors(processes):
    settings = configuration({"nop": {}})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings["extensions"] = {"health_check": {
        "endpoint": f"127.0.0.1:{port}", "path": "/healthz"}}
    settings["service"]["extensions"] = ["health_check"]
    processes.sluice(settings)
    connection = client.Connection(("127.0.0.1", port))
    assert connection.request("/healthz", content_type=None, method="GET").status == 200
    assert connection.request("/", content_type=None, method="GET").status == 404
    connection.close()


def test_metrics_have_the_collectors_names(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration(
        {"otlp_http": {"endpoint": sink.url}}, processors={"batch": {}, "attributes": {
            "actions": [{"key": "a", "value": 1, "action": "insert"}]}}))
    for name in otlp.SIGNALS:
        export(gateway, name, otlp.request(name, 3))
        sink.wait_for_items(name, 3)
    text = gateway.get("/metrics")[1]
    assert re.search(r"^# TYPE otelcol_receiver_accepted_spans(_total)? counter$", text, re.M)
    wait_until(lambda: gateway.metric("otelcol_exporter_sent_log_records") == 3)
    for noun in otlp.NOUNS.values():
        labels = {"receiver": "otlp", "transport": "http"}
        assert gateway.metric(f"otelcol_receiver_accepted_{noun}", **labels) == 3
        assert gateway.metric(f"otelcol_receiver_refused_{noun}", **labels) == 0
        assert gateway.metric(f"otelcol_exporter_sent_{noun}", exporter="otlp_http") == 3
    for signal_name in otlp.SIGNALS:
        labels = {"processor": "attributes", "otel_signal": signal_name}
        assert gateway.metric("otelcol_processor_incoming_items", **labels) == 3
        assert gateway.metric("otelcol_processor_outgoing_items", **labels) == 3
    samples = {name for name, _ in gateway.metrics()}
    for name in (
            "otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity",
            "http_server_request_duration_seconds_bucket",
            "http_server_request_body_size_bytes_sum", "http_server_open_connections"):
        assert name in samples
    for prefix in ("otelcol_process_uptime", "otelcol_process_memory_rss"):
        assert any(name.startswith(prefix) for name in samples)
    route = {"http_route": "/v1/logs", "http_response_status_code": "200"}
    wait_until(
        lambda: gateway.metric("http_server_request_duration_seconds_count", **route) == 1,
        what="the request is counted")


def test_metrics_are_well_formed_in_both_formats(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    post(gateway, "/v1/traces")
    wait_until(
        lambda: gateway.metric(
            "http_server_request_duration_seconds_count", http_route="/v1/traces") == 1,
        what="the request is counted")
    url = "http://%s:%d/metrics" % gateway.admin
    for accept, content_type, end in (
            ("text/plain", "text/plain; version=0.0.4", ""),
            ("application/openmetrics-text; version=1.0.0",
             "application/openmetrics-text; version=1.0.0", "# EOF\n")):
        request = urllib.request.Request(url, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=5) as response:
            assert response.headers["Content-Type"].startswith(content_type)
            text = response.read().decode()
        assert text.endswith(end or "\n")
        typed = set(re.findall(r"^# TYPE (\w+) \w+$", text, re.M))
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name = re.match(r"\w+", line)[0]
            family = re.sub(r"_(total|bucket|sum|count|created|info)$", "", name)
            assert {name, family} & typed, line
        buckets = [
            float(value) for value in re.findall(
                r'^http_server_request_duration_seconds_bucket\{[^}]*http_route="/v1/traces"'
                r'[^}]*\} (\S+)', text, re.M)]
        assert buckets == sorted(buckets) and buckets[-1] == 1


def test_an_inventive_client_makes_no_new_series(processes):
    gateway = processes.sluice(configuration({"nop": {}}))

    def after(requests):
        """The samples, once all requests are in them: they are counted behind their answers."""
        counts = ("http_server_request_duration_seconds_count",
                  "http_server_request_body_size_bytes_count")
        wait_until(
            lambda: all(gateway.metric(count) == requests for count in counts),
            what=f"{requests} requests in the metrics")
        return set(gateway.metrics())

    post(gateway, "/x", method="INVENT")
    before = after(1)
    for number in range(50):
        post(gateway, f"/invented/{number}", method=f"INVENT{number}")
    assert after(51) == before


# -- Its own spans

def own_spans(store):
    return store.rows("SELECT * FROM spans WHERE service_name = 'sluice'")


def test_traceparent_is_continued(processes):
    """The ingest span is stored, and the outgoing request carries its context."""
    sink = processes.sink()
    gateway = processes.sluice(configuration(
        {"sqlite": {"path": "store.db"}, "otlp_http": {"endpoint": sink.url}},
        telemetry={"traces": {"exporters": ["sqlite"]}}))
    response = export(gateway, "traces", otlp.spans(3), headers={
        "traceparent": TRACEPARENT, "tracestate": "vendor=value"})
    assert response.status == 200
    sink.wait(lambda sink: sink.requests)
    outgoing = sink.requests[0].headers
    version, trace_id, span_id, flags = outgoing["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE, "01")
    assert span_id != SPAN
    assert outgoing["tracestate"] == "vendor=value"
    store = Store(gateway.directory / "store.db")
    wait_until(lambda: own_spans(store), what="the ingest span")
    span, = own_spans(store)
    assert (span["trace_id"], span["parent_span_id"]) == (TRACE, SPAN)
    assert span["span_id"] == span_id
    assert (span["name"], span["kind"], span["trace_state"]) == (
        "POST /v1/traces", "server", "vendor=value")
    attributes = json.loads(span["attributes"])
    assert attributes["http.response.status_code"] == 200
    assert attributes["sluice.items.accepted"] == 3
    assert abs(span["start_time_ns"] / 1e9 - time.time()) < 60
    store.close()


def test_traceparent_of_a_failed_request_makes_an_error_span_and_a_log_line(processes):
    gateway = processes.sluice(configuration(
        {"sqlite": {"path": "store.db"}}, telemetry={"traces": {"exporters": ["sqlite"]}}))
    post(gateway, "/v1/logs", b"not json", JSON, headers={"traceparent": TRACEPARENT})
    store = Store(gateway.directory / "store.db")
    wait_until(lambda: own_spans(store), what="the ingest span")
    span, = own_spans(store)
    assert (span["status"], span["name"]) == ("error", "POST /v1/logs")
    line, = gateway.log(status=400)
    assert (line["trace_id"], line["span_id"]) == (TRACE, span["span_id"])
    store.close()


@pytest.mark.parametrize("header", [
    f"00-{TRACE}-{SPAN}-00", f"00-{TRACE.upper()}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", "garbage", ""])
def test_traceparent_that_is_unsampled_or_invalid_records_no_span(processes, header):
    gateway = processes.sluice(configuration(
        {"sqlite": {"path": "store.db"}}, telemetry={"traces": {"exporters": ["sqlite"]}}))
    assert export(gateway, "traces", otlp.spans(), headers={"traceparent": header}).status == 200
    gateway.stop()
    store = Store(gateway.directory / "store.db")
    assert store.count("traces") == 1 and not own_spans(store)
    store.close()


def test_own_spans_do_not_feed_themselves(processes):
    """A gateway that exports its own spans to itself comes to rest."""
    gateway = processes.sluice(configuration({"sqlite": {"path": "store.db"}}))
    loop = {
        "sqlite": {"path": "store.db"},
        "otlp_http": {"endpoint": gateway.url},
    }
    second = processes.sluice(configuration(loop, telemetry={
        "traces": {"exporters": ["otlp_http"]}}))
    export(second, "traces", otlp.spans(), headers={"traceparent": TRACEPARENT})
    store = Store(gateway.directory / "store.db")
    wait_until(lambda: own_spans(store), what="the ingest span")
    second.stop()
    gateway.stop()
    # Its own span for the client's request, and no span about that span.
    assert len(own_spans(store)) == 1
    store.close()


# -- generate

@pytest.mark.parametrize("signal_name", otlp.SIGNALS)
@pytest.mark.parametrize("encoding, compression", [("proto", "zstd"), ("json", "gzip")])
def test_generate_sends_what_it_says(processes, signal_name, encoding, compression):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))
    result = run(
        "generate", signal_name, "--endpoint", gateway.url, "--duration", "500ms", "--rate", "400",
        "--batch", "20", "--connections", "2", "--encoding", encoding,
        "--compression", compression, "--seed", "1")
    assert result.returncode == 0, result.stdout + result.stderr
    accepted = gateway.metric(f"otelcol_receiver_accepted_{otlp.NOUNS[signal_name]}")
    assert 100 <= accepted <= 400
    assert len(sink.wait_for_items(signal_name, accepted)) == accepted


def test_generate_fails_where_nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result = run(
        "generate", "traces", "--endpoint", f"http://127.0.0.1:{port}", "--duration", "200ms")
    assert result.returncode == 1


def test_without_standard_streams_their_numbers_are_dev_null(tmp_path):
    """A file of the gateway's own with number 2 would have the log written into it."""
    settings = configuration({"file": {"path": str(tmp_path / "out")}})
    path = write_configuration(tmp_path / "sluice.yaml", settings)
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", BINARY, "run", "--config", path],
        cwd=tmp_path, start_new_session=True)
    try:
        descriptors = pathlib.Path(f"/proc/{process.pid}/fd")
        wait_until(lambda: len(list(descriptors.iterdir())) > 12, what="the start")
        assert {os.readlink(descriptors / number) for number in "012"} == {"/dev/null"}
    finally:
        process.kill()
        process.wait()
