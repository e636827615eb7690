"""Where the photos and letters of cases lie, sealed."""

from alembic import op

revision = "intake_0004"
down_revision = "intake_0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE attachments (
        case_id text,
        sha256 text,
        subject text NOT NULL,
        media_type text NOT NULL,
        box bytea NOT NULL,
        PRIMARY KEY (case_id, sha256)
    )
    """,
    # What is sealed cannot be made smaller.
    "ALTER TABLE attachments ALTER COLUMN box SET STORAGE EXTERNAL",
    "CREATE INDEX attachments_subject ON attachments (subject)",
)


def upgrade() -> None:
    """Create the table."""
    for statement in STATEMENTS:
        op.execute(statement)
