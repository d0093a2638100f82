-- Ids of resources, scopes, metrics and series are hashes of their content. With a key that only writers
-- know nobody can send content whose id is another's. Rows and facts from before keep their ids, and
-- queries find both; limits of series count those of this key alone.

CREATE TABLE IF NOT EXISTS @internal@.id_key (
  one bool PRIMARY KEY DEFAULT true CHECK (one), key uuid NOT NULL DEFAULT gen_random_uuid(),
  made_at timestamptz NOT NULL DEFAULT now());
INSERT INTO @internal@.id_key DEFAULT VALUES ON CONFLICT (one) DO NOTHING;
COMMENT ON TABLE @internal@.id_key IS 'What goes into all hashes that are ids: a secret of the writers.';
COMMENT ON COLUMN @internal@.id_key.one IS 'True: there is one row.';
COMMENT ON COLUMN @internal@.id_key.key IS 'Random.';
COMMENT ON COLUMN @internal@.id_key.made_at IS 'Since when ids are made with it.';
REVOKE ALL ON @internal@.id_key FROM PUBLIC;
