"""Whether a matter is in a home or a common area, and which asset it is about."""

from alembic import op

revision = "intake_0013"
down_revision = "intake_0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE cases ADD COLUMN area text",
    # With a default, since an older replica goes on writing rows without the column.
    "ALTER TABLE cases ADD COLUMN asset text NOT NULL DEFAULT ''",
    "CREATE INDEX cases_asset ON cases (project_id, asset, received_at) WHERE asset <> ''",
)


def upgrade() -> None:
    """Add the columns."""
    for statement in STATEMENTS:
        op.execute(statement)
