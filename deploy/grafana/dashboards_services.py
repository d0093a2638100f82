"""Services: all of them, and one."""

from panels import (
    ERROR_RATIO, GREEN, ONE_SERVICE, OPERATION, RED, YELLOW, column, dashboard, hidden,
    link, milliseconds, panel, ratio, sql, stat, table, thresholds, timeseries, to_service,
    to_trace, trace_window, KEPT, TIME)

WINDOW = "$__timeFrom(), $__timeTo()"
STEP = "make_interval(secs => $__interval_ms / 1000.0)"
SAMPLED = "Sampled spans count for those they stand for."
CALLS = f"Spans of the kinds server and consumer. {SAMPLED}"


def latency_steps():
    return thresholds((None, GREEN), (500, YELLOW), (2000, RED))


def services():
    totals = f"FROM ${{schema}}.red_services({WINDOW})"
    # Of what needs no quantiles.
    sums = f"FROM ${{schema}}.red_services({WINDOW}, with_quantiles => false)"
    series = f"FROM ${{schema}}.red_series({WINDOW}, {STEP})"
    return dashboard(
        "sluice-services", "Services", "Rate, errors and durations of all services.", [], [
            (4, (stat("Services", "Services that answered calls in the time range.",
                      f'SELECT count(*) AS "Services" {sums}', decimals=0), 4),
             (stat("Calls", CALLS, f'SELECT sum(rate) AS "Calls" {sums}', unit="reqps"), 5),
             (stat("Errors", "Share of calls with the status error.",
                   f'SELECT sum(errors) / nullif(sum(calls), 0) AS "Errors" {sums}',
                   unit="percentunit", decimals=2, steps=ERROR_RATIO), 5),
             (stat("Mean duration", "Of all calls to all services.",
                   f'SELECT sum(mean_ms * calls) / nullif(sum(calls), 0) AS "Mean" {sums}',
                   unit="ms", decimals=1, steps=latency_steps()), 5),
             (stat("Slowest 95th percentile", "The service whose 95th percentile is the highest.",
                   f"""SELECT p95_ms AS "p95", service_name AS "Service" {totals}
                   ORDER BY p95_ms DESC NULLS LAST LIMIT 1""",
                   unit="ms", decimals=1, steps=latency_steps()), 5)),
            (9, (timeseries("Calls by service", CALLS, f"""
                    SELECT time, service_name AS metric, rate {series}""",
                            unit="reqps", legend="table"), 8),
             (timeseries("Errors by service", "Share of calls with the status error.", f"""
                    SELECT time, service_name AS metric, error_ratio {series}""",
                         unit="percentunit", steps=ERROR_RATIO, show_steps=True, legend="table",
                         minimum=0), 8),
             (timeseries("95th percentile by service", """
                    Nineteen calls of twenty took at most as long; from latency buckets a quarter of
                    an octave wide.""", f"""
                    SELECT time, service_name AS metric, ms FROM ${{schema}}.latency_series(
                    {WINDOW}, {STEP}, quantiles => '{{0.95}}')""", unit="ms", legend="table"), 8)),
            (10, (table("Services", f"{CALLS} A click on a name opens the service.", f"""
                    SELECT service_name, rate, error_ratio, mean_ms, p50_ms, p95_ms, p99_ms, max_ms,
                    calls {totals}""", sort="rate", overrides=[
                        column("service_name", displayName="Service", links=[to_service("service_name")]),
                        column("rate", displayName="rate", unit="reqps", decimals=2),
                        ratio("error_ratio"), column("calls", unit="short", decimals=0),
                        *milliseconds("mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms")]), 14),
             (panel("nodeGraph", "Dependencies", """
                    Who calls whom: spans whose parent is another service's. Red is the share of
                    errors.""", [sql(f"""
                    WITH edges AS (SELECT * FROM ${{schema}}.service_dependencies({WINDOW})),
                    names AS (SELECT client AS id FROM edges UNION SELECT server FROM edges),
                    called AS (SELECT server AS id, sum(calls) AS calls, sum(errors) AS errors,
                    sum(rate) AS rate, sum(mean_ms * calls) / nullif(sum(calls), 0) AS mean_ms FROM edges
                    GROUP BY server)
                    SELECT n.id, n.id AS title, round(coalesce(c.rate, 0)::numeric, 2)::float8 AS "mainstat",
                    round(coalesce(c.mean_ms, 0)::numeric, 1)::float8 AS "secondarystat",
                    coalesce(c.errors / nullif(c.calls, 0), 0) AS arc__errors,
                    1 - coalesce(c.errors / nullif(c.calls, 0), 0) AS arc__ok
                    FROM names n LEFT JOIN called c ON c.id = n.id""", ref="nodes"), sql(f"""
                    SELECT client || ' → ' || server AS id, client AS source, server AS target,
                    round(rate::numeric, 2)::float8 AS "mainstat",
                    round(mean_ms::numeric, 1)::float8 AS "secondarystat"
                    FROM ${{schema}}.service_dependencies({WINDOW})""", ref="edges")],
                    options={"nodes": {"mainStatUnit": "reqps", "secondaryStatUnit": "ms", "arcs": [
                        {"field": "arc__errors", "color": RED}, {"field": "arc__ok", "color": GREEN}]},
                        "edges": {"mainStatUnit": "reqps", "secondaryStatUnit": "ms"}}), 10)),
            (9, (table("Slowest operations", f"By their 95th percentile. {CALLS}", f"""
                    SELECT service_name, operation, p95_ms, p99_ms, max_ms, mean_ms, calls
                    FROM ${{schema}}.slowest_operations({WINDOW}, rows_max => 15)""", overrides=[
                        column("service_name", displayName="Service", links=[to_service("service_name")]),
                        column("operation", links=[to_traces()]), column("calls", decimals=0),
                        *milliseconds("p95_ms", "p99_ms", "max_ms", "mean_ms")]), 12),
             (table("Failing operations", f"Those with the most errors. {CALLS}", f"""
                    SELECT service_name, operation, errors, error_ratio, calls
                    FROM ${{schema}}.failing_operations({WINDOW}, rows_max => 15)""", overrides=[
                        column("service_name", displayName="Service", links=[to_service("service_name")]),
                        column("operation", links=[to_traces("&var-status=error")]),
                        column("errors", decimals=0), column("calls", decimals=0),
                        ratio("error_ratio")]), 12)),
        ])


def to_traces(more=""):
    return link("Traces", f"/d/sluice-traces?{TIME}&{KEPT}"
                "&var-service=${__data.fields.service_name:percentencode}"
                f"&var-operation=${{__data.fields.operation:percentencode}}{more}")


def service():
    of = "${service:sqlstring}"
    both = f"{of}, ${{operation:sqlstring}}"
    totals = (f"FROM ${{schema}}.red_operations({WINDOW}, {of}) "
              "WHERE (${operation:sqlstring} IS NULL OR operation = ${operation:sqlstring})")
    series = f"FROM ${{schema}}.red_series({WINDOW}, {STEP}, {both})"
    return dashboard(
        "sluice-service", "Service", "One service: rate, errors, durations, who calls it and whom.",
        [ONE_SERVICE, OPERATION], [
            (4, (stat("Calls", CALLS, f'SELECT sum(rate) AS "Calls" {totals}', unit="reqps"), 6),
             (stat("Errors", "Share of calls with the status error.",
                   f'SELECT sum(errors) / nullif(sum(calls), 0) AS "Errors" {totals}',
                   unit="percentunit", decimals=2, steps=ERROR_RATIO), 6),
             (stat("Mean duration", "Of all calls.",
                   f'SELECT sum(mean_ms * calls) / nullif(sum(calls), 0) AS "Mean" {totals}',
                   unit="ms", decimals=1, steps=latency_steps()), 6),
             (stat("Longest call", "The longest in the time range.",
                   f'SELECT max(max_ms) AS "Longest" {totals}', unit="ms", decimals=1,
                   steps=latency_steps()), 6)),
            (8, (timeseries("Calls", CALLS, f"""
                    SELECT time, rate - rate * error_ratio AS "ok", rate * error_ratio AS "error"
                    {series}""", unit="reqps", stacked=True, fill=30, overrides=[
                        column("error", color={"mode": "fixed", "fixedColor": RED}),
                        column("ok", color={"mode": "fixed", "fixedColor": GREEN})]), 8),
             (timeseries("Errors", "Share of calls with the status error.", f"""
                    SELECT time, error_ratio AS "errors" {series}""", unit="percentunit", minimum=0,
                         steps=ERROR_RATIO, show_steps=True, legend="hidden"), 8),
             (timeseries("Durations", """
                    Quantiles from latency buckets a quarter of an octave wide: at most 19 % off.""",
                         f"""
                    SELECT time, 'p' || quantile * 100 AS metric, ms FROM ${{schema}}.latency_series(
                    {WINDOW}, {STEP}, {both})""", unit="ms"), 8)),
            (9, (table("Operations", f"{CALLS} A click opens their traces.", f"""
                    SELECT service_name, operation, rate, error_ratio, mean_ms, p50_ms, p95_ms,
                    p99_ms, max_ms, calls {totals}""", sort="rate", overrides=[
                        *hidden("service_name"), column("operation", links=[to_traces()]),
                        column("rate", unit="reqps", decimals=2), ratio("error_ratio"),
                        column("calls", decimals=0),
                        *milliseconds("mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms")]), 14),
             (table("Called by, and calls", """
                    Calls to this service by others, and its calls to others.""", f"""
                    SELECT CASE WHEN server = {of} THEN 'called by' ELSE 'calls' END AS direction,
                    CASE WHEN server = {of} THEN client ELSE server END AS other, rate, error_ratio,
                    mean_ms FROM ${{schema}}.service_dependencies({WINDOW}, {of})""", overrides=[
                        column("other", displayName="service", links=[to_service("other")]),
                        column("rate", unit="reqps", decimals=2), ratio("error_ratio"),
                        *milliseconds("mean_ms")]), 10)),
            (9, (table("Slowest spans", """
                    The longest spans of any kind; a click opens the trace.""", f"""
                    SELECT start_time, operation, duration_ms, status, replace(trace_id::text, '-', '')
                    AS trace, {trace_window("start_time")} FROM ${{schema}}.slowest_spans({WINDOW},
                    {both}, 25)""", overrides=TRACE_COLUMNS), 12),
             (table("Latest errors", "Traces with a failed span of this service.", f"""
                    SELECT start_time, service_name AS root_service, name AS root, duration_ms,
                    span_count, error_count, trace_id AS trace, {trace_window("start_time")}
                    FROM ${{schema}}.find_traces({WINDOW}, {both}, only_errors => true,
                    rows_max => 25)""", overrides=TRACE_COLUMNS), 12)),
            (7, (timeseries("Log records", f"By severity. {SAMPLED}", f"""
                    SELECT time, severity AS metric, records
                    FROM ${{schema}}.log_volume({WINDOW}, {STEP}, {of})""", unit="short",
                            stacked=True, bars=True, overrides=SEVERITY_COLORS, links=[link(
                                "Logs", f"/d/sluice-logs?{TIME}&{KEPT}&${{service:queryparam}}")]), 24)),
        ])


TRACE_COLUMNS = [
    column("start_time", displayName="start", custom__width=180),
    column("trace", links=[to_trace()], custom__width=280), *milliseconds("duration_ms"),
    *hidden("from_ms", "to_ms")]
SEVERITY_COLORS = [
    column(name, color={"mode": "fixed", "fixedColor": shade}) for name, shade in (
        ("FATAL", "dark-red"), ("ERROR", RED), ("WARN", YELLOW), ("INFO", GREEN), ("DEBUG", "blue"),
        ("TRACE", "purple"), ("none", "gray"))]
