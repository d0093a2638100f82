"""Traces, logs and metrics, to look around in."""

from dashboards_services import SEVERITY_COLORS, STEP, TRACE_COLUMNS, WINDOW
from panels import (
    OPERATION, SERVICE, column, dashboard, milliseconds, panel, row, sql,
    table, timeseries, to_service, to_trace, trace_window, variable_custom, variable_query,
    variable_text)

ATTRIBUTES = variable_text(
    "attributes", "Attributes", "", 'Those that a span or record must have, as JSON: '
    '{"http.response.status_code": 500}. Numbers and text differ.')
TRACE = variable_text("trace", "Trace", "", "A trace id of 32 hex digits; empty: the latest.")


def traces():
    found = f"""${{schema}}.find_traces({WINDOW}, ${{service:sqlstring}}, ${{operation:sqlstring}},
        nullif(${{attributes:sqlstring}}, '')::jsonb, nullif(${{min_ms:sqlstring}}, '')::float8,
        ${{status:sqlstring}} = 'error', """
    # The one asked for, or else the latest that is found.
    chosen = f"""(SELECT coalesce(nullif(${{trace:sqlstring}}, '')::uuid,
        (SELECT f.trace_id::uuid FROM {found} 1) f)) AS id OFFSET 0) chosen"""
    return dashboard(
        "sluice-traces", "Traces", "Traces by service, operation, duration, status and attributes; "
        "one of them as a whole.", [
            SERVICE, OPERATION,
            variable_custom("status", "Status", [("any", "any"), ("error", "error")],
                            "error: with a span of that status."),
            variable_text("min_ms", "At least (ms)", "", "Duration of the span that is looked for."),
            ATTRIBUTES, TRACE], [
            (8, (panel_of_durations(found), 24)),
            (9, (table("Traces", """
                    The latest with a span that meets all conditions. A click on an id opens the trace
                    below, with a time window around it, by which it is found fast.""", f"""
                    SELECT start_time, service_name, name, duration_ms, span_count, error_count,
                    service_count, trace_id AS trace, {trace_window("start_time")}
                    FROM {found} 100)""", overrides=[
                        *TRACE_COLUMNS, column("service_name", displayName="root service",
                                               links=[to_service("service_name")]),
                        column("name", displayName="root")]), 24)),
            (20, (panel("traces", "Trace", """
                    The trace whose id is above, or the latest that meets the conditions. It is looked
                    for in the time range of the dashboard.""", sql(f"""
                    SELECT p.* FROM {chosen}, ${{schema}}.trace_panel(chosen.id, {WINDOW}) p"""),
                    transformations=[{"id": "convertFieldType", "options": {"fields": {}, "conversions": [
                        {"targetField": name, "destinationType": "other"}
                        for name in ("tags", "serviceTags", "logs", "references")]}}]), 24)),
            (10, (table("Where its time went", """
                    The same trace as a tree. Self: the time in which no child ran.""", f"""
                    SELECT repeat('  ', t.depth) || t.name AS name, t.service_name, t.offset_ms,
                    t.duration_ms, t.self_ms, t.kind, t.status
                    FROM {chosen}, ${{schema}}.trace(chosen.id, {WINDOW}) t
                    ORDER BY t.path NULLS LAST""", overrides=[
                        column("service_name", displayName="service"),
                        *milliseconds("offset_ms", "duration_ms", "self_ms"),
                        column("self_ms", custom__cellOptions={"type": "gauge", "mode": "basic"})]), 14),
             (table("Its log records", "Those with its trace id, in order.", f"""
                    SELECT l.time, l.service_name, l.severity, l.body
                    FROM {chosen}, ${{schema}}.trace_logs(chosen.id, {WINDOW}) l
                    ORDER BY l.time_unix_nano""", overrides=[
                        column("service_name", displayName="service"),
                        column("time", custom__width=180)]), 10)),
        ])


def panel_of_durations(found):
    return timeseries(
        "Durations", "A point a trace; a click opens it.", [sql(f"""
            SELECT start_time AS time, CASE WHEN error_count = 0 THEN duration_ms END AS "ok",
            CASE WHEN error_count > 0 THEN duration_ms END AS "with errors", trace_id AS trace,
            {trace_window("start_time")} FROM {found} 500) ORDER BY start_time""")],
        unit="ms", points=True, links=[to_trace()], overrides=[
            column("with errors", color={"mode": "fixed", "fixedColor": "red"}),
            column("ok", color={"mode": "fixed", "fixedColor": "green"}),
            *[column(name, custom__hideFrom={"viz": True, "legend": True, "tooltip": True})
              for name in ("from_ms", "to_ms")]])


def logs():
    of = "${service:sqlstring}"
    return dashboard(
        "sluice-logs", "Logs", "Log records by service, severity, text and attributes.", [
            SERVICE,
            variable_custom("severity", "Severity", [
                ("any", "0"), ("DEBUG and above", "5"), ("INFO and above", "9"),
                ("WARN and above", "13"), ("ERROR and above", "17")], "The lowest that is shown."),
            variable_text("search", "Text", "", "What the body has, in whatever case; % is any text."),
            ATTRIBUTES, variable_text("trace", "Trace", "", "A trace id of 32 hex digits; empty: all.")], [
            (7, (timeseries("Records", """
                    By severity, of the service; text and attributes don't count here. Sampled records
                    count for those they stand for.""", f"""
                    SELECT time, severity AS metric, sum(records) AS records
                    FROM ${{schema}}.log_volume({WINDOW}, {STEP}, {of}) GROUP BY 1, 2 ORDER BY 1, 2""",
                            stacked=True, bars=True, unit="short", overrides=SEVERITY_COLORS), 24)),
            (22, (panel("logs", "Log records", """
                    The latest 500. A record's details link to its trace, with a time window around
                    it.""", sql(f"""
                    SELECT l.time, l.body, lower(coalesce(l.severity, 'unknown')) AS level,
                    l.service_name, replace(l.trace_id::text, '-', '') AS trace, l.span_id,
                    l.event_name, l.attributes::text AS attributes, {trace_window("l.time")}
                    FROM ${{schema}}.logs l WHERE $__timeFilter(l.time)
                    AND ({of} IS NULL OR l.service_name = {of})
                    AND l.severity_number >= ${{severity}}
                    AND (${{search:sqlstring}} = '' OR l.body ILIKE '%' || ${{search:sqlstring}} || '%')
                    AND (${{trace:sqlstring}} = ''
                    OR l.trace_id = nullif(${{trace:sqlstring}}, '')::uuid)
                    AND (${{attributes:sqlstring}} = ''
                    OR l.attributes @> nullif(${{attributes:sqlstring}}, '')::jsonb)
                    ORDER BY l.time DESC LIMIT 500"""),
                    options={"showTime": True, "wrapLogMessage": True, "enableLogDetails": True,
                             "sortOrder": "Descending", "dedupStrategy": "none", "showLabels": False,
                             "showCommonLabels": False, "prettifyLogMessage": False},
                    overrides=[column("trace", links=[to_trace()]),
                               column("service_name", links=[to_service("service_name")])]), 24)),
        ])


SERIES = "FROM ${schema}.metric_series WHERE (${service:sqlstring} IS NULL OR " \
    "service_name = ${service:sqlstring})"


def metric_variable(name, label, condition, description):
    return variable_query(
        name, label, f"SELECT DISTINCT metric_name {SERIES} AND ({condition}) ORDER BY 1",
        with_all=False, description=description)


def metrics():
    of = "${service:sqlstring}"
    by = "CASE WHEN ${by:sqlstring} = 'service' THEN service_name ELSE " \
        "coalesce(attributes ->> ${by:sqlstring}, 'none') END AS metric"
    variables = [
        variable_query("service", "Service", "SELECT DISTINCT service_name FROM "
                       "${schema}.metric_series ORDER BY 1", description="Those that have metrics."),
        metric_variable("gauge", "Gauge", "metric_type = 1 OR metric_type = 2 AND NOT is_monotonic",
                        "Gauges, and sums that may fall."),
        metric_variable("counter", "Counter", "metric_type = 2 AND is_monotonic OR metric_type = 5",
                        "Sums that only grow, and summaries by their counts."),
        metric_variable("histogram", "Histogram", "metric_type IN (3, 4)",
                        "Explicit and exponential histograms."),
        variable_query("by", "By", f"""
            SELECT 'service' UNION ALL (SELECT DISTINCT key FROM (SELECT attributes {SERIES}) s,
            jsonb_object_keys(s.attributes) key ORDER BY 1)""", with_all=False,
            description="What lines are told apart by: the service, or an attribute of the series.")
        | {"sort": 0}]
    return dashboard("sluice-metrics", "Metrics", "Metrics by service and attribute: values, rates, "
                     "quantiles.", variables, [
        (1, (row("Gauge: $gauge"), 24)),
        (8, (timeseries("$gauge", "Mean of the values of each step, over all series of a line.", f"""
                SELECT time, {by}, avg(avg) AS value FROM ${{schema}}.metric_values(
                ${{gauge:sqlstring}}, {WINDOW}, {STEP}, {of}) GROUP BY 1, 2 ORDER BY 1, 2""",
                        legend="table"), 16),
         (timeseries("Lowest and highest", "Of all series, in each step.", f"""
                SELECT time, min(min) AS "lowest", max(max) AS "highest"
                FROM ${{schema}}.metric_values(${{gauge:sqlstring}}, {WINDOW}, {STEP}, {of})
                GROUP BY 1 ORDER BY 1"""), 8)),
        (1, (row("Counter: $counter"), 24)),
        (8, (timeseries("$counter per second", """
                What the counter grew by, over resets; series of a line are summed.""", f"""
                SELECT time, {by}, sum(rate) AS value FROM ${{schema}}.metric_rate(
                ${{counter:sqlstring}}, {WINDOW}, {STEP}, {of}) GROUP BY 1, 2 ORDER BY 1, 2""",
                        unit="cps", legend="table"), 16),
         (timeseries("Increase per step", "The same, counted.", f"""
                SELECT time, sum(increase) AS "increase" FROM ${{schema}}.metric_rate(
                ${{counter:sqlstring}}, {WINDOW}, {STEP}, {of}) GROUP BY 1 ORDER BY 1""",
                     bars=True, unit="short", legend="hidden"), 8)),
        (1, (row("Histogram: $histogram"), 24)),
        (8, (timeseries("Quantiles of $histogram", """
                Over all series that match, interpolated within buckets; in the unit of the metric.""",
                        f"""
                SELECT time, 'p' || quantile * 100 AS metric, value FROM ${{schema}}.metric_quantiles(
                ${{histogram:sqlstring}}, '{{0.5,0.9,0.99}}', {WINDOW}, {STEP}, {of})""",
                        legend="table"), 16),
         (timeseries("Values per second", "How many values were recorded.", f"""
                SELECT time, {by}, sum(rate) AS value FROM ${{schema}}.metric_rate(
                ${{histogram:sqlstring}}, {WINDOW}, {STEP}, {of}) GROUP BY 1, 2 ORDER BY 1, 2""",
                     unit="cps"), 8)),
        (1, (row("All metrics"), 24)),
        (10, (table("Metrics", "All metrics of the service, whenever they were seen.", f"""
                SELECT metric_name, CASE metric_type WHEN 1 THEN 'gauge' WHEN 2 THEN 'sum'
                WHEN 3 THEN 'histogram' WHEN 4 THEN 'exponential histogram' WHEN 5 THEN 'summary'
                ELSE 'none' END AS type, unit, CASE temporality WHEN 1 THEN 'delta'
                WHEN 2 THEN 'cumulative' END AS temporality, count(DISTINCT service_name) AS services,
                count(*) AS series, max(last_seen) AS last_seen, max(description) AS description
                {SERIES} GROUP BY 1, 2, 3, 4 ORDER BY 1""", overrides=[
                    column("metric_name", displayName="metric", custom__width=300),
                    column("last_seen", displayName="last seen", custom__width=180)]), 24)),
    ])
