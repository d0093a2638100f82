-- Settings, the policies that follow from them, and grants: functions only, made anew whenever this text
-- has changed.

-- What each key takes. Retention and intervals of 0 mean "for ever" and "at once".
CREATE OR REPLACE FUNCTION @internal@.setting_kinds()
RETURNS TABLE (key text, kind text) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('retain_span', 'retention'), ('retain_log', 'retention'), ('retain_metric', 'retention'),
    ('retain_rollup_minute', 'retention'), ('retain_rollup', 'retention'),
    ('columnstore_after', 'interval'), ('columnstore_after_metric', 'interval'),
    ('edges', 'bool'), ('edge_parent_window', 'interval'), ('refresh_window', 'interval'),
    ('rollup_lag', 'interval'), ('refresh_delay', 'interval'), ('partitions_ahead', 'int') $$;

-- Sets what an object names, and changes what exists accordingly. One row for each change.
-- Unknown keys and values that don't fit are errors, and nothing is set.
CREATE OR REPLACE FUNCTION @schema@.apply_settings(settings jsonb)
RETURNS TABLE (key text, was text, value text) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  given record;
  current_value text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('sluice settings @schema@', 0));
  FOR given IN SELECT s.key, s.value, k.kind FROM jsonb_each_text(settings) s
      LEFT JOIN @internal@.setting_kinds() k ON k.key = s.key ORDER BY s.key LOOP
    IF given.kind IS NULL THEN
      RAISE EXCEPTION 'unknown setting "%"', given.key USING ERRCODE = 'invalid_parameter_value',
        HINT = 'Known: ' || (SELECT string_agg(k.key, ', ') FROM @internal@.setting_kinds() k) || '.';
    END IF;
    PERFORM @internal@.check_setting(given.key, given.kind, given.value);
    SELECT s.value INTO current_value FROM @schema@.setting s WHERE s.key = given.key;
    CONTINUE WHEN current_value = given.value OR given.kind IN ('retention', 'interval')
      AND current_value::interval = given.value::interval;
    INSERT INTO @schema@.setting AS s (key, value) VALUES (given.key, given.value)
      ON CONFLICT ON CONSTRAINT setting_pkey DO UPDATE SET value = excluded.value;
    RETURN QUERY SELECT given.key, current_value, given.value;
  END LOOP;
  IF @internal@.setting_interval('rollup_lag') < @internal@.setting_interval('refresh_window') + interval '1 minute'
  THEN
    RAISE EXCEPTION 'rollup_lag must be at least a minute longer than refresh_window'
      USING ERRCODE = 'invalid_parameter_value', HINT = 'A lot may commit that long after it was looked at.';
  END IF;
  PERFORM @internal@.apply_policies();
END $$;

CREATE OR REPLACE FUNCTION @internal@.check_setting(key text, kind text, value text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF value IS NULL THEN RAISE EXCEPTION 'setting "%" has no value', key; END IF;
  BEGIN
    CASE kind
      WHEN 'bool' THEN PERFORM value::bool;
      WHEN 'int' THEN
        IF value::int NOT BETWEEN 1 AND 30 THEN RAISE EXCEPTION 'not from 1 to 30'; END IF;
      ELSE
        IF value::interval < interval '0' THEN RAISE EXCEPTION 'less than 0'; END IF;
        -- Upkeep drops whole days, and the rollups look back a day.
        IF kind = 'retention' AND value::interval > interval '0' AND value::interval < interval '1 day'
        THEN RAISE EXCEPTION 'less than a day'; END IF;
    END CASE;
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'setting "%" can''t be "%": %', key, value, SQLERRM
      USING ERRCODE = 'invalid_parameter_value';
  END;
END $$;

-- Policies (timescale) ------------------------------------------------------------------------------

-- Makes the policy of a kind ('retention', 'compression') run after `after`; 0: none. One that does so
-- already is left alone.
CREATE OR REPLACE FUNCTION @internal@.ensure_policy(relation text, kind text, after interval)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ts text;
  present interval;
  target text := format('@schema@.%I', relation);
BEGIN
  SELECT quote_ident(n.nspname) INTO ts FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb';
  -- What newer versions call columnstore is compression in the catalogue.
  SELECT coalesce(j.config ->> 'drop_after', j.config ->> 'compress_after')::interval INTO present
    FROM timescaledb_information.jobs j
    WHERE j.proc_name = 'policy_' || kind AND (j.hypertable_name = relation
      AND format('"%s"', j.hypertable_schema) = '@schema@' OR j.hypertable_name =
        (SELECT c.materialization_hypertable_name FROM timescaledb_information.continuous_aggregates c
          WHERE c.view_name = relation AND format('"%s"', c.view_schema) = '@schema@'));
  IF present = after OR present IS NULL AND after = interval '0' THEN RETURN; END IF;
  IF kind = 'retention' THEN
    EXECUTE format('SELECT %s.remove_retention_policy(%L, if_exists => true)', ts, target);
    IF after > interval '0' THEN
      EXECUTE format('SELECT %s.add_retention_policy(%L, %L::interval)', ts, target, after);
    END IF;
  ELSE
    EXECUTE format('CALL %s.remove_columnstore_policy(%L, if_exists => true)', ts, target);
    IF after > interval '0' THEN
      EXECUTE format('CALL %s.add_columnstore_policy(%L, %L::interval)', ts, target, after);
    END IF;
  END IF;
END $$;

-- Continuous aggregates of minutes look back half an hour, those of hours a day: what is later than that is
-- refreshed by refresh_late(), by its range alone. Were they to look back far each minute, one row of
-- yesterday would have a day counted again.
CREATE OR REPLACE FUNCTION @internal@.apply_policies() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ts text;
  timed record;
  rollup text;
  job int;
BEGIN
  IF @schema@.edition() <> 'timescale' THEN RETURN; END IF;
  SELECT quote_ident(n.nspname) INTO ts FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb';
  FOR timed IN SELECT * FROM @schema@.timed_table LOOP
    PERFORM @internal@.ensure_policy(timed.name, 'retention', @internal@.setting_interval(timed.retention));
    PERFORM @internal@.ensure_policy(timed.name, 'compression', @internal@.setting_interval(
      CASE WHEN timed.retention = 'retain_metric' THEN 'columnstore_after_metric'
        ELSE 'columnstore_after' END));
  END LOOP;
  FOREACH rollup IN ARRAY ARRAY['red_1m', 'latency_1m', 'log_volume_1m'] LOOP
    EXECUTE format('SELECT %s.add_continuous_aggregate_policy(%L, start_offset => interval ''30 minutes'', '
      'end_offset => interval ''1 minute'', schedule_interval => interval ''1 minute'', '
      'if_not_exists => true)', ts, format('@schema@.%I', rollup));
    PERFORM @internal@.ensure_policy(rollup, 'retention',
      @internal@.setting_interval('retain_rollup_minute'));
    PERFORM @internal@.ensure_policy(rollup, 'compression', interval '3 hours');
  END LOOP;
  FOREACH rollup IN ARRAY
      ARRAY['red_1h', 'latency_1h', 'rollup_service_latency_1h', 'log_volume_1h'] LOOP
    EXECUTE format('SELECT %s.add_continuous_aggregate_policy(%L, start_offset => interval ''1 day'', '
      'end_offset => interval ''1 hour'', schedule_interval => interval ''10 minutes'', '
      'if_not_exists => true)', ts, format('@schema@.%I', rollup));
    PERFORM @internal@.ensure_policy(rollup, 'retention', @internal@.setting_interval('retain_rollup'));
    PERFORM @internal@.ensure_policy(rollup, 'compression', interval '2 days');
  END LOOP;
  -- What is over is dropped by the upkeep, by a clock that doesn't jump. The policies only say after what.
  FOR job IN SELECT j.job_id FROM timescaledb_information.jobs j
    WHERE j.proc_name = 'policy_retention' AND j.scheduled
      AND (format('"%s"', j.hypertable_schema) = '@schema@' OR j.hypertable_name IN (
        SELECT c.materialization_hypertable_name FROM timescaledb_information.continuous_aggregates c
        WHERE format('"%s"', c.view_schema) = '@schema@')) LOOP
    EXECUTE format('SELECT %s.alter_job(%s, scheduled => false)', ts, job);
  END LOOP;
  IF NOT EXISTS (SELECT FROM timescaledb_information.jobs j WHERE j.proc_name = 'refresh_late'
      AND format('"%s"', j.proc_schema) = '@schema@') THEN
    EXECUTE format('SELECT %s.add_job(%L, interval ''1 minute'')', ts, '@schema@.refresh_late');
  END IF;
END $$;

-- Grants ---------------------------------------------------------------------------------------------

-- A gateway that may run no DDL: it adds facts, keeps dictionaries, ledger and its slots, and has the
-- upkeep done by the owner's functions. It reads no facts; an exporter that is to `deduplicate` spans
-- needs SELECT on span besides.
CREATE OR REPLACE FUNCTION @schema@.grant_writer(role_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  fact record;
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA @schema@ TO %I', role_name);
  FOR fact IN SELECT t.name FROM @schema@.timed_table t WHERE t.name NOT LIKE 'rollup\_%' LOOP
    EXECUTE format('GRANT INSERT ON @schema@.%I TO %I', fact.name, role_name);
  END LOOP;
  EXECUTE format('GRANT SELECT, INSERT, UPDATE ON @schema@.resource, @schema@.scope, '
    '@schema@.metric_series TO %I', role_name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON @schema@.ingested, @schema@.writer_slot TO %I',
    role_name);
  EXECUTE format('GRANT SELECT ON @schema@.migration, @schema@.repeatable, @schema@.setting TO %I',
    role_name);
  EXECUTE format('GRANT EXECUTE ON FUNCTION @schema@.maintain_step(text), '
    '@schema@.queue_refresh(text, timestamptz, timestamptz), @schema@.queue_refresh(text, timestamptz[]), '
    '@schema@.apply_settings(jsonb), @schema@.id_key() TO %I', role_name);
  PERFORM @internal@.remember_role('writers', role_name);
END $$;

-- People and Grafana: everything can be read, also what later versions add.
CREATE OR REPLACE FUNCTION @schema@.grant_reader(role_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA @schema@ TO %I', role_name);
  EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA @schema@ TO %I', role_name);
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA @schema@ GRANT SELECT ON TABLES TO %I', role_name);
  -- It compiles the plans of views over many partitions for longer than they run; functions set it
  -- themselves.
  BEGIN
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET jit = off', role_name, current_database());
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'queries of views are slower with JIT; an administrator turns it off: '
      'ALTER ROLE % IN DATABASE % SET jit = off', quote_ident(role_name), quote_ident(current_database());
  END;
  PERFORM @internal@.remember_role('readers', role_name);
END $$;

CREATE OR REPLACE FUNCTION @internal@.remember_role(list text, role_name text) RETURNS void LANGUAGE sql AS $$
  UPDATE @schema@.setting s SET value = (
    SELECT jsonb_agg(DISTINCT r)::text FROM (
      SELECT jsonb_array_elements_text(coalesce(nullif(s.value, ''), '[]')::jsonb)
      UNION SELECT $2) AS roles (r)) WHERE s.key = $1 $$;

-- For writers: who knows it and sends telemetry can forge ids.
CREATE OR REPLACE FUNCTION @schema@.id_key(OUT key uuid, OUT made_at timestamptz) LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT k.key, k.made_at FROM @internal@.id_key k $$;
COMMENT ON FUNCTION @schema@.id_key() IS 'What goes into all hashes that are ids. For gateways.';

-- Roles that were granted before get what this version adds.
DO $$
DECLARE
  granted record;
BEGIN
  FOR granted IN SELECT s.key, r.role_name FROM @schema@.setting s,
      jsonb_array_elements_text(coalesce(nullif(s.value, ''), '[]')::jsonb) AS r (role_name)
      WHERE s.key IN ('writers', 'readers')
        AND EXISTS (SELECT FROM pg_catalog.pg_roles p WHERE p.rolname = r.role_name) LOOP
    IF granted.key = 'writers' THEN PERFORM @schema@.grant_writer(granted.role_name);
    ELSE PERFORM @schema@.grant_reader(granted.role_name); END IF;
  END LOOP;
END $$;

-- They run with the owner's rights: not for everybody.
REVOKE EXECUTE ON FUNCTION @schema@.maintain_step(text), @internal@.maintain_step_at(text, timestamptz),
  @schema@.apply_settings(jsonb), @schema@.id_key(),
  @schema@.queue_refresh(text, timestamptz, timestamptz), @schema@.queue_refresh(text, timestamptz[])
  FROM PUBLIC;

COMMENT ON FUNCTION @schema@.apply_settings(jsonb) IS
  'Sets what an object names, and changes what exists accordingly; a row for each change.';
COMMENT ON FUNCTION @schema@.grant_writer(text) IS 'Grants a role what a gateway needs that runs no DDL.';
COMMENT ON FUNCTION @schema@.grant_reader(text) IS
  'Grants a role that it may read everything, now and later, and turns JIT off for it.';

SELECT @internal@.apply_policies();
