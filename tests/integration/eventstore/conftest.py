"""Stores that can be interrupted."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest
from asyncpg import Connection, Pool
from tests.support.eventstore import CREATE_TABLES, HEARD, Shop, migrated, project
from tests.support.stack import FreshDatabase

from steward_eventstore.port import Reading, View, Write
from steward_eventstore.postgres import PostgresStore

Step = Callable[[], Awaitable[object]]


class InterruptedStore(PostgresStore):
    """Lets a test do something before a read, or around its commit, once."""

    before_read: Step | None = None
    before_commit: Step | None = None
    after_commit: Step | None = None

    async def read(self, reading: Reading) -> View:
        await self._now("before_read")
        return await super().read(reading)

    async def commit(self, write: Write) -> None:
        await self._now("before_commit")
        await super().commit(write)
        await self._now("after_commit")

    async def _now(self, when: str) -> None:
        step: Step | None = getattr(self, when)
        setattr(self, when, None)
        if step is not None:
            await step()


class _OneConnection:
    """A pool of one connection, which may be inside a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        yield self._connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Database:
    """A migrated database of the test's own, and any number of sessions on it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._open: list[PostgresStore | Connection] = []

    async def store(self) -> InterruptedStore:
        """Open a store with connections of its own: another process."""
        store = InterruptedStore((await PostgresStore.connect(self.dsn, connections=4)).pool)
        self._open.append(store)
        return store

    async def shop(self) -> Shop:
        """Open a store with deciders and read models."""
        return Shop(await self.store(), project=project)

    async def session(self) -> Connection:
        """Open a plain session."""
        connection = await asyncpg.connect(self.dsn)
        self._open.append(connection)
        return connection

    def within(self, connection: Connection) -> PostgresStore:
        """Give a store that works inside this session's transaction."""
        return PostgresStore(cast("Pool", _OneConnection(connection)))

    async def close(self) -> None:
        """End all sessions."""
        for opened in self._open:
            await opened.close()


async def with_read_models(dsn: str) -> None:
    await migrated(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute(CREATE_TABLES)
    await connection.close()


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> AsyncIterator[Database]:
    """A database with the event store in it."""
    HEARD.clear()
    database = Database(await fresh_database(with_read_models))
    yield database
    await database.close()
