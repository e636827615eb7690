"""Of which group each project is: nobody acts at another group's projects."""

from alembic import op

revision = "visits_0004"
down_revision = "visits_0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE TABLE projects (project_id text PRIMARY KEY, group_id text NOT NULL)",
    """
    INSERT INTO projects (project_id, group_id)
    SELECT DISTINCT ON (data->>'project_id') data->>'project_id', data->>'group_id'
    FROM events
    WHERE type = 'visits.ledger_noted.v1' AND data->>'group_id' IS NOT NULL
    ORDER BY data->>'project_id', pos DESC
    """,
)


def upgrade() -> None:
    """Add them, with what the ledgers have noted of those that were heard of before."""
    for statement in STATEMENTS:
        op.execute(statement)
