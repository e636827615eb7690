"""What chargeable work was quoted at, and what the owner said to that."""

from alembic import op

revision = "intake_0014"
down_revision = "intake_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.execute("ALTER TABLE cases ADD COLUMN quote text, ADD COLUMN quoted bigint")
