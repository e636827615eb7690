"""Published calendars, reapplied policies, and who has or had each case."""

from alembic import op

revision = "sla_0004"
down_revision = "sla_0003"
branch_labels = None
depends_on = None

_LETS_GO = (
    "'case_handled', 'case_closed', 'case_withdrawn', 'case_refused', 'case_merged',"
    " 'case_moved_out'"
)
_NOTED = "FROM events WHERE type = 'sla.case_noted.v1' AND data->>'noted' "
STATEMENTS = (
    """
    CREATE TABLE calendars (
        edition integer PRIMARY KEY,
        calendar text NOT NULL,
        version text NOT NULL,
        year integer NOT NULL,
        said text NOT NULL,
        at timestamptz
    )
    """,
    """
    CREATE TABLE reapplications (
        reapply_id text PRIMARY KEY,
        policy text NOT NULL,
        instead_of text NOT NULL,
        projects text[] NOT NULL,
        targets text[] NOT NULL,
        cases text[] NOT NULL,
        asked_by text NOT NULL,
        at timestamptz,
        changed_at timestamptz
    )
    """,
    "CREATE INDEX reapplications_changed ON reapplications (changed_at, reapply_id)",
    """
    CREATE TABLE cases (
        case_id text PRIMARY KEY,
        project_id text NOT NULL,
        number text NOT NULL,
        kind text NOT NULL,
        zone text NOT NULL,
        person_id text NOT NULL,
        department text NOT NULL
    )
    """,
    "CREATE INDEX cases_person ON cases (person_id)",
    """
    CREATE TABLE holdings (
        case_id text NOT NULL,
        place integer NOT NULL,
        project_id text NOT NULL,
        at timestamptz,
        person boolean NOT NULL,
        holder text NOT NULL,
        PRIMARY KEY (case_id, place)
    )
    """,
    "CREATE INDEX holdings_project ON holdings (project_id, at)",
    "CREATE INDEX clocks_waiting ON clocks (case_id) WHERE state IN ('running', 'paused')",
    "CREATE INDEX clocks_provisional ON clocks (case_id)"
    " WHERE provisional AND state IN ('running', 'paused')",
    # What was noted of cases before this version.
    f"""
    INSERT INTO cases
    SELECT data->>'case_id',
           (array_agg(data->>'project_id' ORDER BY version DESC))[1],
           coalesce((array_agg(data->'fields'->>'number' ORDER BY version DESC)
                    FILTER (WHERE data->>'noted' = 'case_received'))[1], ''),
           coalesce((array_agg(data->'fields'->>'kind' ORDER BY version DESC)
                    FILTER (WHERE data->>'noted' = 'case_received'))[1], ''),
           coalesce((array_agg(data->'fields'->>'zone' ORDER BY version DESC)
                    FILTER (WHERE data->>'noted' = 'case_received'))[1], 'Asia/Shanghai'),
           coalesce((array_agg(data->'fields'->>'person_id' ORDER BY version DESC)
                    FILTER (WHERE data->>'noted' = 'case_assigned'))[1], ''),
           coalesce((array_agg(CASE WHEN data->>'noted' = 'case_dispatched'
                                    THEN data->'fields'->>'department' END ORDER BY version DESC)
                    FILTER (WHERE data->>'noted' IN ('case_dispatched', 'dispatch_refused')))[1], '')
      {_NOTED} IN ('case_received', 'case_assigned', 'case_dispatched', 'dispatch_refused')
     GROUP BY data->>'case_id'
    """,
    f"""
    INSERT INTO holdings
    SELECT data->>'case_id', 2 * (data->>'version')::integer, data->>'project_id',
           (data->>'at')::timestamptz, false,
           CASE WHEN data->>'noted' = 'case_dispatched'
                THEN coalesce(data->'fields'->>'department', '') ELSE '' END
      {_NOTED} IN ('case_dispatched', 'dispatch_refused', {_LETS_GO})
    """,
    f"""
    INSERT INTO holdings
    SELECT data->>'case_id', 2 * (data->>'version')::integer + 1, data->>'project_id',
           (data->>'at')::timestamptz, true,
           CASE WHEN data->>'noted' = 'case_assigned'
                THEN coalesce(data->'fields'->>'person_id', '') ELSE '' END
      {_NOTED} IN ('case_assigned', {_LETS_GO})
    """,
)


def upgrade() -> None:
    """Create the tables, and fill them from what sla has noted of its cases."""
    for statement in STATEMENTS:
        op.execute(statement)
