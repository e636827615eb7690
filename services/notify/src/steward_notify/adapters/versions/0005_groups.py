"""Messages that are told in one text."""

from alembic import op

revision = "notify_0005"
down_revision = "notify_0004"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE messages ADD COLUMN together boolean NOT NULL DEFAULT false",
    "ALTER TABLE messages ADD COLUMN group_id text",
    "CREATE INDEX messages_group ON messages (group_id) WHERE group_id IS NOT NULL",
)


def upgrade() -> None:
    """Add the columns."""
    for statement in _STATEMENTS:
        op.execute(statement)
