"""Foreign messages wait in their source's own order, and no older word replaces a newer one."""

from pathlib import Path
from typing import cast

from alembic import op
from sqlalchemy.engine.interfaces import AdaptedConnection

revision = "store_0002"
down_revision = "store_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the inbox hold a source's order, and a line tell who came first."""
    # Run as one script by the driver itself: prepared statements take one command each.
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    adapted = cast("AdaptedConnection", op.get_bind().connection.dbapi_connection)
    adapted.run_async(lambda connection: connection.execute(script))
