"""What an application does with the OpenTelemetry SDK, and what the SDK sent on its behalf."""

import logging
import random

import requests
from opentelemetry import _logs, context, trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality, PeriodicExportingMetricReader)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

import otlp
import sink

COMPRESSIONS = {
    "none": Compression.NoCompression, "gzip": Compression.Gzip, "deflate": Compression.Deflate}

ATTRIBUTES = {
    "text": "Grüße, 世界 🌍 \"quoted\"", "flag": True, "count": -12, "ratio": 0.1, "whole": 2.0,
    "texts": ("a", "b", ""), "flags": (True, False), "counts": (1, 2, 1 << 62),
    "ratios": (1.0, -2.5), "empty": (),
}


class CapturingSession(requests.Session):
    """Keeps every request as it goes out."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, request, **options):
        response = super().send(request, **options)
        body = sink.decompress(request.body, request.headers.get("Content-Encoding"))
        self.sent.append((response.status_code, request.headers, body))
        return response

    def messages(self, signal):
        assert self.sent, f"the SDK sent no {signal}"
        assert {status for status, _, _ in self.sent} == {200}
        return [otlp.REQUESTS[signal].FromString(body) for _, _, body in self.sent]


def merged(messages):
    """One request with the resources of all."""
    whole = type(messages[0])()
    for message in messages:
        whole.MergeFrom(message)
    return whole


def resource(name):
    return Resource.create({
        "service.name": name, "service.namespace": "shop", "service.instance.id": f"{name}-0",
        "host.cpus": 8, "features": ("a", "b")})


def emit_traces(endpoint, compression):
    session = CapturingSession()
    for service in ("checkout", "cart"):
        exporter = OTLPSpanExporter(
            f"{endpoint}/v1/traces", compression=COMPRESSIONS[compression], session=session)
        provider = TracerProvider(
            resource=resource(service), shutdown_on_exit=False,
            span_limits=SpanLimits(max_attributes=12, max_events=3, max_links=2))
        provider.add_span_processor(BatchSpanProcessor(exporter))
        for version in ("1.0", None):
            spans_of(provider.get_tracer(
                f"{service}.lib", version, schema_url="https://opentelemetry.io/schemas/1.30.0",
                attributes={"scope.attribute": 1}))
        provider.shutdown()
    return merged(session.messages("traces"))


def spans_of(tracer):
    remote = SpanContext(
        trace_id=0x0AF7651916CD43DD8448EB211C80319C, span_id=0xB7AD6B7169203331, is_remote=True,
        trace_flags=TraceFlags(1), trace_state=trace.TraceState([("vendor", "value")]))
    parent = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    with tracer.start_as_current_span("server", context=parent, kind=SpanKind.SERVER) as server:
        server.set_attributes(ATTRIBUTES)
        for kind in SpanKind:
            with tracer.start_as_current_span(
                    f"child {kind.name}", kind=kind, attributes=ATTRIBUTES,
                    links=[Link(remote, {"why": "retry"})]) as child:
                child.add_event("started", ATTRIBUTES)
                child.add_event("bare")
                child.set_status(Status(StatusCode.OK))
        try:
            with tracer.start_as_current_span("fails"):
                raise ValueError("no such item")
        except ValueError:
            pass
    # Beyond the SDK's limits: the dropped counts are there.
    links = [Link(remote, {"number": number}) for number in range(4)]
    with tracer.start_as_current_span("many", links=links) as many:
        for number in range(20):
            many.set_attribute(f"attribute {number}", number)
            many.add_event(f"event {number}")


def emit_metrics(endpoint, compression):
    session = CapturingSession()
    for temporality in (AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA):
        exporter = OTLPMetricExporter(
            f"{endpoint}/v1/metrics", compression=COMPRESSIONS[compression], session=session,
            preferred_temporality={Counter: temporality, Histogram: temporality})
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider(
            [reader], resource=resource(f"metrics-{temporality.name.lower()}"),
            shutdown_on_exit=False, exemplar_filter=AlwaysOnExemplarFilter(),
            views=[View(
                instrument_name="exponential",
                aggregation=ExponentialBucketHistogramAggregation())])
        measurements(provider)
        provider.shutdown()
    return merged(session.messages("metrics"))


def measurements(provider):
    meter = provider.get_meter("shop.meter", "2.0", attributes={"scope.attribute": "x"})
    draw = random.Random(1)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("exemplars")
    counter = meter.create_counter("orders", unit="{order}", description="Orders placed")
    money = meter.create_counter("revenue", unit="EUR")
    stock = meter.create_up_down_counter("stock", unit="{item}")
    latency = meter.create_histogram("latency", unit="ms", description="How long it took")
    exponential = meter.create_histogram("exponential", unit="By")
    level = meter.create_gauge("level")
    meter.create_observable_gauge("temperature", [lambda _: observations(36.6, -3)], unit="Cel")
    meter.create_observable_counter("ticks", [lambda _: observations(7, 8)])
    with tracer.start_as_current_span("a sampled trace for exemplars"):
        for number in range(40):
            attributes = {"tier": "gold" if number % 2 else "free", "ok": bool(number % 3)}
            counter.add(1, attributes)
            money.add(number * 1.25, attributes)
            stock.add(-1 if number % 4 else 3, attributes)
            latency.record(draw.expovariate(1 / 50), attributes)
            exponential.record(draw.lognormvariate(0, 5), attributes)
            exponential.record(0, attributes)
    level.set(-0.5, {"where": ["a", "b"]})


def observations(*values):
    from opentelemetry.metrics import Observation
    return [Observation(value, {"sensor": number}) for number, value in enumerate(values)]


def emit_logs(endpoint, compression):
    session = CapturingSession()
    exporter = OTLPLogExporter(
        f"{endpoint}/v1/logs", compression=COMPRESSIONS[compression], session=session)
    provider = LoggerProvider(resource=resource("logger"), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    log = provider.get_logger("shop.log", "1.0")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("correlated")
    bodies = [
        "plain", "", "käse 🧀\nsecond line", 42, 2.5, True, b"\x00\xff", ["list", 1, None],
        {"map": {"nested": [1, 2.0, b"x"]}}, None]
    for number, body in enumerate(bodies):
        with tracer.start_as_current_span("span of a log record"):
            log.emit(_logs.LogRecord(
                timestamp=otlp.NOW + number, observed_timestamp=otlp.NOW + number + 1,
                context=context.get_current(),
                severity_number=list(_logs.SeverityNumber)[number * 2 + 1],
                severity_text=f"severity {number}", body=body,
                attributes={**ATTRIBUTES, "number": number, "map": {"a": b"bytes"}},
                event_name="order.placed" if number % 2 else None))
    log.emit(_logs.LogRecord(observed_timestamp=otlp.NOW, body="without a time"))
    through_logging(provider)
    provider.shutdown()
    return merged(session.messages("logs"))


def through_logging(provider):
    logger = logging.Logger("application")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    logger.warning("stock of %s is low", "apples", extra={"left": 3})
    try:
        raise KeyError("apples")
    except KeyError:
        logger.exception("lookup failed")


EMIT = {"traces": emit_traces, "metrics": emit_metrics, "logs": emit_logs}
