"""What others have built on: names of metrics, answers of the HTTP surface, merged configurations.

They are compared with files in goldens/. A change on purpose is recorded with

    SLUICE_UPDATE_GOLDENS=1 SLUICE=PATH python -m pytest Tests/integration/test_goldens.py

and stands in the diff of goldens/, where a reviewer reads it. Metrics and members may be added
without that; what is gone, and what is called otherwise, fails.
"""

import difflib
import gzip
import json
import os
import pathlib
import re

import pytest

import otlp
from client import Connection, chunked, head_and_body
from otlp import JSON, PROTOBUF
from sink import OK, Answer
from sluice import ROOT, configuration, run, wait_until

GOLDENS = pathlib.Path(__file__).resolve().parent / "goldens"
UPDATES = bool(os.environ.get("SLUICE_UPDATE_GOLDENS"))
BODY_BYTES_MAX = 4096


def compare(name, text):
    """The whole text is as it was."""
    path = GOLDENS / name
    if UPDATES:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    difference = difflib.unified_diff(
        path.read_text().splitlines(), text.splitlines(), "as it was", "as it is", lineterm="")
    assert path.read_text() == text, "\n".join(difference)


def compare_lines(name, lines):
    """Every line that was there is there; others may have come."""
    path = GOLDENS / name
    if UPDATES:
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in sorted(lines)))
    missing = set(path.read_text().splitlines()) - set(lines)
    assert not missing, "gone, or changed:\n" + "\n".join(sorted(missing))


def answer(request):
    if request.path.startswith("/dead"):
        return Answer(503)
    is_bad = request.path.startswith("/v1/") and "bad" in str(request.message())
    return Answer(400) if is_bad else OK


@pytest.fixture(scope="module")
def gateway(shared_processes):
    """Every exporter and every processor, and one destination that is full at once."""
    sink = shared_processes.sink(answer)
    settings = configuration({
        "otlp_http": {"endpoint": sink.url}, "nop": {}, "debug": {},
        "file": {"path": "file.jsonl"}, "sqlite": {"path": "store.db"},
        # Nobody answers there; what it counts is there all the same.
        "postgres": {"connection": "postgres://nobody@127.0.0.1:1/nowhere"},
    }, processors={
        "memory_limiter": {"check_interval": "1s", "limit_mib": 1000},
        "resource": {"attributes": [{"key": "added", "value": "x", "action": "upsert"}]},
        "attributes": {"actions": [{"key": "k", "pattern": "(?P<d>a+)b", "action": "extract"}]},
    }, http={"max_request_body_size": BODY_BYTES_MAX})
    service = settings["service"]
    service["telemetry"]["traces"] = {"exporters": ["otlp_http"]}
    settings["exporters"] |= {
        "zipkin": {"endpoint": f"{sink.url}/zipkin"},
        "otlp_http/dead": {
            "endpoint": f"{sink.url}/dead", "sending_queue": {"queue_size": 1},
            "retry_on_failure": {"initial_interval": "20ms", "max_interval": "100ms"}}}
    settings["processors"] |= {
        "span_limits": {"attribute_count_limit": 128},
        "probabilistic_sampler": {"sampling_percentage": 100},
        "probabilistic_sampler/none": {"sampling_percentage": 0}}
    for name in ("traces", "logs"):
        service["pipelines"][name]["processors"].append("probabilistic_sampler")
    service["pipelines"]["traces"]["processors"].append("span_limits")
    service["pipelines"]["traces"]["exporters"].append("zipkin")
    settings["receivers"]["otlp/dead"] = {"protocols": {"http": {"endpoint": "127.0.0.1:0"}}}
    service["pipelines"]["traces/dead"] = {
        "receivers": ["otlp/dead"], "exporters": ["otlp_http/dead"]}
    service["pipelines"]["traces/none"] = {
        "receivers": ["otlp"], "processors": ["probabilistic_sampler/none"],
        "exporters": ["nop"]}
    return shared_processes.sluice(settings)


# -- Metrics

def test_every_metric_keeps_its_name_its_type_and_its_labels(gateway):
    connection = Connection(gateway.addresses["otlp"])
    for signal in otlp.SIGNALS:
        for request in (otlp.with_bad_item(signal), otlp.request(signal)):
            assert connection.request(f"/v1/{signal}", request.SerializeToString()).status == 200
    not_utf8 = otlp.spans(name="RAW").SerializeToString().replace(b"RAW", b"\xff\xfe\xfd")
    assert connection.request("/v1/traces", not_utf8).status == 200
    bad = otlp.spans(name="bad").SerializeToString()
    # With a trace of the client's, the ingest has a span.
    response = connection.request("/v1/traces", bad, headers={
        "traceparent": "00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-01"})
    assert response.status == 200
    connection.close()
    # A family whose series come with the first event has no labels before it.
    wait_until(
        lambda: gateway.metric("sluice_exporter_set_aside_items") > 0
        and gateway.metric("otelcol_exporter_sent_spans", exporter="sqlite") >= 3,
        what="what is exported and rejected")
    compare_lines("metrics.txt", described(gateway.get("/metrics")[1]))


def described(exposition):
    """A line for each family and set of labels: name, type, labels."""
    types, found = {}, set()
    for line in exposition.splitlines():
        if match := re.match(r"# TYPE (\S+) (\S+)", line):
            types[match[1]] = match[2]
            found.add(f"{match[1]} {match[2]}")
        elif match := re.match(r"(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$", line):
            family = match[1] if match[1] in types else line.split("{")[0].split(" ")[0]
            labels = re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', match[2] or "")
            if labels:
                found.add(f"{family} {types[family]} {{{', '.join(sorted(labels))}}}")
    return found


# -- The HTTP surface

def cases():
    """(what, address's name, bytes) of requests whose answers clients act on."""
    for content_type in (PROTOBUF, JSON):
        kind = "protobuf" if content_type == PROTOBUF else "JSON"
        for signal in otlp.SIGNALS:
            path = f"/v1/{signal}"
            encode = lambda message: otlp.encode(message, content_type)
            yield f"{signal}, {kind}", "otlp", head_and_body(
                path, encode(otlp.request(signal)), content_type)
            yield f"{signal}, {kind}, an item is bad", "otlp", head_and_body(
                path, encode(otlp.with_bad_item(signal)), content_type)
            yield f"{signal}, {kind}, empty", "otlp", head_and_body(
                path, b"" if content_type == PROTOBUF else b"{}", content_type)
            yield f"{signal}, {kind}, no such message", "otlp", head_and_body(
                path, b"\x0a\xff\xff\xff" if content_type == PROTOBUF else b'{"x":', content_type)
        yield from errors(kind, content_type)
    yield from errors("plain text", "text/plain")
    yield from framing()


def errors(kind, content_type):
    def case(what, *arguments, **options):
        return f"{kind}: {what}", "otlp", head_and_body(
            *arguments, content_type=content_type, **options)

    body = otlp.encode(otlp.spans(2), content_type)
    yield case("no such path", "/v1/nothing", body)
    yield case("GET", "/v1/traces", method="GET", has_length=False)
    yield case("PUT", "/v1/traces", body, method="PUT")
    yield case("OPTIONS", "/v1/traces", method="OPTIONS", has_length=False)
    yield case("by length too large", "/v1/traces", headers={
        "Content-Length": str(BODY_BYTES_MAX + 1)}, has_length=False)
    yield case("in chunks too large", "/v1/traces", chunked(bytes(BODY_BYTES_MAX + 1)),
               headers={"Transfer-Encoding": "chunked"}, has_length=False)
    yield case("decompressed too large", "/v1/traces", gzip.compress(
        otlp.encode(otlp.spans(text_bytes=BODY_BYTES_MAX), content_type), mtime=0),
        headers={"Content-Encoding": "gzip"})
    yield case("no gzip", "/v1/traces", b"no gzip", headers={"Content-Encoding": "gzip"})
    yield case("an unknown expectation", "/v1/traces", headers={
        "Expect": "miracles", "Content-Length": "10"}, has_length=False)
    if content_type != "text/plain":
        yield f"{kind}: the queue is full", "otlp/dead", head_and_body(
            "/v1/traces", body, content_type)


def framing():
    """What is no HTTP, or too much of it."""
    def case(what, data):
        return f"framing: {what}", "otlp", data

    post = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    yield case("a long request line", b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    yield case("a long head", post + b"".join(
        b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(70)) + b"\r\n")
    yield case("101 fields", post + b"X: y\r\n" * 101 + b"\r\n")
    yield case("two lengths", post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n")
    yield case("length and chunks",
               post + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    yield case("an unknown transfer coding", post + b"Transfer-Encoding: gzip, chunked\r\n\r\n")
    yield case("no host", post.replace(b"Host: x\r\n", b"") + b"\r\n")
    yield case("an unknown version", post.replace(b"HTTP/1.1", b"HTTP/3.0") + b"\r\n")
    yield case("an unknown method", post.replace(b"POST", b"BREW") + b"Content-Length: 0\r\n\r\n")
    yield case("a field without a colon", post + b"nothing\r\n\r\n")
    yield case("a chunk's size that is none",
               post + b"Transfer-Encoding: chunked\r\n\r\nx\r\n")


def test_answers_of_the_receiver(gateway):
    fill_dead_queue(gateway)
    told = []
    for what, receiver, data in cases():
        connection = Connection(gateway.addresses[receiver])
        connection.send(data)
        told.append(f"## {what}\n{shown(connection.response(), signal=what.split(',')[0])}")
        connection.close()
    compare("answers.txt", "\n".join(told))


def fill_dead_queue(gateway):
    """One request does; more are refused."""
    connection = Connection(gateway.addresses["otlp/dead"])
    connection.request("/v1/traces", otlp.spans().SerializeToString())
    connection.close()


def shown(response, signal=None):
    fields = [f"{name}: {value}" for name, value in sorted(response.fields) if name != "Date"]
    head = [f"{response.status} {response.reason}", *fields, ""]
    return "\n".join(head) + "\n" + body(response, signal) + "\n"


def body(response, signal):
    content_type = response.header("Content-Type") or ""
    if not response.body:
        return ""
    if content_type != PROTOBUF:
        return response.body.decode()
    if response.status == 200:
        return otlp.text(otlp.RESPONSES[signal].FromString(response.body))
    code, message, details = otlp.parse_status(response.body, content_type)
    return "\n".join([f"{code} {message}"] + [
        f"{type(detail).__name__} {otlp.text(detail)}" for detail in details])


ADMIN = [
    ("GET", "/health"), ("HEAD", "/health"), ("POST", "/ready"), ("GET", "/nothing"),
    ("DELETE", "/metrics"), ("HEAD", "/metrics"), ("POST", "/flow")]


def test_answers_of_the_admin_port(gateway):
    told = []
    for method, path in ADMIN:
        connection = Connection(gateway.admin)
        connection.send(head_and_body(path, method=method, content_type=None, has_length=False))
        response = connection.response(has_body=method != "HEAD")
        connection.close()
        text = shown(response)
        # The metrics' length is another each time.
        told.append(f"## {method} {path}\n" + re.sub(r"(Content-Length): \d{3,}", r"\1: …", text))
    compare("admin.txt", "\n".join(told))


def test_reports_keep_their_members(gateway):
    """/ready and /flow, as paths through the JSON with the type at their end."""
    fill_dead_queue(gateway)
    connection = Connection(gateway.addresses["otlp"])
    connection.request("/v1/traces", otlp.spans().SerializeToString())
    connection.close()
    wait_until(
        lambda: all(
            "last_error" in gateway.ready()[1]["exporters"][name]
            for name in ("otlp_http/dead", "postgres")), what="errors of destinations")
    found = set()
    for path in ("/ready", "/flow"):
        found |= {f"{path} {member}" for member in members(json.loads(gateway.get(path)[1]))}
    compare_lines("reports.txt", found)


def members(tree, path=""):
    if isinstance(tree, dict):
        for key, value in tree.items():
            # These are called what the configuration calls them.
            yield from members(value, f"{path}.{'*' if path == '.exporters' else key}")
    elif isinstance(tree, list):
        for value in tree:
            yield from members(value, f"{path}[]")
    elif tree is not None:
        yield f"{path[1:]}: {'number' if type(tree) in (int, float) else type(tree).__name__}"


# -- Configurations

SAMPLES = [ROOT / "deploy/sluice.yaml", *sorted((ROOT / "deploy").glob("*/sluice.yaml"))]
ENVIRONMENT = {
    "SLUICE_DB_PASSWORD": "a secret", "SLUICE_GATEWAY": "http://gateway:4318",
    "K8S_NODE_NAME": "node", "K8S_NAMESPACE_NAME": "space", "K8S_POD_NAME": "pod"}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_samples_are_printed_as_they_were(path):
    result = run(
        "print-config", "--config", path, env={**os.environ, **ENVIRONMENT})
    assert (result.returncode, result.stderr) == (0, "")
    assert "a secret" not in result.stdout
    compare(f"print-config-{path.parent.name}.yaml", result.stdout)


def test_files_are_merged_variables_expanded_and_secrets_masked(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("""
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT:-4318}"}}}}
exporters:
  otlp_http:
    endpoint: ${SCHEME}://x:4318
    headers: {Authorization: "Bearer ${env:TOKEN}", X-Tenant: "$$one"}
  postgres: {connection: "postgres://u:${env:TOKEN}@db/d"}
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp_http, postgres]}}}
""")
    second.write_text("""
exporters: {otlp_http: {compression: none, headers: {X-More: yes}}}
service: {pipelines: {traces: {exporters: [otlp_http]}}}
""")
    result = run(
        "print-config", "--config", first, "--config", second,
        "--set", "exporters.otlp_http.timeout=3s",
        env={**os.environ, "TOKEN": "t0ken", "SCHEME": "http"})
    assert result.returncode == 0, result.stderr
    assert "t0ken" not in result.stdout + result.stderr
    compare("print-config-merged.yaml", result.stdout)
