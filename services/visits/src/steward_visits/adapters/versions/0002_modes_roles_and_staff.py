"""How and by whom a follow-up is made, in which month it falls due, and who works where."""

from alembic import op

revision = "visits_0002"
down_revision = "visits_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns for what was told, and the tables of staff and roles."""
    # With a default, since an older replica goes on writing rows without the columns.
    op.execute(
        """
        ALTER TABLE followups
            ADD COLUMN modes text NOT NULL DEFAULT '',
            ADD COLUMN roles text NOT NULL DEFAULT '',
            ADD COLUMN rate double precision NOT NULL DEFAULT 1.0,
            ADD COLUMN month text NOT NULL DEFAULT ''
        """
    )
    op.execute("CREATE INDEX followups_month ON followups (project_id, month)")
    op.execute("CREATE TABLE staff (person_id text PRIMARY KEY, group_id text NOT NULL)")
    op.execute(
        """
        CREATE TABLE roles (
            project_id text,
            role text,
            person_id text,
            PRIMARY KEY (project_id, role, person_id)
        )
        """
    )
