"""Settings of the `postgres` exporter that change what its tables hold."""

import random
import subprocess
import time

import pytest

import client
import otlp
from otlp import attributes
from sluice import configuration, wait_until
from test_flow import reload
from test_postgres import gateway_for, wait_for_rows
from test_postgres_data import spans_in, wait_until_idle


def test_spans_that_are_sent_again_are_stored_once_if_asked_for(database, processes):
    """The same are those with trace, span and start in common; in one lot or in several."""
    gateway = gateway_for(processes, database, {"deduplicate": "spans"})
    sent = otlp.spans(50)
    twice = otlp.spans(50)
    spans_in(twice).extend(spans_in(sent))
    for request in (sent, twice, sent):
        assert client.export(gateway, "traces", request).status == 200
    other = otlp.spans(50)
    for span in spans_in(other):
        span.start_time_unix_nano += 1
    client.export(gateway, "traces", other)
    client.export(gateway, "logs", otlp.logs(3))
    client.export(gateway, "logs", otlp.logs(3))
    exporters = wait_until_idle(gateway)
    assert exporters["traces"]["exported"] == 250
    wait_for_rows(database, "traces", 100)
    wait_for_rows(database, "logs", 6)


def test_two_gateways_store_a_span_once_if_asked_for(native, processes):
    gateways = [gateway_for(processes, native, {"deduplicate": "spans"}) for _ in range(2)]
    for number in range(20):
        sent = otlp.spans(30, trace_id=(number + 1).to_bytes(16, "big"))
        for gateway in gateways:
            assert client.export(gateway, "traces", sent).status == 200
    for gateway in gateways:
        wait_until_idle(gateway)
    wait_for_rows(native, "traces", 600)


def test_operations_beyond_their_limit_are_shown_as_other(native, processes):
    gateway = gateway_for(processes, native, {"cardinality": {"operations_per_service": 3}})
    for service in ("many", "few"):
        sent = otlp.spans(2 if service == "few" else 20, name=service, service=service)
        client.export(gateway, "traces", sent)
    client.export(gateway, "traces", otlp.spans(20, name="many", service="many"))
    wait_for_rows(native, "traces", 42)
    assert native.execute(
        "SELECT service_name, coalesce(operation, name) AS shown, count(*) FROM @schema@.span"
        " GROUP BY 1, 2 ORDER BY 1, 2") == [
        ("few", "few-1", 1), ("few", "few-2", 1),
        ("many", "many-1", 2), ("many", "many-2", 2), ("many", "many-3", 2), ("many", "other", 34)]
    # The name is what was sent.
    assert native.value("SELECT count(DISTINCT name) FROM @schema@.span") == 22
    wait_until(lambda: gateway.metric(
        "sluice_postgres_folded_items", exporter="postgres", kind="operation",
        service="many") == 34, what="the count")
    assert gateway.log(service="many")


def test_series_beyond_their_limit_are_one(native, processes):
    gateway = gateway_for(processes, native, {"cardinality": {"series_per_service": 3}})
    for _ in range(2):
        client.export(gateway, "metrics", otlp.gauge(10))
    wait_for_rows(native, "metrics", 20)
    assert native.execute(
        "SELECT attributes, count(*) FROM @schema@.metric_number JOIN @schema@.metric_series"
        " USING (series_id, metric_id) GROUP BY 1 ORDER BY attributes->>'number' NULLS LAST") == [
        ({"number": 0}, 2), ({"number": 1}, 2), ({"number": 2}, 2),
        ({"otel.metric.overflow": True}, 14)]
    wait_until(lambda: gateway.metric(
        "sluice_postgres_folded_items", exporter="postgres", kind="series",
        service="test") == 14, what="the count")


THRESHOLDS = {  # W3C: the probability is 1 - threshold / 2^56.
    "": 1, "ot=th:0": 1, "ot=th:8": 2, "ot=th:c": 4, "ot=th:fd70a4": 100,
    "vendor=1,ot=rv:fabcdefabcdef0;th:8": 2,
    "ot=th:ffffffffffffff": 2 ** 56, "ot=th:x": 1, "ot=rv:8": 1, "vendor=th:8": 1}


def test_a_sampled_item_says_how_many_it_stands_for(native, processes):
    gateway = gateway_for(processes, native)
    sent = otlp.spans(len(THRESHOLDS))
    for span, state in zip(spans_in(sent), THRESHOLDS):
        span.trace_state = span.name = state
    logs = otlp.logs(len(THRESHOLDS))
    for record, state in zip(logs.resource_logs[0].scope_logs[0].log_records, THRESHOLDS):
        record.body.string_value = state
        if "ot=th:" in state:
            record.attributes.extend(attributes({"sampling.threshold": state[6:]}))
    client.export(gateway, "traces", sent)
    client.export(gateway, "logs", logs)
    wait_for_rows(native, "traces", len(THRESHOLDS))
    wait_for_rows(native, "logs", len(THRESHOLDS))
    spans = dict(native.execute("SELECT name, coalesce(adjusted_count, 1) FROM @schema@.span"))
    assert spans == pytest.approx(THRESHOLDS, rel=1e-5)
    records = dict(native.execute("SELECT body, coalesce(adjusted_count, 1) FROM @schema@.log"))
    assert records == pytest.approx(
        {**THRESHOLDS, "vendor=1,ot=rv:fabcdefabcdef0;th:8": 1}, rel=1e-5)


def test_rates_of_what_the_gateway_sampled_are_unbiased(native, processes):
    gateway = gateway_for(processes, native, signals=["traces"], processors={
        "probabilistic_sampler": {"sampling_percentage": 25, "mode": "proportional"}})
    sent = otlp.spans(4000)
    now = time.time_ns()
    draw = random.Random(2)
    for span in spans_in(sent):
        span.trace_id = draw.randbytes(16)
        span.start_time_unix_nano, span.end_time_unix_nano = now, now + 1
    client.export(gateway, "traces", sent)
    wait_until_idle(gateway)
    [[rows, calls]] = native.execute(
        "SELECT sum(spans)::float8, sum(calls) FROM @schema@.red_1m")
    assert 800 < rows < 1200
    assert calls == pytest.approx(rows * 4, rel=1e-6)


def policies(database):
    return {table: dropped for table, dropped in database.execute(
        "SELECT hypertable_name, (config ->> 'drop_after')::interval::text"
        " FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'")}


def test_retention_is_what_the_configuration_says_after_a_reload_too(database, processes):
    def settings(traces):
        return configuration({"postgres": {
            "connection": database.dsn(), "retention": {"traces": traces, "logs": "48h"}}})

    def kept(name, days):
        return database.value(
            "SELECT @internal@.setting_interval(%s) = make_interval(days => %s)", [name, days])

    gateway = processes.sluice(settings("72h"))
    wait_until(lambda: kept("retain_span", 3) and kept("retain_log", 2), what="the settings")
    # Not given: as it was.
    assert kept("retain_metric", 30)
    if database.edition == "timescale":
        wait_until(lambda: policies(database)["span"] in ("3 days", "72:00:00"), what="the policy")
    reload(gateway, settings("240h"))
    wait_until(lambda: kept("retain_span", 10), seconds=20, what="the changed setting")
    if database.edition == "timescale":
        wait_until(
            lambda: policies(database)["span"] in ("10 days", "240:00:00"), what="the policy")


def test_old_partitions_go_when_the_configuration_keeps_less(native, processes):
    gateway = gateway_for(processes, native, {"maintenance_interval": "1s"})
    old, new = otlp.spans(3), otlp.spans(2, name="new")
    for request, age in ((old, 6), (new, 0)):
        for span in spans_in(request):
            span.start_time_unix_nano = time.time_ns() - age * 86_400 * 10 ** 9
            span.end_time_unix_nano = span.start_time_unix_nano + 1
        client.export(gateway, "traces", request)
    wait_for_rows(native, "traces", 5)
    reload(gateway, configuration({"postgres": {
        "connection": native.dsn(), "maintenance_interval": "1s", "retention": {"traces": "72h"}}}))
    wait_until(
        lambda: native.value("SELECT count(*) FROM @schema@.span") == 2, 30, what="the purge")


def test_a_transaction_sets_what_it_relies_on(make_server, processes):
    """Whatever the server's defaults are, and in each transaction: a pooler may change sessions."""
    server = make_server(settings={"synchronous_commit": "off", "lock_timeout": "7s"})
    database = server.database()
    database.session.execute("""
        CREATE TABLE seen (name text, value text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO public.seen SELECT s.name, current_setting(s.name) FROM (VALUES
            ('synchronous_commit'), ('statement_timeout'), ('lock_timeout'),
            ('idle_in_transaction_session_timeout')) AS s (name);
          RETURN NULL;
        END $$;
        CREATE TRIGGER note BEFORE INSERT ON otel.span FOR EACH STATEMENT EXECUTE FUNCTION note()
        """)
    gateway = gateway_for(processes, database)
    for number in range(3):
        client.export(gateway, "traces", otlp.spans(1, trace_id=bytes(15) + bytes([number + 1])))
        wait_for_rows(database, "traces", number + 1)
    assert set(database.execute("SELECT * FROM seen")) == {
        ("synchronous_commit", "on"), ("statement_timeout", "1min"), ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "70s")}
    assert database.value("SHOW synchronous_commit") == "off"
    database.execute("TRUNCATE seen")
    gateway = gateway_for(processes, database, {
        "synchronous_commit": "local", "statement_timeout": "20s", "lock_timeout": "3s"})
    client.export(gateway, "traces", otlp.spans(1))
    wait_for_rows(database, "traces", 4)
    assert set(database.execute("SELECT * FROM seen")) == {
        ("synchronous_commit", "local"), ("statement_timeout", "20s"), ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "30s")}


def test_direct_compress_is_no_harm_where_it_cannot_be(database, processes):
    """With TimescaleDB's own licence rows go to the columnstore at once."""
    gateway = gateway_for(processes, database, {"direct_compress": True})
    sent = otlp.spans(5000)
    for span in spans_in(sent):
        span.start_time_unix_nano = time.time_ns()
    client.export(gateway, "traces", sent)
    wait_for_rows(database, "traces", 5000)
    wait_until_idle(gateway)
    if database.edition == "timescale":
        assert database.value(
            "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"
            " AND hypertable_name = 'span'") == 1


def test_a_full_disk_of_the_server_is_waited_out(make_server, processes, tmp_path):
    server = make_server()
    place = server.directory / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        subprocess.run(["chown", "--reference", server.directory, place], check=True)
        database = server.database()
        database.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        database.execute("ALTER TABLE @schema@.span_default SET TABLESPACE small")
        ballast = place / "ballast"
        with ballast.open("wb") as file, pytest.raises(OSError):
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        gateway = gateway_for(processes, database)
        # The default partition: no other is there for days as old as this.
        sent = otlp.spans(2000, text_bytes=300)
        assert client.export(gateway, "traces", sent).status == 200
        wait_until(lambda: "SQLSTATE 53100" in gateway.get("/ready")[1], what="the error")
        ballast.unlink()
        wait_for_rows(database, "traces", 2000)
        exporter = wait_until_idle(gateway)["traces"]
        assert (exporter["exported"], exporter["set_aside"]) == (2000, 0)
        gateway.stop()
        server.stop()
    finally:
        server.stop()
        subprocess.run(["umount", place], check=False)
