"""The figures that only the database knows."""

from datetime import timedelta

from asyncpg import Pool
from prometheus_client import generate_latest
from tests.integration.eventstore.conftest import Database
from tests.support.eventstore import START, Note, Shop, Start, StillClock, job

from steward_service.gauges import count
from steward_service.telemetry import Metrics


def gauge(metrics: Metrics, name: str) -> float:
    lines = generate_latest(metrics.registry).decode().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name} ")]
    return float(line.partition(" ")[2])


async def test_alarms_are_overdue_once_the_clock_has_passed_them(database: Database) -> None:
    shop = await database.shop()
    due = START + timedelta(hours=1)
    for stream in ("clock-1", "clock-2"):
        await shop.executor().execute(job(stream, Start(START, (due,))))
    metrics, clock = Metrics(), StillClock(due)
    pool = (await database.store()).pool
    await count(pool, metrics, clock, 6, [])
    assert gauge(metrics, "steward_timers_overdue") == 0
    clock.instant = due + timedelta(seconds=1)
    await count(pool, metrics, clock, 6, [])
    assert gauge(metrics, "steward_timers_overdue") == 2


async def test_the_oldest_transaction_that_has_written_is_seen_and_readers_are_not(
    database: Database,
) -> None:
    session = await database.session()
    pool = (await database.store()).pool
    await session.execute("BEGIN")
    age = await session.fetchval(AGE)
    assert await _oldest(pool) < age
    await session.execute("SELECT pg_current_xact_id()")
    age = await session.fetchval(AGE)
    assert await _oldest(pool) >= age
    await session.execute("ROLLBACK")
    assert await _oldest(pool) < age


AGE = "SELECT extract(epoch FROM clock_timestamp() - now())::float8 FROM pg_sleep(0.05)"


async def _oldest(pool: Pool) -> float:
    metrics = Metrics()
    await count(pool, metrics, StillClock(), 6, [])
    return gauge(metrics, "steward_oldest_write_transaction_seconds")


async def test_every_fact_is_counted_once_however_late_it_is_committed(database: Database) -> None:
    shop, session = await database.shop(), await database.session()
    store = await database.store()

    async def stored() -> dict[str, int]:
        # Twice: the second time most of it is remembered.
        counted = await store.appended()
        assert await store.appended() == counted
        return counted

    assert await stored() == {}
    transaction = session.transaction()
    await transaction.start()
    await Shop(database.within(session)).executor().execute(job("clock-slow", Note(START)))
    await shop.executor().execute(job("clock-fast", Note(START), Note(START)))
    assert await stored() == {"sla.case_noted.v1": 2}
    await transaction.commit()
    assert await stored() == {"sla.case_noted.v1": 3}
    await shop.executor().execute(job("clock-slow", Start(START, (START,))))
    assert await stored() == {"sla.case_noted.v1": 3, "sla.clock_started.v1": 1}
