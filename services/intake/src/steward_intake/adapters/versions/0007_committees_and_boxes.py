"""Owners' committees and suggestion boxes, and who speaks in a case."""

from alembic import op

revision = "intake_0007"
down_revision = "intake_0006"
branch_labels = None
depends_on = None

# With a default, since an older replica goes on writing rows without the column.
STATEMENTS = (
    """
    CREATE TABLE committees (
        committee_id text PRIMARY KEY,
        project_id text NOT NULL,
        name text NOT NULL,
        phone text,
        email text,
        members text[] NOT NULL,
        chair text,
        changed_at timestamptz
    )
    """,
    """
    CREATE TABLE suggestion_boxes (
        box_id text PRIMARY KEY,
        project_id text NOT NULL,
        place text NOT NULL,
        removed boolean NOT NULL,
        opened_at timestamptz,
        opened_by text,
        changed_at timestamptz
    )
    """,
    """
    ALTER TABLE cases
        ADD COLUMN party text NOT NULL DEFAULT '',
        ADD COLUMN committee_id text
    """,
    "CREATE INDEX cases_committee ON cases (committee_id) WHERE committee_id IS NOT NULL",
)


def upgrade() -> None:
    """Create the tables and columns; what older facts say comes with the rebuilding."""
    for statement in STATEMENTS:
        op.execute(statement)
