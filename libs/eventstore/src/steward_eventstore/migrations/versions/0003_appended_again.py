"""What a restore has appended again is known by its ID, so that its cause has no effect twice."""

from alembic import op

revision = "store_0003"
down_revision = "store_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table that `steward rebase` fills."""
    op.execute("CREATE TABLE appended_again (id uuid PRIMARY KEY)")
