-- What the upkeep has come to, and an identity for rows that are deleted or changed.

SELECT @internal@.create_table('upkeep', $columns$
  step text PRIMARY KEY, ran_at timestamptz NOT NULL, failing_since timestamptz,
  failures int8 NOT NULL DEFAULT 0, error text
$columns$);
SELECT @internal@.describe('upkeep', 'What the steps of the upkeep have come to.',
  'step', 'Its name.',
  'ran_at', 'When it was last done, or tried.',
  'failing_since', 'Since when it fails each time; NULL: it does not.',
  'failures', 'How often it has failed, ever.',
  'error', 'What it failed with the last time; NULL: it did not.');

-- CREATE PUBLICATION … FOR ALL TABLES refuses to delete rows without one. It costs nothing until there is a
-- publication.
SELECT @internal@.identify_rows();
