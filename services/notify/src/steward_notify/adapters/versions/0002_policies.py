"""The policies that were heard: their duty calendars say when people are told."""

from alembic import op

revision = "notify_0002"
down_revision = "notify_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of policies."""
    op.execute("CREATE TABLE policies (version text PRIMARY KEY, text text NOT NULL)")
