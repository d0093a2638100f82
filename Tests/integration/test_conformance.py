"""A test for each row of the table "Requests": what OTLP/HTTP demands of a server."""

import gzip
import zlib

import pytest
import zstandard
from google.rpc import error_details_pb2

import client
import otlp
from client import chunked, export, head_and_body, post
from otlp import JSON, PROTOBUF, SIGNALS
from sink import HANG, OK, Answer
from sluice import configuration, wait_until

BOTH = pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
EACH_SIGNAL = pytest.mark.parametrize("signal", SIGNALS)
ENCODINGS = ["gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4"]
EACH_ENCODING = pytest.mark.parametrize("encoding", ENCODINGS)
LIMIT = 100_000

INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE = 3, 5, 8, 12, 14


@pytest.fixture(scope="module")
def sink(shared_processes):
    return shared_processes.sink()


@pytest.fixture(scope="module")
def gateway(shared_processes, sink):
    return shared_processes.sluice(configuration(
        {"otlp_http": {"endpoint": sink.url}}, http={"max_request_body_size": LIMIT}))


def check_status(response, status, code, content_type):
    """The body is a google.rpc.Status in the request's encoding; returns its message, details."""
    assert response.status == status, response
    assert response.header("Content-Type") == content_type
    got, message, details = response.rpc_status()
    assert got == code
    assert message
    return message, details


def span_names(sink):
    return [
        span.name for request in sink.taken if request.signal == "traces"
        for resource in request.message().resource_spans
        for scope in resource.scope_spans for span in scope.spans]


def arrives(sink, name):
    wait_until(lambda: name in span_names(sink), what=f"span '{name}' downstream")


# -- Paths, content types

@EACH_SIGNAL
@BOTH
def test_paths(gateway, signal, content_type):
    assert export(gateway, signal, otlp.request(signal), content_type).is_full_success(signal)


def test_paths_can_be_overridden(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}, http={
        "traces_url_path": "/custom/t", "metrics_url_path": "without/slash",
        "logs_url_path": "/l"}))
    for signal, path in (
            ("traces", "/custom/t"), ("metrics", "/without/slash"), ("logs", "/l")):
        body = otlp.request(signal).SerializeToString()
        assert post(gateway, path, body).is_full_success(signal)
        assert post(gateway, f"/v1/{signal}", body).status == 404
        sink.wait_for_items(signal, 1)


def test_paths_of_profiles_are_unknown_until_there_is_a_pipeline_for_them(gateway):
    response = post(gateway, "/v1development/profiles", b"")
    check_status(response, 404, NOT_FOUND, PROTOBUF)


def test_a_query_is_no_part_of_the_path(gateway):
    assert post(gateway, "/v1/traces?x=y", otlp.spans().SerializeToString()).status == 200


@EACH_SIGNAL
def test_protobuf_and_json_share_one_port_and_one_connection(gateway, connect, signal):
    connection = connect(gateway.address)
    for content_type in (PROTOBUF, JSON, PROTOBUF):
        body = otlp.encode(otlp.request(signal), content_type)
        response = connection.request(f"/v1/{signal}", body, content_type)
        assert response.header("Content-Type") == content_type
        assert response.is_full_success(signal)


@pytest.mark.parametrize("written, plain", [
    ("application/json; charset=utf-8", JSON), ("application/json;charset=UTF-8", JSON),
    ("Application/JSON", JSON), ("application/json ; a=b; c=d", JSON),
    ("application/x-protobuf; proto=x", PROTOBUF), ("APPLICATION/X-PROTOBUF", PROTOBUF),
])
def test_content_types_ignore_parameters_and_the_response_mirrors_the_request(
        gateway, written, plain):
    response = post(gateway, "/v1/traces", otlp.encode(otlp.spans(), plain), written)
    assert response.header("Content-Type") == plain
    assert response.is_full_success("traces")


# -- Success

@EACH_SIGNAL
@BOTH
def test_success_leaves_partial_success_unset(gateway, signal, content_type):
    response = export(gateway, signal, otlp.request(signal, 3), content_type)
    assert response.is_full_success(signal)
    assert response.body == (b"" if content_type == PROTOBUF else b"{}")


@EACH_SIGNAL
def test_an_empty_request_is_a_success(gateway, signal):
    key = {"traces": "resourceSpans", "metrics": "resourceMetrics", "logs": "resourceLogs"}[signal]
    path = f"/v1/{signal}"
    assert post(gateway, path, b"").is_full_success(signal)
    assert post(gateway, path, otlp.field(1, b"")).is_full_success(signal)
    for text in ("{}", " {\n}\t", f'{{"{key}":[]}}', f'{{"{key}":null}}', f'{{"{key}":[{{}}]}}'):
        assert post(gateway, path, text.encode(), JSON).is_full_success(signal), text


def test_an_empty_request_in_an_encoding_is_a_success(gateway):
    for encoding in ENCODINGS:
        body = client.compress(b"", encoding)
        response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": encoding})
        assert response.is_full_success("traces"), encoding


@EACH_SIGNAL
@BOTH
def test_partial_success_counts_the_rejected_and_says_why(gateway, sink, signal, content_type):
    before = len(sink.items(signal))
    response = export(gateway, signal, otlp.with_bad_item(signal), content_type)
    assert response.status == 200
    assert response.header("Content-Type") == content_type
    count, message = response.partial_success(signal)
    assert count == 1
    assert "trace_id" in message and "1 of 3" in message
    assert len(sink.wait_for_items(signal, before + 2)) == before + 2


@EACH_SIGNAL
def test_partial_success_where_nothing_is_left_is_still_200(gateway, signal):
    request = otlp.with_bad_item(signal)
    scope, = otlp.scopes(signal, otlp.resources(signal, request)[0])
    items = {
        "traces": lambda: scope.spans, "logs": lambda: scope.log_records,
        "metrics": lambda: scope.metrics[0].gauge.data_points}[signal]()
    del items[2], items[0]
    response = export(gateway, signal, request)
    assert response.status == 200
    assert response.partial_success(signal)[0] == 1


def test_partial_success_is_counted_in_the_metrics(gateway):
    before = gateway.metric("sluice_receiver_rejected_items", signal="traces", reason="traceID")
    export(gateway, "traces", otlp.with_bad_item("traces"))
    after = gateway.metric("sluice_receiver_rejected_items", signal="traces", reason="traceID")
    assert after == before + 1


# -- Failures

@EACH_SIGNAL
@BOTH
def test_bad_data_is_400_with_bad_request_detail(gateway, signal, content_type):
    body = b'{"resourceSpans":' if content_type == JSON else b"\x0a\xff\x01"
    if content_type == JSON:
        body = body.replace(b"Spans", {
            "traces": b"Spans", "metrics": b"Metrics", "logs": b"Logs"}[signal])
    response = post(gateway, f"/v1/{signal}", body, content_type)
    _, details = check_status(response, 400, INVALID_ARGUMENT, content_type)
    bad, = details
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert bad.field_violations[0].field and bad.field_violations[0].description
    assert response.header("Retry-After") is None


def test_bad_data_names_the_place_in_json(gateway):
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{},{"traceId":"xyz"}]}]}]}'
    response = post(gateway, "/v1/traces", body, JSON)
    message, details = check_status(response, 400, INVALID_ARGUMENT, JSON)
    assert details[0].field_violations[0].field == (
        "resourceSpans[0].scopeSpans[0].spans[1].traceId")
    assert "line 1" in message


@BOTH
def test_too_large_before_decompression_is_413(gateway, content_type):
    request = otlp.spans(text_bytes=LIMIT)
    response = export(gateway, "traces", request, content_type)
    check_status(response, 413, RESOURCE_EXHAUSTED, content_type)
    assert response.header("Retry-After") is None


@BOTH
def test_too_large_by_content_length_is_413_before_the_body(gateway, connect, content_type):
    connection = connect(gateway.address)
    connection.send(head_and_body(
        "/v1/traces", content_type=content_type, headers={"Content-Length": str(LIMIT + 1)},
        has_length=False))
    check_status(connection.response(), 413, RESOURCE_EXHAUSTED, content_type)


def test_too_large_in_chunks_is_413(gateway, connect):
    connection = connect(gateway.address)
    head = head_and_body(
        "/v1/traces", headers={"Transfer-Encoding": "chunked"}, has_length=False)
    connection.send(head + b"%x\r\n" % (LIMIT + 1))
    check_status(connection.response(), 413, RESOURCE_EXHAUSTED, PROTOBUF)


@EACH_ENCODING
@BOTH
def test_too_large_after_decompression_is_413(gateway, encoding, content_type):
    request = otlp.spans(text_bytes=LIMIT)
    assert len(client.compress(otlp.encode(request, content_type), encoding)) < LIMIT
    response = export(gateway, "traces", request, content_type, encoding)
    check_status(response, 413, RESOURCE_EXHAUSTED, content_type)


@pytest.mark.parametrize("encoding", [None, *ENCODINGS])
def test_the_limit_itself_is_not_too_large(gateway, encoding):
    empty = len(otlp.spans(text_bytes=70_000).SerializeToString()) - 70_000
    request = otlp.spans(text_bytes=LIMIT - empty)
    assert len(request.SerializeToString()) == LIMIT
    assert export(gateway, "traces", request, encoding=encoding).is_full_success("traces")
    request = otlp.spans(text_bytes=LIMIT - empty + 1)
    assert export(gateway, "traces", request, encoding=encoding).status == 413


def test_the_default_limit_is_64_mib(processes, connect):
    gateway = processes.sluice(configuration({"nop": {}}))
    for length, status in (((64 << 20) + 1, 413), (64 << 20, 100)):
        connection = connect(gateway.address)
        connection.send(head_and_body(
            "/v1/traces", headers={"Content-Length": str(length), "Expect": "100-continue"},
            has_length=False))
        assert connection.response().status == status


@BOTH
def test_the_response_size_stays_far_below_4_mib(gateway, content_type):
    request = otlp.spans(200)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.trace_id = b"short"
    response = export(gateway, "traces", request, content_type)
    assert response.partial_success("traces")[0] == 200
    assert len(response.body) < 16 << 10
    key = b"k" * 90_000
    response = post(gateway, "/v1/traces", b'{"' + key + b'": x}', JSON)
    assert response.status == 400 and len(response.body) < 64 << 10


@BOTH
def test_overload_is_503_with_retry_after(processes, content_type):
    sink = processes.sink(HANG)
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "timeout": "60s",
        "sending_queue": {"queue_size": 2, "num_consumers": 1},
        "retry_on_failure": {"initial_interval": "10ms"}}}))
    for name in ("first", "second"):
        response = export(gateway, "traces", otlp.spans(name=name), content_type)
        assert response.is_full_success("traces")
    response = export(gateway, "traces", otlp.spans(name="third"), content_type)
    message, details = check_status(response, 503, UNAVAILABLE, content_type)
    assert "otlp_http" in message
    seconds = int(response.header("Retry-After"))
    assert seconds >= 1
    assert details == [error_details_pb2.RetryInfo(retry_delay={"seconds": seconds})]
    assert gateway.metric("otelcol_receiver_refused_spans") == 1
    assert gateway.metric("otelcol_exporter_enqueue_failed_spans", exporter="otlp_http") == 1
    assert gateway.ready()[0] == 503
    # What was acknowledged is delivered when the destination is back, what was refused is not.
    sink.answer = OK
    sink.release()
    arrives(sink, "first")
    arrives(sink, "second")
    assert "third" not in span_names(sink)
    assert gateway.ready()[0] == 200
    assert export(gateway, "traces", otlp.spans(name="third"), content_type).status == 200
    arrives(sink, "third")


def test_overload_of_one_exporter_takes_nothing_into_the_other(processes):
    hanging, open_sink = processes.sink(HANG), processes.sink()
    queue = {"queue_size": 1, "num_consumers": 1}
    gateway = processes.sluice(configuration(
        {"otlp_http/open": {"endpoint": open_sink.url},
         "otlp_http/hanging": {
             "endpoint": hanging.url, "sending_queue": queue,
             "retry_on_failure": {"initial_interval": "10ms"}}}))
    assert export(gateway, "traces", otlp.spans(name="taken")).status == 200
    assert export(gateway, "traces", otlp.spans(name="refused")).status == 503
    arrives(open_sink, "taken")
    hanging.answer = OK
    hanging.release()
    assert export(gateway, "logs", otlp.logs()).status in (200, 503)
    gateway.stop()
    assert "refused" not in span_names(open_sink)
    assert "refused" not in span_names(hanging)


@BOTH
def test_overload_of_memory_is_503_with_retry_after(processes, content_type):
    gateway = processes.sluice(configuration({"nop": {}}, processors={"memory_limiter": {
        "check_interval": "10ms", "limit_mib": 2, "spike_limit_mib": 1}}), becomes_ready=False)
    wait_until(
        lambda: export(gateway, "traces", otlp.spans(), content_type).status != 200,
        what="the limiter")
    response = export(gateway, "traces", otlp.spans(), content_type)
    _, details = check_status(response, 503, UNAVAILABLE, content_type)
    seconds = int(response.header("Retry-After"))
    assert details == [error_details_pb2.RetryInfo(retry_delay={"seconds": seconds})]
    status, report = gateway.ready()
    assert status == 503 and report["reason"] == "refusing: memory_limiter"


RETRIED = [429, 502, 503, 504]
REFUSED = [400, 401, 403, 404, 408, 413, 415, 500, 501]


@pytest.mark.parametrize("status", RETRIED)
def test_retryable_for_our_client_side(processes, status):
    answers = iter([Answer(status), Answer(status), OK])
    sink = processes.sink(lambda _: next(answers))
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "retry_on_failure": {"initial_interval": "1ms"}}}))
    export(gateway, "traces", otlp.spans(name="again"))
    arrives(sink, "again")
    assert len(sink.requests) == 3
    assert sink.requests[0].body == sink.requests[2].body


def test_not_retryable_for_our_client_side(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "retry_on_failure": {"initial_interval": "1ms"}}}))
    for count, status in enumerate(REFUSED, 1):
        sink.answer = Answer(status)
        export(gateway, "traces", otlp.spans())
        wait_until(
            lambda: gateway.metric(
                "sluice_exporter_set_aside_items", exporter="otlp_http", signal="traces") == count,
            what=f"{status} is counted as set aside")
        assert len(sink.requests) == count, status
    assert gateway.metric("otelcol_exporter_send_failed_spans") == len(REFUSED)
    assert gateway.metric("otelcol_exporter_sent_spans") == 0


# -- Wrong content type, method, path

@pytest.mark.parametrize("content_type", [
    None, "", "text/plain", "application/protobuf", "application/x-protobuf2",
    "application/jsonp", "multipart/form-data; boundary=x", "json",
])
def test_wrong_content_type_is_415_answered_in_json(gateway, content_type):
    response = post(gateway, "/v1/traces", b"", content_type)
    message, _ = check_status(response, 415, INVALID_ARGUMENT, JSON)
    assert PROTOBUF in message and JSON in message


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_wrong_method_is_405_with_allow(gateway, method):
    response = post(gateway, "/v1/traces", content_type=PROTOBUF, method=method)
    check_status(response, 405, UNIMPLEMENTED, PROTOBUF)
    assert response.header("Allow") == "POST"


def test_wrong_method_head_has_no_body(gateway, connect):
    connection = connect(gateway.address)
    connection.send(head_and_body("/v1/traces", method="HEAD", has_length=False))
    response = connection.response(has_body=False)
    assert response.status == 405 and int(response.header("Content-Length")) > 0
    # The next response starts where the head has ended.
    assert connection.request("/v1/traces").is_full_success("traces")


@pytest.mark.parametrize("path", [
    "/", "/v1", "/v1/", "/v1/trace", "/v1/traces/", "//v1/traces", "/V1/traces",
    "/v1/%74races", "/v2/traces", "/v1/traces/../logs"])
@BOTH
def test_unknown_path_is_404(gateway, path, content_type):
    response = post(gateway, path, b"", content_type)
    message, _ = check_status(response, 404, NOT_FOUND, content_type)
    assert "/v1/traces" in message


def test_unknown_path_without_a_content_type_is_answered_in_json(gateway):
    check_status(post(gateway, "/nowhere", b"", None, "GET"), 404, NOT_FOUND, JSON)


@BOTH
def test_a_signal_that_no_pipeline_takes_is_404_that_names_it(processes, content_type):
    gateway = processes.sluice(configuration({"nop": {}}, signals=["traces"]))
    assert export(gateway, "traces", otlp.spans(), content_type).status == 200
    for signal in ("metrics", "logs"):
        response = export(gateway, signal, otlp.request(signal), content_type)
        message, _ = check_status(response, 404, NOT_FOUND, content_type)
        assert signal in message


# -- Compression

@pytest.mark.parametrize("encoding", [None, "identity", *ENCODINGS])
@BOTH
@EACH_SIGNAL
def test_compression_in(gateway, sink, signal, content_type, encoding):
    before = len(sink.items(signal))
    response = export(gateway, signal, otlp.request(signal, 2), content_type, encoding)
    assert response.is_full_success(signal)
    sink.wait_for_items(signal, before + 2)


@pytest.mark.parametrize("written", ["GZIP", "x-gzip", "gzip, identity", "Identity"])
def test_compression_in_by_its_other_names(gateway, written):
    body = otlp.spans().SerializeToString()
    if "gzip" in written.lower():
        body = gzip.compress(body)
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": written})
    assert response.is_full_success("traces")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "compress", "nonsense"])
@BOTH
def test_unknown_content_encoding_is_415_with_accept_encoding(gateway, encoding, content_type):
    body = otlp.encode(otlp.spans(), content_type)
    response = post(
        gateway, "/v1/traces", body, content_type, headers={"Content-Encoding": encoding})
    check_status(response, 415, INVALID_ARGUMENT, content_type)
    named = {name.strip() for name in response.header("Accept-Encoding").split(",")}
    assert named == set(ENCODINGS)


def test_accept_encoding_names_what_is_configured(processes):
    gateway = processes.sluice(configuration(
        {"nop": {}}, http={"compression_algorithms": ["", "gzip"]}))
    body = zstandard.compress(b"")
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": "zstd"})
    assert response.status == 415
    assert response.header("Accept-Encoding") == "gzip"


def test_snappy_in_frames_is_read_under_the_name_of_blocks(gateway):
    """The Collector's exporters called it `snappy` until their version 0.123."""
    body = client.compress(otlp.spans().SerializeToString(), "x-snappy-framed")
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": "snappy"})
    assert response.is_full_success("traces")


@pytest.mark.parametrize("encoding", ["snappy", "x-snappy-framed", "lz4", "zlib"])
def test_compression_out(processes, sink, encoding):
    """What one gateway sends another takes."""
    second = processes.sluice(configuration({"otlp_http": {
        "endpoint": sink.url, "compression": "none"}}))
    first = processes.sluice(configuration({"otlp_http": {
        "endpoint": second.url, "compression": encoding}}))
    before = len(sink.items("traces"))
    assert export(first, "traces", otlp.request("traces", 2)).is_full_success("traces")
    sink.wait_for_items("traces", before + 2)


def compressed_pieces(pieces, encoding):
    return b"".join(client.compress(piece, encoding) for piece in pieces)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_multi_member_gzip_and_multi_frame_zstd_are_whole_inputs(gateway, sink, encoding):
    name = f"in pieces, {encoding}"
    data = otlp.spans(name=name).SerializeToString()
    body = compressed_pieces([data[:10], data[10:11], b"", data[11:]], encoding)
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": encoding})
    assert response.is_full_success("traces")
    arrives(sink, name)


def test_multi_frame_zstd_skips_skippable_frames(gateway):
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    body = skippable + zstandard.compress(otlp.spans().SerializeToString()) + skippable
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": "zstd"})
    assert response.is_full_success("traces")


def test_zstd_without_a_content_size_is_accepted(gateway):
    stream = zstandard.ZstdCompressor(write_content_size=False)
    body = stream.compress(otlp.spans().SerializeToString())
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": "zstd"})
    assert response.is_full_success("traces")


# Snappy's frames end nowhere: without its last ones a body is a shorter body.
@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "x-snappy-framed"])
def test_truncated_compression_is_400_at_every_offset(gateway, connect, encoding):
    body = client.compress(otlp.spans().SerializeToString(), encoding)
    connection = connect(gateway.address)
    for length in range(1, len(body)):
        response = connection.request(
            "/v1/traces", body[:length], headers={"Content-Encoding": encoding})
        check_status(response, 400, INVALID_ARGUMENT, PROTOBUF)


@EACH_ENCODING
def test_corrupt_compression_is_400(gateway, encoding):
    body = client.compress(otlp.spans().SerializeToString(), encoding)
    for corrupt in (body[:-4] + b"\xff\xff\xff\xff", body + b"garbage", b"garbage", b"\x00" * 40):
        if encoding in ("zstd", "snappy") and corrupt.endswith(b"\xff"):
            continue  # Without a checksum of its own.
        response = post(gateway, "/v1/traces", corrupt, headers={"Content-Encoding": encoding})
        check_status(response, 400, INVALID_ARGUMENT, PROTOBUF)


def test_corrupt_zstd_checksum_is_400(gateway):
    body = zstandard.ZstdCompressor(write_checksum=True).compress(
        otlp.spans().SerializeToString())
    response = post(
        gateway, "/v1/traces", body[:-1] + bytes([body[-1] ^ 1]),
        headers={"Content-Encoding": "zstd"})
    check_status(response, 400, INVALID_ARGUMENT, PROTOBUF)


def test_deflate_is_zlib(gateway):
    """Raw deflate, without zlib's header, is corrupt or accepted, never misread."""
    raw = zlib.compressobj(wbits=-15)
    body = raw.compress(otlp.spans().SerializeToString()) + raw.flush()
    response = post(gateway, "/v1/traces", body, headers={"Content-Encoding": "deflate"})
    assert response.status == 400 or response.is_full_success("traces")


def test_compression_out_is_what_accept_encoding_allows(gateway):
    response = post(gateway, "/v1/traces", headers={"Accept-Encoding": "gzip"})
    assert response.header("Content-Encoding") in (None, "gzip")
    if response.header("Content-Encoding") is None:
        assert response.is_full_success("traces")


# -- Connections

def test_keep_alive_connections_stay_open(gateway, connect):
    connection = connect(gateway.address)
    body = otlp.spans().SerializeToString()
    for _ in range(50):
        response = connection.request("/v1/traces", body)
        assert response.is_full_success("traces")
        assert response.header("Connection") in (None, "keep-alive")


def test_keep_alive_survives_refused_requests(gateway, connect):
    connection = connect(gateway.address)
    bad = b"\x0a\xff\x01"
    for path, body, content_type, status in (
            ("/v1/traces", bad, PROTOBUF, 400), ("/nowhere", b"x" * 1000, PROTOBUF, 404),
            ("/v1/traces", b"x" * 1000, "text/plain", 415), ("/v1/traces", b"", JSON, 400),
            ("/v1/traces", b"{}", JSON, 200)):
        assert connection.request(path, body, content_type).status == status


def test_keep_alive_ends_when_the_client_says_close(gateway, connect):
    connection = connect(gateway.address)
    response = connection.request("/v1/traces", headers={"Connection": "close"})
    assert response.is_full_success("traces")
    assert response.header("Connection") == "close"
    assert connection.is_closed()


def test_keep_alive_in_http_1_0_is_asked_for(gateway, connect):
    head = b"POST /v1/traces HTTP/1.0\r\nContent-Type: application/x-protobuf\r\n"
    connection = connect(gateway.address)
    connection.send(head + b"\r\n")
    assert connection.response().status == 200
    assert connection.is_closed()
    connection = connect(gateway.address)
    for _ in range(2):
        connection.send(head + b"Connection: keep-alive\r\n\r\n")
        assert connection.response().status == 200


def test_pipelined_requests_are_answered_in_order(gateway, connect):
    kinds = [
        head_and_body("/v1/traces", otlp.spans(200).SerializeToString()),
        head_and_body("/nowhere"),
        head_and_body("/v1/logs", b"{}", JSON),
        head_and_body("/v1/metrics", b"not json", JSON),
        head_and_body("/v1/traces", method="GET", has_length=False),
        head_and_body("/v1/traces", chunked(b""), has_length=False, headers={
            "Transfer-Encoding": "chunked"}),
    ]
    statuses = [200, 404, 200, 400, 405, 200]
    connection = connect(gateway.address)
    connection.send(b"".join(kinds) * 20)
    assert [connection.response().status for _ in range(120)] == statuses * 20


def test_pipelined_large_requests_do_not_overtake(processes, connect):
    """A body beyond 1 MiB is worked on off the loop; the small one behind it still waits."""
    gateway = processes.sluice(configuration({"nop": {}}))
    large = client.compress(otlp.spans(text_bytes=3 << 20).SerializeToString(), "gzip")
    connection = connect(gateway.address)
    connection.send(
        head_and_body("/v1/traces", large, headers={"Content-Encoding": "gzip"})
        + head_and_body("/v1/logs", b"{}", JSON))
    first, second = connection.response(), connection.response()
    assert first.header("Content-Type") == PROTOBUF
    assert second.header("Content-Type") == JSON


def test_expect_100_continue_is_honoured(gateway, connect):
    body = otlp.spans().SerializeToString()
    connection = connect(gateway.address)
    request = head_and_body("/v1/traces", body, headers={"Expect": "100-continue"})
    head = request[:len(request) - len(body)]
    for _ in range(2):
        connection.send(head)
        assert connection.response().status == 100
        connection.send(body)
        assert connection.response().is_full_success("traces")


@pytest.mark.parametrize("path, content_type, status", [
    ("/nowhere", PROTOBUF, 404), ("/v1/traces", "text/plain", 415)])
def test_expect_100_continue_is_refused_before_the_body(
        gateway, connect, path, content_type, status):
    connection = connect(gateway.address)
    connection.send(head_and_body(path, content_type=content_type, has_length=False, headers={
        "Expect": "100-continue", "Content-Length": "10"}))
    assert connection.response().status == status


def test_chunked_bodies_are_accepted(gateway, sink, connect):
    data = otlp.spans(name="in chunks").SerializeToString()
    head = head_and_body(
        "/v1/traces", headers={"Transfer-Encoding": "chunked"}, has_length=False)
    connection = connect(gateway.address)
    for body in (
            chunked(data), chunked(*[bytes([byte]) for byte in data]),
            chunked(data[:7], data[7:], extension=b";name=value"),
            chunked(data, trailers=b"X-Checksum: 1\r\n")):
        connection.send(head + body)
        assert connection.response().is_full_success("traces")
    wait_until(lambda: span_names(sink).count("in chunks") == 4)


def test_chunked_and_compressed_bodies_are_accepted(gateway, connect):
    connection = connect(gateway.address)
    body = gzip.compress(otlp.spans().SerializeToString())
    connection.send(head_and_body("/v1/traces", chunked(body[:5], body[5:]), headers={
        "Transfer-Encoding": "chunked", "Content-Encoding": "gzip"}, has_length=False))
    assert connection.response().is_full_success("traces")


def test_requests_drip_fed_a_byte_at_a_time_are_accepted(gateway, connect):
    body = otlp.spans().SerializeToString()
    connection = connect(gateway.address)
    drip = head_and_body("/v1/traces", body) + head_and_body(
        "/v1/traces", chunked(body[:9], body[9:]), has_length=False, headers={
            "Transfer-Encoding": "chunked"})
    for byte in drip:
        connection.send(bytes([byte]))
    for _ in range(2):
        assert connection.response().is_full_success("traces")


# -- CORS

@pytest.fixture(scope="module")
def cross_origin(shared_processes):
    return shared_processes.sluice(configuration({"nop": {}}, http={"cors": {
        "allowed_origins": ["https://app.example.com", "https://*.test.example"],
        "allowed_headers": ["X-Custom"], "exposed_headers": ["X-Seen"], "max_age": 600}}))


def preflight(gateway, origin, headers="content-type"):
    return post(gateway, "/v1/traces", content_type=None, method="OPTIONS", headers={
        "Origin": origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": headers})


@pytest.mark.parametrize("origin", ["https://app.example.com", "https://a.b.test.example"])
def test_cors_preflight_allows_configured_origins(cross_origin, origin):
    response = preflight(cross_origin, origin, "content-type, x-custom, traceparent")
    assert response.status == 204
    assert response.header("Access-Control-Allow-Origin") == origin
    assert response.header("Access-Control-Allow-Methods") == "POST"
    allowed = response.header("Access-Control-Allow-Headers").lower()
    assert {name.strip() for name in allowed.split(",")} == {
        "content-type", "x-custom", "traceparent"}
    assert response.header("Access-Control-Allow-Credentials") == "true"
    assert response.header("Access-Control-Max-Age") == "600"
    assert "Origin" in response.header("Vary")


@pytest.mark.parametrize("origin", [
    "https://evil.example", "http://app.example.com", "https://app.example.com.evil.example",
    "https://test.example", "null"])
def test_cors_preflight_refuses_other_origins(cross_origin, origin):
    response = preflight(cross_origin, origin)
    assert response.header("Access-Control-Allow-Origin") is None
    assert response.header("Access-Control-Allow-Methods") is None


def test_cors_preflight_refuses_other_headers(cross_origin):
    response = preflight(cross_origin, "https://app.example.com", "x-unknown")
    assert response.header("Access-Control-Allow-Headers") is None


@pytest.mark.parametrize("body, status", [(b"", 200), (b"\x0a\xff\x01", 400)])
def test_cors_marks_answers_good_and_bad(cross_origin, body, status):
    origin = {"Origin": "https://app.example.com"}
    response = post(cross_origin, "/v1/traces", body, headers=origin)
    assert response.status == status
    assert response.header("Access-Control-Allow-Origin") == "https://app.example.com"
    assert response.header("Access-Control-Allow-Credentials") == "true"
    assert response.header("Access-Control-Expose-Headers") == "X-Seen"
    response = post(cross_origin, "/v1/traces", body, headers={"Origin": "https://evil.example"})
    assert response.status == status
    assert response.header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("path, headers, status", [
    ("/nowhere", {}, 404), ("/v1/traces", {"Content-Type": "text/plain"}, 415),
    ("/v1/traces", {"Content-Encoding": "br"}, 415),
    ("/v1/traces", {"Expect": "200-ok"}, 417)])
def test_cors_marks_refusals_so_that_a_page_sees_the_status(cross_origin, path, headers, status):
    response = post(cross_origin, path, b"{}", headers={
        "Origin": "https://app.example.com", **headers},
        content_type=None if "Content-Type" in headers else JSON)
    assert response.status == status
    assert response.header("Access-Control-Allow-Origin") == "https://app.example.com"
    assert response.header("Access-Control-Allow-Credentials") == "true"


def test_cors_is_off_by_default(gateway):
    response = preflight(gateway, "https://app.example.com")
    assert response.status == 405
    response = post(gateway, "/v1/traces", headers={"Origin": "https://app.example.com"})
    assert response.status == 200
    assert response.header("Access-Control-Allow-Origin") is None


def test_response_headers_are_added(processes):
    gateway = processes.sluice(configuration(
        {"nop": {}}, http={"response_headers": {"X-Served-By": "sluice"}}))
    assert post(gateway, "/v1/traces").header("X-Served-By") == "sluice"
    assert post(gateway, "/nowhere").header("X-Served-By") == "sluice"
