-- A source's order is its own count or a time in microseconds: both outgrow an integer.
ALTER TABLE inbox ALTER COLUMN version TYPE bigint;

-- Of two messages with one order, the one that came first stands in front.
ALTER TABLE parked_messages ADD COLUMN came bigint GENERATED ALWAYS AS IDENTITY;
DROP INDEX parked_messages_line;
CREATE INDEX parked_messages_line ON parked_messages (consumer, stream_id, place, came);

-- The same function, with the inbox's wider versions; other argument types would make a second one.
DO $change$
DECLARE
    was text := pg_get_functiondef('steward_commit'::regproc);
    becomes text := replace(was, 'i_expected integer[], i_version integer[]',
                                 'i_expected bigint[], i_version bigint[]');
BEGIN
    ASSERT becomes <> was;
    DROP FUNCTION steward_commit;
    EXECUTE becomes;
END $change$;
