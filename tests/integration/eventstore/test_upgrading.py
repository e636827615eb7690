"""A database of an earlier release, with facts and alarms in it, is brought up to date."""

import asyncio

import asyncpg
import pytest
from alembic import command
from tests.support.eventstore import START, Note, Shop, Start, at, job, migrated, partition_of
from tests.support.stack import FreshDatabase

from steward_eventstore.migrations import config, upgrade, url_of
from steward_eventstore.postgres import PostgresStore

RELEASES = ("store_0001", "store_0002", "store_0003", "store_0004")
TABLES = {
    "streams": "stream_id, key, partition, version, last_xid, recorded_at, history, live",
    "events": "log_epoch, stream_id, version, partition, type, data, meta",
    "timers": "stream_id, partition, due_at",
}
"""What there was in the first release, by table."""
HERE = partition_of("p-1")
KEYS = [key for key in (f"p-{n}" for n in range(40)) if partition_of(key) == HERE][:2]
STORM = 8


async def filled(shop: Shop) -> None:
    """Set alarms of two keys of one partition, many of the first and one of the second."""
    many, one = KEYS
    executor = shop.executor()
    for n in range(STORM):
        await executor.execute(job(f"clock-{n}", Start(START, (at(1),)), key=many))
    await executor.execute(job("clock-late", Start(START, (at(2),)), key=one))


@pytest.mark.parametrize("since", RELEASES)
async def test_a_database_of_an_earlier_release_keeps_facts_and_alarms(
    fresh_database: FreshDatabase, since: str
) -> None:
    today, earlier = await fresh_database(migrated), await fresh_database()
    store = await PostgresStore.connect(today)
    await filled(Shop(store))
    told = {name: await store.facts_of(name) for name in ("clock-0", "clock-late")}
    await store.close()
    await asyncio.to_thread(command.upgrade, config(url_of(earlier), None), since)
    await copied(today, earlier)
    await upgrade(earlier)

    store = await PostgresStore.connect(earlier)
    shop = Shop(store)
    assert {name: await store.facts_of(name) for name in told} == told
    due = await store.due({HERE: at(9)}, 4)
    assert len(due) == 4
    assert ("clock-late", at(2)) in due, "The other key's alarm waits for all of the first."
    assert len(await store.due({HERE: at(9)}, 99)) == STORM + 1
    await shop.executor().execute(job("clock-0", Note(START, "goes on"), key=KEYS[0]))
    assert len(await store.facts_of("clock-0")) == len(told["clock-0"]) + 1
    await store.close()


async def copied(today: str, earlier: str) -> None:
    """Put what one database has into the same tables of another, as that one writes it."""
    source, target = await asyncpg.connect(today), await asyncpg.connect(earlier)
    for table, columns in TABLES.items():
        rows = await source.fetch(
            f"SELECT row_to_json(t)::text FROM (SELECT {columns} FROM {table}) t"
        )
        await target.executemany(
            f"INSERT INTO {table} ({columns})"
            f" SELECT {columns} FROM json_populate_record(NULL::{table}, $1)",
            map(tuple, rows),
        )
    await source.close()
    await target.close()
