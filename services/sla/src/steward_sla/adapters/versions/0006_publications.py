"""For whom each policy was published, and of which group each project is."""

from alembic import op

revision = "sla_0006"
down_revision = "sla_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both, as they are heard of."""
    op.execute(
        "CREATE TABLE publications (version text PRIMARY KEY, group_id text, project_id text)"
    )
    op.execute("CREATE TABLE projects (project_id text PRIMARY KEY, group_id text NOT NULL)")
