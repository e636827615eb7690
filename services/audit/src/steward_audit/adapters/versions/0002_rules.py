"""How many facts carry each rule, and how many of each type were history."""

from alembic import op

revision = "audit_0002"
down_revision = "audit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counts; they begin with what is heard from now on."""
    # An older replica writes rows without the new column.
    op.execute("ALTER TABLE heard ADD COLUMN history integer NOT NULL DEFAULT 0")
    op.execute("CREATE TABLE rules (rule text PRIMARY KEY, facts integer NOT NULL)")
