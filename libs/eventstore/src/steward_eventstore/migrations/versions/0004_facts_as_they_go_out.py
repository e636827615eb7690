"""Facts lie as they go out: as JSON's text, which nobody takes apart and puts together again."""

from alembic import op

revision = "store_0004"
down_revision = "store_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the columns, and the function that fills them."""
    op.execute("ALTER TABLE events ALTER data TYPE json, ALTER meta TYPE json")
    op.execute(
        """
        DO $change$
        DECLARE
            was text := pg_get_functiondef('steward_commit'::regproc);
            becomes text := replace(was, '::jsonb', '::json');
        BEGIN
            ASSERT becomes <> was;
            EXECUTE becomes;
        END $change$
        """
    )
