"""What PostgreSQL holds, and what it should hold for an OTLP request, as `stored` does for SQLite.

Read from the tables by plain SQL. Text is compared as jsonb prints it, so that a number that would
come back as one of another type differs. What is not as it was sent is documented: keys have no
order, of keys that are there twice the last one counts, U+0000 is U+2400, and names that an index
holds end at some length.
"""

import collections

import stored
from stored import NO_ATTRIBUTES, double, freeze, load, real

TABLES = {
    "traces": ["span"], "logs": ["log"],
    "metrics": ["metric_number", "metric_histogram", "metric_exp_histogram", "metric_summary"],
}


TEN_YEARS = 3650 * 86400 * 10**9


# -- Expected

def expected(signal, request):
    """A counter of frozen rows, one for each item."""
    return collections.Counter(
        freeze(as_jsonb(fitted(row))) for row in stored.expected_rows(signal, request))


def fitted(row):
    """What an index has to hold ends at so many bytes, between two characters; a span without a start
    or an end, or of more than ten years, has no duration."""
    if "duration" in row:
        row["end"] = row["time"] + row["duration"]
        if not row["time"] or not row["end"] or abs(row["duration"]) > TEN_YEARS:
            row["duration"] = None
    for key, bytes_max in (("service", 256), ("metric", 1024)):
        if key in row:
            row[key] = row[key].encode()[:bytes_max].decode(errors="ignore")
    return row


def as_jsonb(tree):
    """The same as jsonb has it."""
    if isinstance(tree, str):
        return tree.replace("\0", "\u2400")
    if isinstance(tree, dict):
        return {key: as_jsonb(each) for key, each in tree.items()}
    if isinstance(tree, list):
        return [as_jsonb(each) for each in tree]
    if not isinstance(tree, tuple):
        return tree
    match tree:
        case ("object", pairs):
            # The times of events and exemplars are unsigned.
            members = {
                as_jsonb(key): each if key == "time" else as_jsonb(each) for key, each in pairs}
            return ("object", tuple(sorted(members.items())))
        case ("double", "-0.0"):
            return ("object", (("$double", "-0.0"),))
        # Printed without a point: no int is as large.
        case ("int", number) if not -1 << 63 <= number < 1 << 63:
            return ("double", repr(float(number)))
        case ("int" | "double", _):
            return tree
    return tuple(as_jsonb(each) for each in tree)


# -- Actual

class Store:
    """A database, read as a person would while the gateway runs."""

    def __init__(self, database):
        self.database = database

    def rows(self, query):
        """As dictionaries; jsonb columns as text, to keep what it prints."""
        cursor = self.database.session.execute(
            query.replace("@schema@", self.database.schema))
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor]

    def count(self, signal):
        """0 where there is no schema yet."""
        if self.database.value("SELECT to_regclass(%s)", [f"{self.database.schema}.span"]) is None:
            return 0
        return sum(
            self.database.value(f"SELECT count(*) FROM @schema@.{table}")
            for table in TABLES[signal])

    def actual(self, signal):
        read = {"traces": self._spans, "metrics": self._points, "logs": self._logs}[signal]
        return collections.Counter(freeze(as_jsonb(row)) for row in read())

    ENCLOSING = """
        r.service_name AS r_service, r.service_namespace AS r_namespace,
        r.service_instance_id AS r_instance, r.attributes::text AS r_attributes,
        r.schema_url AS r_schema, r.dropped_attributes AS r_dropped,
        r.entity_refs::text AS r_entities, c.name AS c_name, c.version AS c_version,
        c.schema_url AS c_schema, c.attributes::text AS c_attributes,
        c.dropped_attributes AS c_dropped"""
    JOINS = (
        "JOIN @schema@.resource r USING (resource_id) JOIN @schema@.scope c USING (scope_id)")

    @staticmethod
    def _enclosing(row):
        return stored.Store._enclosing(row)

    @staticmethod
    def _time(column, nanoseconds):
        """Nanoseconds since 1970: `extract` gives a numeric, exact."""
        return f"(extract(epoch FROM {column}) * 1000000000 + {nanoseconds})::numeric"

    def _spans(self):
        for row in self.rows(f"""
                SELECT s.*, coalesce(sent_start_time, {self._time("start_time", "start_ns")})
                  AS start, s.attributes::text AS attributes_text, events::text AS events_text,
                  links::text AS links_text, {self.ENCLOSING} FROM @schema@.span s {self.JOINS}"""):
            assert row["service_name"] == row["r_service"]
            yield {
                **self._enclosing(row),
                "time": int(row["start"]), "duration": row["duration_ns"],
                "end": int(row["sent_end_time"]) if row["duration_ns"] is None
                else int(row["start"]) + row["duration_ns"],
                "trace_id": row["trace_id"].hex, "span_id": stored.word(row["span_id"]),
                "parent": stored.word(row["parent_span_id"]), "kind": row["kind"],
                "status": row["status_code"], "status_message": row["status_message"],
                "name": row["name"], "trace_state": row["trace_state"], "flags": row["flags"],
                "dropped": (
                    row["dropped_attributes"], row["dropped_events"], row["dropped_links"]),
                "attributes": load(row["attributes_text"], NO_ATTRIBUTES),
                "events": load(row["events_text"], []), "links": load(row["links_text"], []),
            }

    def _logs(self):
        for row in self.rows(f"""
                SELECT l.*, coalesce(sent_time, {self._time("time", "time_ns")}) AS sent,
                  {self._time("observed_time", "observed_ns")} AS observed,
                  body_json::text AS body_text, l.attributes::text AS attributes_text,
                  {self.ENCLOSING} FROM @schema@.log l {self.JOINS}"""):
            assert row["service_name"] == row["r_service"]
            yield {
                **self._enclosing(row),
                "time": int(row["sent"]), "time_source": row["time_source"],
                "observed": row["observed"] and int(row["observed"]),
                "trace_id": row["trace_id"] and row["trace_id"].hex,
                "span_id": stored.word(row["span_id"]),
                "severity": (row["severity_number"], row["severity_text"]),
                "event": row["event_name"], "text": row["body"], "body": load(row["body_text"]),
                "flags": row["flags"], "dropped": row["dropped_attributes"],
                "attributes": load(row["attributes_text"], NO_ATTRIBUTES),
            }

    def _points(self):
        series = """
            m.metric_name, m.unit, m.description, m.metadata::text AS metadata, m.metric_type,
            m.temporality, m.is_monotonic, m.attributes::text AS m_attributes, m.explicit_bounds,
            m.service_name AS m_service, m.metric_id AS m_metric"""
        for table in TABLES["metrics"]:
            exemplars = "NULL" if table == "metric_summary" else "p.exemplars::text"
            for row in self.rows(f"""
                    SELECT p.*, {exemplars} AS exemplars_text, {series}, {self.ENCLOSING},
                      coalesce(sent_time, {self._time("time", "time_ns")}) AS sent,
                      {self._time("start_time", "start_ns")} AS start
                    FROM @schema@.{table} p JOIN @schema@.metric_series m USING (series_id)
                    {self.JOINS}"""):
                assert row["m_service"] == row["r_service"]
                assert row["m_metric"] == row["metric_id"]
                yield self._enclosing(row) | self._point(table, row)

    @staticmethod
    def _point(table, row):
        def number(name):
            return None if row[name] is None else real(row[name])

        def numbers(name):
            return [double(each) for each in row[name]]

        point = {
            "metric": row["metric_name"], "unit": row["unit"], "description": row["description"],
            "metadata": load(row["metadata"], NO_ATTRIBUTES), "type": row["metric_type"],
            "temporality": row["temporality"], "monotonic": int(row["is_monotonic"]),
            "attributes": load(row["m_attributes"]), "time": int(row["sent"]),
            "start": row["start"] and int(row["start"]), "flags": row["flags"],
            "exemplars": load(row["exemplars_text"], []),
            "bounds": row["explicit_bounds"] and numbers("explicit_bounds"),
        }
        if table == "metric_number":
            if row["value_int"] is not None:
                assert row["value"] == float(row["value_int"])
                return point | {"value": ("int", row["value_int"])}
            return point | {"value": number("value")}
        if table == "metric_summary":
            return point | {
                "aggregates": (row["count"], number("sum")), "quantiles": numbers("quantiles"),
                "quantile_values": numbers("quantile_values")}
        point["aggregates"] = (row["count"], number("sum"), number("min"), number("max"))
        if table == "metric_histogram":
            return point | {"counts": stored.integers(row["bucket_counts"])}
        return point | {
            "scale": (row["scale"], row["zero_count"], number("zero_threshold")),
            "positive": (row["positive_offset"], stored.integers(row["positive_counts"])),
            "negative": (row["negative_offset"], stored.integers(row["negative_counts"])),
        }


# -- Views

KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUSES = ["unset", "ok", "error"]
TEMPORALITIES = [None, "delta", "cumulative"]
JSON_COLUMNS = {
    "traces": ("attributes", "events", "links", "resource", "scope_attributes"),
    "logs": ("attributes", "resource", "scope_attributes"),
    "metrics": ("attributes", "exemplars", "resource", "details"),
}
VIEWS = {"traces": "spans", "logs": "logs", "metrics": "metrics"}


def in_view(database, signal):
    """The rows of the view that people query, with the keys of `expected` that it has."""
    store = Store(database)
    texts = ", ".join(f"v.{name}::text AS {name}_text" for name in JSON_COLUMNS[signal])
    make = {"traces": span_in_view, "logs": log_in_view, "metrics": point_in_view}[signal]
    for row in store.rows(f"SELECT v.*, {texts} FROM @schema@.{VIEWS[signal]} v"):
        json = {name: load(row[f"{name}_text"], NO_ATTRIBUTES) for name in JSON_COLUMNS[signal]}
        yield {
            "service": row["service_name"], "resource": json["resource"],
            "scope": row["scope_name"], "scope_version": row["scope_version"],
            "flags": row["flags"] or None, "attributes": json["attributes"],
            **make(row, json)}


def span_in_view(row, json):
    return {
        "time": int(row["start_time_unix_nano"]), "duration": row["duration_ns"],
        "end": int(row["end_time_unix_nano"]),
        "trace_id": row["trace_id"].hex, "span_id": row["span_id"],
        "parent": row["parent_span_id"], "kind": KINDS.index(row["kind"]),
        "status": STATUSES.index(row["status"]), "status_message": row["status_message"],
        "name": row["name"], "trace_state": row["trace_state"],
        "scope_attributes": json["scope_attributes"], "events": json["events"],
        "links": json["links"],
    }


def log_in_view(row, json):
    return {
        "time": int(row["time_unix_nano"]),
        "time_source": ["sent", "observed", "received"].index(row["time_source"]),
        "trace_id": row["trace_id"] and row["trace_id"].hex, "span_id": row["span_id"],
        "event": row["event_name"], "scope_attributes": json["scope_attributes"],
    }


def point_in_view(row, json):
    value = row["value"]
    if row["value_int"] is not None:
        assert value == float(row["value_int"])
        value = ("int", row["value_int"])
    elif value is not None:
        value = real(value)
    return {
        "metric": row["metric_name"], "unit": row["unit"], "description": row["description"],
        "type": stored.TYPES.index(row["type"]), "monotonic": int(row["is_monotonic"]),
        "temporality": TEMPORALITIES.index(row["temporality"]),
        "time": int(row["time_unix_nano"]), "exemplars": json["exemplars"],
        **({"value": value} if row["type"] in ("gauge", "sum") else {}),
    }
