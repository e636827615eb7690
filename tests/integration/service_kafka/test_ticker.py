"""Alarms ring at their own time, and never before all that came before them was heard."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import pytest
from tests.integration.service_kafka.conftest import (
    Hand,
    Workshop,
    ask,
    fact,
    kinds,
    notes_of,
)
from tests.support.eventstore import (
    ClockDecider,
    Meet,
    Running,
    Start,
    TestCommand,
    at,
    noted,
)
from tests.support.waiting import until

from steward_decider import Ring
from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_eventstore.port import EVERYWHERE
from steward_eventstore.postgres import PostgresStore
from steward_service.clocks import SystemClock
from steward_service.hearing import Hearing
from steward_service.listening import EverythingHeard
from steward_service.partitions import partition_of
from steward_service.retries import Retries
from steward_service.telemetry import Metrics
from steward_service.ticker import Ticker


def follow(heard: Recorded) -> Iterable[To]:
    """The first fact of a case starts its clock, the second one meets it."""
    stream = heard.stream.replace("case-", "clock-")
    if heard.version == 1:
        yield To(stream, heard.key, Start(heard.occurred_at, (at(10),)))
    else:
        yield To(stream, heard.key, Meet(heard.occurred_at))


async def alarms(store: PostgresStore) -> int:
    return int(await store.pool.fetchval("SELECT count(*) FROM timers"))


async def test_the_ticker_never_outruns_what_was_heard(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock, wall = Hand(), await workshop.clock(store)
    executor = workshop.executor(store, clock, wall=wall)
    group = f"outrun-{topic}"
    await workshop.publish(topic, *(fact(f"case-{n}", 1, when=at(0)) for n in range(50)))
    first = workshop.listener(executor, clock, {topic: follow}, group=group)
    await first.start()

    async def all_started() -> bool:
        return await alarms(store) == 50

    await until(all_started, "the clocks were not started")
    await first.drain()

    # The service is down for two hours. Meanwhile every case is handled in time.
    await workshop.publish(
        topic, *(fact(f"case-{n}", 2, when=at(9), known=at(9)) for n in range(50))
    )
    clock.instant = at(120)
    again = await workshop.listening(
        workshop.listener(executor, clock, {topic: follow}, group=group)
    )
    ticker = Ticker(executor, clock, wall, again, Metrics())

    async def all_met() -> bool:
        await ticker.ring_due()
        return await alarms(store) == 0

    await until(all_met, "the clocks were not met")
    for n in range(50):
        assert await kinds(store, f"clock-{n}") == ["started", "met"]


async def test_a_partition_is_heard_up_to_now_only_when_its_end_was_handled(
    workshop: Workshop,
) -> None:
    topics = [await workshop.topic(), await workshop.topic()]
    store = await workshop.store()
    clock, wall = Hand(at(60)), await workshop.clock(store)
    executor = workshop.executor(store, clock, wall=wall)
    gate = asyncio.Event()

    async def hold(heard: Sequence[Recorded]) -> None:
        if any(each.version == 2 for each in heard):
            await gate.wait()

    listener = await workshop.listening(
        workshop.listener(executor, clock, dict.fromkeys(topics, follow), on_heard=hold)
    )

    async def joined() -> bool:
        return {*range(workshop.partitions)} <= {*listener.partitions()}

    await until(joined, "the listener was not given its partitions")
    assert EVERYWHERE in listener.partitions()
    everywhere = sorted(listener.partitions())
    assert set((await listener.heard(everywhere)).values()) == {at(60)}

    clock.instant = at(70)
    await workshop.publish(topics[0], fact("case-1", 1, when=at(61)))
    await workshop.publish(topics[0], fact("case-1", 2, when=at(62)))
    place = partition_of("p-1", workshop.partitions)

    async def held_up() -> bool:
        return await kinds(store, "clock-1") == ["started", "breached"]

    async def behind() -> bool:
        return (await listener.heard(everywhere))[place] == at(61)

    # The second fact is stored, but its offset is not committed: it does not count as heard.
    await until(behind, "the first fact's time was not taken over")
    assert {p: h for p, h in (await listener.heard(everywhere)).items() if p != place} == (
        dict.fromkeys([p for p in everywhere if p != place], at(70))
    )
    gate.set()

    async def caught_up() -> bool:
        return (await listener.heard(everywhere))[place] == at(70)

    await until(caught_up, "the partition is not heard up to now")
    assert not await held_up()


class StuckBefore:
    """Nothing more is heard than up to one instant."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def partitions(self) -> Collection[int]:
        return (*range(6), EVERYWHERE)

    async def heard(self, partitions: Collection[int]) -> Mapping[int, datetime]:
        return dict.fromkeys(partitions, self.instant)


class Tells(ClockDecider):
    """Notes for each ring whether what others know was waited for in vain."""

    def decide(self, command: TestCommand, state: Running) -> Sequence[Fact]:
        facts = super().decide(command, state)
        if isinstance(command, Ring):
            return [*facts, noted("unheard" if command.unheard else "heard", command.at)]
        return facts


async def test_after_long_silence_alarms_ring_and_say_so(workshop: Workshop) -> None:
    store = await workshop.store()
    clock, wall = Hand(), await workshop.clock(store)
    executor = workshop.executor(store, clock, {"clock": Tells()}, wall=wall)
    await ask(executor, "clock-1", Start(at(0), (at(1), at(10))), id_="one")
    heard = StuckBefore(at(5))
    clock.instant = at(20)
    patient = Ticker(executor, clock, wall, heard, Metrics())
    for _ in range(3):
        await patient.ring_due()
    assert await notes_of(store, "clock-1") == ["heard"]
    assert await patient.due() == 1
    at_once = Ticker(executor, clock, wall, heard, Metrics(), unheard_after=timedelta(0))
    for _ in range(3):
        await at_once.ring_due()
    assert await notes_of(store, "clock-1") == ["heard", "unheard"]


async def patient(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> tuple[StuckBefore, Callable[..., Awaitable[list[str]]]]:
    """Give what is heard before an alarm that is due, and what has rung at which minute.

    Another alarm comes due when the clock is moved past half an hour.
    """
    store = await workshop.store()
    clock, wall = Hand(), await workshop.clock(store)
    executor = workshop.executor(store, clock, {"clock": Tells()}, wall=wall)
    await ask(executor, "clock-1", Start(at(0), (at(10), at(30))), id_="one")
    heard = StuckBefore(at(5))
    ticker = Ticker(executor, clock, wall, heard, Metrics())

    async def rung(minutes: int, *, now: float = 20) -> list[str]:
        seconds = 1_000_000.0 + 60 * minutes
        monkeypatch.setattr("steward_service.ticker.monotonic", partial(float, seconds))
        clock.instant = at(now)
        await ticker.ring_due()
        return await notes_of(store, "clock-1")

    return heard, rung


async def test_alarms_wait_ten_minutes_for_what_is_not_heard(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rung = await patient(workshop, monkeypatch)
    assert [await rung(minutes) for minutes in (0, 9, 10)] == [[], [], ["unheard"]]


async def test_what_is_heard_slowly_is_waited_for_and_only_a_standstill_is_not(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, rung = await patient(workshop, monkeypatch)
    for minutes in (0, 9, 18, 27):
        heard.instant = at(5 + minutes / 9)
        assert await rung(minutes) == []
    assert await rung(36) == []
    assert await rung(37) == ["unheard"]


async def test_an_alarm_that_has_just_come_due_waits_however_long_another_one_waited(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rung = await patient(workshop, monkeypatch)
    assert [await rung(minutes) for minutes in (0, 10)] == [[], ["unheard"]]
    assert [await rung(minutes, now=40) for minutes in (15, 24)] == [["unheard"]] * 2
    assert await rung(25, now=40) == ["unheard"] * 2


async def test_an_alarm_that_fails_parks_its_stream_and_no_other(workshop: Workshop) -> None:
    store = await workshop.store()
    clock, wall = Hand(), await workshop.clock(store)
    broken = ClockDecider(stuck=True)
    executor = workshop.executor(
        store, clock, {"clock": ClockDecider(), "stuck": broken}, wall=wall
    )
    for stream in ("stuck-1", "clock-1", "clock-2"):
        await ask(executor, stream, Start(at(0), (at(5),)), id_=stream)
    clock.instant = at(6)
    ticker = Ticker(executor, clock, wall, EverythingHeard(clock, 6), Metrics())
    await ticker.ring_due()
    await ticker.ring_due()
    assert await kinds(store, "clock-1") == await kinds(store, "clock-2") == ["started", "breached"]
    [parked] = await store.parked()
    assert (parked.consumer, parked.stream, parked.feeds) == ("alarms", "stuck-1", "stuck-1")
    assert "did not move" in parked.reason
    assert await ticker.due() == 0

    broken._stuck = False
    retries = Retries(executor, wall, Hearing("test"))

    async def rung_again() -> bool:
        await retries.retry_due()
        return await kinds(store, "stuck-1") == ["started", "breached"]

    await until(rung_again, "the alarm was not tried again")
    assert await store.parked() == []


async def test_alarms_of_a_parked_source_wait(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock, wall = Hand(at(1)), await workshop.clock(store)
    executor = workshop.executor(store, clock, {"clock": Tells()}, wall=wall)
    listener = await workshop.listening(
        workshop.listener(
            executor,
            clock,
            {topic: follow},
            feeds=lambda stream: stream.replace("case-", "clock-"),
        )
    )
    await workshop.publish(
        topic,
        fact("case-1", 1, when=at(0)),
        fact("case-1", 3, when=at(1)),
        fact("case-2", 1, when=at(0)),
    )

    async def one_waits() -> bool:
        return len(await store.parked()) == 1 and len(await kinds(store, "clock-2")) == 1

    await until(one_waits, "the gap did not park its stream")
    clock.instant = at(11)
    ticker = Ticker(executor, clock, wall, listener, Metrics())

    async def the_other_rang() -> bool:
        await ticker.ring_due()
        return await notes_of(store, "clock-2") == ["heard"]

    await until(the_other_rang, "an alarm that feeds on nothing parked did not ring")
    assert await kinds(store, "clock-1") == ["started"]
    # After ten minutes of wall time it rings all the same.
    await store.pool.execute("UPDATE parked_streams SET since = since - interval '11 minutes'")

    async def it_rang() -> bool:
        await ticker.ring_due()
        return await notes_of(store, "clock-1") == ["unheard"]

    await until(it_rang, "the alarm waits for ever")


async def test_each_alarm_rings_at_its_time_and_how_late_is_counted(workshop: Workshop) -> None:
    store = await workshop.store()
    clock: SystemClock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    metrics = Metrics()
    ticker = Ticker(executor, clock, clock, EverythingHeard(clock, 6), metrics)
    stop = asyncio.Event()
    running = asyncio.create_task(ticker.run(stop))
    now = clock.now()
    known: list[datetime] = []
    for n in range(20):
        due = now + timedelta(milliseconds=200 + 20 * n)
        await ask(executor, f"clock-{n}", Start(now, (due,)), key=f"p-{n}", id_=str(n))
        known.append(clock.now())

    async def all_rang() -> bool:
        return await alarms(store) == 0

    await until(all_rang, "the alarms did not ring")
    stop.set()
    await running
    assert await ticker.next_alarm() is None
    least = 0.0
    for n in range(20):
        _, breach = await store.facts_of(f"clock-{n}")
        assert breach.occurred_at == now + timedelta(milliseconds=200 + 20 * n)
        assert breach.occurred_at <= breach.recorded_at
        # On a slow machine some were asked for after their time: nobody rings what is not stored.
        since = max(breach.occurred_at, known[n])
        least += max(0.0, (breach.recorded_at - since).total_seconds())
    counted = metrics.registry.get_sample_value
    assert counted("steward_timer_lateness_seconds_count") == 20
    assert (counted("steward_timer_lateness_seconds_sum") or 0) >= least
