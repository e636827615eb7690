"""Who is registered staff: whoever is named in a request is."""

from alembic import op

revision = "sla_0003"
down_revision = "sla_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the staff, as they are heard of."""
    op.execute("CREATE TABLE staff (person_id text PRIMARY KEY)")
