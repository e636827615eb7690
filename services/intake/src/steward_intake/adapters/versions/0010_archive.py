"""What the others have told of households and cases, and where a case is that is in no home."""

from alembic import op

revision = "intake_0010"
down_revision = "intake_0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE heard_facts (
        stream_id text,
        version integer,
        event_id text NOT NULL,
        type text NOT NULL,
        case_id text,
        household_id text,
        occurred_at timestamptz,
        recorded_at timestamptz,
        known_at timestamptz,
        history timestamptz,
        data text NOT NULL,
        PRIMARY KEY (stream_id, version)
    )
    """,
    "CREATE INDEX heard_facts_case ON heard_facts (case_id)",
    "CREATE INDEX heard_facts_household ON heard_facts (household_id)",
    """
    CREATE TABLE case_rules (
        case_id text,
        rule text,
        PRIMARY KEY (case_id, rule)
    )
    """,
    # With a default, since an older replica goes on writing rows without the column.
    "ALTER TABLE cases ADD COLUMN place text NOT NULL DEFAULT ''",
    "CREATE INDEX cases_place ON cases (project_id, place, received_at) WHERE place <> ''",
)


def upgrade() -> None:
    """Create the tables; what was heard before comes with the rebuilding."""
    for statement in STATEMENTS:
        op.execute(statement)
