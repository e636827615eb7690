"""Connections that go from hand to hand: nobody waits for ever, and nobody gets a broken one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest
from tests.integration.eventstore.conftest import Database
from tests.support.waiting import until

from steward_eventstore.lending import LendingPool

MOST = 4
_PID = "SELECT pg_backend_pid()"
_SLEEPING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT pg_sleep(%'
"""


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[LendingPool]:
    """Give a pool of four connections, which is closed at the end and then has all of them."""
    pool = await LendingPool(database.dsn, min_size=1, max_size=MOST)
    yield pool
    await asyncio.wait_for(pool.close(), 10)


async def test_while_others_are_under_way_a_connection_goes_from_hand_to_hand(
    pool: LendingPool,
) -> None:
    async with pool.acquire():
        async with pool.acquire() as connection:
            used = await connection.fetchval(_PID)
        assert pool.get_idle_size() == 0
        assert [await pool.fetchval(_PID) for _ in range(3)] == [used] * 3
    assert pool.get_idle_size() == pool.get_size() == 2


async def test_however_many_come_at_once_each_gets_one_and_all_come_back(
    pool: LendingPool,
) -> None:
    async def works(number: int) -> int:
        if number % 3:
            return int(await pool.fetchval("SELECT $1::integer", number))
        async with pool.acquire() as connection, connection.transaction():
            return int(await connection.fetchval("SELECT $1::integer", number))

    done = await asyncio.wait_for(asyncio.gather(*map(works, range(200))), 30)
    assert done == list(range(200))
    assert pool.get_idle_size() == pool.get_size() == MOST


async def test_whoever_waits_for_a_connection_gets_the_next_that_comes_back(
    pool: LendingPool,
) -> None:
    async with AsyncExitStack() as others:
        for _ in range(MOST - 1):
            await others.enter_async_context(pool.acquire())
        async with pool.acquire():
            waiting = asyncio.create_task(pool.fetchval("SELECT 1"))
            await asyncio.sleep(0)
        done, _ = await asyncio.wait([waiting], timeout=5)
        assert done, "It waits while a connection lies idle."


async def test_what_met_an_error_is_cleaned_before_it_is_lent_again(pool: LendingPool) -> None:
    async def fails() -> None:
        async with pool.acquire() as connection:
            await connection.execute("BEGIN")
            await connection.execute("SELECT 1 / 0")

    async with pool.acquire():
        with pytest.raises(asyncpg.DivisionByZeroError):
            await fails()
        assert await pool.fetchval("SELECT 1") == 1


async def test_what_was_left_in_a_transaction_is_cleaned_before_it_is_lent_again(
    pool: LendingPool,
) -> None:
    async with pool.acquire():
        async with pool.acquire() as connection:
            await connection.execute("BEGIN")
        async with pool.acquire() as connection:
            assert not connection.is_in_transaction()


async def test_a_query_that_was_cancelled_runs_no_longer_for_whoever_is_next(
    pool: LendingPool,
) -> None:
    async with pool.acquire() as watching:
        sleeping = asyncio.create_task(pool.execute("SELECT pg_sleep(60)"))

        async def it_sleeps() -> bool:
            return bool(await watching.fetchval(_SLEEPING))

        await until(it_sleeps, "the query did not begin")
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await asyncio.wait_for(pool.fetchval("SELECT 1"), 10) == 1
        assert not await watching.fetchval(_SLEEPING)


async def test_a_connection_that_broke_at_hand_is_lent_to_nobody(pool: LendingPool) -> None:
    async with pool.acquire() as other:
        async with pool.acquire() as connection:
            broken = await connection.fetchval(_PID)
        assert await other.fetchval("SELECT pg_terminate_backend($1, 5000)", broken)

        async def the_driver_knows() -> bool:
            return pool.get_size() == 1

        await until(the_driver_knows, "the driver did not hear that it broke")
        assert await pool.fetchval(_PID) != broken
