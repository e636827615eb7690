"""Incidents, and which case has which: what many cases of one cause bring is told together."""

from alembic import op

revision = "notify_0007"
down_revision = "notify_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute("CREATE TABLE incidents (incident_id text PRIMARY KEY, name text NOT NULL)")
    op.execute("CREATE TABLE incident_cases (case_id text PRIMARY KEY, incident_id text NOT NULL)")
