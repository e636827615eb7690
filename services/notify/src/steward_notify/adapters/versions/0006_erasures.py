"""Who was erased, so that their keys are destroyed again after a restore."""

from alembic import op

revision = "notify_0006"
down_revision = "notify_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("CREATE TABLE erasures (subject text PRIMARY KEY, erased_at timestamptz)")
