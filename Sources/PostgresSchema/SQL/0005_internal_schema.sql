-- What only these files use has a schema of its own. What versions before had of it stays for one version
-- more, as it is: nothing calls it any longer but what others made of it.

DO $$
DECLARE
  old regprocedure;
BEGIN
  IF '@internal@' = '@schema@' THEN RETURN; END IF;
  FOR old IN SELECT p.oid FROM pg_catalog.pg_proc p
    WHERE p.pronamespace = '@schema@'::regnamespace AND p.proname = ANY (ARRAY['apply_policies', 'check_setting',
      'create_timed_table', 'day_partitions', 'describe', 'ensure_policy', 'exponential_bound', 'hour_of', 'is_due',
      'key_values', 'kind_numbers', 'latency_bucket', 'latency_bucket_ns', 'latency_rows', 'look_again_for_parents',
      'maintain_step_at', 'make_partition', 'minute_of', 'minutes_kept_from', 'oldest_time', 'plain_rollups',
      'red_rows', 'refresh_edges', 'refresh_rollups', 'refresh_span_hours', 'refresh_span_minutes', 'remember_role',
      'retained_from', 'rolled_until', 'rollup_select', 'rollups_kept_from', 'service_hours', 'setting_bool',
      'setting_int', 'setting_interval', 'setting_kinds', 'setting_text', 'step_default_partition',
      'step_dictionaries', 'step_edges', 'step_jobs', 'step_late_rows', 'step_partitions', 'step_retention',
      'step_rollups', 'step_writers', 'window_parts'])
  LOOP
    EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', old,
      'Old: it goes with the next version. Nothing of Sluice''s uses it.');
  END LOOP;
END $$;
