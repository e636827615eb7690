"""Of several processes one does a thing: by a lock of a session, which ends with it at the latest."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.support.eventstore import migrated
from tests.support.stack import FreshDatabase
from tests.support.waiting import until

from steward_eventstore.postgres import PostgresStore
from steward_service.locks import session_lock

LOCK = 7
UNANSWERED = """
CREATE SCHEMA unanswered;
CREATE FUNCTION unanswered.{function}(bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_catalog.pg_try_advisory_lock($1);
    RAISE 'The answer is lost.';
END $$;
SET search_path = unanswered, pg_catalog;
"""
"""The session holds the lock, and whoever asked does not know."""


@pytest.fixture
async def dsn(fresh_database: FreshDatabase) -> str:
    return await fresh_database(migrated)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool as a service has it: what comes back to it is not reset."""
    store = await PostgresStore.connect(dsn, connections=1)
    yield store.pool
    await store.close()


async def test_one_holds_a_lock_and_then_the_next(dsn: str, pool: asyncpg.Pool) -> None:
    another = await asyncpg.connect(dsn)
    async with pool.acquire() as connection, session_lock(connection, LOCK) as held:
        assert held
        async with session_lock(another, LOCK) as held_too:
            assert not held_too
    async with session_lock(another, LOCK) as held:
        assert held
    await another.close()


@pytest.mark.parametrize("function", ["pg_try_advisory_lock", "pg_advisory_unlock"])
async def test_a_session_that_may_hold_a_lock_is_ended(
    dsn: str, pool: asyncpg.Pool, function: str
) -> None:
    await pool.execute(UNANSWERED.format(function=function))
    with pytest.raises(asyncpg.RaiseError, match="lost"):
        async with pool.acquire() as connection, session_lock(connection, LOCK):
            pass
    another = await asyncpg.connect(dsn)

    async def free() -> bool:
        async with session_lock(another, LOCK) as held:
            return held

    await until(free, "the lock is still held")
    await another.close()
