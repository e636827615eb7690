"""Of which group each member of staff is: nobody acts at another group's projects."""

from alembic import op

revision = "sla_0008"
down_revision = "sla_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; of whom it was not heard, it is told when they are registered with a change."""
    op.execute("ALTER TABLE staff ADD COLUMN group_id text NOT NULL DEFAULT ''")
