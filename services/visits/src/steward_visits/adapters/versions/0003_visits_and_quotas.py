"""Visits, monthly quotas, and what of the registry and the policies they need."""

from alembic import op

revision = "visits_0003"
down_revision = "visits_0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE publications (
        pack text,
        version text,
        effective_from timestamptz,
        group_id text,
        project_id text,
        published_at timestamptz,
        PRIMARY KEY (pack, version)
    )
    """,
    "CREATE TABLE households (household_id text PRIMARY KEY, project_id text NOT NULL)",
    """
    CREATE TABLE visits (
        visit_id text PRIMARY KEY,
        project_id text NOT NULL,
        household_id text NOT NULL,
        person_id text NOT NULL,
        month text NOT NULL,
        visited_at timestamptz,
        mode text NOT NULL,
        topics text NOT NULL,
        case_id text,
        struck_because text,
        struck_by text,
        changed_at timestamptz
    )
    """,
    "CREATE INDEX visits_changed ON visits (changed_at, visit_id)",
    "CREATE INDEX visits_project ON visits (project_id, month, person_id)",
    "CREATE INDEX visits_household ON visits (household_id, changed_at, visit_id)",
    """
    CREATE TABLE quotas (
        project_id text,
        month text,
        person_id text,
        quota text,
        role text NOT NULL,
        rule text NOT NULL,
        policy text NOT NULL,
        required integer NOT NULL,
        "by" timestamptz,
        status text NOT NULL,
        reached_at timestamptz,
        changed_at timestamptz,
        PRIMARY KEY (project_id, month, person_id, quota)
    )
    """,
)


def upgrade() -> None:
    """Create the tables; what was heard before comes with the rebuilding."""
    for statement in STATEMENTS:
        op.execute(statement)
