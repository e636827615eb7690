"""Alarms know the key of their stream, so that those of one do not hold up the others'."""

from alembic import op

revision = "store_0005"
down_revision = "store_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column with its index, and have it filled by the one way to append."""
    op.execute("""ALTER TABLE timers ADD COLUMN key text COLLATE "C" NOT NULL DEFAULT ''""")
    op.execute("UPDATE timers t SET key = s.key FROM streams s WHERE s.stream_id = t.stream_id")
    op.execute("CREATE INDEX timers_due_by_key ON timers (partition, key, due_at)")
    op.execute(
        """
        DO $change$
        DECLARE
            was text := pg_get_functiondef('steward_commit'::regproc);
            selected text := replace(was,
                'SELECT q.stream_id, q.partition, q.due',
                'SELECT q.stream_id, q.partition, q.due, coalesce(s.key, '''')');
            becomes text := replace(selected,
                'AS q (stream_id, partition, due)',
                'AS q (stream_id, partition, due) LEFT JOIN streams s USING (stream_id)');
        BEGIN
            ASSERT selected <> was AND becomes <> selected;
            EXECUTE becomes;
        END $change$
        """
    )
