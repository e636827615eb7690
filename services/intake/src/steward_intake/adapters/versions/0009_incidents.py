"""Incidents, and in which of them a case is."""

from alembic import op

revision = "intake_0009"
down_revision = "intake_0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE incidents (
        incident_id text PRIMARY KEY,
        project_id text NOT NULL,
        title text NOT NULL,
        cause text NOT NULL,
        status text NOT NULL,
        attached integer NOT NULL,
        opened_at timestamptz,
        opened_by text,
        informed_at timestamptz,
        closed_at timestamptz,
        changed_at timestamptz
    )
    """,
    "CREATE INDEX incidents_changed ON incidents (changed_at, incident_id)",
    "CREATE INDEX incidents_project ON incidents (project_id, changed_at, incident_id)",
    "ALTER TABLE cases ADD COLUMN incident_id text",
    "CREATE INDEX cases_incident ON cases (incident_id) WHERE incident_id IS NOT NULL",
)


def upgrade() -> None:
    """Create the table and the column."""
    for statement in STATEMENTS:
        op.execute(statement)
