"""Read models that are written anew, in a database that nobody may use meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from rich.progress import Progress
from tests.support.prepared import tables_of
from tests.support.stack import FreshDatabase
from tests.support.waiting import until

from steward_stack.errors import StewardError
from steward_stack.supervisor import Endpoints
from steward_stack.verifying import Written, rebuild

STRANGE = ("roles", "staff")
"""Tables of sla with a row that no fact speaks of."""


@dataclass(frozen=True)
class Two(Endpoints):
    """Servers of which two databases are known, as sla's and as visits'."""

    visits: str

    def database(self, name: str) -> str:
        return {"sla": self.postgres, "visits": self.visits}[name]


@pytest.fixture
async def sla(fresh_database: FreshDatabase, kafka_bootstrap: str) -> Two:
    dsn = await fresh_database(tables_of("sla"))
    async with connected(dsn) as connection:
        await connection.execute("INSERT INTO roles VALUES ('p', 'centre_manager', 'm')")
        await connection.execute("INSERT INTO staff VALUES ('m')")
    visits = await fresh_database()
    return Two(kafka_bootstrap, dsn, {}, smtp="", sms="", logs="", visits=visits)


@asynccontextmanager
async def connected(dsn: str, **settings: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


async def rebuilt(sla: Two, *others: str) -> dict[str, Written]:
    found = await rebuild(sla, ["sla", *others], Progress(disable=True))
    return {one.model: one for one in found if one.written}


async def rows(sla: Two) -> list[int]:
    async with connected(sla.postgres) as connection:
        return [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in STRANGE]


async def test_what_no_fact_speaks_of_goes_and_a_second_time_writes_nothing(sla: Two) -> None:
    assert await rebuilt(sla) == {
        table: Written("sla", table, before=1, after=0, written=True) for table in STRANGE
    }
    assert await rows(sla) == [0, 0]
    assert await rebuilt(sla) == {}


async def test_nothing_is_written_while_one_of_the_services_runs(sla: Two) -> None:
    async with connected(sla.visits, application_name="visits-1"):
        with pytest.raises(StewardError, match="visits is running: stop it"):
            await rebuilt(sla, "visits")
    assert await rows(sla) == [1, 1]


async def test_nothing_is_written_when_the_service_begins_meanwhile(sla: Two) -> None:
    async with connected(sla.postgres) as looking, connected(sla.postgres) as holding:
        transaction: Any = holding.transaction()
        await transaction.start()
        await holding.execute("LOCK TABLE staff IN SHARE MODE")
        rebuilding = asyncio.create_task(rebuilt(sla))

        async def waits() -> bool:
            waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
            return rebuilding.done() or bool(await looking.fetchval(waiting))

        await until(waits, "nothing waits to be written")
        async with connected(sla.postgres, application_name="sla-1"):
            await transaction.rollback()
            with pytest.raises(StewardError, match="sla is running: stop it"):
                await rebuilding
    assert await rows(sla) == [1, 1]
