"""The list of follow-ups, and the policies that were heard."""

from alembic import op

revision = "visits_0001"
down_revision = None
branch_labels = ("visits",)
depends_on = "store_0001"


def upgrade() -> None:
    """Create the read models' tables."""
    op.execute("CREATE TABLE policies (version text PRIMARY KEY, text text NOT NULL)")
    op.execute(
        """
        CREATE TABLE followups (
            followup_id text PRIMARY KEY,
            case_id text NOT NULL,
            project_id text NOT NULL,
            household_id text,
            rule text NOT NULL,
            policy text NOT NULL,
            round integer NOT NULL,
            mode text NOT NULL,
            "by" timestamptz,
            status text NOT NULL,
            was_overdue boolean NOT NULL,
            made_as text,
            made_at timestamptz,
            person_id text,
            satisfied boolean,
            waived_because text,
            changed_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX followups_changed ON followups (changed_at, followup_id)")
    op.execute(
        "CREATE INDEX followups_project ON followups (project_id, status, changed_at, followup_id)"
    )
