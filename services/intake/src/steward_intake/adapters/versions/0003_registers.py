"""Departments, zones, and when a person moved in and out."""

from alembic import op

revision = "intake_0003"
down_revision = "intake_0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE people ADD COLUMN moved_in date, ADD COLUMN moved_out date",
    """
    CREATE TABLE departments (
        department_id text PRIMARY KEY,
        project_id text,
        group_id text,
        name text NOT NULL,
        calendar text NOT NULL,
        head text,
        changed_at timestamptz
    )
    """,
    """
    CREATE TABLE zones (
        zone_id text PRIMARY KEY,
        project_id text NOT NULL,
        person_id text NOT NULL,
        name text NOT NULL,
        buildings text[] NOT NULL,
        households text[] NOT NULL,
        changed_at timestamptz
    )
    """,
)


def upgrade() -> None:
    """Create the tables and columns."""
    for statement in STATEMENTS:
        op.execute(statement)
