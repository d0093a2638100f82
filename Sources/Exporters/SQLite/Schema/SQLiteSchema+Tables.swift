extension SQLiteSchema {
    /// Version 1. The same tables as in PostgreSQL, with what SQLite has in place of its types:
    /// times are nanoseconds since 1970, lists and attributes JSON text, trace ids 32 hex digits.
    ///
    /// `id` numbers the rows of all fact tables in the order of their arrival, which is the order
    /// in which retention deletes them. Trace ids are text, not blobs, so that what a person types
    /// into a query of a view reaches the index; span ids are looked up within a trace and stay
    /// integers.
    static let tables = dictionaryTables + factTables

    /// Version 2. Which records of which run of which log have their rows here, a row for each
    /// unbroken range.
    static let ledger = """
        CREATE TABLE ingested (
          exporter TEXT NOT NULL, log TEXT NOT NULL, epoch TEXT NOT NULL, first INTEGER NOT NULL,
          last INTEGER NOT NULL, PRIMARY KEY (exporter, log, epoch, first)) WITHOUT ROWID;
        """

    /// Version 3. How many items one stands for that was kept by sampling; NULL: one.
    static let sampling = """
        ALTER TABLE span ADD COLUMN adjusted_count REAL;
        ALTER TABLE log ADD COLUMN adjusted_count REAL;

        """

    /// Version 4. Ids are hashes with a key of the file's, so that nobody can forge one; those
    /// from before stay. Spans without a start or an end have no duration in the views.
    static let identity = """
        CREATE TABLE id_key (key TEXT NOT NULL);
        INSERT INTO id_key VALUES (lower(hex(randomblob(16))));
        DROP VIEW IF EXISTS spans;
        DROP VIEW IF EXISTS logs;
        DROP VIEW IF EXISTS metrics;
        DROP VIEW IF EXISTS traces;

        """

    private static let dictionaryTables = """
        CREATE TABLE migration (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL);

        -- Rows with this id or a later one arrived at this time or later. One a minute.
        CREATE TABLE arrival (id INTEGER PRIMARY KEY, time INTEGER NOT NULL);

        CREATE TABLE resource (
          resource_id INTEGER PRIMARY KEY, service_name TEXT NOT NULL, service_namespace TEXT,
          service_instance_id TEXT, schema_url TEXT, dropped_attributes INTEGER,
          attributes TEXT NOT NULL, entity_refs TEXT,
          first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL);
        CREATE INDEX resource_service ON resource (service_name);

        CREATE TABLE scope (
          scope_id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT, schema_url TEXT,
          dropped_attributes INTEGER, attributes TEXT,
          first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL);

        -- metric_type: 0 none, 1 gauge, 2 sum, 3 histogram, 4 exponential histogram, 5 summary.
        -- temporality: 0 unspecified, 1 delta, 2 cumulative.
        CREATE TABLE metric_series (
          series_id INTEGER PRIMARY KEY, metric_id INTEGER NOT NULL, resource_id INTEGER NOT NULL,
          scope_id INTEGER NOT NULL, metric_type INTEGER NOT NULL, temporality INTEGER NOT NULL,
          is_monotonic INTEGER NOT NULL, service_name TEXT NOT NULL, metric_name TEXT NOT NULL,
          unit TEXT, description TEXT, metadata TEXT, explicit_bounds TEXT,
          attributes TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL);
        CREATE INDEX metric_series_name ON metric_series (metric_name, service_name);

        """

    private static let factTables = """
        CREATE TABLE span (
          id INTEGER PRIMARY KEY, start_time INTEGER NOT NULL, duration_ns INTEGER NOT NULL,
          trace_id TEXT NOT NULL, span_id INTEGER NOT NULL, parent_span_id INTEGER,
          resource_id INTEGER NOT NULL, scope_id INTEGER NOT NULL, kind INTEGER NOT NULL,
          status_code INTEGER NOT NULL, service_name TEXT NOT NULL, name TEXT NOT NULL,
          status_message TEXT, trace_state TEXT, flags INTEGER, dropped_attributes INTEGER,
          dropped_events INTEGER, dropped_links INTEGER, attributes TEXT, events TEXT, links TEXT);
        CREATE INDEX span_trace ON span (trace_id);
        CREATE INDEX span_service ON span (service_name, start_time);
        CREATE INDEX span_time ON span (start_time);

        -- time_source: where time comes from. 0 time_unix_nano, 1 observed_time_unix_nano because
        -- there was none, 2 the clock of the gateway because there was neither.
        CREATE TABLE log (
          id INTEGER PRIMARY KEY, time INTEGER NOT NULL, time_source INTEGER NOT NULL,
          observed_time INTEGER, trace_id TEXT, span_id INTEGER, resource_id INTEGER NOT NULL,
          scope_id INTEGER NOT NULL, severity_number INTEGER NOT NULL, severity_text TEXT,
          service_name TEXT NOT NULL, event_name TEXT, body TEXT, body_json TEXT, flags INTEGER,
          dropped_attributes INTEGER, attributes TEXT);
        CREATE INDEX log_trace ON log (trace_id) WHERE trace_id IS NOT NULL;
        CREATE INDEX log_service ON log (service_name, time);
        CREATE INDEX log_time ON log (time);

        -- value_int is there for integer points; value is there for all but NaN and absent ones.
        -- nan: which doubles are NaN, NULL in SQLite: 1 value or sum, 2 min, 4 max, 8 threshold.
        CREATE TABLE metric_number (
          id INTEGER PRIMARY KEY, time INTEGER NOT NULL, metric_id INTEGER NOT NULL,
          series_id INTEGER NOT NULL, value REAL, value_int INTEGER, start_time INTEGER,
          flags INTEGER, nan INTEGER, exemplars TEXT);
        CREATE INDEX metric_number_series ON metric_number (series_id, time);

        CREATE TABLE metric_histogram (
          id INTEGER PRIMARY KEY, time INTEGER NOT NULL, metric_id INTEGER NOT NULL,
          series_id INTEGER NOT NULL, count INTEGER NOT NULL, sum REAL, min REAL, max REAL,
          start_time INTEGER, bucket_counts TEXT NOT NULL, flags INTEGER, nan INTEGER,
          exemplars TEXT);
        CREATE INDEX metric_histogram_series ON metric_histogram (series_id, time);

        CREATE TABLE metric_exp_histogram (
          id INTEGER PRIMARY KEY, time INTEGER NOT NULL, metric_id INTEGER NOT NULL,
          series_id INTEGER NOT NULL, count INTEGER NOT NULL, sum REAL, min REAL, max REAL,
          start_time INTEGER, zero_count INTEGER NOT NULL, zero_threshold REAL,
          scale INTEGER NOT NULL, positive_offset INTEGER NOT NULL, positive_counts TEXT NOT NULL,
          negative_offset INTEGER NOT NULL, negative_counts TEXT NOT NULL, flags INTEGER,
          nan INTEGER, exemplars TEXT);
        CREATE INDEX metric_exp_histogram_series ON metric_exp_histogram (series_id, time);

        CREATE TABLE metric_summary (
          id INTEGER PRIMARY KEY, time INTEGER NOT NULL, metric_id INTEGER NOT NULL,
          series_id INTEGER NOT NULL, count INTEGER NOT NULL, sum REAL, start_time INTEGER,
          quantiles TEXT NOT NULL, quantile_values TEXT NOT NULL, flags INTEGER, nan INTEGER);
        CREATE INDEX metric_summary_series ON metric_summary (series_id, time);

        """

    /// What arrives, and is deleted when its time is over.
    static let factTableNames = [
        "span", "log", "metric_number", "metric_histogram", "metric_exp_histogram",
        "metric_summary",
    ]
    /// What the facts refer to.
    static let dictionaryTableNames = ["resource", "scope", "metric_series"]
}
