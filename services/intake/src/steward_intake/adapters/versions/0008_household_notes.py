"""What is to be known before a household is spoken to."""

from alembic import op

revision = "intake_0008"
down_revision = "intake_0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE household_notes (
        note_id text PRIMARY KEY,
        project_id text NOT NULL,
        household_id text NOT NULL,
        about text NOT NULL,
        note text NOT NULL,
        case_id text,
        person_id text,
        added_at timestamptz,
        until timestamptz
    )
    """,
    "CREATE INDEX household_notes_household ON household_notes (household_id)",
)


def upgrade() -> None:
    """Create the table."""
    for statement in STATEMENTS:
        op.execute(statement)
