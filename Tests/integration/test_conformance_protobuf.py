"""A test for each row of the table "Protobuf", with bytes that no encoder would write."""

import struct

import pytest

import otlp
from client import post
from otlp import PROTOBUF, field, nested, varint
from sluice import configuration

TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPAN = bytes.fromhex("b7ad6b7169203331")
# Field numbers on the way to a span, a log record, a metric.
TO_SPAN, TO_LOG, TO_METRIC = (1, 2, 2), (1, 2, 2), (1, 2, 2)
GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY = 5, 7, 9, 10, 11
VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)


@pytest.fixture(scope="module")
def sink(shared_processes):
    return shared_processes.sink()


@pytest.fixture(scope="module")
def gateway(shared_processes, sink):
    return shared_processes.sluice(configuration({"otlp_http": {"endpoint": sink.url}}))


@pytest.fixture
def forward(gateway, sink):
    """Posts bytes that must be taken whole; returns the request that comes out downstream."""

    def send(signal, body):
        count = len(sink.taken)
        response = post(gateway, f"/v1/{signal}", body)
        assert response.is_full_success(signal), response
        sink.wait(lambda sink: len(sink.taken) > count)
        return sink.taken[-1]

    return send


@pytest.fixture
def refuse(gateway):
    def send(signal, body):
        response = post(gateway, f"/v1/{signal}", body)
        assert response.status == 400, (response.status, body.hex())
        code, message, details = response.rpc_status()
        assert code == 3 and len(details) == 1
        return message

    return send


def span(extra=b"", trace_id=TRACE, span_id=SPAN):
    return field(1, trace_id) + field(2, span_id) + extra


def trace_request(*spans):
    return nested(1, 2, payload=b"".join(field(2, each) for each in spans))


def the_span(request):
    only, = request.message().resource_spans[0].scope_spans[0].spans
    return only


# -- Unknown fields, order, repetition

UNKNOWN = (
    field(1000, b"bytes") + field(1001, varint(7), VARINT) + field(1002, b"12345678", FIXED64)
    + field(1003, b"1234", FIXED32) + field(536_870_911, b""))


def raw_body(request):
    from sink import decompress
    return decompress(request.body, request.headers.get("content-encoding"))


@pytest.mark.parametrize("signal", otlp.SIGNALS)
def test_unknown_fields_are_forwarded_untouched(forward, signal):
    import everything
    body = UNKNOWN + everything.everything(signal).SerializeToString() + UNKNOWN
    assert raw_body(forward(signal, body)) == body


def test_unknown_fields_are_forwarded_untouched_at_every_depth(forward):
    value = field(3, varint(5), VARINT) + UNKNOWN
    attribute = field(1, b"k") + field(2, value) + UNKNOWN
    link = field(1, TRACE) + field(2, SPAN) + UNKNOWN
    event = field(2, b"event") + field(3, attribute) + UNKNOWN
    status = field(3, varint(1), VARINT) + UNKNOWN
    whole = span(
        UNKNOWN + field(9, attribute) + field(11, event) + field(13, link) + field(15, status))
    scope = field(1, field(1, b"name") + field(3, attribute) + UNKNOWN)
    body = field(1, field(1, field(1, attribute) + UNKNOWN) + field(
        2, scope + field(2, whole) + UNKNOWN) + UNKNOWN) + UNKNOWN
    assert raw_body(forward("traces", body)) == body


def test_unknown_fields_survive_the_removal_of_a_neighbour(gateway, sink):
    body = trace_request(span(field(1000, b"kept")), span(trace_id=b"short")) + UNKNOWN
    count = len(sink.taken)
    response = post(gateway, "/v1/traces", body)
    assert response.partial_success("traces")[0] == 1
    sink.wait(lambda sink: len(sink.taken) > count)
    assert raw_body(sink.taken[-1]) == trace_request(span(field(1000, b"kept"))) + UNKNOWN


def test_fields_may_come_in_any_order(forward):
    item = (
        field(15, field(3, varint(2), VARINT)) + field(9, field(2, field(1, b"v")) + field(1, b"k"))
        + field(5, b"name") + field(2, SPAN) + field(9, field(1, b"l")) + field(1, TRACE))
    # The resource and the scope stand behind what they enclose.
    body = field(1, field(2, field(2, item) + field(1, field(1, b"scope")))
                 + field(1, field(1, field(1, b"r"))))
    message = forward("traces", body).message()
    got, = message.resource_spans[0].scope_spans[0].spans
    assert (got.name, got.status.code) == ("name", 2)
    assert [attribute.key for attribute in got.attributes] == ["k", "l"]
    assert message.resource_spans[0].scope_spans[0].scope.name == "scope"
    assert message.resource_spans[0].resource.attributes[0].key == "r"


def test_a_singular_message_given_twice_merges_and_of_scalars_the_last_wins(processes):
    """Stored as protobuf's own decoder reads it."""
    from stored import Store, expected
    from sluice import wait_until
    gateway = processes.sluice(configuration({"sqlite": {"path": "store.db"}}))
    item = span(
        field(5, b"first") + field(5, b"last") + field(15, field(2, b"message"))
        + field(15, field(3, varint(2), VARINT)) + field(6, varint(1), VARINT)
        + field(6, varint(3), VARINT)
        + field(9, field(1, b"k") + field(2, field(5, field(1, field(3, varint(1), VARINT))))
                + field(2, field(5, field(1, field(3, varint(2), VARINT))))))
    resource = field(1, field(1, field(1, b"service.name") + field(2, field(1, b"one"))))
    more = field(1, field(1, field(1, b"host") + field(2, field(1, b"h"))))
    scope = field(1, field(1, b"scope")) + field(1, field(2, b"1.0"))
    body = field(1, resource + more + field(2, scope + field(2, item)))
    assert post(gateway, "/v1/traces", body).is_full_success("traces")
    store = Store(gateway.directory / "store.db")
    wait_until(lambda: store.count("traces") == 1, what="the row")
    assert store.actual("traces") == expected("traces", otlp.parse("traces", body, PROTOBUF))
    store.close()


# -- Repeated scalars

def histogram(point):
    return nested(1, 2, 2, payload=field(1, b"m") + field(HISTOGRAM, field(1, point)))


def exponential(buckets):
    return nested(1, 2, 2, payload=field(1, b"m") + field(
        EXPONENTIAL, field(1, field(8, buckets))))


def the_point(request, kind):
    metric, = request.message().resource_metrics[0].scope_metrics[0].metrics
    point, = getattr(metric, kind).data_points
    return point


def test_packed_and_unpacked_forms_of_repeated_scalars_are_accepted(forward):
    counts, bounds = (1, 2, 300), (0.5, 1.5)
    packed = field(6, struct.pack("<3Q", *counts)) + field(7, struct.pack("<2d", *bounds))
    unpacked = b"".join(field(6, struct.pack("<Q", each), FIXED64) for each in counts) + b"".join(
        field(7, struct.pack("<d", each), FIXED64) for each in bounds)
    mixed = (
        field(6, struct.pack("<Q", 1)) + field(6, struct.pack("<Q", 2), FIXED64)
        + field(6, b"") + field(6, struct.pack("<Q", 300)) + field(7, struct.pack("<2d", *bounds)))
    for point in (packed, unpacked, mixed):
        got = the_point(forward("metrics", histogram(point)), "histogram")
        assert tuple(got.bucket_counts) == counts and tuple(got.explicit_bounds) == bounds
    for buckets in (
            field(2, b"".join(map(varint, counts))),
            b"".join(field(2, varint(each), VARINT) for each in counts)):
        got = the_point(forward("metrics", exponential(buckets)), "exponential_histogram")
        assert tuple(got.positive.bucket_counts) == counts


def test_packed_and_unpacked_forms_are_stored_alike(processes):
    from stored import Store
    from sluice import wait_until
    gateway = processes.sluice(configuration({"sqlite": {"path": "store.db"}}))
    packed = field(2, b"".join(map(varint, (1, 2, 300))))
    unpacked = b"".join(field(2, varint(each), VARINT) for each in (1, 2, 300))
    for buckets in (packed, unpacked):
        assert post(gateway, "/v1/metrics", exponential(buckets)).is_full_success("metrics")
    store = Store(gateway.directory / "store.db")
    wait_until(lambda: store.count("metrics") == 2, what="the rows")
    rows = store.rows("SELECT positive_counts, series_id FROM metric_exp_histogram")
    assert {tuple(row) for row in rows} == {("[1,2,300]", rows[0]["series_id"])}
    store.close()


@pytest.mark.parametrize("body", [
    exponential(field(2, b"\x80")), exponential(field(2, b"\x01\xff\xff")),
    exponential(field(2, b"\x80" * 10 + b"\x01")),
    histogram(field(6, b"1234567")), histogram(field(7, b"123456789")),
    histogram(field(6, varint(1), VARINT)), exponential(field(2, b"12345678", FIXED64)),
], ids=["varint cut", "second varint cut", "varint too long", "7 bytes", "9 bytes",
        "varint for fixed64", "fixed64 for varint"])
def test_broken_repeated_scalars_are_400(refuse, body):
    refuse("metrics", body)


# -- What is 400

@pytest.mark.parametrize("body", [
    b"\x80" * 10 + b"\x01",
    varint(1 << 3) + b"\xff" * 10 + b"\x01",
    field(1000, b"\xff" * 10 + b"\x01", VARINT),
    trace_request(span(field(6, b"\x80" * 10 + b"\x01", VARINT))),
], ids=["tag", "length", "unknown field", "kind"])
def test_varints_longer_than_ten_bytes_are_400(refuse, body):
    refuse("traces", body)


def test_varints_of_ten_bytes_are_fine(forward):
    got = the_span(forward("traces", trace_request(span(
        field(6, b"\x82" + b"\x80" * 8 + b"\x00", VARINT)))))
    assert got.kind == 2


@pytest.mark.parametrize("body", [
    b"\x0a\x05abcd", b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a" + varint((1 << 64) - 1),
    b"\x0a" + varint(1 << 63), b"\x0a" + varint((1 << 31)), field(1, b"\x12\x05abc"),
    trace_request(b"\x0a\x11" + TRACE), trace_request(span(b"\x3d12")),
    trace_request(span(b"\x391234567")), field(1003, b"123", FIXED32),
    field(1002, b"1234567", FIXED64),
])
def test_lengths_past_the_end_are_400(refuse, body):
    refuse("traces", body)


@pytest.mark.parametrize("body", [
    field(1, varint(1), VARINT), field(1, field(2, varint(1), VARINT)),
    field(1, field(1, b"12345678", FIXED64)), trace_request(span(field(5, varint(1), VARINT))),
    trace_request(span(field(6, b"x"))), trace_request(span(field(7, varint(1), VARINT))),
    trace_request(span(field(7, b"1234", FIXED32))), trace_request(span(field(16, b"1", VARINT))),
    trace_request(field(1, varint(1), VARINT)), trace_request(span(field(9, varint(1), VARINT))),
    trace_request(span(field(9, field(1, varint(1), VARINT)))),
    trace_request(span(field(9, field(2, field(3, b"x"))))),
    trace_request(span(field(9, field(2, field(4, varint(1), VARINT))))),
    trace_request(span(field(11, field(1, varint(1), VARINT)))),
    trace_request(span(field(13, field(1, varint(1), VARINT)))),
    trace_request(span(field(15, field(3, b"x")))),
])
def test_wrong_wire_types_are_400(refuse, body):
    refuse("traces", body)


@pytest.mark.parametrize("wire_type", [GROUP, END_GROUP, 6, 7])
@pytest.mark.parametrize("number", [1, 1000])
def test_group_and_unknown_wire_types_are_400(refuse, number, wire_type):
    tag = varint(number << 3 | wire_type)
    refuse("traces", tag)
    refuse("traces", trace_request(span(tag)))
    if wire_type == GROUP:
        refuse("traces", tag + varint(number << 3 | END_GROUP))


@pytest.mark.parametrize("wire_type", [VARINT, FIXED64, BYTES, FIXED32])
def test_field_number_0_is_400(refuse, wire_type):
    tag = varint(wire_type)
    for body in (tag + b"\x00" * 9, trace_request(span(tag + b"\x00" * 8))):
        refuse("traces", body)


@pytest.mark.parametrize("signal", otlp.SIGNALS)
def test_protobuf_truncated_at_each_offset_never_succeeds_silently(gateway, connect, signal):
    """A cut at the end of a top-level field is a shorter request; every other cut is 400."""
    request = otlp.request(signal, 2)
    body = request.SerializeToString()
    connection = connect(gateway.address)
    for length in range(1, len(body)):
        response = connection.request(f"/v1/{signal}", body[:length])
        assert response.status == 400, length
    assert connection.request(f"/v1/{signal}", body).is_full_success(signal)


def test_a_body_of_another_signal_or_format_is_400_not_a_crash(gateway):
    import everything
    for signal in otlp.SIGNALS:
        for other in otlp.SIGNALS:
            body = everything.everything(other).SerializeToString()
            response = post(gateway, f"/v1/{signal}", body)
            assert response.status in (200, 400)
            assert (response.status == 200) or signal != other
    assert post(gateway, "/v1/traces", b'{"resourceSpans":[]}').status == 400


# -- Ids

@pytest.mark.parametrize("bad", [
    span(trace_id=b""), span(trace_id=TRACE[1:]), span(trace_id=TRACE + b"\x00"),
    span(trace_id=bytes(16)), span(span_id=b""), span(span_id=SPAN[1:]),
    span(span_id=SPAN + b"\x00"), span(span_id=bytes(8)), span(span_id=TRACE),
    span(field(4, b"x")), span(field(13, field(1, b"x") + field(2, SPAN))),
    span(field(13, field(1, TRACE) + field(2, b"x"))), b"",
])
def test_an_invalid_span_is_rejected_alone_and_its_neighbours_are_kept(gateway, sink, bad):
    body = trace_request(span(field(5, b"before")), bad, span(field(5, b"after")))
    count = len(sink.taken)
    response = post(gateway, "/v1/traces", body)
    assert response.partial_success("traces")[0] == 1
    sink.wait(lambda sink: len(sink.taken) > count)
    message = sink.taken[-1].message()
    names = [each.name for each in message.resource_spans[0].scope_spans[0].spans]
    assert names == ["before", "after"]


def test_log_records_need_no_ids(forward):
    import everything
    message = forward("logs", everything.everything("logs").SerializeToString()).message()
    assert otlp.item_count("logs", message) == everything.count("logs")
    zero = nested(*TO_LOG, payload=field(9, bytes(16)) + field(10, bytes(8)))
    assert otlp.item_count("logs", forward("logs", zero).message()) == 1


@pytest.mark.parametrize("ids", [field(9, b"short"), field(10, b"short")])
def test_log_records_with_ids_of_wrong_length_are_rejected(gateway, ids):
    response = post(gateway, "/v1/logs", nested(*TO_LOG, payload=ids))
    assert response.partial_success("logs")[0] == 1


# -- Strings

INVALID = [b"\xff", b"ab\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80"]


@pytest.mark.parametrize("bad", INVALID)
def test_strings_that_are_not_utf_8_are_repaired_and_counted(gateway, forward, bad):
    name = "sluice_receiver_repaired_strings"
    before = gateway.metric(name, signal="traces")
    attribute = field(1, b"k" + bad) + field(2, field(1, b"v" + bad))
    item = span(
        field(5, b"n" + bad) + field(3, b"s" + bad) + field(9, attribute)
        + field(11, field(2, bad) + field(3, attribute)) + field(15, field(2, bad)))
    got = the_span(forward("traces", trace_request(item, )))
    for text in (
            got.name[1:], got.trace_state[1:], got.attributes[0].key[1:],
            got.attributes[0].value.string_value[1:], got.events[0].name,
            got.events[0].attributes[0].key[1:], got.status.message):
        assert "\ufffd" in text and set(text) <= {"\ufffd", "a", "b"}
    assert gateway.metric(name, signal="traces") >= before + 8


def test_strings_that_are_not_utf_8_leave_bytes_and_neighbours_alone(forward):
    good = field(9, field(1, "é".encode()) + field(2, field(7, b"\xff\x00\xfe")))
    bad = field(9, field(1, b"\xff") + field(2, field(1, b"ok")))
    first, second = forward("traces", trace_request(
        span(good + bad + UNKNOWN), span(good))).message().resource_spans[0].scope_spans[0].spans
    assert [attribute.key for attribute in first.attributes] == ["é", "\ufffd"]
    assert first.attributes[0].value.bytes_value == b"\xff\x00\xfe"
    assert second.SerializeToString() == span(good)


# -- Depth

def nested_value(depth, number):
    value = field(3, varint(1), VARINT)
    for _ in range(depth):
        entry = value if number == 5 else field(1, b"k") + field(2, value)
        value = field(number, field(1, entry))
    return value


@pytest.mark.parametrize("number", [5, 6], ids=["list", "map"])
def test_depth_of_values_is_limited_and_beyond_it_is_400(forward, refuse, number):
    fine = trace_request(span(field(9, field(1, b"k") + field(2, nested_value(30, number)))))
    the_span(forward("traces", fine))
    for depth in (200, 3000):
        refuse("traces", trace_request(span(
            field(9, field(1, b"k") + field(2, nested_value(depth, number))))))
        refuse("logs", nested(*TO_LOG, payload=field(5, nested_value(depth, number))))
