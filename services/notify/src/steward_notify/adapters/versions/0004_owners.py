"""Owners: how to reach a household's people, and messages that are sent instead of others."""

from alembic import op

revision = "notify_0004"
down_revision = "notify_0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE people (
        person_id text PRIMARY KEY,
        household_id text NOT NULL,
        language text NOT NULL,
        phone text,
        email text
    )
    """,
    "CREATE INDEX people_household ON people (household_id)",
    "ALTER TABLE messages ADD COLUMN instead_of text",
    "ALTER TABLE messages ADD COLUMN household_id text",
    "ALTER TABLE messages ADD COLUMN address text",
)


def upgrade() -> None:
    """Create the table and the columns."""
    for statement in _STATEMENTS:
        op.execute(statement)
