"""Every query of the dashboards runs on data, and gives its panel the columns that it needs."""

import datetime
import json
import math
import re
import subprocess
import sys

import pytest

from grafana import All, expand
from sluice import ROOT, configuration
from postgres import EDITIONS, needs
from view_rows import (
    at, base_time, dictionaries, insert, nanoseconds, random_spans, span, stored)

FOLDER = ROOT / "deploy/grafana"
DASHBOARDS = {path.stem: json.loads(path.read_text())
              for path in sorted((FOLDER / "dashboards").glob("*.json"))}
HOUR = datetime.timedelta(hours=1)
# PostgreSQL's types by what Grafana makes of them.
NUMBERS = {"int2", "int4", "int8", "float4", "float8", "numeric"}
TIMES = {"timestamptz", "timestamp", "date"}
TEXTS = {"text", "varchar", "name", "uuid", "jsonb", "json", "bpchar"}
PANELS = {"row", "stat", "timeseries", "table", "traces", "logs", "nodeGraph"}


def panels():
    return [(uid, panel) for uid, dashboard in DASHBOARDS.items() for panel in dashboard["panels"]]


def queries():
    return [(uid, panel, target) for uid, panel in panels() for target in panel.get("targets", ())
            if target["datasource"]["type"] == "grafana-postgresql-datasource"]


def name_of(parameter):
    uid, panel, target = parameter
    return f"{uid}-{panel['title']}-{target['refId']}".replace(" ", "-")


# -- Data

@pytest.fixture(scope="module")
def shop(servers):
    database = servers("native").database()
    dictionaries(database)
    database.execute("UPDATE @schema@.mark SET at = %s", (base_time(),))
    spans = random_spans(seed=11, traces=120, base=base_time(), seconds=3 * 3600 - 60)
    insert(database, "span", stored(spans))
    insert(database, "log", [{
        "time": each["start_time"], "time_ns": 0, "resource_id": each["resource_id"], "scope_id": 1,
        "trace_id": each["trace_id"], "span_id": each["span_id"], "time_source": 0,
        "service_name": each["service_name"], "severity_number": 9 + 4 * (each["span_id"] % 3),
        "body": f"handled {each['name']}", "attributes": each["attributes"]} for each in spans])
    insert(database, "metric_series", [
        metric(10, "memory", 1, 0, False), metric(20, "requests", 2, 2, True),
        metric(30, "duration", 3, 1, False, explicit_bounds=[0.1, 1.0])])
    for minute in range(180):
        nanos = nanoseconds(base_time()) + minute * 60 * 10**9
        insert(database, "metric_number", [
            point(10, nanos, value=float(minute)),
            point(20, nanos, value=minute * 6.0, start_time=base_time(), start_ns=0)])
        insert(database, "metric_histogram", [point(30, nanos, count=4, bucket_counts=[1, 2, 1])])
    database.maintain("rollups", base_time() + 2 * HOUR)
    database.maintain("edges", base_time() + 2 * HOUR)
    yield database
    database.close()


def metric(number, name, kind, temporality, monotonic, **more):
    return {"series_id": number, "metric_id": number, "resource_id": 0, "scope_id": 1,
            "metric_type": kind, "temporality": temporality, "is_monotonic": monotonic,
            "service_name": "shop", "metric_name": name, "attributes": {"http.route": "/a"}, **more}


def point(number, nanos, **more):
    return {"time": at(nanos)[0], "time_ns": 0, "metric_id": number, "series_id": number, **more}


# -- Variables

def choices(database, dashboard):
    """Dictionaries of values: as the dashboard opens, and with the other choice of each variable."""
    first, other = {}, {}
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "datasource":
            first[name] = other[name] = "uid"
        elif variable["type"] == "query":
            values = [row[0] for row in run(database, variable["query"], first)[1]]
            assert values, f"{dashboard['uid']}: no values for ${name}"
            assert len({str(value) for value in values}) == len(values), name
            first[name] = All(variable["allValue"]) if variable["includeAll"] else values[0]
            other[name] = values[-1]
        else:
            first[name] = variable["current"]["value"]
            other[name] = variable["options"][-1]["value"] if variable["options"] else first[name]
    first["schema"] = other["schema"] = database.schema
    if "attributes" in other:
        other |= {"attributes": '{"user.id": "u-3"}', "service": "shop", "operation": All("NULL")}
    if "min_ms" in other:
        other |= {"min_ms": "0.5"}
    if "search" in other:
        other |= {"search": "HANDLED", "severity": "13"}
    return first, other


def run(database, query, variables, interval_seconds=60, since=None, until=None):
    """The columns, as (name, type), and the rows."""
    text = expand(query, variables | {"schema": database.schema}, since or base_time(),
                  until or base_time() + 3 * HOUR, interval_seconds)
    # Without parameters psycopg leaves % alone, as Grafana does.
    cursor = database.session.execute(text)
    types = {row[0]: row[1] for row in database.session.execute(
        "SELECT oid, typname FROM pg_type").fetchall()}
    return [(column.name, types[column.type_code]) for column in cursor.description], \
        cursor.fetchall()


@pytest.mark.parametrize("choice", [0, 1], ids=["as-opened", "chosen"])
@pytest.mark.parametrize("parameter", queries(), ids=name_of)
def test_each_query_runs_and_gives_its_panel_what_it_needs(shop, parameter, choice):
    uid, panel, target = parameter
    variables = choices(shop, DASHBOARDS[uid])[choice]
    for interval in 60, 3600:
        columns, rows = run(shop, target["rawSql"], variables, interval)
        assert rows, f"{panel['title']} is empty"
        check_columns(panel, target, dict(columns), rows, columns)


# -- Databases of other kinds: what no row, one row or a row of last week makes of a query

KINDS = ("empty", "fresh", "late")


@pytest.fixture(scope="module", params=EDITIONS)
def kinds(request, servers):
    """{kind: database}: without any row, with rows of the last minute, with rows that came days late."""
    needs(request.param)
    databases = {kind: servers(request.param).database() for kind in KINDS}
    now = datetime.datetime.now(datetime.timezone.utc)
    for kind, when in ("fresh", now - datetime.timedelta(seconds=40)), ("late", now - 5 * 24 * HOUR):
        fill_a_little(databases[kind], when, now)
    databases["late"].execute("SELECT @schema@.queue_refresh('span', %s, %s)", (now - 120 * HOUR, now))
    yield databases
    for database in databases.values():
        database.drop()


def fill_a_little(database, when, now):
    dictionaries(database)
    spans = random_spans(seed=3, traces=4, base=when, seconds=20)
    # No start, no end, nothing but a count of 0, and one from before it starts.
    odd = [span(nanoseconds(now), length, trace=9, span_id=900 + index, parent=901, service=index % 4)
           | {"duration_ns": length, "adjusted_count": count}
           for index, (length, count) in enumerate([(None, None), (None, 2.0), (5, 0.0), (-5, 1.0)])]
    insert(database, "span", stored(spans) + odd)
    insert(database, "log", [{
        "time": when, "time_ns": 0, "resource_id": 0, "scope_id": 1, "time_source": 0, "service_name": "shop",
        "severity_number": number, "body": None, "attributes": None} for number in (0, 9, 99)])
    insert(database, "metric_series", [
        metric(10, "memory", 1, 0, False), metric(20, "requests", 2, 2, True),
        metric(30, "duration", 3, 1, False, explicit_bounds=[0.1, 1.0]), metric(40, "none", 4, 2, False)])
    nanos = nanoseconds(when)
    insert(database, "metric_number", [
        point(10, nanos, value=math.inf), point(10, nanos + 10**9, value=math.nan), point(10, nanos + 2, flags=1),
        point(20, nanos, value=5.0, start_time=when, start_ns=0)])
    insert(database, "metric_histogram", [
        point(30, nanos, count=0, bucket_counts=[0, 0, 0]), point(30, nanos + 10**9, count=3, bucket_counts=[])])
    insert(database, "metric_exp_histogram", [
        point(40, nanos, count=0, zero_count=0, zero_threshold=0, scale=20, positive_offset=0, negative_offset=0,
              positive_counts=[], negative_counts=[], start_time=when, start_ns=0)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_query_runs_on_every_kind_of_database(kinds, kind):
    database = kinds[kind]
    now = datetime.datetime.now(datetime.timezone.utc)
    for back, interval in (HOUR / 60, 1), (HOUR, 60), (30 * 24 * HOUR, 7200):
        for uid, panel, target in queries():
            variables = as_opened(database, DASHBOARDS[uid], now - back, now)
            _, rows = run(database, target["rawSql"], variables, interval, now - back, now)
            if kind == "empty" and panel["title"] not in ("Edition", "Size", "Upkeep"):
                assert not any(value for row in rows for value in row), panel["title"]


def as_opened(database, dashboard, since, until):
    """What the variables are before anybody chooses: nothing, where there is nothing to choose."""
    variables = {"schema": database.schema}
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "query":
            values = [row[0] for row in run(database, variable["query"], variables, 60, since, until)[1]]
            variables[name] = All(variable["allValue"]) if variable["includeAll"] else (values or [""])[0]
        elif variable["type"] != "datasource":
            variables[name] = variables.get(name) or variable["current"].get("value", "")
    return variables | {"schema": database.schema}


def test_panels_of_rates_show_the_rate(servers):
    """Calls come every 500 ms and records twice as often, for an hour and on: 2 and 4 a second."""
    database = servers("native").database()
    now = datetime.datetime.now(datetime.timezone.utc)
    dictionaries(database)
    database.execute("""
        INSERT INTO @schema@.span (start_time, duration_ns, span_id, parent_span_id, resource_id, scope_id,
          trace_id, start_ns, kind, status_code, service_name, name)
        SELECT %s + n * interval '500 ms' + s * interval '1 ms', 1000000, 2 * n + s, CASE s WHEN 1 THEN 2 * n END,
          s, 1, md5(n::text)::uuid, 0, 2, 0, CASE s WHEN 0 THEN 'shop' ELSE 'stock' END, 'get'
        FROM generate_series(-600, 7200) n, generate_series(0, 1) s""", (now - HOUR,))
    database.execute("""
        INSERT INTO @schema@.log (time, time_ns, resource_id, scope_id, time_source, severity_number, service_name)
        SELECT start_time, 0, 1, 1, 0, 9, 'shop' FROM @schema@.span""")
    insert(database, "metric_series", [metric(20, "requests", 2, 2, True)])
    database.execute("""
        INSERT INTO @schema@.metric_number (time, time_ns, metric_id, series_id, value, start_time, start_ns)
        SELECT %s + n * interval '10 s', 0, 20, 20, 20 * n + 1200, %s, 0 FROM generate_series(-60, 360) n""",
        (now - HOUR, now - 10 * HOUR))
    database.execute("UPDATE @schema@.mark SET at = %s WHERE name IN ('rollup', 'edges')",
                     (now.replace(second=0, microsecond=0) - 2 * HOUR,))
    for is_rolled_up in False, True:
        if is_rolled_up:
            database.maintain("rollups")
            database.maintain("edges")
        for length in 60, 600, 3600 - 7:
            until = now - datetime.timedelta(seconds=3)
            since = until - datetime.timedelta(seconds=length)
            for uid, title, column in RATES:
                [(panel, target)] = [
                    (panel, target) for each, panel, target in queries()
                    if each == uid and panel["title"] == title and column in target["rawSql"]]
                variables = as_opened(database, DASHBOARDS[uid], since, until) | {
                    "service": All("NULL") if uid != "sluice-service" else "stock", "operation": All("NULL")}
                columns, rows = run(database, target["rawSql"], variables, 60, since, until)
                place = [name for name, _ in columns].index(column)
                expected = RATES[uid, title, column]
                if title == "Stored":
                    rows = rows[:-1]  # Of the minute that is not over, what came after `now` is not there.
                for row in rows:
                    # Of the first and the last step there may be a second.
                    assert row[place] == pytest.approx(expected, rel=0.02, abs=0.5), (title, row)
                assert rows or title == "Stored", title
    database.drop()


RATES = {
    ("sluice-services", "Calls", "Calls"): 4, ("sluice-services", "Calls by service", "rate"): 2,
    ("sluice-services", "Services", "rate"): 2, ("sluice-service", "Calls", "ok"): 2,
    ("sluice-service", "Operations", "rate"): 2, ("sluice-service", "Called by, and calls", "rate"): 2,
    ("sluice-metrics", "$counter per second", "value"): 2, ("sluice-gateway", "Stored", "spans"): 4,
    ("sluice-gateway", "Stored", "log records"): 4,
}


def check_columns(panel, target, types, rows, columns):
    assert len(types) == len(columns), "a column twice"
    assert set(types.values()) <= NUMBERS | TIMES | TEXTS | {"bool"}
    if panel["type"] == "timeseries":
        check_time_series(target, types, rows, columns)
    elif panel["type"] == "stat":
        assert any(kind in NUMBERS for kind in types.values()) or panel["title"] == "Edition"
        assert len(rows) == 1
    elif panel["type"] == "logs":
        assert (columns[0], columns[1]) == (("time", "timestamptz"), ("body", "text"))
        assert types["level"] == "text"
    elif panel["type"] == "traces":
        check_trace(types, rows, [name for name, _ in columns])
    elif panel["type"] == "nodeGraph":
        needed = {"nodes": {"id": "text", "title": "text"},
                  "edges": {"id": "text", "source": "text", "target": "text"}}[target["refId"]]
        assert needed.items() <= types.items()
    check_references(panel, types)


def check_time_series(target, types, rows, columns):
    (time, kind), *others = columns
    assert (time, kind) == ("time", "timestamptz")
    moments = [row[0] for row in rows]
    assert moments == sorted(moments)
    numbers = [name for name, kind in others if kind in NUMBERS]
    assert numbers
    if target["format"] == "time_series":
        texts = [name for name, kind in others if kind not in NUMBERS]
        assert texts in ([], ["metric"]), "Grafana names series by the column metric"
        if texts:
            assert len(numbers) == 1
            assert len({(row[0], row[1]) for row in rows}) == len(rows), "two points of a series"
        else:
            assert len(set(moments)) == len(moments), "two points of a series"


def check_trace(types, rows, names):
    """Grafana's TraceSpanRow: ids, names, times in milliseconds, lists of key and value."""
    needed = {
        "traceID": "text", "spanID": "text", "parentSpanID": "text", "operationName": "text",
        "serviceName": "text", "startTime": "float8", "duration": "float8", "tags": "jsonb",
        "serviceTags": "jsonb", "logs": "jsonb"}
    assert needed.items() <= types.items()
    for row in rows:
        span = dict(zip(names, row))
        assert re.fullmatch("[0-9a-f]{32}", span["traceID"])
        assert re.fullmatch("[0-9a-f]{16}", span["spanID"])
        assert 1.5e12 < span["startTime"] < 3e12
        for list_of in "tags", "serviceTags":
            assert all(set(each) == {"key", "value"} for each in span[list_of])
        assert all({"timestamp", "fields"} <= set(each) for each in span["logs"])
    assert len({dict(zip(names, row))["traceID"] for row in rows}) == 1


def check_references(panel, types):
    """Columns that links, overrides and transformations name."""
    text = json.dumps([panel["fieldConfig"], panel.get("transformations", [])])
    for name in re.findall(r"__data\.fields\.(\w+)", text):
        assert name in types, f"{panel['title']}: a link needs the column {name}"
    series = panel["type"] == "timeseries"
    for override in panel["fieldConfig"]["overrides"]:
        name = override["matcher"]["options"]
        # Series that come by the column metric have their names from the data.
        assert name in types or series and "metric" in types, f"{panel['title']}: no column {name}"
    for transformation in panel.get("transformations", []):
        for conversion in transformation["options"]["conversions"]:
            assert conversion["targetField"] in types


# -- The files

def test_the_dashboards_are_what_their_source_makes():
    result = subprocess.run([sys.executable, FOLDER / "build.py", "--check"],
                            capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_a_dashboard_is_complete(uid):
    dashboard = DASHBOARDS[uid]
    assert dashboard["uid"] == uid and dashboard["title"] and dashboard["description"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in dashboard["panels"]:
        assert panel["type"] in PANELS
        box = panel["gridPos"]
        cells = {(x, y) for x in range(box["x"], box["x"] + box["w"])
                 for y in range(box["y"], box["y"] + box["h"])}
        assert not cells & taken and box["x"] + box["w"] <= 24, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"] and panel["targets"], panel["title"]
            assert panel["datasource"]["uid"] in ("${datasource}", "${prometheus}")


def test_links_lead_to_dashboards_and_to_their_variables():
    for uid, dashboard in DASHBOARDS.items():
        for url in re.findall(r'"url": "(/d/[^"]+)"', json.dumps(dashboard)):
            target, _, query = url.removeprefix("/d/").partition("?")
            names = {each["name"] for each in DASHBOARDS[target]["templating"]["list"]}
            assert "${__url_time_range}" in query or "from=" in query and "to=" in query, url
            used = re.findall(r"var-(\w+)=", query) + re.findall(r"\$\{(\w+):queryparam\}", query)
            assert set(used) <= names, f"{uid}: {url}"


def test_sluice_has_the_metrics_that_its_dashboard_shows(processes):
    gateway = processes.sluice(configuration({"nop": {}}))
    _, text = gateway.get("/metrics")
    there = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    used = set()
    for panel in DASHBOARDS["sluice-gateway"]["panels"]:
        for target in panel.get("targets", ()):
            used |= set(re.findall(r"\b((?:otelcol|sluice|http)_\w+)", target.get("expr", "")))
    assert used
    assert {re.sub("_bucket$", "", name) for name in used} <= there
