"""Data that PostgreSQL refuses, or that would hurt it, never stops the rest.

Each kind is sent amid good items: the good ones are stored once, the bad ones as the README says,
or they are in dead-letter/ with the reason, and the gateway's sums meet.
"""

import datetime
import json
import random
import string
import time

import pytest

import client
import otlp
from otlp import JSON, NOW, SIGNALS, attributes, value
from sluice import run, wait_until
from stored_postgres import Store, expected
from test_dead_letters import letters, spans_of
from test_flow import assert_sums
from test_postgres import check, gateway_for, wait_for_rows, without
from test_real_clients import assert_same

MOST = (1 << 64) - 1
DAY = 86_400 * 10 ** 9


def spans_in(request):
    return request.resource_spans[0].scope_spans[0].spans


def names_of(database):
    return sorted(name for name, in database.execute("SELECT name FROM @schema@.span"))


def wait_until_idle(gateway, seconds=30):
    wait_until(
        lambda: all(
            exporter["pending"]["items"] == 0 for pipeline in assert_sums(gateway, False).values()
            for exporter in pipeline["exporters"].values()),
        seconds, what="an empty queue")
    return {name: each["exporters"]["postgres"] for name, each in assert_sums(gateway).items()}


def changed(gateway, change):
    return gateway.metric("sluice_postgres_changed_values", exporter="postgres", change=change)


# -- Text

def with_text(signal, text):
    """A request with `text` in every place for text, beside a good item."""
    request = otlp.request(signal)
    resource = otlp.resources(signal, request)[0]
    other = otlp.resources(signal, request).add()
    other.resource.attributes.extend(attributes({
        "service.name": text, "service.namespace": text, "service.instance.id": text,
        text: text, "list": [text, {text: text}]}))
    other.schema_url = text
    entity = other.resource.entity_refs.add(schema_url=text, type=text)
    entity.id_keys.append(text)
    entity.description_keys.append(text)
    scope = {"traces": "scope_spans", "logs": "scope_logs", "metrics": "scope_metrics"}[signal]
    scope = getattr(other, scope).add(schema_url=text)
    scope.scope.name = scope.scope.version = text
    scope.scope.attributes.extend(attributes({text: text}))
    more = attributes({text: text, "map": {text: [text]}})
    if signal == "traces":
        span = scope.spans.add(
            trace_id=b"\1" * 16, span_id=b"\2" * 8, name=text, trace_state=text, attributes=more,
            start_time_unix_nano=NOW, end_time_unix_nano=NOW + 1)
        span.status.message = text
        span.events.add(name=text, attributes=more)
        span.links.add(trace_id=b"\3" * 16, span_id=b"\4" * 8, trace_state=text, attributes=more)
    elif signal == "logs":
        for body in (text, [text], {text: text}):
            scope.log_records.add(
                time_unix_nano=NOW, severity_text=text, event_name=text, attributes=more,
                body=value(body))
    else:
        metric = scope.metrics.add(
            name=text, unit=text, description=text, metadata=attributes({text: text}))
        point = metric.sum.data_points.add(time_unix_nano=NOW, as_int=1, attributes=more)
        point.exemplars.add(as_int=2, filtered_attributes=more)
    assert resource is not other
    return request


@pytest.mark.parametrize("text", ["\0", "a\0b\0", "\0" * 40, "NUL \0 amid more text \0."])
def test_nul_in_every_text_is_shown_as_its_symbol(native, processes, text):
    gateway = gateway_for(processes, native)
    for signal in SIGNALS:
        before = changed(gateway, "nul")
        sent = with_text(signal, text)
        assert client.export(gateway, signal, sent).is_full_success(signal)
        check(native, signal, sent)
        wait_until(lambda: changed(gateway, "nul") - before >= 10 * text.count("\0"), what="count")
    wait_until_idle(gateway)


def test_invalid_utf8_is_repaired_before_it_comes_here(native, processes):
    gateway = gateway_for(processes, native)
    mark = "placeholder!"
    broken = b"\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80!"
    for signal in SIGNALS:
        sent = with_text(signal, mark)
        body = sent.SerializeToString().replace(mark.encode(), broken)
        assert client.post(gateway, f"/v1/{signal}", body).status == 200
        wait_for_rows(native, signal, otlp.item_count(signal, sent))
    assert native.value("SELECT count(*) FROM @schema@.span WHERE name LIKE '\ufffd%!'") == 1
    assert native.value("SELECT count(*) FROM @schema@.span WHERE name = 'span'") == 1
    wait_until_idle(gateway)


def random_text(length, seed):
    """No compression makes it fit into an index."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=length))


@pytest.mark.parametrize("length", [300, 3_000, 100_000])
def test_no_text_is_too_long_for_an_index(edition, make_database, processes, length):
    """What indexes hold is cut; the whole is in the resource's attributes and the span's name."""
    database = make_database(edition, applied=False)
    gateway = gateway_for(processes, database)
    pieces = [random_text(255, seed) for seed in range(-(-length // 256))]
    text = "é".join(pieces)
    now = time.time_ns()
    for signal in SIGNALS:
        sent = with_text(signal, text)
        if signal == "traces":
            # A child of the long service in a good one, and the other way round: two edges.
            good, long = spans_in(sent)[0], sent.resource_spans[1].scope_spans[0].spans[0]
            for span in (good, long):
                span.trace_id, span.start_time_unix_nano = b"\1" * 16, now
                span.end_time_unix_nano = now + 5
            good.parent_span_id, long.parent_span_id = long.span_id, good.span_id
        assert client.export(gateway, signal, sent).is_full_success(signal)
        check(database, signal, sent)
    # By then rollups have it.
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10)
    for step, in database.execute("SELECT @schema@.maintain_steps()"):
        database.maintain(step, at=later)
    service, operation = (
        text.encode()[:length].decode(errors="ignore") for length in (256, 512))
    assert (service, operation) in database.execute(
        "SELECT service_name, operation FROM @schema@.red_1m")
    assert sorted(database.execute("SELECT client, server FROM @schema@.service_edge_1m")) \
        == sorted([("test", service), (service, "test")])
    assert changed(gateway, "cut") == (1 if len(text.encode()) > 1024 else 0)
    assert not letters(gateway)
    wait_until_idle(gateway)


# -- Times

TIMES = [0, 1, 999, 1000, DAY, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, MOST - 1, MOST, NOW]


def partition_count(database):
    """Days that facts have storage for."""
    if database.edition != "native":
        return database.value(
            "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name IN"
            " ('span', 'log', 'metric_number', 'metric_histogram', 'metric_exp_histogram',"
            " 'metric_summary')")
    return database.value(
        "SELECT count(*) FROM pg_inherits WHERE inhparent IN (SELECT"
        " format('@schema@.%I', name)::regclass FROM @schema@.timed_table)")


def far_away(signal, times):
    """Items with these times in every place for a time."""
    request = otlp.REQUESTS[signal]()
    resource = otlp.resources(signal, request).add()
    scope = {"traces": "scope_spans", "logs": "scope_logs", "metrics": "scope_metrics"}[signal]
    scope = getattr(resource, scope).add()
    for number, start in enumerate(times):
        end = times[number * 7 % len(times)]
        if signal == "traces":
            span = scope.spans.add(
                trace_id=bytes(15) + b"\1", span_id=(number + 1).to_bytes(8, "big"),
                start_time_unix_nano=start, end_time_unix_nano=end)
            span.events.add(time_unix_nano=start)
        elif signal == "logs":
            # Without any time it is the time of receipt, which nobody knows here.
            scope.log_records.add(time_unix_nano=start or 5, observed_time_unix_nano=end)
        else:
            for kind in ("gauge", "histogram", "exponential_histogram", "summary"):
                data = getattr(scope.metrics.add(name=kind), kind)
                point = data.data_points.add(time_unix_nano=start, start_time_unix_nano=end)
                if kind != "summary":
                    point.exemplars.add(time_unix_nano=start)
    return request


@pytest.mark.parametrize("times", [
    TIMES, [NOW + (day - 50 * 365) * DAY for day in range(0, 130 * 365, 97)]],
    ids=["edges", "decades"])
def test_no_time_costs_a_partition(edition, make_database, processes, times):
    """The time as it was sent stands beside; rows are where those of the time of receipt are."""
    database = make_database(edition, applied=False)
    gateway = gateway_for(processes, database, {"time_window": "24h", "retention": {}})
    for signal in SIGNALS:
        assert client.export(gateway, signal, otlp.request(signal)).status == 200
        wait_for_rows(database, signal, 1)
    # At least one day's; a metric's kinds come with the first of their points.
    before = partition_count(database)
    database.execute(
        "DELETE FROM @schema@.span; DELETE FROM @schema@.log; DELETE FROM @schema@.metric_number")
    for signal in SIGNALS:
        sent = far_away(signal, times)
        assert client.export(gateway, signal, sent).is_full_success(signal)
        count = otlp.item_count(signal, sent)
        wait_for_rows(database, signal, count)
        wanted = without(expected(signal, sent), "time_source")
        assert without(Store(database).actual(signal), "time_source") == wanted
        wait_until(lambda: changed(gateway, "time") >= count, what="the count")
    for step, in database.execute("SELECT @schema@.maintain_steps()"):
        database.maintain(step)
    assert partition_count(database) <= before + (0 if edition == "native" else 6)
    wait_until_idle(gateway)


def test_a_span_that_ends_before_it_starts_keeps_both_times(native, processes):
    gateway = gateway_for(processes, native)
    sent = otlp.spans(4)
    for span, back in zip(spans_in(sent), (1, DAY, 1000 * DAY, NOW)):
        span.end_time_unix_nano = span.start_time_unix_nano - back
    client.export(gateway, "traces", sent)
    check(native, "traces", sent)
    assert [each for each, in native.execute(
        "SELECT duration_ns FROM @schema@.span ORDER BY duration_ns DESC NULLS LAST")] \
        == [-1, -DAY, -1000 * DAY, None], "the last has no end"


# -- Nesting and size

# In JSON: Python's protobuf goes less deep than the receiver.
NESTED = {
    "lists": ('{"arrayValue":{"values":[', "]}}", lambda inner: [inner]),
    "maps": ('{"kvlistValue":{"values":[{"key":"a","value":', "}]}}", lambda inner: {"a": inner}),
}


@pytest.mark.parametrize("kind", list(NESTED))
@pytest.mark.parametrize("stack", ["2MB", "100kB"])
def test_values_nested_as_deep_as_is_accepted_are_stored(make_server, processes, kind, stack):
    """Even with the smallest stack that PostgreSQL can be given."""
    database = make_server(settings={"max_stack_depth": stack}).database(applied=False)
    gateway = gateway_for(processes, database)
    opening, closing, of = NESTED[kind]
    whole = json.loads(otlp.to_json(otlp.spans()))
    accepted, wanted = 0, 1
    for depth in range(1, 130):
        span = whole["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        span["attributes"] = [{"key": "deep", "value": "VALUE"}]
        body = json.dumps(whole).replace(
            '"VALUE"', opening * depth + '{"intValue":1}' + closing * depth)
        if client.post(gateway, "/v1/traces", body.encode(), JSON).status != 200:
            break
        accepted, wanted = depth, of(wanted)
    assert 20 < accepted < 129
    wait_for_rows(database, "traces", accepted)
    deepest = max((text for text, in database.execute(
        "SELECT (attributes->'deep')::text FROM @schema@.span")), key=len)
    assert json.loads(deepest) == wanted
    wait_until_idle(gateway)
    assert not letters(gateway)


# -- What the server refuses

def span_attribute(request, number, **added):
    spans_in(request)[number].attributes.extend(attributes(added))


def assert_letters(gateway, names, reason):
    wait_until(
        lambda: sorted(name for letter in letters(gateway) for name in spans_of(letter))
        == sorted(names), what=f"the letters of {names}")
    assert all(reason in letter["reason"] for letter in letters(gateway)), letters(gateway)
    assert {(each["exporter"], each["signal"]) for each in letters(gateway)} \
        == {("postgres", "traces")}


def refusing(trigger, state="23514"):
    """A trigger on spans that refuses those whose name begins with `bad`."""
    return f"""
        CREATE FUNCTION @schema@.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.name LIKE 'bad%' THEN RAISE 'not this one' USING ERRCODE = '{state}'; END IF;
          RETURN NEW;
        END $$;
        CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION @schema@.refuse()"""


CONSTRAINTS = {
    # COPY's context names the row.
    "check": ("ALTER TABLE @schema@.span ADD CONSTRAINT refused CHECK (name NOT LIKE 'bad%')",
              "(SQLSTATE 23514)"),
    "before": (refusing("TRIGGER refuse BEFORE INSERT ON @schema@.span"),
               "not this one (SQLSTATE 23514)"),
    # Nothing names the row.
    "after": (refusing("TRIGGER refuse AFTER INSERT ON @schema@.span"),
              "not this one (SQLSTATE 23514)"),
    "deferred": (
        refusing("CONSTRAINT TRIGGER refuse AFTER INSERT ON @schema@.span"
                 " DEFERRABLE INITIALLY DEFERRED", "22023"),
        "commit: not this one (SQLSTATE 22023)"),
    "unique": ("CREATE UNIQUE INDEX refused ON @schema@.span_default ((1)) WHERE name LIKE 'bad%';"
               " INSERT INTO @schema@.span (start_time, duration_ns, span_id, resource_id,"
               " scope_id, trace_id, start_ns, kind, status_code, service_name, name) VALUES"
               " ('2100-01-01', 0, 0, 0, 0, gen_random_uuid(), 0, 0, 0, '', 'bad before')",
               "(SQLSTATE 23505)"),
}


@pytest.mark.parametrize("kind, bad", [
    ("check", [3]), ("check", [0, 5, 6, 19]), ("check", list(range(20))), ("before", [0, 19]),
    ("after", [3]), ("after", [0, 5, 6, 19]), ("deferred", [19]), ("unique", [0, 7])])
def test_the_rows_at_fault_alone_are_set_aside(native, processes, kind, bad):
    statements, reason = CONSTRAINTS[kind]
    native.session.execute(statements.replace("@schema@", native.schema).encode())
    before = names_of(native)
    gateway = gateway_for(processes, native)
    # The lots hold other signals as well.
    client.export(gateway, "logs", otlp.logs(7))
    sent = otlp.spans(20)
    for number in bad:
        spans_in(sent)[number].name = f"bad {number}"
    # Of a day without a partition, so that it is the default one that refuses.
    for span in spans_in(sent):
        span.start_time_unix_nano = NOW - 400 * DAY
    assert client.export(gateway, "traces", sent).status == 200
    assert client.export(gateway, "traces", otlp.spans(name="after")).status == 200
    good = [f"span-{number + 1}" for number in range(20) if number not in bad]
    wait_for_rows(native, "traces", len(good) + 1 + len(before))
    assert names_of(native) == sorted([*good, "after", *before])
    assert_letters(gateway, [f"bad {number}" for number in bad], reason)
    exporters = wait_until_idle(gateway)
    assert (exporters["traces"]["exported"], exporters["traces"]["set_aside"]) \
        == (len(good) + 1, len(bad))
    assert exporters["logs"]["exported"] == 7
    assert gateway.metric(
        "sluice_exporter_set_aside_items", exporter="postgres", signal="traces",
        reason="rejected") == len(bad)


def test_a_hypertable_names_its_row_too(database, processes):
    database.execute(CONSTRAINTS["check"][0])
    gateway = gateway_for(processes, database)
    sent = otlp.spans(2000)
    for number in (700, 1300):
        spans_in(sent)[number].name = f"bad {number}"
    client.export(gateway, "traces", sent)
    wait_for_rows(database, "traces", 1998)
    assert_letters(gateway, ["bad 700", "bad 1300"], "(SQLSTATE 23514)")
    # The whole, then what is left after each: nothing was narrowed.
    assert gateway.metric("sluice_postgres_transactions", exporter="postgres") == 1
    wait_until_idle(gateway)


@pytest.mark.parametrize("count", [200])
def test_many_rows_at_fault_end_too(native, processes, count):
    native.execute(CONSTRAINTS["check"][0])
    gateway = gateway_for(processes, native)
    sent = otlp.spans(5000)
    for number in range(0, 5000, 5000 // count):
        spans_in(sent)[number].name = f"bad {number}"
    client.export(gateway, "traces", sent)
    wait_for_rows(native, "traces", 5000 - count, seconds=120)
    wait_until_idle(gateway)


# -- What a person has to mend: the exporter stops, says what to do, and goes on

def assert_waits(gateway, advice):
    wait_until(lambda: advice in gateway.get("/ready")[1], what=f"the advice '{advice}'")
    assert not letters(gateway)


def goes_on(gateway, database, count):
    """A retry comes each 15 seconds."""
    wait_for_rows(database, "traces", count, seconds=40)
    exporter = wait_until_idle(gateway)["traces"]
    assert (exporter["exported"], exporter["set_aside"], exporter["dropped"]) == (count, 0, 0)


STOPS = {
    "column": ("ALTER TABLE @schema@.span RENAME COLUMN trace_state TO gone",
               "ALTER TABLE @schema@.span RENAME COLUMN gone TO trace_state",
               "run 'sluice schema apply'"),
    "table": ("ALTER TABLE @schema@.resource RENAME TO gone",
              "ALTER TABLE @schema@.gone RENAME TO resource", "run 'sluice schema apply'"),
    "partition": ("ALTER TABLE @schema@.span DETACH PARTITION @schema@.span_default",
                  "ALTER TABLE @schema@.span ATTACH PARTITION @schema@.span_default DEFAULT",
                  "partition"),
}


@pytest.mark.parametrize("kind", list(STOPS))
def test_a_schema_that_is_not_as_it_should_be_stops_the_exporter(native, processes, kind):
    gateway = gateway_for(processes, native)
    breaks, mends, advice = STOPS[kind]
    native.execute(breaks)
    assert client.export(gateway, "traces", otlp.spans(3)).status == 200
    assert_waits(gateway, advice)
    native.execute(mends)
    goes_on(gateway, native, 3)


@pytest.mark.parametrize("deduplicates", [False, True])
def test_missing_grants_stop_the_exporter(native, processes, deduplicates):
    role = f"writer_of_{native.name}"
    native.execute(f"CREATE ROLE {role} LOGIN")
    try:
        gateway = gateway_for(processes, native, {
            "connection": native.dsn(role), "schema": {"apply": False},
            "deduplicate": "spans" if deduplicates else "none"})
        assert client.export(gateway, "traces", otlp.spans(3)).status == 200
        assert_waits(gateway, "grant what docs/postgres.md lists")
        native.execute(f"SELECT @schema@.grant_writer('{role}')")
        if deduplicates:
            native.execute(f"GRANT SELECT ON @schema@.span TO {role}")
        goes_on(gateway, native, 3)
        gateway.stop()
    finally:
        native.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_schema_that_was_dropped_is_made_anew(native, processes):
    gateway = gateway_for(processes, native, {"maintenance_interval": "1s"})
    client.export(gateway, "traces", otlp.spans(3))
    wait_for_rows(native, "traces", 3)
    native.execute("DROP SCHEMA @schema@ CASCADE")
    client.export(gateway, "traces", otlp.spans(2, name="later"))
    wait_for_rows(native, "traces", 2, seconds=40)
    # With the dictionaries, although they were known to be there.
    check(native, "traces", otlp.spans(2, name="later"))
    wait_until_idle(gateway)


def schema(command, database):
    done = run("schema", command, "--connection", database.dsn())
    return done.returncode, done.stdout


@pytest.mark.parametrize("statement, lacks", [
    ("DROP TABLE @schema@.span CASCADE", "table span"),
    ("ALTER TABLE @schema@.log DROP COLUMN body CASCADE", "column log.body"),
    ("DROP INDEX @schema@.span_trace", "index span_trace"),
    ("DROP VIEW @schema@.spans CASCADE", "view spans"),
    ("DROP SCHEMA @internal@ CASCADE", "function make_partition(text, timestamp with time zone)"),
    ("DROP TABLE @schema@.rollup_red_1m CASCADE", "table rollup_red_1m"),
    ("ALTER TABLE @schema@.mark DROP COLUMN at CASCADE", "column mark.at"),
])
def test_what_was_dropped_is_said_and_made_anew(native, statement, lacks):
    assert schema("apply", native)[0] == 0
    assert schema("status", native)[0] == 0
    native.execute(statement)
    code, said = schema("status", native)
    assert code == 1 and f"lacks" in said and lacks in said and "run 'sluice schema apply'" in said
    assert schema("apply", native)[0] == 0
    code, said = schema("status", native)
    assert (code, "lacks" in said) == (0, False)
    native.execute("CALL @schema@.maintain()")
    assert native.execute("SELECT step, error FROM @schema@.upkeep WHERE error IS NOT NULL") == []


def test_a_gateway_goes_on_when_the_schema_is_mended(native, processes):
    gateway = gateway_for(processes, native)
    client.export(gateway, "traces", otlp.spans(3))
    wait_for_rows(native, "traces", 3)
    native.execute("DROP TABLE @schema@.span CASCADE")
    client.export(gateway, "traces", otlp.spans(2, name="later"))
    assert_waits(gateway, "run 'sluice schema apply'")
    assert schema("apply", native)[0] == 0
    wait_for_rows(native, "traces", 2, seconds=40)


def test_upkeep_says_what_fails_and_what_it_drops(native, processes):
    """A step that always fails, one that takes longer than queries may, rows that are too old."""
    schema("apply", native)
    native.execute(f"""
        ALTER DATABASE {native.name} SET statement_timeout = '900ms';
        CREATE OR REPLACE FUNCTION @internal@.step_edges(at timestamptz)
        RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(1); END $$;
        CREATE OR REPLACE FUNCTION @internal@.step_rollups(at timestamptz)
        RETURNS TABLE (ok bool, outcome text, more bool) LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no room'; END $$""")
    gateway = gateway_for(processes, native, {
        "maintenance_interval": "1s", "retention": {"traces": "48h", "logs": "48h"}})
    for word, was in ("retain_span", "14 days"), ("retain_log", "14 days"):
        assert gateway.wait_for_log(
            "a retention was shortened: what is older is dropped now", setting=word, was=was)
    assert gateway.wait_for_log("a step of the database's upkeep failed", step="rollups")
    old = otlp.spans(3)
    for span in spans_in(old):
        span.start_time_unix_nano = time.time_ns() - 5 * DAY
        span.end_time_unix_nano = span.start_time_unix_nano + 1
    client.export(gateway, "traces", old)
    wait_until(lambda: gateway.metric("sluice_postgres_purged_rows", table="span") == 3, 20, what="the purge")
    assert gateway.log("rows that were older than their retention were purged", table="span")
    assert gateway.log("rows are older than their retention; the next upkeep drops them")
    assert gateway.metric("sluice_postgres_expired_rows", table="span") == 3
    assert gateway.metric("sluice_postgres_failing_steps") == 1
    assert gateway.metric("sluice_postgres_shortened_retentions") == 2
    assert {step for step, in native.execute("SELECT step FROM @schema@.upkeep WHERE error IS NULL")} \
        >= {"partitions", "edges", "writers", "jobs"}
    code, said = schema("status", native)
    assert code == 0 and "upkeep rollups" in said and "no room" in said


def test_the_same_content_has_another_id_in_another_database(make_database, processes):
    ids = set()
    for database in make_database("native"), make_database("native"):
        # They are copies of one template, and so is the key.
        database.execute("DELETE FROM @internal@.id_key; INSERT INTO @internal@.id_key DEFAULT VALUES")
        gateway = gateway_for(processes, database)
        client.export(gateway, "traces", otlp.spans(1))
        wait_for_rows(database, "traces", 1)
        gateway.stop()
        [(resource,)] = database.execute("SELECT resource_id FROM @schema@.span")
        ids.add(resource)
    assert len(ids) == 2
