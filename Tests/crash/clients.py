"""The clients: they send numbered items, again until answered, and remember what was acknowledged.

They run in processes of their own, so that neither a kill nor a busy sink holds them up.
"""

import dataclasses
import gzip
import logging
import random
import threading
import time

import client
import items
import otlp

ANSWER_SECONDS = 20
# After the end of the run every request that is still under way must find its answer in this time.
FINISH_SECONDS = 30
DOWN_SECONDS = 0.005
RETRY_SECONDS_MAX = 0.2


@dataclasses.dataclass
class Sent:
    """One request and what became of it."""
    signal: str
    client: int
    first: int
    count: int
    # Sendings that broke before the answer: nobody knows whether they were taken.
    unanswered: int = 0
    # Answered 429 or 503: these must not have been taken.
    refused: int = 0
    acknowledged: bool = False


@dataclasses.dataclass
class Record:
    """All that a client did."""
    client: int
    end: int = 0
    sent: list = dataclasses.field(default_factory=list)
    sendings: int = 0
    bad_items: int = 0
    unexpected: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Plan:
    """`depth` requests are pipelined; `per_second` requests at most are sent."""
    client: int
    signal: str
    depth: int
    encoding: str | None
    per_second: float
    items_max: int
    seed: int


class KeepAlive(threading.Thread):
    """Plain HTTP/1.1 on one connection, as long as it lasts."""

    def __init__(self, plan, address, stopping):
        super().__init__(daemon=True)
        self.plan = plan
        self.address = address
        self.stopping = stopping
        self.random = random.Random(f"{plan.seed} client {plan.client}")
        self.record = Record(plan.client)
        self.connection = None
        self.deadline = None

    def run(self):
        started = time.monotonic()
        made = 0
        while not self.stopping.is_set():
            pending = [self.make() for _ in range(self.plan.depth)]
            made += len(pending)
            while pending and not self.is_over():
                pending = self.attempt(pending)
            ahead = started + made / self.plan.per_second - time.monotonic()
            if ahead > 0:
                self.stopping.wait(ahead)
            elif ahead < -1:  # Time lost to a gateway that is down is not made up for.
                started = time.monotonic() - made / self.plan.per_second
        if self.connection:
            self.connection.close()

    def is_over(self):
        if not self.stopping.is_set():
            return False
        if self.deadline is None:
            self.deadline = time.monotonic() + FINISH_SECONDS
        return time.monotonic() > self.deadline

    def make(self):
        plan, draw = self.plan, self.random
        count = draw.randint(1, plan.items_max)
        padding = "x" * draw.randint(0, 400)
        if draw.random() < 1 / 300:
            # Many pages: what is cut by a kill is likely to be one of these.
            padding = f"{draw.getrandbits(64):x}" * (1 << 14)
        has_bad = draw.random() < 1 / 50
        message = items.request(
            plan.signal, plan.client, self.record.end, count, padding, has_bad)
        sent = Sent(plan.signal, plan.client, self.record.end, count)
        self.record.sent.append(sent)
        self.record.end += count
        self.record.bad_items += has_bad
        body = message.SerializeToString()
        headers = {}
        if plan.encoding:
            body, headers = gzip.compress(body, 1), {"Content-Encoding": plan.encoding}
        return sent, client.head_and_body(
            f"/v1/{plan.signal}", body, headers=headers), int(has_bad)

    def attempt(self, pending):
        """Sends all of them once; returns those to be sent again."""
        if not self.connection:
            try:
                self.connection = client.Connection(self.address, timeout=ANSWER_SECONDS)
            except OSError:
                time.sleep(DOWN_SECONDS)
                return pending
        self.record.sendings += len(pending)
        again, wait = [], 0
        for position, (sent, _, bad) in enumerate(pending):
            try:
                if position == 0:
                    self.connection.send(b"".join(data for _, data, _ in pending))
                response = self.connection.response()
            except (OSError, EOFError) as error:
                if isinstance(error, TimeoutError):
                    self.record.unexpected.append(f"no answer in {ANSWER_SECONDS} s")
                for each, _, _ in pending[position:]:
                    each.unanswered += 1
                self.connection.close()
                self.connection = None
                return again + pending[position:]
            seconds = self.judge(sent, response, bad)
            if seconds is not None:
                again.append(pending[position])
                wait = max(wait, seconds)
        if wait:
            self.stopping.wait(wait)
        return again

    def judge(self, sent, response, bad):
        """None when done with it, or the seconds until it may be sent again."""
        if response.status == 200:
            rejected, message = response.partial_success(sent.signal)
            if rejected == bad:
                sent.acknowledged = True
            else:
                self.record.unexpected.append(f"{rejected} of {bad} bad items rejected: {message}")
            return None
        if response.status in (429, 503):
            sent.refused += 1
            seconds = response.header("Retry-After")
            if seconds is None:
                self.record.unexpected.append(f"{response.status} without Retry-After")
            return min(float(seconds or 1), RETRY_SECONDS_MAX)
        self.record.unexpected.append(f"{response.status}: {response.body[:200]!r}")
        return None


class SDK(threading.Thread):
    """The OpenTelemetry SDK, with its own batching and its own retries."""

    def __init__(self, plan, address, stopping):
        super().__init__(daemon=True)
        self.plan = plan
        self.url = "http://%s:%d/v1/traces" % address
        self.stopping = stopping
        self.record = Record(plan.client)
        self.by_first = {}

    def run(self):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider, id_generator
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        logging.disable()  # The SDK tells of every failed attempt, and here most are meant to fail.
        record = self.record

        class Numbered(id_generator.RandomIdGenerator):
            def generate_span_id(self):
                record.end += 1
                return items.item_id(record.client, record.end - 1)

        provider = TracerProvider(id_generator=Numbered(), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(self.url, session=self.session(), timeout=ANSWER_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(
            exporter, schedule_delay_millis=100, max_export_batch_size=64))
        tracer = provider.get_tracer("crash")
        while not self.stopping.wait(1 / self.plan.per_second):
            for _ in range(self.plan.items_max):
                # The name is the id that will be drawn.
                tracer.start_span(f"{items.item_id(record.client, record.end):016x}").end()
        provider.shutdown()

    def session(self):
        import requests
        from urllib3.exceptions import NewConnectionError

        outer = self

        class Session(requests.Session):
            def send(self, request, **options):
                sent = outer.sent(request)
                try:
                    response = super().send(request, **options)
                except requests.exceptions.RequestException as error:
                    reason = getattr(error.args[0] if error.args else None, "reason", None)
                    if not isinstance(reason, NewConnectionError):
                        outer.record.sendings += 1
                        sent.unanswered += 1
                    raise
                outer.record.sendings += 1
                outer.answered(sent, response)
                return response
        return Session()

    def sent(self, request):
        """The same batch that is sent again is the same `Sent`."""
        message = otlp.REQUESTS["traces"].FromString(request.body)
        numbers = [number & items.SEQUENCE_MAX for number, _ in items.received("traces", message)]
        first = numbers[0]
        assert numbers == list(range(first, first + len(numbers))), "spans end in their order"
        if first not in self.by_first:
            self.by_first[first] = Sent("traces", self.plan.client, first, len(numbers))
            self.record.sent.append(self.by_first[first])
        return self.by_first[first]

    def answered(self, sent, response):
        if response.status_code == 200:
            answer = otlp.RESPONSES["traces"].FromString(response.content)
            if answer.partial_success.rejected_spans:
                self.record.unexpected.append(f"the SDK's spans were rejected: {answer}")
            else:
                sent.acknowledged = True
        elif response.status_code in (429, 503):
            sent.refused += 1
        else:
            self.record.unexpected.append(f"{response.status_code} to the SDK")


def run(plans, address, stopping, results):
    """A process's main: a thread for each plan; a plan without a depth is the SDK's."""
    threads = [
        (KeepAlive if plan.depth else SDK)(plan, address, stopping) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.send([thread.record for thread in threads])
    results.close()
