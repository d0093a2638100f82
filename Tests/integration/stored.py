"""What the SQLite file holds, and what a database should hold for an OTLP request.

Both sides become plain dictionaries of the same keys. Numbers carry their type, so that 1 and 1.0
differ; attribute lists keep their order and repeated keys. `stored_postgres` does the same for
PostgreSQL.
"""

import base64
import collections
import json
import math
import sqlite3

import otlp


# -- JSON with types

def load(text, absent=None):
    if text is None:
        return absent
    return json.loads(
        text, parse_int=lambda digits: ("int", int(digits)),
        parse_float=lambda digits: ("double", repr(float(digits))),
        object_pairs_hook=lambda pairs: ("object", tuple(pairs)))


def double(number):
    if math.isnan(number):
        return ("object", (("$double", "NaN"),))
    if math.isinf(number):
        return ("object", (("$double", "Infinity" if number > 0 else "-Infinity"),))
    return ("double", repr(number))


def value(any_value):
    kind = any_value.WhichOneof("value")
    content = getattr(any_value, kind) if kind else None
    match kind:
        case None: return None
        case "string_value" | "bool_value": return content
        case "int_value": return ("int", content)
        case "double_value": return double(content)
        case "bytes_value":
            return ("object", (("$bytes", base64.b64encode(content).decode()),))
        case "array_value": return [value(element) for element in content.values]
        case "kvlist_value":
            return ("object", tuple(
                ("$" + entry.key if entry.key.startswith("$") else entry.key, value(entry.value))
                for entry in content.values))
    raise TypeError(kind)


def attributes(of):
    return ("object", tuple((each.key, value(each.value)) for each in of))


NO_ATTRIBUTES = ("object", ())


# -- Expected

def expected(signal, request):
    """A counter of frozen rows, one for each item."""
    return collections.Counter(freeze(row) for row in expected_rows(signal, request))


def expected_rows(signal, request):
    make = {"traces": span_row, "metrics": point_row, "logs": log_row}[signal]
    for resource in otlp.resources(signal, request):
        for scope in otlp.scopes(signal, resource):
            around = enclosing(resource, scope)
            for metric, item in otlp.children(signal, scope):
                arguments = (metric, item) if metric is not None else (item,)
                yield {**around, **make(*arguments)}


def enclosing(resource, scope):
    names = {
        each.key: each.value.string_value for each in resource.resource.attributes
        if each.value.WhichOneof("value") == "string_value"}
    return {
        "service": names.get("service.name") or "unknown_service",
        "namespace": names.get("service.namespace"),
        "instance": names.get("service.instance.id"),
        "resource": attributes(resource.resource.attributes),
        "resource_schema": resource.schema_url or None,
        "resource_dropped": resource.resource.dropped_attributes_count or None,
        "entities": [entity(each) for each in resource.resource.entity_refs],
        "scope": scope.scope.name,
        "scope_version": scope.scope.version or None,
        "scope_schema": scope.schema_url or None,
        "scope_attributes": attributes(scope.scope.attributes),
        "scope_dropped": scope.scope.dropped_attributes_count or None,
    }


def entity(of):
    members = present(schema_url=of.schema_url or None)
    return ("object", (
        ("type", of.type), ("id_keys", list(of.id_keys)),
        ("description_keys", list(of.description_keys))) + members[1])


def present(**members):
    """A JSON object's members in order, without those that are absent."""
    return ("object", tuple(
        (name, each) for name, each in members.items()
        if each not in (None, NO_ATTRIBUTES, ("int", 0))))


def span_row(span):
    return {
        "time": span.start_time_unix_nano,
        "duration": span.end_time_unix_nano - span.start_time_unix_nano,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent": span.parent_span_id.hex() if any(span.parent_span_id) else None,
        "kind": span.kind,
        "status": span.status.code,
        "status_message": span.status.message or None,
        "name": span.name,
        "trace_state": span.trace_state or None,
        "flags": span.flags or None,
        "dropped": (
            span.dropped_attributes_count or None, span.dropped_events_count or None,
            span.dropped_links_count or None),
        "attributes": attributes(span.attributes),
        "events": [event(each) for each in span.events],
        "links": [link(each) for each in span.links],
    }


def event(of):
    members = present(
        attributes=attributes(of.attributes),
        dropped_attributes=("int", of.dropped_attributes_count))
    return ("object", (("time", ("int", of.time_unix_nano)), ("name", of.name)) + members[1])


def link(of):
    members = present(
        trace_state=of.trace_state or None, attributes=attributes(of.attributes),
        dropped_attributes=("int", of.dropped_attributes_count), flags=("int", of.flags))
    return ("object", (
        ("trace_id", of.trace_id.hex()), ("span_id", of.span_id.hex())) + members[1])


def log_row(record):
    body = value(record.body)
    return {
        "time": record.time_unix_nano or record.observed_time_unix_nano,
        "time_source": 0 if record.time_unix_nano else 1,
        "observed": record.observed_time_unix_nano or None,
        "trace_id": record.trace_id.hex() if any(record.trace_id) else None,
        "span_id": record.span_id.hex() if any(record.span_id) else None,
        "severity": (record.severity_number, record.severity_text or None),
        "event": record.event_name or None,
        "text": body if isinstance(body, str) else None,
        "body": None if isinstance(body, str) else body,
        "flags": record.flags or None,
        "dropped": record.dropped_attributes_count or None,
        "attributes": attributes(record.attributes),
    }


TYPES = ["none", "gauge", "sum", "histogram", "exponential_histogram", "summary"]


def point_row(metric, point):
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    row = {
        "metric": metric.name, "unit": metric.unit or None,
        "description": metric.description or None,
        "metadata": attributes(metric.metadata),
        "type": TYPES.index(kind),
        "temporality": getattr(data, "aggregation_temporality", 0),
        "monotonic": int(getattr(data, "is_monotonic", False)),
        "attributes": attributes(point.attributes),
        "time": point.time_unix_nano, "start": point.start_time_unix_nano or None,
        "flags": point.flags or None,
        "exemplars": [exemplar(each) for each in getattr(point, "exemplars", ())],
        "bounds": None,
    }
    if kind in ("gauge", "sum"):
        number = point.WhichOneof("value")
        row["value"] = {
            None: None, "as_int": ("int", point.as_int), "as_double": real(point.as_double),
        }[number]
    elif kind == "summary":
        row["aggregates"] = (point.count, real(point.sum))
        row["quantiles"] = [double(each.quantile) for each in point.quantile_values]
        row["quantile_values"] = [double(each.value) for each in point.quantile_values]
    else:
        optional = [
            real(getattr(point, name)) if point.HasField(name) else None
            for name in ("sum", "min", "max")]
        row["aggregates"] = (point.count, *optional)
    if kind == "histogram":
        row["counts"] = integers(point.bucket_counts)
        row["bounds"] = [double(bound) for bound in point.explicit_bounds]
    if kind == "exponential_histogram":
        row["scale"] = (point.scale, point.zero_count, real(point.zero_threshold))
        row["positive"] = (point.positive.offset, integers(point.positive.bucket_counts))
        row["negative"] = (point.negative.offset, integers(point.negative.bucket_counts))
    return row


def exemplar(of):
    number = of.WhichOneof("value")
    stored = None
    if number:
        stored = ("int", of.as_int) if number == "as_int" else double(of.as_double)
    members = present(
        trace_id=of.trace_id.hex() if any(of.trace_id) else None,
        span_id=of.span_id.hex() if any(of.span_id) else None,
        attributes=attributes(of.filtered_attributes))
    first = (("time", ("int", of.time_unix_nano)),)
    if stored is not None:
        first += (("value", stored),)
    return ("object", first + members[1])


def integers(numbers):
    return [("int", number) for number in numbers]


def real(number):
    """With its sign where it is zero."""
    return ("double", repr(number))


# -- Actual

class Store:
    """The file, read as a person would while the gateway runs."""

    def __init__(self, path):
        self.database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        self.database.row_factory = sqlite3.Row

    def rows(self, query, *parameters):
        return self.database.execute(query, parameters).fetchall()

    def count(self, signal):
        tables = {
            "traces": ["span"], "logs": ["log"],
            "metrics": [
                "metric_number", "metric_histogram", "metric_exp_histogram", "metric_summary"],
        }[signal]
        return sum(self.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables)

    def actual(self, signal):
        read = {"traces": self._spans, "metrics": self._points, "logs": self._logs}[signal]
        return collections.Counter(freeze(row) for row in read())

    def close(self):
        self.database.close()

    ENCLOSING = """
        r.service_name AS r_service, r.service_namespace AS r_namespace,
        r.service_instance_id AS r_instance, r.attributes AS r_attributes,
        r.schema_url AS r_schema, r.dropped_attributes AS r_dropped,
        r.entity_refs AS r_entities, c.name AS c_name, c.version AS c_version, c.schema_url AS c_schema, c.attributes AS c_attributes,
        c.dropped_attributes AS c_dropped"""
    JOINS = "JOIN resource r USING (resource_id) JOIN scope c USING (scope_id)"

    @staticmethod
    def _enclosing(row):
        return {
            "service": row["r_service"], "namespace": row["r_namespace"],
            "instance": row["r_instance"], "resource": load(row["r_attributes"]),
            "resource_schema": row["r_schema"], "resource_dropped": row["r_dropped"],
            "entities": load(row["r_entities"], []),
            "scope": row["c_name"], "scope_version": row["c_version"],
            "scope_schema": row["c_schema"],
            "scope_attributes": load(row["c_attributes"], NO_ATTRIBUTES),
            "scope_dropped": row["c_dropped"],
        }

    def _spans(self):
        for row in self.rows(f"SELECT s.*, {self.ENCLOSING} FROM span s {self.JOINS}"):
            assert row["service_name"] == row["r_service"]
            yield {
                **self._enclosing(row),
                "time": row["start_time"], "duration": row["duration_ns"],
                "trace_id": row["trace_id"], "span_id": word(row["span_id"]),
                "parent": word(row["parent_span_id"]), "kind": row["kind"],
                "status": row["status_code"], "status_message": row["status_message"],
                "name": row["name"], "trace_state": row["trace_state"], "flags": row["flags"],
                "dropped": (
                    row["dropped_attributes"], row["dropped_events"], row["dropped_links"]),
                "attributes": load(row["attributes"], NO_ATTRIBUTES),
                "events": load(row["events"], []), "links": load(row["links"], []),
            }

    def _logs(self):
        for row in self.rows(f"SELECT l.*, {self.ENCLOSING} FROM log l {self.JOINS}"):
            yield {
                **self._enclosing(row),
                "time": row["time"], "time_source": row["time_source"],
                "observed": row["observed_time"], "trace_id": row["trace_id"],
                "span_id": word(row["span_id"]),
                "severity": (row["severity_number"], row["severity_text"]),
                "event": row["event_name"], "text": row["body"], "body": load(row["body_json"]),
                "flags": row["flags"], "dropped": row["dropped_attributes"],
                "attributes": load(row["attributes"], NO_ATTRIBUTES),
            }

    def _points(self):
        series = """
            m.metric_name, m.unit, m.description, m.metadata, m.metric_type, m.temporality,
            m.is_monotonic, m.attributes AS m_attributes, m.explicit_bounds,
            m.service_name AS m_service"""
        for table in (
                "metric_number", "metric_histogram", "metric_exp_histogram", "metric_summary"):
            for row in self.rows(
                    f"SELECT p.*, {series}, {self.ENCLOSING} FROM {table} p "
                    f"JOIN metric_series m USING (series_id) {self.JOINS}"):
                assert row["m_service"] == row["r_service"]
                yield self._enclosing(row) | self._point(table, row)

    @staticmethod
    def _point(table, row):
        nan = row["nan"] or 0

        def number(name, bit=1):
            if nan & bit:
                return real(math.nan)
            return None if row[name] is None else real(float(row[name]))

        point = {
            "metric": row["metric_name"], "unit": row["unit"], "description": row["description"],
            "metadata": load(row["metadata"], NO_ATTRIBUTES), "type": row["metric_type"],
            "temporality": row["temporality"], "monotonic": row["is_monotonic"],
            "attributes": load(row["m_attributes"]), "time": row["time"],
            "start": row["start_time"], "flags": row["flags"], "exemplars": [],
            "bounds": load(row["explicit_bounds"]),
        }
        if table != "metric_summary":
            point["exemplars"] = load(row["exemplars"], [])
        if table == "metric_number":
            if row["value_int"] is not None:
                assert row["value"] == float(row["value_int"])
                point["value"] = ("int", row["value_int"])
            else:
                point["value"] = number("value")
            return point
        if table == "metric_summary":
            return point | {
                "aggregates": (row["count"], number("sum")), "quantiles": load(row["quantiles"]),
                "quantile_values": load(row["quantile_values"])}
        point["aggregates"] = (row["count"], number("sum"), number("min", 2), number("max", 4))
        if table == "metric_histogram":
            return point | {"counts": load(row["bucket_counts"])}
        return point | {
            "scale": (row["scale"], row["zero_count"], number("zero_threshold", 8)),
            "positive": (row["positive_offset"], load(row["positive_counts"])),
            "negative": (row["negative_offset"], load(row["negative_counts"])),
        }


def word(signed):
    return None if signed is None else f"{signed % (1 << 64):016x}"


def freeze(tree):
    if isinstance(tree, dict):
        return tuple((key, freeze(tree[key])) for key in sorted(tree))
    if isinstance(tree, (list, tuple)):
        return tuple(freeze(each) for each in tree)
    return tree
