"""Where a case was raised, the document that caused it, and what its record lacks."""

from alembic import op

revision = "intake_0006"
down_revision = "intake_0005"
branch_labels = None
depends_on = None

# With a default, since an older replica goes on writing rows without the column.
STATEMENTS = (
    """
    ALTER TABLE cases
        ADD COLUMN visit_id text,
        ADD COLUMN followup_id text,
        ADD COLUMN document text,
        ADD COLUMN document_author text,
        ADD COLUMN lacks text[] NOT NULL DEFAULT '{}'
    """,
    "CREATE INDEX cases_visit ON cases (visit_id) WHERE visit_id IS NOT NULL",
    "CREATE INDEX cases_followup ON cases (followup_id) WHERE followup_id IS NOT NULL",
    "CREATE INDEX cases_author ON cases (document_author) WHERE document_author IS NOT NULL",
)


def upgrade() -> None:
    """Add the columns; what older facts say of them comes with the rebuilding."""
    for statement in STATEMENTS:
        op.execute(statement)
