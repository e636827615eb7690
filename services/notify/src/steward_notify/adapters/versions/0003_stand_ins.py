"""Who stands in for whom, and who has a hand in a case and is passed over."""

from alembic import op

revision = "notify_0003"
down_revision = "notify_0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE delegations (
        delegation_id text PRIMARY KEY,
        project_id text NOT NULL,
        role text NOT NULL,
        person_id text NOT NULL,
        delegate_id text NOT NULL,
        since timestamptz,
        until timestamptz
    )
    """,
    "CREATE INDEX delegations_project ON delegations (project_id, role, until)",
    """
    CREATE TABLE rosters (
        roster_id text PRIMARY KEY,
        project_id text NOT NULL,
        shifts text NOT NULL,
        until timestamptz
    )
    """,
    "CREATE INDEX rosters_project ON rosters (project_id, until)",
    "CREATE TABLE hands (case_id text, person_id text, what text, PRIMARY KEY (case_id, person_id, what))",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
