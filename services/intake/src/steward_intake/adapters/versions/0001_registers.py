"""The registers, the list of cases, and the counters of their numbers."""

from alembic import op

revision = "intake_0001"
down_revision = None
branch_labels = ("intake",)
depends_on = "store_0001"

STATEMENTS = (
    """
    CREATE TABLE groups (
        group_id text PRIMARY KEY,
        name text NOT NULL,
        changed_at timestamptz
    )
    """,
    """
    CREATE TABLE projects (
        project_id text PRIMARY KEY,
        group_id text NOT NULL,
        name text NOT NULL,
        zone text NOT NULL,
        policy text NOT NULL,
        changed_at timestamptz
    )
    """,
    """
    CREATE TABLE households (
        household_id text PRIMARY KEY,
        project_id text NOT NULL,
        address text,
        key boolean NOT NULL,
        changed_at timestamptz
    )
    """,
    "CREATE INDEX households_changed ON households (changed_at, household_id)",
    "CREATE INDEX households_project ON households (project_id, changed_at, household_id)",
    """
    CREATE TABLE people (
        person_id text PRIMARY KEY,
        project_id text NOT NULL,
        household_id text NOT NULL,
        name text,
        phone text,
        email text,
        language text NOT NULL,
        changed_at timestamptz
    )
    """,
    "CREATE INDEX people_changed ON people (changed_at, person_id)",
    "CREATE INDEX people_household ON people (household_id)",
    "CREATE INDEX people_project ON people (project_id, changed_at, person_id)",
    """
    CREATE TABLE staff (
        person_id text PRIMARY KEY,
        group_id text NOT NULL,
        name text,
        phone text,
        email text,
        language text NOT NULL,
        changed_at timestamptz
    )
    """,
    """
    CREATE TABLE roles (
        project_id text,
        role text,
        person_id text,
        changed_at timestamptz,
        PRIMARY KEY (project_id, role, person_id)
    )
    """,
    """
    CREATE TABLE policies (
        pack text,
        version text,
        sha256 text NOT NULL,
        effective_from timestamptz,
        group_id text,
        project_id text,
        text text NOT NULL,
        changed_at timestamptz,
        PRIMARY KEY (pack, version)
    )
    """,
    """
    CREATE TABLE cases (
        case_id text PRIMARY KEY,
        number text NOT NULL,
        project_id text NOT NULL,
        household_id text,
        kind text NOT NULL,
        channel text NOT NULL,
        status text NOT NULL,
        topic text NOT NULL,
        validity text,
        severity text,
        urgency text,
        work_category text,
        round integer NOT NULL,
        owner_id text,
        chased integer NOT NULL,
        satisfaction integer,
        followed_up_round integer NOT NULL,
        received_at timestamptz,
        classified_at timestamptz,
        accepted_at timestamptz,
        handled_at timestamptz,
        told_at timestamptz,
        closed_at timestamptz,
        history_until timestamptz,
        external_source text,
        external_subject text,
        version integer NOT NULL,
        changed_at timestamptz
    )
    """,
    "CREATE INDEX cases_changed ON cases (changed_at, case_id)",
    "CREATE INDEX cases_project ON cases (project_id, changed_at, case_id)",
    """
    CREATE TABLE case_numbers (
        project_id text,
        year integer,
        last integer NOT NULL,
        PRIMARY KEY (project_id, year)
    )
    """,
)


def upgrade() -> None:
    """Create the read models' tables."""
    for statement in STATEMENTS:
        op.execute(statement)
