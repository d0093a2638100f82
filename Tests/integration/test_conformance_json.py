"""A test for each row of the table "JSON": proto3's mapping, with OTLP's deviations.

What arrives downstream is protobuf, and is compared with what Python's protobuf says it means.
"""

import base64
import json
import math

import pytest

import otlp
from client import post
from otlp import JSON, NOW
from sluice import configuration

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def sink(shared_processes):
    return shared_processes.sink()


@pytest.fixture(scope="module")
def gateway(shared_processes, sink):
    return shared_processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))


@pytest.fixture
def forward(gateway, sink):
    """Posts JSON that must be taken whole; returns the message that comes out downstream."""

    def send(signal, text):
        body = text if isinstance(text, bytes) else text.encode()
        count = len(sink.taken)
        response = post(gateway, f"/v1/{signal}", body, JSON)
        assert response.status == 200, response.body
        assert response.is_full_success(signal), response.body
        sink.wait(lambda sink: len(sink.taken) > count)
        return sink.taken[-1].message()

    return send


@pytest.fixture
def refuse(gateway):
    """Posts JSON that must be refused as bad data; returns the message."""

    def send(signal, text):
        body = text if isinstance(text, bytes) else text.encode()
        response = post(gateway, f"/v1/{signal}", body, JSON)
        assert response.status == 400, (response.status, text[:200])
        code, message, details = response.rpc_status()
        assert code == 3 and len(details) == 1
        return message

    return send


def span_text(members="", **fields):
    """A trace request with one span; `members` is raw JSON."""
    span = {"traceId": TRACE, "spanId": SPAN, "name": "s", **fields}
    text = json.dumps(span)
    if members:
        text = text[:-1] + ", " + members + "}"
    return '{"resourceSpans":[{"scopeSpans":[{"spans":[' + text + "]}]}]}"


def attribute_text(value):
    """A trace request whose span has one attribute; `value` is raw JSON of an AnyValue."""
    return span_text('"attributes":[{"key":"k","value":' + value + "}]")


def log_text(members):
    return '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{' + members + "}]}]}]}"


def point_text(members, kind="gauge"):
    return (
        '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","' + kind
        + '":{"dataPoints":[{' + members + "}]}}]}]}]}")


def the_span(message):
    span, = message.resource_spans[0].scope_spans[0].spans
    return span


def the_value(message):
    attribute, = the_span(message).attributes
    return attribute.value


def the_record(message):
    record, = message.resource_logs[0].scope_logs[0].log_records
    return record


def the_point(message, kind="gauge"):
    metric, = message.resource_metrics[0].scope_metrics[0].metrics
    point, = getattr(metric, kind).data_points
    return point


# -- Ids

@pytest.mark.parametrize("write", [str.lower, str.upper, str.title])
def test_ids_are_case_insensitive_hex(forward, write):
    message = forward("traces", span_text(
        traceId=write(TRACE), spanId=write(SPAN), parentSpanId=write(SPAN),
        links=[{"traceId": write(TRACE), "spanId": write(SPAN)}]))
    span = the_span(message)
    assert span.trace_id.hex() == span.links[0].trace_id.hex() == TRACE
    assert span.span_id.hex() == span.parent_span_id.hex() == span.links[0].span_id.hex() == SPAN
    record = the_record(forward("logs", log_text(
        f'"traceId":"{write(TRACE)}","spanId":"{write(SPAN)}"')))
    assert (record.trace_id.hex(), record.span_id.hex()) == (TRACE, SPAN)


@pytest.mark.parametrize("key", ["traceId", "spanId", "parentSpanId"])
@pytest.mark.parametrize("bad", ["g" * 16, "0af7651916cd43dd8448eb211c80319-", " " * 16, "é" * 8])
def test_a_non_hex_digit_is_400(refuse, key, bad):
    assert "hex" in refuse("traces", span_text(**{key: bad}))


def test_base64_ids_are_400_or_rejected_never_taken(gateway):
    text = span_text(traceId=base64.b64encode(bytes.fromhex(TRACE)).decode())
    assert post(gateway, "/v1/traces", text.encode(), JSON).status == 400


@pytest.mark.parametrize("fields", [
    {"traceId": TRACE[2:]}, {"traceId": TRACE + "00"}, {"spanId": SPAN[2:]},
    {"parentSpanId": "00"}, {"traceId": ""}, {"spanId": ""}, {"traceId": "0" * 32},
    {"spanId": "0" * 16}, {"links": [{"traceId": "00", "spanId": SPAN}]},
])
def test_a_wrong_length_rejects_that_item_alone(gateway, sink, fields):
    good = otlp.to_json(otlp.spans(name="the good neighbour"))
    tree = json.loads(good)
    bad = json.loads(span_text(**fields))["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"].insert(0, bad)
    count = len(sink.taken)
    response = post(gateway, "/v1/traces", json.dumps(tree).encode(), JSON)
    assert response.partial_success("traces")[0] == 1
    sink.wait(lambda sink: len(sink.taken) > count)
    assert the_span(sink.taken[-1].message()).name == "the good neighbour"


def test_an_empty_string_means_an_absent_id(forward):
    assert the_span(forward("traces", span_text(parentSpanId=""))).parent_span_id == b""
    record = the_record(forward("logs", log_text('"traceId":"","spanId":"","severityText":"x"')))
    assert (record.trace_id, record.span_id, record.severity_text) == (b"", b"", "x")


# -- Enums

def test_enums_are_integers_and_names_are_accepted(forward):
    for kind in (3, '"3"', '"SPAN_KIND_CLIENT"', "3.0"):
        assert the_span(forward("traces", span_text(f'"kind":{kind}'))).kind == 3
    assert the_span(forward("traces", span_text('"status":{"code":2}'))).status.code == 2
    span = the_span(forward("traces", span_text('"status":{"code":"STATUS_CODE_ERROR"}')))
    assert span.status.code == 2
    record = the_record(forward("logs", log_text('"severityNumber":"SEVERITY_NUMBER_WARN2"')))
    assert record.severity_number == 14
    message = forward("metrics", point_text(
        '"asInt":1}],"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA","dataPoints":[{'
        '"asInt":2', "sum"))
    assert message.resource_metrics[0].scope_metrics[0].metrics[0].sum.aggregation_temporality == 1


def test_enums_beyond_the_known_survive(forward):
    assert the_span(forward("traces", span_text('"kind":77'))).kind == 77
    assert the_record(forward("logs", log_text('"severityNumber":-5'))).severity_number == -5


def test_an_unknown_enum_name_is_400(refuse):
    refuse("traces", span_text(kind="SPAN_KIND_NONSENSE"))


def test_enums_are_written_as_integers(processes):
    sink = processes.sink()
    gateway = processes.sluice(configuration(
        {"otlp_http": {"endpoint": sink.url, "encoding": "json", "compression": "none"}}))
    post(gateway, "/v1/traces", span_text('"kind":"SPAN_KIND_CLIENT"').encode(), JSON)
    sink.wait(lambda sink: sink.taken)
    span = json.loads(sink.taken[0].body)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["kind"] == 3
    assert span["traceId"] == TRACE


# -- Unknown fields and names

UNKNOWN = '"unknown":{"deep":[1,{"x":null},"s",[[]],true,-1.5e3]},"другое":"\\u0000"'


def test_unknown_fields_are_ignored_at_every_depth(forward):
    text = (
        "{%s,\"resourceSpans\":[{%s,\"resource\":{%s,\"attributes\":[{%s,\"key\":\"k\","
        "\"value\":{%s,\"arrayValue\":{%s,\"values\":[{%s,\"intValue\":1}]}}}]},"
        "\"scopeSpans\":[{%s,\"scope\":{%s,\"name\":\"scope\"},\"spans\":[{%s,"
        "\"traceId\":\"%s\",\"spanId\":\"%s\",\"events\":[{%s,\"name\":\"e\"}],"
        "\"links\":[{%s,\"traceId\":\"%s\",\"spanId\":\"%s\"}],\"status\":{%s,\"code\":1}}]}]}]}"
        % (*[UNKNOWN] * 10, TRACE, SPAN, UNKNOWN, UNKNOWN, TRACE, SPAN, UNKNOWN))
    message = forward("traces", text)
    span = the_span(message)
    assert span.status.code == 1 and span.events[0].name == "e" and len(span.links) == 1
    value = message.resource_spans[0].resource.attributes[0].value
    assert value.array_value.values[0].int_value == 1
    assert message.resource_spans[0].scope_spans[0].scope.name == "scope"


def test_a_snake_case_key_is_an_unknown_field(forward, gateway):
    span = the_span(forward("traces", span_text(
        '"trace_state":"a=b","start_time_unix_nano":5,"droppedAttributesCount":1')))
    assert span.trace_state == "" and span.start_time_unix_nano == 0
    assert span.dropped_attributes_count == 1
    text = span_text().replace("resourceSpans", "resource_spans")
    assert post(gateway, "/v1/traces", text.encode(), JSON).is_full_success("traces")


def test_names_are_case_sensitive_and_may_be_escaped(forward):
    span = the_span(forward("traces", span_text('"Name":"wrong","\\u006bind":4')))
    assert span.name == "s" and span.kind == 4


# -- Numbers

@pytest.mark.parametrize("number", [0, 1, NOW, (1 << 63) - 1, (1 << 64) - 1])
@pytest.mark.parametrize("quote", ["", '"'])
def test_unsigned_64_bit_integers_are_strings_and_numbers(forward, number, quote):
    span = the_span(forward("traces", span_text(f'"startTimeUnixNano":{quote}{number}{quote}')))
    assert span.start_time_unix_nano == number


@pytest.mark.parametrize("number", [0, -1, 1 << 62, (1 << 63) - 1, -(1 << 63), (1 << 53) + 1])
@pytest.mark.parametrize("quote", ["", '"'])
def test_signed_64_bit_integers_are_strings_and_numbers(forward, number, quote):
    value = the_value(forward("traces", attribute_text(f'{{"intValue":{quote}{number}{quote}}}')))
    assert value.WhichOneof("value") == "int_value"
    assert value.int_value == number
    point = the_point(forward("metrics", point_text(f'"asInt":{quote}{number}{quote}')))
    assert point.as_int == number


@pytest.mark.parametrize("text", [
    '{"intValue":9223372036854775808}', '{"intValue":"-9223372036854775809"}',
    '{"intValue":1.5}', '{"intValue":"1e-1"}', '{"intValue":"abc"}', '{"intValue":""}',
    '{"intValue":" 1"}', '{"intValue":true}', '{"intValue":"0x10"}', '{"intValue":NaN}',
    '{"intValue":01}', '{"intValue":+1}', '{"intValue":.5}', '{"intValue":1.}',
    '{"intValue":-}', '{"intValue":1e400}', '{"doubleValue":"nan"}', '{"doubleValue":Infinity}',
    '{"doubleValue":"1,5"}', '{"doubleValue":[1]}', '{"boolValue":"maybe"}', '{"boolValue":1}',
    '{"stringValue":1}', '{"stringValue":["a"]}', '{"arrayValue":[]}', '{"kvlistValue":"x"}',
])
def test_what_is_no_number_of_the_field_is_400(refuse, text):
    refuse("traces", attribute_text(text))


@pytest.mark.parametrize("members", [
    '"startTimeUnixNano":-1', '"startTimeUnixNano":18446744073709551616', '"flags":4294967296',
    '"flags":-1', '"droppedAttributesCount":"-1"', '"kind":2147483648'])
def test_numbers_out_of_the_fields_range_are_400(refuse, members):
    refuse("traces", span_text(members))


def test_32_bit_integers_and_doubles_are_accepted_as_strings(forward):
    span = the_span(forward("traces", span_text('"flags":"257","droppedEventsCount":"3"')))
    assert (span.flags, span.dropped_events_count) == (257, 3)
    value = the_value(forward("traces", attribute_text('{"doubleValue":"-2.5e-3"}')))
    assert value.double_value == -0.0025


@pytest.mark.parametrize("text, number", [
    ('"NaN"', math.nan), ('"Infinity"', math.inf), ('"-Infinity"', -math.inf), ("-0.0", -0.0),
    ("1", 1.0), ("0.1", 0.1), ("1.7976931348623157e308", 1.7976931348623157e308),
    ("5e-324", 5e-324), ("2.2250738585072011e-308", 2.2250738585072011e-308),
    ("9007199254740993", 9007199254740992.0),
    ("123456789012345678901234567890", 1.2345678901234568e29),
    ("0.30000000000000004", 0.30000000000000004), ("1E5", 1e5), ("1e-400", 0.0),
])
def test_doubles(forward, text, number):
    value = the_value(forward("traces", attribute_text(f'{{"doubleValue":{text}}}')))
    assert value.WhichOneof("value") == "double_value"
    assert repr(value.double_value) == repr(number)


@pytest.mark.parametrize("text, number", [
    ("1e3", 1000), ("1.0", 1), ("1.5e1", 15), ("-2E2", -200), ("120e-1", 12), ('"1e3"', 1000),
    ('"1.0"', 1), ("0e5", 0), ("-0", 0), ("9223372036854775807.0", (1 << 63) - 1),
    ("0.9e19", None), ("92233720368547758.07e2", (1 << 63) - 1),
])
def test_numbers_in_exponent_form_are_integers_when_integral(forward, refuse, text, number):
    request = attribute_text(f'{{"intValue":{text}}}')
    if number is None:
        value = the_value(forward("traces", request))
        assert value.int_value == 9 * 10 ** 18
    else:
        assert the_value(forward("traces", request)).int_value == number


# -- Bytes

@pytest.mark.parametrize("data", [b"", b"\x00", b"\xfb\xff", bytes(range(256))])
@pytest.mark.parametrize("write", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_bytes_value_is_base64_standard_and_url_safe(forward, data, write, padded):
    text = write(data).decode()
    text = text if padded else text.rstrip("=")
    value = the_value(forward("traces", attribute_text(f'{{"bytesValue":"{text}"}}')))
    assert value.WhichOneof("value") == "bytes_value"
    assert value.bytes_value == data


@pytest.mark.parametrize("text", ["A", "AAAAA", "A===", "AA=A", "A A A", "&&&&", "====", "AAAA="])
def test_bytes_value_that_is_no_base64_is_400(refuse, text):
    refuse("traces", attribute_text(f'{{"bytesValue":"{text}"}}'))


# -- null, duplicates, what follows

@pytest.mark.parametrize("name", [
    "parentSpanId", "traceState", "name", "kind", "startTimeUnixNano", "attributes", "events",
    "links", "status", "flags", "droppedAttributesCount"])
def test_null_for_any_field_means_absent(forward, name):
    span = the_span(forward("traces", span_text(**{name: None})))
    assert span.trace_id.hex() == TRACE and not getattr(span, {
        "parentSpanId": "parent_span_id", "traceState": "trace_state",
        "startTimeUnixNano": "start_time_unix_nano",
        "droppedAttributesCount": "dropped_attributes_count"}.get(name, name)) or name == "status"
    assert not span.HasField("status")


def test_null_in_a_value_means_no_value(forward):
    assert the_value(forward("traces", attribute_text("null"))).WhichOneof("value") is None
    text = attribute_text('{"stringValue":null}')
    assert the_value(forward("traces", text)).WhichOneof("value") is None
    assert the_record(forward("logs", log_text('"body":null,"severityText":"x"'))).body == (
        otlp.value(None))


def test_duplicate_keys_let_the_last_scalar_win_and_messages_merge(forward):
    span = the_span(forward("traces", span_text(
        '"name":"first","name":"last","kind":1,"kind":2,"status":{"message":"m"},'
        '"status":{"code":2},"attributes":[{"key":"a"}],"attributes":[{"key":"b"}]')))
    assert span.name == "last" and span.kind == 2
    assert (span.status.message, span.status.code) == ("m", 2)
    assert [attribute.key for attribute in span.attributes] == ["a", "b"]
    value = the_value(forward("traces", attribute_text('{"intValue":1,"stringValue":"s"}')))
    assert value.string_value == "s"


@pytest.mark.parametrize("rest", ["x", "{}", ",", "]", "}", "\0", "1", "//"])
def test_text_after_the_closing_brace_is_400(refuse, rest):
    refuse("traces", span_text() + rest)
    refuse("traces", "{}" + rest)


def test_white_space_around_the_object_is_fine(forward):
    assert the_span(forward("traces", " \t\r\n" + span_text() + "\r\n\t ")).name == "s"


@pytest.mark.parametrize("text", [
    "", " ", "null", "[]", "1", '"x"', "{", "}", '{"a"}', '{"a":}', '{"a":1,}', "{,}", "{a:1}",
    "{'a':1}", '{"resourceSpans":[,]}', '{"resourceSpans":[{},]}', '{"resourceSpans":{}}',
    '{"resourceSpans":[1]}', '{"resourceSpans":[[]]}', '{"x":tru}', '{"x":nul}', '{"x":"\t"}',
    '{"x":"\\x"}', '{"x":"\\u12g4"}', '{"x":"', "\ufeff{}", '{"x":1 2}', '{"a":1 "b":2}',
])
def test_what_is_no_json_object_is_400(refuse, text):
    refuse("traces", text)


# -- Strings

@pytest.mark.parametrize("text, string", [
    (r'\"\\\/\b\f\n\r\t', '"\\/\b\f\n\r\t'), (r'\u0041\u00e9\u4e16', "Aé世"),
    (r'\ud83d\ude00', "😀"), (r'\uD83D\uDE00x', "😀x"), (r'\u0000', "\0"),
    (r'\ud83d', "\ufffd"), (r'\ude00', "\ufffd"), (r'\ud83dx', "\ufffdx"),
    (r'\ud83d\u0041', "\ufffdA"), (r'\ud83d\ud83d\ude00', "\ufffd😀"), ("é世😀", "é世😀"),
    ("/", "/"), ("\x7f\u2028", "\x7f\u2028"),
])
def test_escapes_are_joined_and_a_lone_surrogate_becomes_fffd(forward, text, string):
    value = the_value(forward("traces", attribute_text('{"stringValue":"' + text + '"}')))
    assert value.string_value == string


@pytest.mark.parametrize("length", [7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 4095, 70_000])
def test_strings_of_any_length_around_an_escape(forward, length):
    text = "x" * length + r"\n" + "y" * length
    value = the_value(forward("traces", attribute_text('{"stringValue":"' + text + '"}')))
    assert value.string_value == "x" * length + "\n" + "y" * length


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80"])
def test_strings_that_are_not_utf_8_are_repaired_and_counted(gateway, forward, raw):
    name = "sluice_receiver_repaired_strings"
    before = gateway.metric(name, signal="traces")
    text = attribute_text('{"stringValue":"a@z"}').encode().replace(b"@", raw)
    value = the_value(forward("traces", text))
    assert value.string_value.startswith("a\ufffd") and value.string_value.endswith("z")
    assert set(value.string_value[1:-1]) == {"\ufffd"}
    assert gateway.metric(name, signal="traces") > before


# -- Depth

def nested_value(depth, kind):
    if kind == "list":
        return '{"arrayValue":{"values":[' * depth + '{"intValue":1}' + "]}}" * depth
    start = '{"kvlistValue":{"values":[{"key":"k","value":'
    return start * depth + '{"intValue":1}' + "}]}}" * depth


@pytest.mark.parametrize("kind", ["list", "map"])
def test_depth_is_limited_and_beyond_it_is_400(gateway, sink, forward, refuse, kind):
    the_value(forward("traces", attribute_text(nested_value(20, kind))))
    # Python's protobuf ends at 100 messages, and does not read what is forwarded.
    count = len(sink.taken)
    deepest = attribute_text(nested_value(128, kind)).encode()
    assert post(gateway, "/v1/traces", deepest, JSON).is_full_success("traces")
    sink.wait(lambda sink: len(sink.taken) > count)
    for depth in (129, 1000, 100_000):
        assert "deep" in refuse("traces", attribute_text(nested_value(depth, kind)))


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_of_unknown_fields_is_limited_as_well(gateway, refuse, opening):
    closing = "]" if opening == "[" else "}"
    fine = '{"x":' + opening * 100 + "1" + closing * 100 + "}"
    assert post(gateway, "/v1/traces", fine.encode(), JSON).status == 200
    for depth in (129, 100_000):
        refuse("traces", '{"x":' + opening * depth)
        refuse("traces", '{"x":' + opening * depth + "1" + closing * depth + "}")


def test_json_truncated_at_each_offset_is_400(gateway, connect):
    text = span_text(
        '"kind":2,"status":{"code":1},"attributes":[{"key":"é","value":{"intValue":"5"}},'
        '{"key":"\\ud83d\\ude00","value":{"doubleValue":1.5e3}}],"x":[true,null]').encode()
    connection = connect(gateway.address)
    for length in range(len(text)):
        response = connection.request("/v1/traces", text[:length], JSON)
        assert response.status == 400, text[:length]
    assert connection.request("/v1/traces", text, JSON).status == 200
