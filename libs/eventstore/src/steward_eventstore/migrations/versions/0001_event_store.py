"""The event store's first shape."""

from pathlib import Path
from typing import cast

from alembic import op
from sqlalchemy.engine.interfaces import AdaptedConnection

revision = "store_0001"
down_revision = None
branch_labels = ("store",)
depends_on = None


def upgrade() -> None:
    """Create streams, events, inbox, timers, parking and the one way to append."""
    # Run as one script by the driver itself: prepared statements take one command each.
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    adapted = cast("AdaptedConnection", op.get_bind().connection.dbapi_connection)
    adapted.run_async(lambda connection: connection.execute(script))
