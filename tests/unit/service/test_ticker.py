"""Alarms that fail hold up nobody else's."""

from datetime import datetime

from tests.support.eventstore import (
    PARTITIONS,
    START,
    ClockDecider,
    Start,
    StillClock,
    at,
    job,
    partition_of,
)

from steward_eventstore.execute import Executor
from steward_eventstore.memory import MemoryStore
from steward_service.listening import EverythingHeard
from steward_service.telemetry import Metrics
from steward_service.ticker import MAX_RINGS, Ticker


class Hand(StillClock):
    """A clock that is moved by hand."""

    def passed(self, instant: datetime) -> datetime:
        """Give the instant itself."""
        return instant


async def test_alarms_that_failed_long_ago_hold_up_no_others() -> None:
    clock, wall = Hand(), StillClock()
    store = MemoryStore(wall)
    deciders = {"clock": ClockDecider(), "stuck": ClockDecider(stuck=True)}
    executor = Executor(store, clock, deciders, source="test", partition_of=partition_of, wall=wall)
    ticker = Ticker(executor, clock, wall, EverythingHeard(clock, PARTITIONS), Metrics())
    stuck = [f"stuck-{n}" for n in range(MAX_RINGS)]
    await executor.execute_batch([job(stream, Start(START, (at(1),))) for stream in stuck])
    clock.instant = at(2)
    await ticker.ring_due()
    assert len(await store.parked(limit=1_000)) == MAX_RINGS

    wall.instant = at(11)
    await executor.execute(job("clock-1", Start(at(2), (at(3),))))
    clock.instant = at(4)
    await ticker.ring_due()
    told = [fact.type for fact in await store.facts_of("clock-1")]
    assert told == ["sla.clock_started.v1", "sla.clock_breached.v1"]
    assert await ticker.due() == 0
