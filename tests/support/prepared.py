"""What databases are filled with before a test: once in a run, and cloned from then on."""

from functools import cache

from tests.support.stack import Prepare

from steward_eventstore import migrations
from steward_service import keys
from steward_service.provision import make_tables, own_versions


@cache
def tables_of(service: str) -> Prepare:
    """Give what makes a service's tables, those of the event store among them."""

    async def tables(dsn: str) -> None:
        await migrations.upgrade(dsn, own_versions(service))

    return tables


async def with_keys(dsn: str) -> None:
    """Make the tables of keys."""
    await make_tables(dsn, keys.METADATA)
