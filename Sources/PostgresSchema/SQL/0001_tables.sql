-- Dictionaries, facts, ledger, fence, settings. Run once, in one transaction, and again where something was
-- dropped: what is there already stays as it is.
--
-- The edition is decided here, for good, by what the database has when this runs:
--   timescale  extension timescaledb under its own licence: hypertables, columnstore, continuous
--              aggregates, policies
--   apache     timescaledb.license = 'apache': hypertables; Sluice keeps retention and rollups
--   native     no extension: partitions by day, kept by Sluice
--
-- The word between at signs stands for the schema's quoted name. Nothing here relies on search_path.

-- What this program may find in place --------------------------------------------------------------

SELECT @internal@.create_table('migration', $columns$
  version int PRIMARY KEY, name text NOT NULL, oldest_writer int NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(), applied_by text NOT NULL DEFAULT current_user
$columns$);

SELECT @internal@.create_table('repeatable', $columns$
  name text PRIMARY KEY, content_hash text NOT NULL, version int NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(), applied_by text NOT NULL DEFAULT current_user
$columns$);

SELECT @internal@.create_table('setting', $columns$
  key text PRIMARY KEY, value text NOT NULL
$columns$);

INSERT INTO @schema@.setting (key, value)
SELECT 'edition', CASE
    WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'timescaledb') THEN 'native'
    WHEN pg_catalog.current_setting('timescaledb.license', true) = 'timescale' THEN 'timescale'
    ELSE 'apache' END
ON CONFLICT (key) DO NOTHING;

INSERT INTO @schema@.setting (key, value) VALUES
  ('retain_span', '14 days'), ('retain_log', '14 days'), ('retain_metric', '30 days'),
  ('retain_rollup_minute', '14 days'), ('retain_rollup', '90 days'),
  ('partitions_ahead', '3'), ('columnstore_after', '3 hours'),
  ('columnstore_after_metric', '1 day'), ('edges', 'true'), ('edge_parent_window', '1 day'),
  ('refresh_window', '1 minute'), ('rollup_lag', '3 minutes'), ('refresh_delay', '2 minutes'),
  ('writers', ''), ('readers', '')
ON CONFLICT (key) DO NOTHING;

-- Dictionaries -------------------------------------------------------------------------------------
-- Small beside the facts: GIN costs nothing that could be measured here.

SELECT @internal@.create_table('resource', $columns$
  resource_id int8 PRIMARY KEY, service_name text NOT NULL, service_namespace text,
  service_instance_id text, schema_url text, dropped_attributes int8, attributes jsonb NOT NULL,
  entity_refs jsonb, first_seen timestamptz NOT NULL DEFAULT now(),
  last_seen timestamptz NOT NULL DEFAULT now()
$columns$);
CREATE INDEX IF NOT EXISTS resource_service ON @schema@.resource (service_name);
CREATE INDEX IF NOT EXISTS resource_attributes ON @schema@.resource USING gin (attributes jsonb_path_ops);

SELECT @internal@.create_table('scope', $columns$
  scope_id int8 PRIMARY KEY, name text NOT NULL, version text, schema_url text,
  dropped_attributes int8, attributes jsonb, first_seen timestamptz NOT NULL DEFAULT now(),
  last_seen timestamptz NOT NULL DEFAULT now()
$columns$);

SELECT @internal@.create_table('metric_series', $columns$
  series_id int8 PRIMARY KEY, metric_id int8 NOT NULL, resource_id int8 NOT NULL,
  scope_id int8 NOT NULL, metric_type int2 NOT NULL, temporality int2 NOT NULL,
  is_monotonic bool NOT NULL, service_name text NOT NULL, metric_name text NOT NULL, unit text,
  description text, metadata jsonb, explicit_bounds float8[], attributes jsonb NOT NULL,
  first_seen timestamptz NOT NULL DEFAULT now(), last_seen timestamptz NOT NULL DEFAULT now()
$columns$);
CREATE INDEX IF NOT EXISTS metric_series_name ON @schema@.metric_series (metric_name, service_name);
CREATE INDEX IF NOT EXISTS metric_series_metric ON @schema@.metric_series (metric_id);
CREATE INDEX IF NOT EXISTS metric_series_attributes ON @schema@.metric_series USING gin (attributes jsonb_path_ops);

-- Once: what is here already, and who may add to it -------------------------------------------------

SELECT @internal@.create_table('ingested', $columns$
  exporter text NOT NULL, log text NOT NULL, epoch uuid NOT NULL, from_position int8 NOT NULL,
  from_item int4 NOT NULL, to_position int8 NOT NULL, to_item int4 NOT NULL, writer uuid NOT NULL,
  PRIMARY KEY (exporter, log, epoch, from_position, from_item)
$columns$);
-- Rows come and are folded into others all the time: vacuum must not wait for a share of the table.
ALTER TABLE @schema@.ingested SET (autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000, fillfactor = 70);

SELECT @internal@.create_table('writer_slot', $columns$
  writer uuid NOT NULL, exporter text NOT NULL, slot int2 NOT NULL, holder uuid, backend_pid int4,
  backend_start timestamptz, gateway text, taken_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (writer, exporter, slot)
$columns$);
ALTER TABLE @schema@.writer_slot SET (autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000, fillfactor = 50);

SELECT @internal@.create_table('writer_gone', $columns$
  writer uuid PRIMARY KEY, since timestamptz NOT NULL DEFAULT now()
$columns$);

-- Upkeep -------------------------------------------------------------------------------------------

SELECT @internal@.create_table('mark', $columns$
  name text PRIMARY KEY, at timestamptz NOT NULL
$columns$);

SELECT @internal@.create_table('refresh_queue', $columns$
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, table_name text NOT NULL,
  from_time timestamptz NOT NULL, to_time timestamptz NOT NULL,
  queued_at timestamptz NOT NULL DEFAULT clock_timestamp(), edges_done bool NOT NULL DEFAULT false,
  CHECK (from_time < to_time)
$columns$);

-- What has a time and goes after it. `retention` names the setting.
SELECT @internal@.create_table('timed_table', $columns$
  name text PRIMARY KEY, time_column text NOT NULL, retention text NOT NULL
$columns$);
INSERT INTO @schema@.timed_table (name, time_column, retention) VALUES
  ('span', 'start_time', 'retain_span'), ('log', 'time', 'retain_log'),
  ('metric_number', 'time', 'retain_metric'), ('metric_histogram', 'time', 'retain_metric'),
  ('metric_exp_histogram', 'time', 'retain_metric'), ('metric_summary', 'time', 'retain_metric')
ON CONFLICT (name) DO NOTHING;

-- Facts --------------------------------------------------------------------------------------------

-- Columns of eight bytes first, so that none is padded.
SELECT @internal@.create_timed_table('span', $columns$
  start_time timestamptz NOT NULL, duration_ns int8 NOT NULL, span_id int8 NOT NULL,
  parent_span_id int8, resource_id int8 NOT NULL, scope_id int8 NOT NULL, trace_id uuid NOT NULL,
  adjusted_count float8, flags int8, dropped_attributes int8, dropped_events int8,
  dropped_links int8, start_ns int2 NOT NULL, kind int2 NOT NULL, status_code int2 NOT NULL,
  service_name text NOT NULL, name text NOT NULL, operation text, status_message text,
  trace_state text, attributes jsonb, events jsonb, links jsonb, sent_start_time numeric
$columns$, 'start_time');
CREATE INDEX IF NOT EXISTS span_trace ON @schema@.span (trace_id);
CREATE INDEX IF NOT EXISTS span_time ON @schema@.span USING brin (start_time)
  WITH (pages_per_range = 32, autosummarize = on);

SELECT @internal@.create_timed_table('log', $columns$
  time timestamptz NOT NULL, observed_time timestamptz, span_id int8, resource_id int8 NOT NULL,
  scope_id int8 NOT NULL, trace_id uuid, adjusted_count float8, flags int8,
  dropped_attributes int8, time_ns int2 NOT NULL, observed_ns int2, time_source int2 NOT NULL,
  severity_number int2 NOT NULL, severity_text text, service_name text NOT NULL, event_name text,
  body text, body_json jsonb, attributes jsonb, sent_time numeric
$columns$, 'time');
CREATE INDEX IF NOT EXISTS log_trace ON @schema@.log (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_time ON @schema@.log USING brin (time)
  WITH (pages_per_range = 32, autosummarize = on);

SELECT @internal@.create_timed_table('metric_number', $columns$
  time timestamptz NOT NULL, metric_id int8 NOT NULL, series_id int8 NOT NULL, value float8,
  value_int int8, start_time timestamptz, time_ns int2 NOT NULL, start_ns int2, flags int8,
  exemplars jsonb, sent_time numeric
$columns$, 'time');
CREATE INDEX IF NOT EXISTS metric_number_metric ON @schema@.metric_number (metric_id, time DESC);

SELECT @internal@.create_timed_table('metric_histogram', $columns$
  time timestamptz NOT NULL, metric_id int8 NOT NULL, series_id int8 NOT NULL, count int8 NOT NULL,
  sum float8, min float8, max float8, start_time timestamptz, time_ns int2 NOT NULL, start_ns int2,
  bucket_counts int8[] NOT NULL, flags int8, exemplars jsonb, sent_time numeric
$columns$, 'time');
CREATE INDEX IF NOT EXISTS metric_histogram_metric ON @schema@.metric_histogram (metric_id, time DESC);

SELECT @internal@.create_timed_table('metric_exp_histogram', $columns$
  time timestamptz NOT NULL, metric_id int8 NOT NULL, series_id int8 NOT NULL, count int8 NOT NULL,
  sum float8, min float8, max float8, start_time timestamptz, zero_count int8 NOT NULL,
  zero_threshold float8 NOT NULL, scale int4 NOT NULL, positive_offset int4 NOT NULL,
  negative_offset int4 NOT NULL, time_ns int2 NOT NULL, start_ns int2,
  positive_counts int8[] NOT NULL, negative_counts int8[] NOT NULL, flags int8, exemplars jsonb,
  sent_time numeric
$columns$, 'time');
CREATE INDEX IF NOT EXISTS metric_exp_histogram_metric ON @schema@.metric_exp_histogram (metric_id, time DESC);

SELECT @internal@.create_timed_table('metric_summary', $columns$
  time timestamptz NOT NULL, metric_id int8 NOT NULL, series_id int8 NOT NULL, count int8 NOT NULL,
  sum float8 NOT NULL, start_time timestamptz, time_ns int2 NOT NULL, start_ns int2,
  quantiles float8[] NOT NULL, quantile_values float8[] NOT NULL, flags int8, sent_time numeric
$columns$, 'time');
CREATE INDEX IF NOT EXISTS metric_summary_metric ON @schema@.metric_summary (metric_id, time DESC);

-- Columnstore. Measured: no segment column (spans, logs: rows of a time lie together; metrics:
-- segments by series are tiny and ten times slower to write); bloom filters keep look-ups cheap.
DO $$
DECLARE
  metric text;
  stored_by_rows text[];
BEGIN
  IF @schema@.edition() <> 'timescale' THEN RETURN; END IF;
  SELECT pg_catalog.array_agg(h.hypertable_name) INTO stored_by_rows
    FROM timescaledb_information.hypertables h
    WHERE pg_catalog.format('"%s"', h.hypertable_schema) = '@schema@' AND NOT h.compression_enabled;
  IF 'span' = ANY (stored_by_rows) THEN
    ALTER TABLE @schema@.span SET (timescaledb.enable_columnstore,
      timescaledb.orderby = 'start_time DESC', timescaledb.segmentby = '', timescaledb.sparse_index =
      'bloom(trace_id),bloom(service_name),bloom(name),minmax(duration_ns)');
  END IF;
  IF 'log' = ANY (stored_by_rows) THEN
    ALTER TABLE @schema@.log SET (timescaledb.enable_columnstore,
      timescaledb.orderby = 'time DESC', timescaledb.segmentby = '', timescaledb.sparse_index =
      'bloom(trace_id),bloom(service_name),minmax(severity_number)');
  END IF;
  FOR metric IN SELECT name FROM @schema@.timed_table
      WHERE retention = 'retain_metric' AND name = ANY (stored_by_rows) LOOP
    EXECUTE pg_catalog.format('ALTER TABLE @schema@.%I SET (timescaledb.enable_columnstore, '
      'timescaledb.segmentby = '''', timescaledb.orderby = ''metric_id, series_id, time DESC'')',
      metric);
  END LOOP;
END $$;

-- What everything is -------------------------------------------------------------------------------

SELECT @internal@.describe('migration', 'Which files that run once have run here.',
  'version', 'Number of the file.',
  'name', 'Its name.',
  'oldest_writer', 'A gateway may write only if the newest migration that it knows is at least this.',
  'applied_at', 'When it ran.',
  'applied_by', 'The role that ran it.');
SELECT @internal@.describe('repeatable', 'Which text of the files that run on each change is in place.',
  'name', 'Name of the file.',
  'content_hash', 'Hash of the text.',
  'version', 'Newest migration known to the gateway that ran it; one that knows fewer leaves it.',
  'applied_at', 'When it ran.',
  'applied_by', 'The role that ran it.');
SELECT @internal@.describe('setting', 'What can be set, by apply_settings(), and what was decided once.',
  'key', 'Name.',
  'value', 'Text of an interval, a number or a truth value; read by setting_…().');
SELECT @internal@.describe('resource', 'Dictionary: what telemetry comes from.',
  'resource_id', '64-bit hash of the content.',
  'service_name', 'Attribute service.name; unknown_service where there is none.',
  'service_namespace', 'Attribute service.namespace; NULL: none.',
  'service_instance_id', 'Attribute service.instance.id; NULL: none.',
  'schema_url', 'Schema of the attributes; NULL: none.',
  'dropped_attributes', 'Number of attributes the sender left out; NULL: 0.',
  'attributes', 'All attributes.',
  'entity_refs', 'Entities that attributes belong to; NULL: none.',
  'first_seen', 'When a gateway first wrote it.',
  'last_seen', 'When a gateway last used it, give or take an hour.');
SELECT @internal@.describe('scope', 'Dictionary: the library that telemetry was made with.',
  'scope_id', '64-bit hash of the content.',
  'name', 'Name; empty: none.',
  'version', 'NULL: none.',
  'schema_url', 'Schema of what the scope sends; NULL: none.',
  'dropped_attributes', 'Number of attributes the sender left out; NULL: 0.',
  'attributes', 'NULL: none.',
  'first_seen', 'When a gateway first wrote it.',
  'last_seen', 'When a gateway last used it, give or take an hour.');
SELECT @internal@.describe('metric_series',
  'Dictionary: one time series, of a resource, a scope, a metric and the attributes of its points.',
  'series_id', '64-bit hash of the content.',
  'metric_id', '64-bit hash of name, type, unit, temporality and monotony: one metric of all services.',
  'resource_id', 'resource.',
  'scope_id', 'scope.',
  'metric_type', '0 none, 1 gauge, 2 sum, 3 histogram, 4 exponential histogram, 5 summary.',
  'temporality', '0 unspecified, 1 delta, 2 cumulative.',
  'is_monotonic', 'A sum that only grows.',
  'service_name', 'As in resource.',
  'metric_name', 'Name of the metric.',
  'unit', 'UCUM; NULL: none.',
  'description', 'NULL: none.',
  'metadata', 'NULL: none.',
  'explicit_bounds', 'Upper bounds of a histogram''s buckets but the last; NULL: not a histogram.',
  'attributes', 'Of the points.',
  'first_seen', 'When a gateway first wrote it.',
  'last_seen', 'When a gateway last used it, give or take an hour.');
SELECT @internal@.describe('ingested',
  'Ledger: which items of a gateway''s log are here. A row comes in the transaction of its items.',
  'exporter', 'Id of the exporter.',
  'log', 'Name of the log.',
  'epoch', 'Run of the gateway that wrote the log''s records.',
  'from_position', 'Record of the first item.',
  'from_item', 'Index of the first item in its record.',
  'to_position', 'Record of the first item that is not meant any more.',
  'to_item', 'Index of that item.',
  'writer', 'The gateway that wrote the row.');
SELECT @internal@.describe('writer_slot',
  'Fence: a lot locks its connection''s row, so that a new session can wait for what the old one did.',
  'writer', 'The gateway.',
  'exporter', 'Id of the exporter.',
  'slot', 'Number of the connection.',
  'holder', 'Random, of the session that has it: a lot whose session finds another one writes nothing.',
  'backend_pid', 'Server process of the session that has it; NULL: none yet.',
  'backend_start', 'When that process began.',
  'gateway', 'Host and process, to read.',
  'taken_at', 'When the session took it.');
SELECT @internal@.describe('writer_gone', 'Writers in the ledger that have no slot.',
  'writer', 'The gateway.',
  'since', 'When this was first seen; their ledger goes 90 days later.');
SELECT @internal@.describe('mark', 'How far the upkeep has come.',
  'name', 'rollup: all minutes before it are in the rollup tables. edges: as much for '
    'service_edge_1m. wait …: when that table''s default partition could not be emptied. Others: when a '
    'step that is done once an hour was last done.',
  'at', 'That time.');
SELECT @internal@.describe('refresh_queue', 'Times of late rows, to be counted again.',
  'id', 'Number.',
  'table_name', 'span or log.',
  'from_time', 'First minute.',
  'to_time', 'End of the last minute.',
  'queued_at', 'When.',
  'edges_done', 'All that is left is what refresh_late() does, in the timescale edition.');
SELECT @internal@.describe('timed_table', 'Tables that have a time and end with their retention.',
  'name', 'The table.',
  'time_column', 'Its time.',
  'retention', 'Key in setting.');
SELECT @internal@.describe('span', 'Facts: spans.',
  'start_time', 'Microseconds of start_time_unix_nano. The time of receipt where that was out of range: '
    'then sent_start_time is there.',
  'duration_ns', 'End minus start in nanoseconds, modulo 2^64; negative: the end is before the start.',
  'span_id', 'The eight bytes as a signed number.',
  'parent_span_id', 'NULL: a root.',
  'resource_id', 'resource.',
  'scope_id', 'scope.',
  'trace_id', 'The sixteen bytes.',
  'adjusted_count', 'How many spans this one stands for, by its sampling threshold; NULL: 1.',
  'flags', 'W3C trace flags, and whether the parent is remote (256: known, 512: it is); NULL: 0.',
  'dropped_attributes', 'Number of attributes the sender left out; NULL: 0.',
  'dropped_events', 'Number of events the sender left out; NULL: 0.',
  'dropped_links', 'Number of links the sender left out; NULL: 0.',
  'start_ns', 'Nanoseconds of the start beyond its microseconds: 0 to 999.',
  'kind', '0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.',
  'status_code', '0 unset, 1 ok, 2 error.',
  'service_name', 'As in resource.',
  'name', 'Name of the span.',
  'operation', 'What rollups group by; NULL: the name; other: the service has too many names.',
  'status_message', 'NULL: none.',
  'trace_state', 'W3C trace state; NULL: none.',
  'attributes', 'NULL: none.',
  'events', 'Array of {time (ns), name, attributes, dropped_attributes}; NULL: none.',
  'links', 'Array of {trace_id, span_id, trace_state, attributes, dropped_attributes, flags}; NULL: none.',
  'sent_start_time', 'start_time_unix_nano as sent, where start_time is not that time; NULL: it is.');
SELECT @internal@.describe('log', 'Facts: log records.',
  'time', 'Microseconds of the time that time_source names. The time of receipt where it was out of '
    'range: then sent_time is there.',
  'observed_time', 'Microseconds of observed_time_unix_nano; NULL: 0.',
  'span_id', 'The eight bytes as a signed number; NULL: none.',
  'resource_id', 'resource.',
  'scope_id', 'scope.',
  'trace_id', 'The sixteen bytes; NULL: none.',
  'adjusted_count', 'How many records this one stands for, by its sampling threshold; NULL: 1.',
  'flags', 'W3C trace flags; NULL: 0.',
  'dropped_attributes', 'Number of attributes the sender left out; NULL: 0.',
  'time_ns', 'Nanoseconds of time beyond its microseconds: 0 to 999.',
  'observed_ns', 'The same of observed_time; NULL with it.',
  'time_source', '0 time_unix_nano, 1 observed_time_unix_nano as there was none, 2 the gateway''s clock.',
  'severity_number', '0 unspecified, 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal.',
  'severity_text', 'As the source calls it; NULL: none.',
  'service_name', 'As in resource.',
  'event_name', 'NULL: not an event.',
  'body', 'A body that is a string; NULL: it is not, or there is none.',
  'body_json', 'Any other body; NULL: none.',
  'attributes', 'NULL: none.',
  'sent_time', 'The time as sent, in nanoseconds, where time is not that; NULL: it is.');

-- What points of all kinds have.
DO $$
DECLARE
  metric record;
BEGIN
  FOR metric IN SELECT * FROM (VALUES ('metric_number', 'Facts: points of gauges and sums.'),
      ('metric_histogram', 'Facts: points of histograms.'),
      ('metric_exp_histogram', 'Facts: points of exponential histograms.'),
      ('metric_summary', 'Facts: points of summaries.')) AS m (name, about) LOOP
    PERFORM @internal@.describe(metric.name, metric.about,
      'time', 'Microseconds of time_unix_nano. The time of receipt where that was out of range: then '
        'sent_time is there.',
      'metric_id', 'As in metric_series.',
      'series_id', 'metric_series.',
      'start_time', 'Microseconds of start_time_unix_nano; NULL: 0.',
      'time_ns', 'Nanoseconds of time beyond its microseconds: 0 to 999.',
      'start_ns', 'The same of start_time; NULL with it.',
      'flags', '1: no value was recorded; NULL: 0.',
      'sent_time', 'time_unix_nano as sent, where time is not that time; NULL: it is.');
    IF metric.name <> 'metric_summary' THEN
      PERFORM @internal@.describe(metric.name, metric.about, 'exemplars',
        'Array of {time (ns), value, trace_id, span_id, attributes}; NULL: none.');
    END IF;
    IF metric.name <> 'metric_number' THEN
      PERFORM @internal@.describe(metric.name, metric.about,
        'count', 'Number of values, at most 2^63 - 1.',
        'sum', 'Sum of the values; NULL: not sent.');
    END IF;
    IF metric.name LIKE '%histogram' THEN
      PERFORM @internal@.describe(metric.name, metric.about,
        'min', 'Least value; NULL: not sent.', 'max', 'Greatest value; NULL: not sent.');
    END IF;
  END LOOP;
END $$;
SELECT @internal@.describe('metric_number', 'Facts: points of gauges and sums.',
  'value', 'The value as a double; NULL: none.',
  'value_int', 'An integer point''s value, exact; NULL: a double.');
SELECT @internal@.describe('metric_histogram', 'Facts: points of histograms.',
  'bucket_counts', 'Values up to each of metric_series.explicit_bounds and above the last; may be empty.');
SELECT @internal@.describe('metric_exp_histogram', 'Facts: points of exponential histograms.',
  'zero_count', 'Number of values within zero_threshold of 0.',
  'zero_threshold', 'Width of the zero bucket.',
  'scale', 'Base of the buckets: 2^(2^-scale).',
  'positive_offset', 'Index of the first positive bucket: bucket i holds (base^i, base^(i+1)].',
  'negative_offset', 'Index of the first negative bucket.',
  'positive_counts', 'Values in each positive bucket.',
  'negative_counts', 'Values in each negative bucket.');
SELECT @internal@.describe('metric_summary', 'Facts: points of summaries.',
  'quantiles', 'Which quantiles, 0 to 1.',
  'quantile_values', 'Their values, in the same order.');
