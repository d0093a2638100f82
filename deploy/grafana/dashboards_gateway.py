"""Sluice itself, from its own metrics (Prometheus) and from what its database says (PostgreSQL).

Its metrics are not in PostgreSQL: Sluice doesn't store them, so that a look at them needs nothing
that they are about.
"""

from panels import (
    GREEN, RED, YELLOW, column, dashboard, promql, row, sql, stat, table, thresholds, timeseries,
    variable_datasource)

RATE = "[$__rate_interval]"
# Of a minute that is not over, what has passed.
ELAPSED = ("greatest(extract(epoch FROM least(bucket + interval '1 minute', "
           "greatest(now(), bucket + interval '1 second')) - bucket), 1)::float8")
SIGNALS = [("spans", "spans"), ("metric points", "metric_points"), ("log records", "log_records")]


def by_signal(component, what):
    return [promql(f"sum(rate(otelcol_{component}_{what}_{name}_total{RATE}))", label, ref)
            for ref, (label, name) in zip("ABC", SIGNALS)]


def of_all_signals(component, what):
    """A counter may have no series yet: that is 0."""
    return " + ".join(
        f"(sum(rate(otelcol_{component}_{what}_{name}_total{RATE})) or vector(0))"
        for _, name in SIGNALS)


def gateway():
    return dashboard(
        "sluice-gateway", "Sluice", "The gateway: what it takes, keeps, delivers and refuses.",
        [variable_datasource("prometheus", "prometheus", "Prometheus")], [
            (4, (stat("Accepted", "Items a second, of all signals.", promql(
                    of_all_signals("receiver", "accepted"), "items"), unit="cps",
                    sparkline=True), 4),
             (stat("Refused and failed", """
                    Items a second that clients were told to send again, or that were not accepted.""",
                   promql(of_all_signals("receiver", "refused") + " + "
                          + of_all_signals("receiver", "failed"), "items"), unit="cps",
                   steps=thresholds((None, GREEN), (0.001, RED))), 4),
             (stat("Furthest behind", """
                    Age of the oldest record that an exporter has yet to deliver.""",
                   promql("max(sluice_cursor_lag_seconds)", "age"), unit="s",
                   steps=thresholds((None, GREEN), (60, YELLOW), (600, RED))), 4),
             (stat("Full in", """
                    When the first log is full if all goes on like this; none: not in sight.""",
                   promql("min(sluice_cursor_seconds_until_full)", "time"), unit="s",
                   steps=thresholds((None, RED), (3600, YELLOW), (86400, GREEN))), 4),
             (stat("Set aside and dropped", "Items of the last day; see docs/dead-letters.md.",
                   promql("(sum(increase(sluice_exporter_set_aside_items_total[24h])) or vector(0))"
                          " + (sum(increase(sluice_exporter_dropped_items_total[24h]))"
                          " or vector(0))", "items"),
                   decimals=0, steps=thresholds((None, GREEN), (1, RED))), 4),
             (stat("Memory", "Resident memory of the process.",
                   promql("sum(otelcol_process_memory_rss_bytes)", "resident"), unit="bytes",
                   sparkline=True), 4)),
            (1, (row("In and out"), 24)),
            (8, (timeseries("Accepted", "Items a second that were acknowledged.",
                            by_signal("receiver", "accepted"), unit="cps", stacked=True, fill=30), 8),
             (timeseries("Delivered", "Items a second that exporters delivered.", [
                 promql(f"sum by (exporter) (rate(otelcol_exporter_sent_{name}_total{RATE}))",
                        f"{{{{exporter}}}} {label}", ref)
                 for ref, (label, name) in zip("ABC", SIGNALS)], unit="cps"), 8),
             (timeseries("Not delivered", """
                    Items a second that an exporter failed to send, set aside or dropped. Those that
                    failed are tried again.""", [
                 promql(of_all_signals("exporter", "send_failed"), "failed", "A"),
                 promql(f"sum by (exporter) (rate(sluice_exporter_set_aside_items_total{RATE}))",
                        "{{exporter}} set aside", "B"),
                 promql(f"sum by (exporter) (rate(sluice_exporter_dropped_items_total{RATE}))",
                        "{{exporter}} dropped", "C")], unit="cps"), 8)),
            (1, (row("Log and queues"), 24)),
            (8, (timeseries("Log on disk", """
                    Bytes of the segments, and the limit at which new data is refused.""", [
                promql("sum by (pipeline) (sluice_log_bytes)", "{{pipeline}}", "A"),
                promql("max(sluice_log_max_bytes)", "limit", "B")], unit="bytes", overrides=[
                    column("limit", color={"mode": "fixed", "fixedColor": RED},
                           custom__lineStyle={"fill": "dash", "dash": [10, 10]},
                           custom__fillOpacity=0)]), 8),
             (timeseries("Behind", "Age of the oldest record that an exporter has yet to deliver.",
                         [promql("max by (exporter, pipeline) (sluice_cursor_lag_seconds)",
                                 "{{exporter}} {{pipeline}}")], unit="s",
                         steps=thresholds((None, GREEN), (60, YELLOW), (600, RED)),
                         show_steps=True), 8),
             (timeseries("Items to deliver", "In the logs, and not yet delivered.",
                         [promql("sum by (exporter, pipeline) (sluice_cursor_lag_items)",
                                 "{{exporter}} {{pipeline}}")], unit="short"), 8)),
            (1, (row("Process"), 24)),
            (8, (timeseries("Requests", "Durations of requests for data, acknowledgement included.", [
                promql("histogram_quantile(0.5, sum by (le) "
                       f"(rate(http_server_request_duration_seconds_bucket{RATE})))", "p50", "A"),
                promql("histogram_quantile(0.99, sum by (le) "
                       f"(rate(http_server_request_duration_seconds_bucket{RATE})))", "p99", "B")],
                            unit="s"), 8),
             (timeseries("Processor", "Processor seconds a second: 1 is one core.",
                         [promql(f"sum(rate(otelcol_process_cpu_seconds_total{RATE}))", "cores")],
                         unit="short", decimals=2, legend="hidden"), 8),
             (timeseries("Memory and connections", "Resident memory; open connections on the right.", [
                 promql("sum(otelcol_process_memory_rss_bytes)", "resident", "A"),
                 promql("sum(http_server_open_connections)", "connections", "B")], unit="bytes",
                 overrides=[column("connections", unit="short", custom__axisPlacement="right",
                                   custom__fillOpacity=0)]), 8)),
            (1, (row("Database"), 24)),
            (8, (stat("Edition", """
                    What the database can do: timescale (columnstore, continuous aggregates), apache
                    (hypertables) or native (partitions).""", """
                    SELECT ${schema}.edition() AS "Edition" """, color="thresholds") | {"options": {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False},
                "colorMode": "none", "graphMode": "none", "textMode": "value", "justifyMode": "auto",
                "orientation": "auto"}}, 4),
             (stat("Size", "The whole database on disk.",
                   'SELECT pg_database_size(current_database()) AS "Size"', unit="bytes"), 4),
             (timeseries("Stored", """
                    Spans and log records by the time they carry, not the time they came.""", [sql("""
                    SELECT bucket AS time, sum(spans) / ELAPSED AS "spans" FROM ${schema}.red_1m
                    WHERE $__timeFilter(bucket) GROUP BY 1 ORDER BY 1""".replace("ELAPSED", ELAPSED),
                    "time_series", "A"), sql("""
                    SELECT bucket AS time, sum(records) / ELAPSED AS "log records"
                    FROM ${schema}.log_volume_1m WHERE $__timeFilter(bucket) GROUP BY 1 ORDER BY 1
                    """.replace("ELAPSED", ELAPSED),
                    "time_series", "B")], unit="cps"), 8),
             (table("Upkeep", """
                    How far maintain() is: rollups and edges up to a time, ranges of late rows that wait,
                    ranges in the ledger.""", """
                    SELECT name, at, extract(epoch FROM now() - at)::float8 AS age, NULL::int8 AS rows
                    FROM ${schema}.mark WHERE isfinite(at) UNION ALL
                    SELECT 'late rows', min(queued_at), extract(epoch FROM now() - min(queued_at))::float8,
                    count(*) FROM ${schema}.refresh_queue UNION ALL
                    SELECT 'ledger', NULL, NULL, count(*) FROM ${schema}.ingested""", overrides=[
                        column("age", unit="s", decimals=0), column("at", custom__width=180)]), 8)),
        ])
