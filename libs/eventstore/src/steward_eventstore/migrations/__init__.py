"""Brings a service's database to the shape that its program needs; safe to run twice at once."""

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData
from sqlalchemy.engine import make_url
from sqlalchemy.engine.url import URL

HERE = Path(__file__).parent
_LOCK = 7_318_349_001


def config(url: URL, versions: Path | None, metadata: MetaData | None = None) -> Config:
    """Give Alembic's settings for the event store and one service's own `versions` folder."""
    made = Config()
    made.set_main_option("script_location", str(HERE).replace("%", "%%"))
    folders = [HERE / "versions", *([versions] if versions else [])]
    made.set_main_option("path_separator", "newline")
    made.set_main_option("version_locations", "\n".join(str(f).replace("%", "%%") for f in folders))
    made.attributes["url"] = url
    made.attributes["metadata"] = metadata
    return made


def url_of(dsn: str) -> URL:
    """Give SQLAlchemy's address for a PostgreSQL DSN."""
    return make_url(dsn).set(drivername="postgresql+asyncpg")


async def upgrade(dsn: str, versions: Path | None = None) -> None:
    """Apply what is missing: the event store's steps, then the service's in `versions`."""
    guard = await asyncpg.connect(dsn)
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await asyncio.to_thread(command.upgrade, config(url_of(dsn), versions), "heads")
    finally:
        await guard.close()
