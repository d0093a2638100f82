"""Counts the items that the files hold."""

import json
import sqlite3

import items


def in_database(path):
    copies = items.Copies()
    if not path.exists():
        return copies
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    verdict = database.execute("PRAGMA quick_check").fetchone()[0]
    if verdict != "ok":
        raise ValueError(f"the database is damaged: {verdict}")
    for query in (
            "SELECT span_id, name = printf('%016x', span_id) FROM span",
            "SELECT span_id, body = printf('%016x', span_id) FROM log",
            f"""SELECT value_int, exemplars LIKE printf('%%"id":"%016x"%%', value_int)
                FROM metric_number JOIN metric_series USING (series_id)
                WHERE metric_name = '{items.METRIC}'"""):
        for number, is_whole in database.execute(query):
            copies.add(number, bool(is_whole))
    database.close()
    return copies


def in_postgres(dsn, schema="otel"):
    import psycopg

    copies = items.Copies()
    with psycopg.connect(dsn) as session:
        for query in (
                "SELECT span_id, name = lpad(to_hex(span_id), 16, '0') FROM {}.span",
                "SELECT span_id, body = lpad(to_hex(span_id), 16, '0') FROM {}.log",
                f"""SELECT value_int, exemplars #>> '{{{{0,attributes,id}}}}'
                      = lpad(to_hex(value_int), 16, '0')
                    FROM {{0}}.metric_number JOIN {{0}}.metric_series USING (series_id)
                    WHERE metric_name = '{items.METRIC}'"""):
            for number, is_whole in session.execute(query.format(f'"{schema}"')):
                copies.add(number, bool(is_whole))
    return copies


def in_file(path):
    """Items, and how many lines nobody can read. A torn tail must stand in a file of its own."""
    copies, unreadable = items.Copies(), 0
    if not path.exists():
        return copies, unreadable
    with path.open("rb") as file:
        for line in file:
            try:
                request = json.loads(line)
            except ValueError:
                unreadable += 1
                continue
            for number, is_whole in in_line(request):
                copies.add(number, is_whole)
    return copies, unreadable


def in_line(request):
    for resource in request.get("resourceSpans", ()):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield int(span["spanId"], 16), span["name"] == span["spanId"]
    for resource in request.get("resourceLogs", ()):
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                yield int(record["spanId"], 16), (
                    record["body"]["stringValue"] == record["spanId"])
    for resource in request.get("resourceMetrics", ()):
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                for point in metric["gauge"]["dataPoints"]:
                    attribute = point["exemplars"][0]["filteredAttributes"][0]
                    number = int(point["asInt"])
                    yield number, attribute["value"]["stringValue"] == f"{number:016x}"
