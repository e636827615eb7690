"""Alarms that fail hold up nobody else's; where the database fails, the rest rings later."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from tests.support.eventstore import (
    PARTITIONS,
    START,
    ClockDecider,
    Running,
    Shop,
    Start,
    StillClock,
    TestCommand,
    at,
    job,
    parcel,
    partition_of,
)
from tests.support.waiting import until

from steward_decider import Refused, Ring
from steward_events.fact import Fact
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import LinedUp, Parcel, Park, Unavailable, Unpark, Write
from steward_service.batches import GivenUp
from steward_service.hearing import Hearing
from steward_service.listening import EverythingHeard
from steward_service.retries import Retries
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


class FailsAtTimes(ClockDecider):
    """Rings while it is well; how it was asked to is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = True
        self.rings: list[Ring] = []

    def decide(self, command: TestCommand, state: Running) -> Sequence[Fact]:
        """Refuse to ring while it fails."""
        if isinstance(command, Ring):
            self.rings.append(command)
            if self.fails:
                raise Refused("It fails.", code="fails")
        return super().decide(command, state)


class Failing:
    """A stream whose alarm of the first minute fails, and the retries."""

    def __init__(self) -> None:
        self.decider = FailsAtTimes()
        self.shop, _, self.clock = ticking()
        self.shop.deciders = {"clock": self.decider}
        self.executor = self.shop.executor()
        self.retries = Retries(self.executor, self.shop.wall, Hearing("test"))

    async def start(self, cause: str = "first") -> None:
        """Let a clock be due in the first minute, and ring it."""
        start = Start(START, (at(1),))
        await self.executor.execute(job("clock-1", start, cause=cause, aside=True))
        self.clock.instant = at(2)
        heard = EverythingHeard(self.clock, PARTITIONS)
        # Anew: it reads what is parked, which it does every twenty seconds.
        ticker = Ticker(self.executor, self.clock, self.shop.wall, heard, Metrics())
        await ticker.ring_due()

    async def retry(self) -> None:
        """Let the time of the retry come."""
        self.shop.wall.instant += timedelta(minutes=1)
        await self.retries.retry_due()

    async def parked(self) -> list[tuple[str, int]]:
        """Give what waits, and how often it was tried in vain."""
        return [(parked.stream, parked.attempts) for parked in await self.shop.store.parked()]

    async def breaches(self) -> int:
        """Count what rang."""
        facts = await self.shop.store.facts_of("clock-1")
        return sum(fact.type == "sla.clock_breached.v1" for fact in facts)


async def test_an_alarm_that_comes_again_at_its_instant_and_fails_again_is_tried_until_it_rings() -> (
    None
):
    failing = Failing()
    await failing.start()
    failing.decider.fails = False
    await failing.retry()
    assert (await failing.parked(), await failing.breaches()) == ([], 1)

    failing.decider.fails = True
    await failing.start("again")
    await failing.retry()
    assert (await failing.parked(), await failing.breaches()) == ([("clock-1", 1)], 1)
    failing.decider.fails = False
    await failing.retry()
    assert (await failing.parked(), await failing.breaches()) == ([], 2)


async def test_an_alarm_that_rang_without_what_others_know_and_failed_says_so_when_tried_again() -> (
    None
):
    failing = Failing()
    source = LinedUp("listener", "case-1", 1, "case-1", parcel("case-1"))
    wait = Park(source, "One is missing.", "gap", START, at(99), feeds="clock-1")
    await failing.shop.store.commit(Write(park=[wait]))
    failing.shop.wall.instant = at(11)
    await failing.start()
    failing.decider.fails = False
    await failing.retry()
    assert failing.decider.rings == [Ring(at(1), unheard=True)] * 2
    assert await failing.breaches() == 1


async def test_an_alarm_that_failed_in_an_older_version_rings() -> None:
    failing = Failing()
    await failing.start()
    store, place = failing.shop.store, f"clock-1 {at(1).isoformat()}"
    [line] = await store.line("alarms", "clock-1")
    older = LinedUp("alarms", "clock-1", 1, place, Parcel("alarms", b"", (), line.parcel.value))
    park = Park(older, "It fails.", "fails", START, START, feeds="clock-1")
    await store.commit(Write(park=[park], unpark=[Unpark("alarms", "clock-1", line.id)]))
    failing.decider.fails = False
    await failing.retry()
    assert (await failing.parked(), await failing.breaches()) == ([], 1)


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


async def test_where_one_lane_cannot_ask_what_is_due_the_pass_ends_and_the_next_one_rings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, ticker, clock = ticking()
    store, executor = shop.store, shop.executor()
    cut_off, other = _keys_of_two_lanes()
    for stream, key in (("clock-1", cut_off), ("clock-2", other)):
        await executor.execute(job(stream, Start(START, (at(1),)), key=key))
    due = store.due

    async def fails(limits: Mapping[int, datetime], at_most: int) -> list[tuple[str, datetime]]:
        if partition_of(cut_off) in limits:
            raise Unavailable("The database is away.")
        return await due(limits, at_most)

    monkeypatch.setattr(store, "due", fails)
    clock.instant = at(2)
    ringing = asyncio.create_task(ticker.ring_due())

    async def it_ended() -> bool:
        return ringing.done()

    await until(it_ended, "the other lane goes on alone")
    with pytest.raises(Unavailable):
        await ringing
    monkeypatch.setattr(store, "due", due)
    await ticker.ring_due()
    for stream in ("clock-1", "clock-2"):
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
