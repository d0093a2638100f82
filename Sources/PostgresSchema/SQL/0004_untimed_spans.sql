-- A span whose start or end was not sent has no duration. Rows of gateways from before have the difference
-- modulo 2^64, which is_timed() tells from a duration.

ALTER TABLE @schema@.span ALTER COLUMN duration_ns DROP NOT NULL;
ALTER TABLE @schema@.span ADD COLUMN IF NOT EXISTS sent_end_time numeric;
SELECT @internal@.describe('span', 'Facts: spans.',
  'duration_ns', 'End minus start in nanoseconds; negative: the end is before the start. NULL: the start or '
    'the end was not sent, or they are over ten years apart.',
  'sent_end_time', 'end_time_unix_nano as sent, where duration_ns is NULL.');

-- Means are of what has a duration. A continuous aggregate can't get a column: in timescale those count
-- such spans as 0.
DO $$
DECLARE
  size text;
  relation text;
BEGIN
  FOREACH size IN ARRAY ARRAY['_1m', '_1h'] LOOP
    FOREACH relation IN ARRAY ARRAY['service_edge' || size, 'rollup_red' || size] LOOP
      CONTINUE WHEN to_regclass(pg_catalog.format('@schema@.%I', relation)) IS NULL;
      EXECUTE pg_catalog.format('ALTER TABLE @schema@.%I ADD COLUMN IF NOT EXISTS timed_calls float8', relation);
      EXECUTE pg_catalog.format('COMMENT ON COLUMN @schema@.%I.timed_calls IS %L', relation,
        'Sum of adjusted counts of spans that have a duration; NULL: calls.');
    END LOOP;
  END LOOP;
END $$;
