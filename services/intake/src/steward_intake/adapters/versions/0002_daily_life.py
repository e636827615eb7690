"""What a case's daily life adds to its row: department, harm, where it came from and goes on."""

from alembic import op

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None

# With a default, since an older replica goes on writing rows without the column.
STATEMENTS = (
    """
    ALTER TABLE cases
        ADD COLUMN department text,
        ADD COLUMN harm_ongoing boolean NOT NULL DEFAULT false,
        ADD COLUMN moved_from text,
        ADD COLUMN goes_on_in text
    """,
    "CREATE INDEX cases_household ON cases (household_id, received_at)",
)


def upgrade() -> None:
    """Add the columns; what older facts say of them comes with the rebuilding."""
    for statement in STATEMENTS:
        op.execute(statement)
