"""Who was erased, and the index of sealed texts from which they are taken out."""

from alembic import op

revision = "intake_0005"
down_revision = "intake_0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE erasures (
        subject text PRIMARY KEY,
        because_of text NOT NULL,
        reason text NOT NULL,
        asked_by text,
        project_id text,
        group_id text,
        erased_at timestamptz,
        changed_at timestamptz
    )
    """,
    "CREATE INDEX erasures_changed ON erasures (changed_at, subject)",
    """
    CREATE TABLE sealed_texts (
        value_id text PRIMARY KEY,
        stream_id text NOT NULL,
        project_id text NOT NULL,
        subject text NOT NULL,
        field text NOT NULL,
        sealed text NOT NULL,
        terms text[] NOT NULL
    )
    """,
    "CREATE INDEX sealed_texts_terms ON sealed_texts USING gin (terms)",
    "CREATE INDEX sealed_texts_subject ON sealed_texts (subject)",
    "CREATE INDEX sealed_texts_stream ON sealed_texts (stream_id)",
    """
    CREATE TABLE sealed_texts_read (
        singleton boolean PRIMARY KEY,
        epoch integer NOT NULL,
        xid bigint NOT NULL,
        pos bigint NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
