"""Which incident a case is one of: what it brings is taken over together."""

from alembic import op

revision = "sla_0005"
down_revision = "sla_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the incident to the cases."""
    op.execute("ALTER TABLE cases ADD COLUMN incident text NOT NULL DEFAULT ''")
    op.execute("CREATE INDEX cases_incident ON cases (incident) WHERE incident <> ''")
