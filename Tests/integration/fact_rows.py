"""Rows of facts for tests of the schema, written by COPY as a gateway writes them."""

import datetime
import random
import uuid

UTC = datetime.timezone.utc

SPAN = {
    "start_time": None, "duration_ns": 1_000_000, "span_id": None, "parent_span_id": None,
    "resource_id": 1, "scope_id": 1, "trace_id": None, "adjusted_count": None, "flags": None,
    "start_ns": 0, "kind": 2, "status_code": 0, "service_name": "shop", "name": "GET /",
    "operation": None,
}
LOG = {
    "time": None, "resource_id": 1, "scope_id": 1, "adjusted_count": None, "time_ns": 0,
    "time_source": 0, "severity_number": 9, "service_name": "shop", "body": "text",
}
NUMBER = {"time": None, "metric_id": 1, "series_id": 1, "value": 1.0, "time_ns": 0}


def now():
    return datetime.datetime.now(UTC)


def at(**difference):
    """Now and so much: `at(minutes=-10)`."""
    return now() + datetime.timedelta(**difference)


def copy(session, table, defaults, rows, schema="otel"):
    with session.cursor() as cursor:
        with cursor.copy(f"COPY {schema}.{table} ({', '.join(defaults)}) FROM STDIN") as into:
            for row in rows:
                unknown = row.keys() - defaults.keys()
                assert not unknown, unknown
                into.write_row((defaults | row).values())


def add_spans(session, rows, schema="otel"):
    copy(session, "span", SPAN, (
        {"span_id": random.getrandbits(62), "trace_id": uuid.uuid4(), **row} for row in rows), schema)


def add_logs(session, rows, schema="otel"):
    copy(session, "log", LOG, rows, schema)


def add_numbers(session, rows, schema="otel"):
    copy(session, "metric_number", NUMBER, rows, schema)
