extension SQLiteSchema {
    /// What a person queries, with the columns of PostgreSQL's views of these names. Each time
    /// stands as ISO 8601 text to read, and in nanoseconds, which reach the indexes in comparisons
    /// and `ORDER BY`: as `…_unix_nano` in both databases, as `…_ns` here alone.
    static let views = spansView + logsView + metricsView + tracesView

    private static let spansView = """
        CREATE VIEW spans AS SELECT
          \(iso("s.start_time")) AS start_time,
          \(iso("nullif(s.start_time + s.duration_ns, 0)")) AS end_time,
          CASE WHEN \(isTimed) THEN s.duration_ns / 1e6 END AS duration_ms, s.service_name, s.name,
          CASE s.kind WHEN 0 THEN 'unspecified' WHEN 1 THEN 'internal' WHEN 2 THEN 'server'
            WHEN 3 THEN 'client' WHEN 4 THEN 'producer' WHEN 5 THEN 'consumer'
            ELSE CAST(s.kind AS TEXT) END AS kind,
          CASE s.status_code WHEN 0 THEN 'unset' WHEN 1 THEN 'ok' WHEN 2 THEN 'error'
            ELSE CAST(s.status_code AS TEXT) END AS status,
          s.status_message, s.trace_id, \(hex("s.span_id")) AS span_id,
          \(hex("s.parent_span_id")) AS parent_span_id,
          coalesce(s.attributes, '{}') AS attributes, coalesce(s.events, '[]') AS events,
          coalesce(s.links, '[]') AS links, r.attributes AS resource, c.name AS scope_name,
          c.version AS scope_version, coalesce(c.attributes, '{}') AS scope_attributes,
          s.trace_state, coalesce(s.flags, 0) AS flags,
          s.start_time AS start_time_ns, CASE WHEN \(isTimed) THEN s.duration_ns END AS duration_ns,
          s.start_time AS start_time_unix_nano,
          s.name AS operation, coalesce(s.adjusted_count, 1.0) AS adjusted_count,
          s.start_time + s.duration_ns AS end_time_unix_nano
        FROM span s LEFT JOIN resource r USING (resource_id) LEFT JOIN scope c USING (scope_id);

        """

    private static let logsView = """
        CREATE VIEW logs AS SELECT
          \(iso("l.time")) AS time, \(iso("l.observed_time")) AS observed_time, l.service_name,
          coalesce(nullif(l.severity_text, ''), CASE
            WHEN l.severity_number BETWEEN 1 AND 4 THEN 'TRACE'
            WHEN l.severity_number BETWEEN 5 AND 8 THEN 'DEBUG'
            WHEN l.severity_number BETWEEN 9 AND 12 THEN 'INFO'
            WHEN l.severity_number BETWEEN 13 AND 16 THEN 'WARN'
            WHEN l.severity_number BETWEEN 17 AND 20 THEN 'ERROR'
            WHEN l.severity_number BETWEEN 21 AND 24 THEN 'FATAL' END) AS severity,
          l.severity_number, coalesce(l.body, l.body_json) AS body, l.event_name, l.trace_id,
          \(hex("l.span_id")) AS span_id, coalesce(l.attributes, '{}') AS attributes,
          r.attributes AS resource, c.name AS scope_name, c.version AS scope_version,
          coalesce(c.attributes, '{}') AS scope_attributes, coalesce(l.flags, 0) AS flags,
          l.time AS time_ns, l.time AS time_unix_nano,
          CASE l.time_source WHEN 0 THEN 'sent' WHEN 1 THEN 'observed' ELSE 'received' END
            AS time_source,
          coalesce(l.adjusted_count, 1.0) AS adjusted_count
        FROM log l LEFT JOIN resource r USING (resource_id) LEFT JOIN scope c USING (scope_id);

        """

    private static let metricsView =
        "CREATE VIEW metrics AS "
        + [
            metricSelect(
                "metric_number", value: "coalesce(p.value_int, p.value)", count: "NULL",
                sum: "NULL", min: "NULL", max: "NULL", details: "NULL", exemplars: "p.exemplars",
                valueInt: "p.value_int"),
            metricSelect(
                "metric_histogram", value: "NULL", count: "p.count", sum: "p.sum", min: "p.min",
                max: "p.max",
                details: """
                    json_object('bucket_counts', json(p.bucket_counts), \
                    'explicit_bounds', json(s.explicit_bounds))
                    """, exemplars: "p.exemplars"),
            metricSelect(
                "metric_exp_histogram", value: "NULL", count: "p.count", sum: "p.sum",
                min: "p.min", max: "p.max",
                details: """
                    json_object('scale', p.scale, 'zero_count', p.zero_count, \
                    'zero_threshold', p.zero_threshold, 'positive_offset', p.positive_offset, \
                    'positive_counts', json(p.positive_counts), 'negative_offset', \
                    p.negative_offset, 'negative_counts', json(p.negative_counts))
                    """, exemplars: "p.exemplars"),
            metricSelect(
                "metric_summary", value: "NULL", count: "p.count", sum: "p.sum", min: "NULL",
                max: "NULL",
                details: """
                    json_object('quantiles', json(p.quantiles), \
                    'quantile_values', json(p.quantile_values))
                    """, exemplars: "NULL"),
        ].joined(separator: " UNION ALL ") + ";\n"

    private static func metricSelect(
        _ table: String, value: String, count: String, sum: String, min: String, max: String,
        details: String, exemplars: String, valueInt: String = "NULL"
    ) -> String {
        """
        SELECT \(iso("p.time")) AS time, s.service_name, s.metric_name,
          CASE s.metric_type WHEN 1 THEN 'gauge' WHEN 2 THEN 'sum' WHEN 3 THEN 'histogram'
            WHEN 4 THEN 'exponential_histogram' WHEN 5 THEN 'summary' ELSE 'none' END AS type,
          \(value) AS value, s.unit, \(count) AS count, \(sum) AS sum, \(min) AS min, \(max) AS max,
          s.attributes, \(details) AS details, coalesce(\(exemplars), '[]') AS exemplars,
          CASE s.temporality WHEN 1 THEN 'delta' WHEN 2 THEN 'cumulative' END AS temporality,
          s.is_monotonic, \(iso("p.start_time")) AS start_time, s.description,
          r.attributes AS resource, c.name AS scope_name, c.version AS scope_version,
          coalesce(p.flags, 0) AS flags, p.time AS time_ns, p.series_id,
          p.time AS time_unix_nano, \(valueInt) AS value_int
        FROM \(table) p JOIN metric_series s USING (series_id)
          LEFT JOIN resource r USING (resource_id) LEFT JOIN scope c USING (scope_id)
        """
    }

    /// One row a root span; what belongs to its trace is counted when the row is shown.
    private static let tracesView = """
        CREATE VIEW traces AS SELECT
          \(iso("t.start_time")) AS start_time,
          CASE WHEN t.start_time > 0 THEN
            ((SELECT max(s.start_time + s.duration_ns) FROM span s
              WHERE s.trace_id = t.trace_id AND \(isTimed)) - t.start_time) / 1e6 END
            AS duration_ms,
          t.service_name, t.name,
          (SELECT count(*) FROM span s WHERE s.trace_id = t.trace_id) AS span_count,
          (SELECT count(*) FROM span s WHERE s.trace_id = t.trace_id AND s.status_code = 2)
            AS error_count,
          (SELECT count(DISTINCT s.service_name) FROM span s WHERE s.trace_id = t.trace_id)
            AS service_count,
          t.trace_id, t.start_time AS start_time_ns, t.start_time AS start_time_unix_nano
        FROM span t WHERE t.parent_span_id IS NULL;

        """

    /// The same rule as `SpanDuration`'s.
    private static let isTimed = """
        s.start_time > 0 AND s.start_time + s.duration_ns > 0 \
        AND abs(s.duration_ns) <= \(SpanDuration.nanosecondsMax)
        """

    /// Nanoseconds since 1970 as `2026-11-20T16:55:37.000000001Z`; NULL for 0, which is unknown.
    private static func iso(_ nanoseconds: String) -> String {
        """
        CASE WHEN \(nanoseconds) > 0 THEN \
        strftime('%Y-%m-%dT%H:%M:%S', (\(nanoseconds)) / 1000000000, 'unixepoch') \
        || printf('.%09dZ', (\(nanoseconds)) % 1000000000) END
        """
    }

    /// Sixteen digits; NULL stays NULL.
    private static func hex(_ word: String) -> String {
        "CASE WHEN \(word) IS NOT NULL THEN printf('%016x', \(word)) END"
    }
}
