"""The stepped clock: every process sees each step, and «drained» means that nothing is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.service_kafka.conftest import Workshop
from tests.support.stack import FreshDatabase

from steward_service.clocks import (
    NEVER_SET,
    NotDrained,
    Readings,
    SteppedClock,
    SteppedDriver,
    SystemClock,
)

MORNING = datetime(2026, 9, 28, 8, tzinfo=UTC)


@dataclass
class Process:
    """What a service does in a round, as a test wants it."""

    clock: SteppedClock
    reading: Readings = field(default_factory=Readings)
    rounds: list[datetime] = field(default_factory=list)

    async def round(self) -> Readings:
        self.rounds.append(self.clock.now())
        return self.reading


@dataclass
class Town:
    """Processes and a driver on one stepped clock."""

    dsn: str
    wall: SystemClock
    stack: AsyncExitStack

    async def process(self, name: str) -> Process:
        clock = await SteppedClock.connect(self.dsn, name, self.wall)
        self.stack.push_async_callback(clock.close)
        process = Process(clock)
        await clock.register(process.round)
        return process

    async def driver(self) -> SteppedDriver:
        driver = await SteppedDriver.connect(self.dsn, MORNING)
        self.stack.push_async_callback(driver.close)
        return driver


@pytest.fixture
async def town(workshop: Workshop, fresh_database: FreshDatabase) -> AsyncIterator[Town]:
    wall = await workshop.clock(await workshop.store())
    async with AsyncExitStack() as stack:
        yield Town(await fresh_database(), wall, stack)


async def test_a_clock_that_nobody_set_stands_long_ago(town: Town) -> None:
    assert (await town.process("one")).clock.now() == NEVER_SET


async def test_every_process_has_seen_a_step_before_the_driver_goes_on(town: Town) -> None:
    processes = [await town.process(name) for name in ("one", "two", "three")]
    driver = await town.driver()
    for minutes in range(5):
        now = MORNING + timedelta(minutes=minutes)
        await driver.step(now)
        await driver.wait_drained()
        for process in processes:
            assert process.clock.now() == now
            # Two rounds at least, both with the new time.
            assert process.rounds[-2:] == [now, now]


async def test_time_never_goes_back(town: Town) -> None:
    driver, process = await town.driver(), await town.process("one")
    await driver.step(MORNING + timedelta(hours=1))
    await driver.step(MORNING)
    await driver.wait_drained()
    assert process.clock.now() == driver.now() == MORNING + timedelta(hours=1)


@pytest.mark.parametrize(
    "busy",
    [
        Readings(lag=1),
        Readings(backlog=1),
        Readings(http=1),
        Readings(due=1),
        Readings(ready=1),
        Readings(sweeps=1),
        Readings(outstanding=1),
    ],
)
async def test_nothing_is_drained_while_one_process_is_busy(town: Town, busy: Readings) -> None:
    one, _ = await town.process("one"), await town.process("two")
    one.reading = busy
    driver = await town.driver()
    with pytest.raises(NotDrained, match="Work is still under way: one: "):
        await driver.wait_drained(0.3)
    one.reading = Readings()
    await driver.wait_drained()


async def test_two_quiet_readings_with_something_done_between_are_not_enough(town: Town) -> None:
    process, driver = await town.process("one"), await town.driver()
    counted = 0

    async def restless() -> Readings:
        nonlocal counted
        counted += 1
        return Readings(counters={"handled": min(counted, 6)})

    await process.clock.register(restless)
    await driver.wait_drained()
    assert counted >= 7


async def test_a_process_that_does_not_answer_is_waited_for_and_named(town: Town) -> None:
    one, two = await town.process("one"), await town.process("two")
    driver = await town.driver()
    await driver.wait_drained()
    await two.clock.close(unregister=False)  # as if it were killed
    await driver.step(MORNING + timedelta(minutes=1))
    with pytest.raises(NotDrained, match="No answer to the clock from two"):
        await driver.wait_drained(0.5)
    again = await town.process("two")
    await driver.wait_drained()
    assert again.clock.now() == one.clock.now() == driver.now()


async def test_a_process_that_was_stopped_on_purpose_is_not_waited_for(town: Town) -> None:
    _, two = await town.process("one"), await town.process("two")
    driver = await town.driver()
    await driver.wait_drained()
    await driver.step(MORNING + timedelta(minutes=1))
    stopping = asyncio.create_task(two.clock.close())
    await driver.wait_drained()
    await stopping
    assert set(driver.readings) <= {"one", "two"}
    await driver.step(MORNING + timedelta(minutes=2))
    await driver.wait_drained()
    assert set(driver.readings) == {"one"}


async def test_the_next_alarm_is_the_earliest_of_all_processes(town: Town) -> None:
    one, two = await town.process("one"), await town.process("two")
    driver = await town.driver()
    await driver.wait_drained()
    assert driver.next_timer() is None
    one.reading = Readings(next_timer=MORNING + timedelta(hours=3))
    two.reading = replace(one.reading, next_timer=MORNING + timedelta(hours=2))
    await driver.step(MORNING + timedelta(minutes=1))
    await driver.wait_drained()
    assert driver.next_timer() == MORNING + timedelta(hours=2)


async def test_lateness_counts_from_the_wall_time_of_the_step(town: Town) -> None:
    process, driver = await town.process("one"), await town.driver()
    before = town.wall.now()
    await driver.step(MORNING + timedelta(hours=5))
    await driver.wait_drained()
    passed = process.clock.passed(MORNING + timedelta(hours=2))
    assert before <= passed <= town.wall.now()


async def test_a_lost_connection_is_made_again(town: Town) -> None:
    process, driver = await town.process("one"), await town.driver()
    await driver.wait_drained()
    await driver._connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'one' AND pid <> pg_backend_pid()"
    )
    await driver.step(MORNING + timedelta(minutes=1))
    await driver.wait_drained()
    assert process.clock.now() == MORNING + timedelta(minutes=1)


async def test_the_system_clock_never_runs_backwards() -> None:
    told = iter([MORNING, MORNING - timedelta(seconds=5)])

    async def read() -> datetime:
        return next(told)

    clock = await SystemClock.connect(read)
    first = clock.now()
    await clock._refresh(read)
    assert clock.now() >= first >= MORNING
    await clock.close()
