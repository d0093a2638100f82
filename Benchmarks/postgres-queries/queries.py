"""The queries, as docs/sql.md shows them, and the moments that they ask for."""

import dataclasses


@dataclasses.dataclass
class Query:
    name: str
    text: str
    goal_ms: float | None = None


def moments(connection, schema):
    """Of the data that is there: its end, a trace in its middle, and a rare attribute."""
    end = connection.execute(
        f"SELECT date_trunc('minute', max(bucket)) FROM {schema}.red_1m").fetchone()[0]
    trace, start, user = connection.execute(f"""
        SELECT trace_id, start_time, attributes ->> 'user.id' FROM {schema}.span
        WHERE start_time >= %s::timestamptz - interval '7 hours'
          AND start_time < %s::timestamptz - interval '6 hours'
          AND parent_span_id IS NULL ORDER BY start_time LIMIT 1""", (end, end)).fetchone()
    hour = f"timestamptz '{end}' - interval '1 hour', timestamptz '{end}'"
    return {
        "trace": trace.hex, "around": f"timestamptz '{start}' - interval '10 minutes', "
        f"timestamptz '{start}' + interval '1 hour'", "user": user, "hour": hour,
        "past_hour": f"timestamptz '{start}' - interval '30 minutes', "
        f"timestamptz '{start}' + interval '30 minutes'",
        "day": hour.replace("1 hour", "24 hours"), "six_hours": hour.replace("1 hour", "6 hours"),
    }


QUERIES = [
    Query("trace by id, in its window", "SELECT * FROM {s}.trace('{trace}', {around})", 10),
    Query("trace by id, spans view", """SELECT * FROM {s}.spans WHERE trace_id = '{trace}'
        AND start_time BETWEEN (ARRAY[{around}])[1] AND (ARRAY[{around}])[2]""", 10),
    Query("trace by id, no window", "SELECT * FROM {s}.trace('{trace}')"),
    Query("trace panel, in its window", "SELECT * FROM {s}.trace_panel('{trace}', {around})", 10),
    Query("RED of all services, 24 h, no quantiles",
          "SELECT * FROM {s}.red_services({day}, with_quantiles => false)", 100),
    Query("RED of all services, 24 h", "SELECT * FROM {s}.red_services({day})", 150),
    Query("RED of a service's operations, 24 h",
          "SELECT * FROM {s}.red_operations({day}, 'service-7')", 100),
    Query("RED of all operations, 24 h", "SELECT * FROM {s}.red_operations({day})"),
    Query("RED of a service by 10 minutes, 24 h",
          "SELECT * FROM {s}.red_series({day}, '10 minutes', 'service-7')", 100),
    Query("RED of all services by hour, 24 h", "SELECT * FROM {s}.red_series({day}, '1 hour')", 100),
    Query("latency of a service by 10 minutes, 24 h",
          "SELECT * FROM {s}.latency_series({day}, '10 minutes', 'service-7')", 100),
    Query("RED of all services, 1 h", "SELECT * FROM {s}.red_services({hour})"),
    Query("attribute search, 1 h, 6 h ago", """
        SELECT * FROM {s}.find_spans('{{"user.id": "{user}"}}', {past_hour})""", 300),
    Query("attribute search, last hour", """
        SELECT * FROM {s}.find_spans('{{"user.id": "{user}"}}', {hour})""", 300),
    Query("attribute search, 24 h", """
        SELECT * FROM {s}.find_spans('{{"user.id": "{user}"}}', {day})"""),
    Query("attribute search in logs, 1 h", """
        SELECT * FROM {s}.find_logs('{{"user.id": "{user}"}}', {past_hour})"""),
    Query("latest 50 traces", "SELECT * FROM {s}.find_traces({day})"),
    Query("latest 50 failed traces of a service", """
        SELECT * FROM {s}.find_traces({day}, 'service-7', only_errors => true)"""),
    Query("slowest operations, 24 h", "SELECT * FROM {s}.slowest_operations({day})"),
    Query("failing operations, 24 h", "SELECT * FROM {s}.failing_operations({day})"),
    Query("slowest spans of a service, 1 h", "SELECT * FROM {s}.slowest_spans({hour}, 'service-7')"),
    Query("service dependencies, 24 h", "SELECT * FROM {s}.service_dependencies({day})"),
    Query("logs of a trace, in its window", "SELECT * FROM {s}.trace_logs('{trace}', {around})", 10),
    Query("log volume by 10 minutes, 24 h", "SELECT * FROM {s}.log_volume({day}, '10 minutes')"),
    Query("counter of a service, rates by minute, 1 h", """
        SELECT * FROM {s}.metric_rate('http.server.requests', {hour}, '1 minute', 'service-7')"""),
    Query("counter of 100 services, rates by minute, 1 h", """
        SELECT time, service_name, sum(rate) FROM {s}.metric_rate('http.server.requests', {hour})
        GROUP BY 1, 2"""),
    Query("gauge of a service by 10 minutes, 24 h", """
        SELECT * FROM {s}.metric_values('process.memory.usage', {day}, '10 minutes',
          'service-7')"""),
    Query("histogram quantiles of a service, 6 h", """
        SELECT * FROM {s}.metric_quantiles('http.server.request.duration', '{{0.5,0.99}}',
          {six_hours}, '5 minutes', 'service-7')"""),
    Query("histogram quantiles of 100 services, 1 h", """
        SELECT * FROM {s}.metric_quantiles('http.client.request.duration', '{{0.5,0.99}}', {hour},
          '5 minutes')"""),
    Query("exponential quantiles of a service, 6 h", """
        SELECT * FROM {s}.metric_quantiles('db.client.operation.duration', '{{0.5,0.99}}',
          {six_hours}, '5 minutes', 'service-7')"""),
    Query("traces view, latest 20", """SELECT * FROM {s}.traces
        WHERE start_time >= (ARRAY[{hour}])[1] ORDER BY start_time DESC LIMIT 20"""),
]
