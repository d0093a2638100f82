"""Numbered items: what a client sends, and how its copy at a destination is known again.

An item's id has 64 bits: 16 of the client's number (from 1, below 2^15), 48 of a sequence that
counts from 0 without gaps. Spans and log records carry it as span id, data points as integer value,
and all of them once more as text, so that an item whose parts were mixed up is noticed.
"""

import collections

import otlp

SEQUENCE_BITS = 48
SEQUENCE_MAX = (1 << SEQUENCE_BITS) - 1
METRIC = "crash.sequence"
# Of a trace id that is too short: an item that has to be rejected, alone.
BAD_ID = b"bad"


def item_id(client, sequence):
    return client << SEQUENCE_BITS | sequence


def request(signal, client, first, count, padding="", has_bad=False):
    """`count` items from the sequence `first` on; a bad one follows the first."""
    message = otlp.REQUESTS[signal]()
    outer = getattr(message, {
        "traces": "resource_spans", "metrics": "resource_metrics", "logs": "resource_logs"}[signal])
    resource = outer.add()
    resource.resource.attributes.extend(otlp.attributes({
        "service.name": f"crash-{signal}", "service.instance.id": str(client)}))
    scope = {
        "traces": lambda: resource.scope_spans, "metrics": lambda: resource.scope_metrics,
        "logs": lambda: resource.scope_logs}[signal]().add()
    scope.scope.name = "crash"
    add = {"traces": add_span, "metrics": point_adder(scope, signal), "logs": add_log}[signal]
    for sequence in range(first, first + count):
        number = item_id(client, sequence)
        add(scope, number, number.to_bytes(8, "big"), padding)
        if has_bad and sequence == first:
            add(scope, number, BAD_ID, "")
        padding = ""  # Within the first item only: it makes the request large, not every row.
    return message


def trace_id(number):
    return b"\x5c" * 8 + number.to_bytes(8, "big")


def add_span(scope, number, span_id, padding):
    span = scope.spans.add(
        trace_id=trace_id(number), span_id=span_id, name=f"{number:016x}", kind=2,
        start_time_unix_nano=otlp.NOW + number % SEQUENCE_MAX,
        end_time_unix_nano=otlp.NOW + number % SEQUENCE_MAX + 1000)
    if padding:
        span.attributes.add(key="padding").value.string_value = padding


def add_log(scope, number, span_id, padding):
    record = scope.log_records.add(
        trace_id=trace_id(number), span_id=span_id, time_unix_nano=otlp.NOW,
        severity_number=9)
    record.body.string_value = f"{number:016x}"
    if padding:
        record.attributes.add(key="padding").value.string_value = padding


def point_adder(scope, signal):
    if signal != "metrics":
        return None
    metric = scope.metrics.add(name=METRIC, unit="1")

    def add(_, number, span_id, padding):
        point = metric.gauge.data_points.add(time_unix_nano=otlp.NOW, as_int=number)
        # The exemplar's filtered attributes hold what would otherwise make a new series each.
        exemplar = point.exemplars.add(
            time_unix_nano=otlp.NOW, as_int=number, span_id=span_id,
            trace_id=trace_id(number))
        exemplar.filtered_attributes.extend(otlp.attributes({"id": f"{number:016x}"}))
        if padding:
            exemplar.filtered_attributes.extend(otlp.attributes({"padding": padding}))
    return add


def received(signal, message):
    """(id, is whole) of each item of an OTLP request, whoever sent it."""
    for resource in otlp.resources(signal, message):
        for scope in otlp.scopes(signal, resource):
            if signal == "traces":
                for span in scope.spans:
                    number = int.from_bytes(span.span_id, "big")
                    yield number, span.name == f"{number:016x}"
            elif signal == "logs":
                for record in scope.log_records:
                    number = int.from_bytes(record.span_id, "big")
                    yield number, record.body.string_value == f"{number:016x}"
            else:
                for metric in scope.metrics:
                    for point in metric.gauge.data_points:
                        text = point.exemplars[0].filtered_attributes[0].value.string_value
                        yield point.as_int, text == f"{point.as_int:016x}"


class Copies:
    """How often each item arrived: one byte an item, so that millions fit."""

    def __init__(self):
        self.by_client = collections.defaultdict(bytearray)
        self.total = 0
        # An id that no client could have sent, and items whose parts don't belong together.
        self.bogus = 0

    def add(self, number, is_whole=True):
        client, sequence = number >> SEQUENCE_BITS, number & SEQUENCE_MAX
        self.total += 1
        # Far beyond what a run can send: don't let one damaged id take all memory.
        if not is_whole or not 0 < client < 1 << 15 or sequence > 1 << 30:
            self.bogus += 1
            return
        counts = self.by_client[client]
        if sequence >= len(counts):
            counts.extend(bytes(sequence + 1024 - len(counts)))
        counts[sequence] = min(counts[sequence] + 1, 255)

    def of(self, client, first, count):
        """How often each of these items arrived."""
        counts = self.by_client.get(client, b"")[first:first + count]
        return bytes(counts) + bytes(count - len(counts))

    def beyond(self, ends):
        """Items that were never sent: `ends` has the first free sequence of each client."""
        return sum(
            sum(counts[ends.get(client, 0):]) for client, counts in self.by_client.items())
