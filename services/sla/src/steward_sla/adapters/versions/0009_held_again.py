"""Who had a case keeps it when it was handled, and has it again when it is reopened."""

from alembic import op

revision = "sla_0009"
down_revision = "sla_0008"
branch_labels = None
depends_on = None

_WITH_ITS_HOLDER = (
    "'case_handled', 'case_reopened', 'case_closed', 'case_withdrawn', 'case_refused',"
    " 'case_merged', 'case_moved_out'"
)
_WHAT = f"""
    CASE WHEN data->>'noted' = 'case_handled' THEN 'rests'
         WHEN data->>'noted' = 'case_reopened' THEN 'goes_on'
         WHEN data->>'noted' IN ({_WITH_ITS_HOLDER}) THEN 'ends'
         ELSE 'gives' END
      FROM events WHERE type = 'sla.case_noted.v1' AND data->>'noted'
"""
STATEMENTS = (
    "DELETE FROM holdings",
    # Told anew by what was noted of cases.
    f"""
    INSERT INTO holdings
    SELECT data->>'case_id', 2 * (data->>'version')::integer, data->>'project_id',
           (data->>'at')::timestamptz, false,
           CASE WHEN data->>'noted' = 'case_dispatched'
                 AND NOT coalesce((data->'fields'->>'before_move')::boolean, false)
                THEN coalesce(data->'fields'->>'department', '') ELSE '' END,
           {_WHAT}
        IN ('case_dispatched', 'dispatch_refused', 'dispatch_withdrawn', {_WITH_ITS_HOLDER})
    """,
    f"""
    INSERT INTO holdings
    SELECT data->>'case_id', 2 * (data->>'version')::integer + 1, data->>'project_id',
           (data->>'at')::timestamptz, true,
           CASE WHEN data->>'noted' = 'case_assigned'
                THEN coalesce(data->'fields'->>'person_id', '') ELSE '' END,
           {_WHAT}
        IN ('case_assigned', {_WITH_ITS_HOLDER})
    """,
)


def upgrade() -> None:
    """Say of each holding what it is, and fill the table from what sla has noted of its cases."""
    op.execute("ALTER TABLE holdings ADD COLUMN what text NOT NULL DEFAULT 'gives'")
    for statement in STATEMENTS:
        op.execute(statement)
