"""The lists of clocks and escalations, and the policies that were heard."""

from alembic import op

revision = "sla_0001"
down_revision = None
branch_labels = ("sla",)
depends_on = "store_0001"


def upgrade() -> None:
    """Create the read models' tables."""
    op.execute("CREATE TABLE policies (version text PRIMARY KEY, text text NOT NULL)")
    op.execute(
        """
        CREATE TABLE clocks (
            case_id text NOT NULL,
            clock text NOT NULL,
            project_id text NOT NULL,
            target text NOT NULL,
            rule text NOT NULL,
            basis text NOT NULL,
            severity text NOT NULL,
            policy text NOT NULL,
            started_at timestamptz,
            due_at timestamptz,
            month text NOT NULL,
            provisional boolean NOT NULL,
            state text NOT NULL,
            outcome text NOT NULL,
            met_at timestamptz,
            breached_at timestamptz,
            changed_at timestamptz,
            PRIMARY KEY (case_id, clock)
        )
        """
    )
    op.execute("CREATE INDEX clocks_changed ON clocks (changed_at, case_id, clock)")
    op.execute("CREATE INDEX clocks_project ON clocks (project_id, month, target)")
    op.execute("CREATE INDEX clocks_running ON clocks (target) WHERE state = 'running'")
    op.execute(
        """
        CREATE TABLE escalations (
            escalation_id text PRIMARY KEY,
            case_id text NOT NULL,
            number text NOT NULL,
            clock text NOT NULL,
            project_id text NOT NULL,
            target text NOT NULL,
            rule text NOT NULL,
            severity text NOT NULL,
            breach integer NOT NULL,
            step integer NOT NULL,
            "to" text NOT NULL,
            deliver text NOT NULL,
            due_at timestamptz,
            escalated_at timestamptz,
            status text NOT NULL,
            person_id text,
            changed_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX escalations_changed ON escalations (changed_at, escalation_id)")
    op.execute(
        "CREATE INDEX escalations_project"
        " ON escalations (project_id, status, changed_at, escalation_id)"
    )
    op.execute("CREATE INDEX escalations_case ON escalations (case_id)")
    op.execute("CREATE INDEX escalations_open ON escalations (escalation_id) WHERE status = 'open'")
