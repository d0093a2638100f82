"""Rows for PostgreSQL's tables, made up in Python, so that tests can compute what SQL should say."""

import datetime
import json
import random
import uuid

UTC = datetime.timezone.utc
SERVICES = ["shop", "orders", "stock", "payment"]
OPERATIONS = ["GET /items", "POST /orders", "reserve", "charge"]


def base_time():
    """The whole hour five hours ago: all of it is rolled up where maintain() has run."""
    now = datetime.datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return now - datetime.timedelta(hours=5)


def insert(database, table, rows):
    """Rows are dictionaries of columns; objects and lists of objects become jsonb."""
    for row in rows:
        names = ", ".join(row)
        marks = ", ".join(["%s"] * len(row))
        values = [json.dumps(each) if is_json(each) else each for each in row.values()]
        database.execute(f"INSERT INTO @schema@.{table} ({names}) VALUES ({marks})", values)


def is_json(value):
    return isinstance(value, dict) or isinstance(value, list) and any(
        isinstance(each, dict) for each in value)


def at(nanoseconds):
    """The columns that hold a time: microseconds rounded down, and what is left."""
    moment = datetime.datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    return moment.replace(microsecond=nanoseconds // 1000 % 10**6), nanoseconds % 1000


def nanoseconds(moment):
    whole = moment - datetime.datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86400 + whole.seconds) * 10**9 + whole.microseconds * 1000


def trace_uuid(number):
    return uuid.UUID(int=number)


def dictionaries(database):
    """Resource n is of service n; one scope."""
    insert(database, "resource", [
        {"resource_id": number, "service_name": service,
         "attributes": {"service.name": service, "host.name": f"host-{number}"}}
        for number, service in enumerate(SERVICES)])
    insert(database, "scope", [{
        "scope_id": 1, "name": "library", "version": "1.2.3", "attributes": {"kind": "test"}}])


def span(begins, duration, trace=1, span_id=1, parent=None, service=0, name="GET /items", kind=2,
         status=0, adjusted=None, **more):
    """`begins` and `duration` in nanoseconds."""
    moment, rest = at(begins)
    return {
        "start_time": moment, "start_ns": rest, "duration_ns": duration,
        "trace_id": trace_uuid(trace), "span_id": span_id, "parent_span_id": parent,
        "resource_id": service, "scope_id": 1, "service_name": SERVICES[service], "name": name,
        "kind": kind, "status_code": status, "adjusted_count": adjusted, **more}


def random_spans(seed, traces, base, seconds):
    """Traces of up to 12 spans whose children begin within their parents, some sampled."""
    chance = random.Random(seed)
    spans = []
    for trace in range(1, traces + 1):
        begins = nanoseconds(base) + chance.randrange(seconds * 10**9)
        adjusted = chance.choice([None, None, None, 4.0, 12.5])
        members = []
        for number in range(1, chance.randint(1, 12) + 1):
            parent = chance.choice(members) if members else None
            service = chance.randrange(4) if parent is None or chance.random() < 0.5 \
                else parent["resource_id"]
            since = parent["begins"] if parent else begins
            length = parent["duration_ns"] if parent else 10**9
            start = since + chance.randrange(length // 2 + 1)
            members.append({
                **span(start, int(chance.lognormvariate(15, 2)) + 1, trace, trace * 100 + number,
                       parent["span_id"] if parent else None, service,
                       chance.choice(OPERATIONS), chance.choice([1, 2, 2, 3, 5]),
                       chance.choice([0, 0, 0, 1, 2]), adjusted,
                       attributes={"user.id": f"u-{chance.randrange(20)}", "n": number}),
                "begins": start})
        spans += members
    return spans


def stored(spans):
    return [{key: value for key, value in each.items() if key != "begins"} for each in spans]
