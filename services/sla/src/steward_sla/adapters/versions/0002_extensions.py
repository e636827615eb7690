"""More time: what was asked for and decided, what it excuses; and what is late soon."""

from alembic import op

revision = "sla_0002"
down_revision = "sla_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the list of extensions, and what clocks and escalations say beside their due times."""
    # An older replica writes whole rows without the new columns.
    op.execute("ALTER TABLE clocks ADD COLUMN excused boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX clocks_open ON clocks (due_at) WHERE state IN ('running', 'paused')")
    op.execute("ALTER TABLE escalations ADD COLUMN because text NOT NULL DEFAULT ''")
    op.execute(
        """
        CREATE TABLE extensions (
            extension_id text PRIMARY KEY,
            case_id text NOT NULL,
            clock text NOT NULL,
            project_id text NOT NULL,
            target text NOT NULL,
            rule text NOT NULL,
            severity text NOT NULL,
            status text NOT NULL,
            asked_at timestamptz,
            asked_by text NOT NULL,
            until timestamptz,
            decided_at timestamptz,
            decided_by text,
            role text,
            changed_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX extensions_changed ON extensions (changed_at, extension_id)")
    op.execute(
        "CREATE INDEX extensions_project"
        " ON extensions (project_id, status, changed_at, extension_id)"
    )
