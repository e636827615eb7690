"""When a case was moved and when a clock was cancelled: what ended before the move counts there."""

from alembic import op

revision = "sla_0010"
down_revision = "sla_0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Told by what was noted of the cases that were moved.
    """
    INSERT INTO moves
    SELECT DISTINCT ON (1) data->'fields'->>'to_case', (data->>'at')::timestamptz
      FROM events WHERE type = 'sla.case_noted.v1' AND data->>'noted' = 'case_moved_out'
     ORDER BY 1, log_epoch DESC, xid DESC, pos DESC
    """,
    """
    UPDATE clocks SET cancelled_at = last.at
      FROM (
        SELECT DISTINCT ON (1, 2) data->>'case_id' AS case_id, data->>'clock' AS clock,
               (meta->>'occurred')::timestamptz AS at
          FROM events WHERE type = 'sla.clock_cancelled.v1'
         ORDER BY 1, 2, version DESC
      ) AS last
     WHERE clocks.case_id = last.case_id AND clocks.clock = last.clock
       AND clocks.state = 'cancelled'
    """,
)


def upgrade() -> None:
    """Add both, and fill them from what sla has noted and told."""
    op.execute("CREATE TABLE moves (case_id text PRIMARY KEY, at timestamptz)")
    op.execute("ALTER TABLE clocks ADD COLUMN cancelled_at timestamptz")
    for statement in STATEMENTS:
        op.execute(statement)
