"""What audit remembers of all facts."""

from alembic import op

revision = "audit_0001"
down_revision = None
branch_labels = ("audit",)
depends_on = "store_0001"

_STATEMENTS = (
    "CREATE TABLE policies (version text PRIMARY KEY, text text NOT NULL)",
    """
    CREATE TABLE heard (
        service text, type text, facts integer NOT NULL, PRIMARY KEY (service, type)
    )
    """,
    """
    CREATE TABLE cases (
        case_id text PRIMARY KEY,
        kind text NOT NULL,
        severity text NOT NULL,
        status text NOT NULL,
        live boolean NOT NULL
    )
    """,
    """
    CREATE TABLE clocks (
        case_id text,
        clock text,
        stream text NOT NULL,
        rule text NOT NULL,
        target text NOT NULL,
        policy text NOT NULL,
        status text NOT NULL,
        outcome text NOT NULL,
        PRIMARY KEY (case_id, clock)
    )
    """,
    """
    CREATE TABLE breaches (
        case_id text,
        clock text,
        number integer,
        breached boolean NOT NULL,
        withdrawn boolean NOT NULL,
        escalated boolean NOT NULL,
        PRIMARY KEY (case_id, clock, number)
    )
    """,
    """
    CREATE TABLE escalations (
        escalation_id text PRIMARY KEY,
        role text NOT NULL,
        raised boolean NOT NULL,
        withdrawn boolean NOT NULL,
        history boolean NOT NULL,
        sms boolean NOT NULL,
        email boolean NOT NULL
    )
    """,
    """
    CREATE TABLE followups (
        followup_id text PRIMARY KEY,
        rule text NOT NULL,
        mode text NOT NULL,
        status text NOT NULL
    )
    """,
    """
    CREATE TABLE messages (
        message_id text PRIMARY KEY,
        channel text NOT NULL,
        status text NOT NULL,
        not_before timestamptz
    )
    """,
    "CREATE INDEX messages_status ON messages (status)",
)


def upgrade() -> None:
    """Create the read models' tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
