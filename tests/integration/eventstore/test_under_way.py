"""What a round of the stepped clock asks of the store, in one statement."""

from tests.support.eventstore import START, Note, Shop, heard, job, migrated
from tests.support.stack import FreshDatabase

from steward_decider import Refused
from steward_eventstore.execute import To
from steward_eventstore.port import Sweep
from steward_eventstore.postgres import PostgresStore


async def test_all_that_is_under_way_is_counted(fresh_database: FreshDatabase) -> None:
    store = await PostgresStore.connect(await fresh_database(migrated))
    executor = Shop(store).executor()
    assert await store.under_way(4) == (0, 0, 0)
    sweep = Sweep("s-1", "recount", "clock-", "{}", "")
    await executor.execute(job("clock-1", Note(START), Note(START), sweeps=(sweep,)))
    await executor.execute_batch(
        [heard("case-1", 1, To("clock-1", "p-1", Note(START)), broken=Refused("It is broken."))]
    )
    assert await store.under_way(4) == (2, 1, 1)
    assert await store.under_way(0) == (2, 0, 1)
    await store.close()
