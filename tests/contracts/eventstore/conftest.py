"""Every test of this folder runs against every store."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Table
from tests.support.eventstore import (
    CREATE_TABLES,
    HEARD,
    TALLY,
    Shop,
    StillClock,
    migrated,
    project,
)
from tests.support.stack import FreshDatabase

from steward_eventstore.memory import MemoryStore
from steward_eventstore.postgres import PostgresStore


async def with_read_models(dsn: str) -> None:
    await migrated(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute(CREATE_TABLES)
    await connection.close()


class OpenShop(Shop):
    """A shop whose read models a test can see."""

    async def rows(self, table: Table = TALLY) -> list[dict[str, Any]]:
        if isinstance(self.store, MemoryStore):
            return self.store.rows(table)
        assert isinstance(self.store, PostgresStore)
        key = ", ".join(column.name for column in table.primary_key)
        found = await self.store.pool.fetch(
            f'SELECT * FROM {table.name} ORDER BY {key} COLLATE "C"'
        )
        return [dict(row) for row in found]


@pytest.fixture(params=["memory", "postgres"])
async def shop(
    request: pytest.FixtureRequest, fresh_database: FreshDatabase
) -> AsyncIterator[OpenShop]:
    """A store with nothing in it, its deciders and its clocks."""
    HEARD.clear()
    if request.param == "memory":
        wall = StillClock()
        yield OpenShop(MemoryStore(wall), wall=wall, project=project)
        return
    store = await PostgresStore.connect(await fresh_database(with_read_models))
    yield OpenShop(store, project=project)
    await store.close()
