"""What was taken in is remembered long enough, and not for ever."""

from datetime import timedelta

from tests.integration.eventstore.conftest import Database
from tests.support.eventstore import START, Note, foreign

from steward_eventstore.execute import Applied, Job, Outcome, Repeated, To
from steward_eventstore.port import ForeignMark
from steward_eventstore.postgres import PostgresStore
from steward_service.forgetting import forget


def told(consumer: str, id_: str) -> Job:
    told = foreign("subject", id_, To("clock-1", "p-1", Note(START, id_)), parked=False)
    return told._replace(mark=ForeignMark(consumer, "system", id_, "subject", ""))


async def test_what_was_taken_in_is_forgotten_after_ninety_days_but_not_a_past(
    database: Database,
) -> None:
    shop = await database.shop()
    assert isinstance(shop.store, PostgresStore)

    async def outcomes(*jobs: Job) -> list[type[Outcome]]:
        return [type(each) for each in await shop.executor().execute_batch(jobs)]

    first, later, past = told("inbound", "1"), told("inbound", "2"), told("import", "1")
    assert await outcomes(first, past) == [Applied, Applied]
    shop.clock.instant += timedelta(days=1)
    assert await outcomes(later) == [Applied]
    await forget(shop.store, START, ["import"])
    assert await outcomes(first, later, past) == [Repeated, Repeated, Repeated]
    await forget(shop.store, START + timedelta(hours=1), ["import"])
    assert await outcomes(first, later, past) == [Applied, Repeated, Repeated]
