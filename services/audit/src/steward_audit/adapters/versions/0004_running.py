"""What runs, in the order of its streams, of which the round asks some at a time."""

from alembic import op

revision = "audit_0004"
down_revision = "audit_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute("CREATE INDEX clocks_running ON clocks (stream) WHERE status = 'running'")
