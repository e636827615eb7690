"""Who stands in for whom, and who is on duty."""

from alembic import op

revision = "intake_0011"
down_revision = "intake_0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE delegations (
        delegation_id text PRIMARY KEY,
        project_id text NOT NULL,
        role text NOT NULL,
        person_id text NOT NULL,
        delegate_id text NOT NULL,
        since timestamptz,
        until timestamptz
    )
    """,
    """
    INSERT INTO delegations
    SELECT DISTINCT ON (data->>'delegation_id')
           data->>'delegation_id', data->>'project_id', data->>'role', data->>'person_id',
           data->>'delegate_id', (data->>'since')::timestamptz, (data->>'until')::timestamptz
      FROM events WHERE type = 'registry.role_delegated.v1'
     ORDER BY data->>'delegation_id', version DESC
    """,
    "CREATE INDEX delegations_project ON delegations (project_id, role, until)",
    """
    CREATE TABLE rosters (
        roster_id text PRIMARY KEY,
        project_id text NOT NULL,
        shifts text NOT NULL,
        until timestamptz
    )
    """,
    """
    INSERT INTO rosters
    SELECT DISTINCT ON (data->>'roster_id')
           data->>'roster_id', data->>'project_id', shifts, until
      FROM events,
           LATERAL (
               SELECT '[' || coalesce(string_agg(concat(
                          '{"role":', shift->'role', ',"person_id":', shift->'person_id',
                          ',"since":', shift->'since', ',"until":', shift->'until', '}'
                      ), ',' ORDER BY place), '') || ']' AS shifts,
                      max((shift->>'until')::timestamptz) AS until
                 FROM jsonb_array_elements((data->'shifts')::jsonb) WITH ORDINALITY AS s (shift, place)
           ) AS whole
     WHERE type = 'registry.duty_roster_published.v1'
     ORDER BY data->>'roster_id', version DESC
    """,
    "CREATE INDEX rosters_project ON rosters (project_id, until)",
)


def upgrade() -> None:
    """Create the tables, of what was said so far."""
    for statement in STATEMENTS:
        op.execute(statement)
