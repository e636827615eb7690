"""When a message's last fact was stored, and what the round every quarter of a minute looks up."""

from alembic import op

revision = "audit_0003"
down_revision = "audit_0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # For the rows that are there, and those of an older replica, the time counts from now on.
    "ALTER TABLE messages ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now()",
    "DROP INDEX messages_status",
    "CREATE INDEX messages_status ON messages (status, channel, changed_at)",
    """
    CREATE INDEX breaches_unescalated ON breaches (case_id, clock)
        WHERE breached AND NOT withdrawn AND NOT escalated
    """,
    """
    CREATE INDEX escalations_untold ON escalations (escalation_id)
        WHERE raised AND NOT (history OR (sms AND email))
    """,
)


def upgrade() -> None:
    """Add the column and the indexes."""
    for statement in _STATEMENTS:
        op.execute(statement)
