"""Alarms that fail hold up nobody else's; where the database fails, the rest rings later."""

from datetime import datetime

import pytest
from tests.support.eventstore import (
    PARTITIONS,
    START,
    Shop,
    Start,
    StillClock,
    at,
    job,
    partition_of,
)

from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import Unavailable, Write
from steward_service.batches import GivenUp
from steward_service.listening import EverythingHeard
from steward_service.telemetry import Metrics
from steward_service.ticker import LANES, MAX_RINGS, Ticker


class Hand(StillClock):
    """A clock that is moved by hand."""

    def passed(self, instant: datetime) -> datetime:
        """Give the instant itself."""
        return instant


def ticking() -> tuple[Shop, Ticker, Hand]:
    """Give a shop in memory, and the ticker that rings there by a clock of ours."""
    clock, wall = Hand(), StillClock()
    shop = Shop(MemoryStore(wall), clock, wall)
    heard = EverythingHeard(clock, PARTITIONS)
    return shop, Ticker(shop.executor(), clock, wall, heard, Metrics()), clock


async def test_alarms_that_failed_long_ago_hold_up_no_others() -> None:
    shop, ticker, clock = ticking()
    store, wall, executor = shop.store, shop.wall, shop.executor()
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


async def test_where_a_part_fails_the_others_have_rung_and_it_rings_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, ticker, clock = ticking()
    store, executor = shop.store, shop.executor()
    streams = [f"clock-{n}" for n in range(3 * MAX_RINGS)]
    for n, stream in enumerate(streams):
        await executor.execute(job(stream, Start(START, (at(1),)), key=f"p-{n % 40}"))
    commit = store.commit

    async def fails(write: Write) -> None:
        if any(stream.head.stream == streams[0] for stream in write.streams):
            raise Unavailable("The database is away.")
        await commit(write)

    monkeypatch.setattr(store, "commit", fails)
    clock.instant = at(2)
    with pytest.raises(GivenUp, match="away"):
        await ticker.ring_due()
    rung = ticker.rung
    assert MAX_RINGS < rung < len(streams)

    monkeypatch.setattr(store, "commit", commit)
    assert await ticker.ring_due() == len(streams) - rung
    for stream in streams:
        told = [fact.type for fact in await store.facts_of(stream)]
        assert told == ["sla.clock_started.v1", "sla.clock_breached.v1"]


async def test_what_falls_due_in_one_lane_does_not_wait_for_a_storm_in_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, ticker, clock = ticking()
    store, executor = shop.store, shop.executor()
    stormy, other = _keys_of_two_lanes()
    storm = [f"clock-{n}" for n in range(5 * MAX_RINGS)]
    starts = [job(stream, Start(START, (at(1),)), key=stormy) for stream in storm]
    await executor.execute_batch([*starts, job("clock-late", Start(START, (at(3),)), key=other)])
    rung: list[str] = []
    commit = store.commit

    async def time_goes_on(write: Write) -> None:
        await commit(write)
        rung.extend(stream.head.stream for stream in write.streams)
        clock.instant = at(4)

    monkeypatch.setattr(store, "commit", time_goes_on)
    monkeypatch.setattr("steward_service.ticker.PAUSE_SECONDS", 0.0)
    clock.instant = at(2)
    await ticker.ring_due()
    assert sorted(rung) == sorted([*storm, "clock-late"])
    assert rung.index("clock-late") < len(storm)


def _keys_of_two_lanes() -> tuple[str, str]:
    by_lane = {partition_of(key) % LANES: key for key in (f"p-{n}" for n in range(40))}
    return by_lane[0], by_lane[1]
