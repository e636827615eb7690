"""The outbox, and what is needed to find who is told."""

from alembic import op

revision = "notify_0001"
down_revision = None
branch_labels = ("notify",)
depends_on = "store_0001"

_STATEMENTS = (
    "CREATE TABLE projects (project_id text PRIMARY KEY, name text NOT NULL)",
    """
    CREATE TABLE staff (
        person_id text PRIMARY KEY, language text NOT NULL, phone text, email text
    )
    """,
    """
    CREATE TABLE roles (
        project_id text, role text, person_id text, since timestamptz,
        PRIMARY KEY (project_id, role, person_id)
    )
    """,
    """
    CREATE TABLE messages (
        message_id text PRIMARY KEY,
        project_id text NOT NULL,
        channel text NOT NULL,
        template text NOT NULL,
        role text,
        rule text NOT NULL,
        case_id text,
        escalation_id text,
        content text NOT NULL,
        not_before timestamptz,
        only_if_sent text,
        status text NOT NULL,
        attempts integer NOT NULL,
        again_at timestamptz,
        person_id text,
        provider_id text,
        code text,
        correlation_id text NOT NULL,
        requested_at timestamptz,
        changed_at timestamptz
    )
    """,
    """
    CREATE INDEX messages_owed ON messages (requested_at, message_id)
     WHERE status IN ('owed', 'sending')
    """,
    "CREATE INDEX messages_changed ON messages (changed_at, message_id)",
)


def upgrade() -> None:
    """Create the read models' tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
