"""Who holds which role, who stands in for whom, and who is on duty."""

from alembic import op

revision = "sla_0007"
down_revision = "sla_0006"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE roles (
        project_id text,
        role text,
        person_id text,
        since timestamptz,
        PRIMARY KEY (project_id, role, person_id)
    )
    """,
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
)


def upgrade() -> None:
    """Add them, as they are heard of."""
    for statement in _STATEMENTS:
        op.execute(statement)
