"""Which other households cases concern."""

from alembic import op

revision = "intake_0012"
down_revision = "intake_0011"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE case_concerns (
        case_id text,
        household_id text,
        part text NOT NULL,
        PRIMARY KEY (case_id, household_id)
    )
    """,
    "CREATE INDEX case_concerns_household ON case_concerns (household_id)",
)


def upgrade() -> None:
    """Create the table."""
    for statement in STATEMENTS:
        op.execute(statement)
