"""Sweeps: one cause that touches many streams, some at a time, each once."""

from dataclasses import replace

import pytest
from tests.contracts.eventstore.conftest import OpenShop
from tests.contracts.eventstore.test_append import notes
from tests.support.eventstore import START, Note, heard, id_of, job

from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.port import Changed, Sweep, SweepStep, Write

SWEEP = Sweep("calendar-2027", "reapply", "clock-", "{}")


async def step(shop: OpenShop, executor: Executor, sweep: Sweep, size: int) -> Job:
    """Do the next streams of a sweep, as the sweeps' worker does."""
    streams = await shop.store.streams_after(sweep.prefix, sweep.cursor, size)
    cursor = streams[-1] if len(streams) == size else None
    done = Job(
        Cause(id_of(f"{sweep.id}{sweep.cursor}"), "sweep"),
        lambda: [To(name, "p-1", Note(START, "swept")) for name in streams],
        sweep_step=SweepStep(sweep.id, sweep.cursor, cursor),
    )
    await executor.execute_batch([done])
    return done


async def test_a_sweep_reaches_every_stream_of_its_kind_once(shop: OpenShop) -> None:
    executor = shop.executor()
    for n in range(5):
        await executor.execute(job(f"clock-{n}", Note(START, "new")))
    await executor.execute(job("stuck-1", Note(START, "new")))
    cause = heard("calendar-1", 1, sweeps=(SWEEP,))
    for _ in range(2):
        await executor.execute_batch([cause])
    assert await shop.store.sweeps() == [SWEEP]
    seen = []
    while sweeps := await shop.store.sweeps():
        seen.append(sweeps[0].cursor)
        await step(shop, executor, sweeps[0], 2)
    assert seen == ["", "clock-1", "clock-3"]
    assert [await notes(shop, f"clock-{n}") for n in range(5)] == [["new", "swept"]] * 5
    assert await notes(shop, "stuck-1") == ["new"]


async def test_a_stream_whose_name_is_the_prefix_itself_is_reached_too(shop: OpenShop) -> None:
    for name in ("clock-1", "clock-10", "clock-2"):
        await shop.executor().execute(job(name, Note(START, "new")))
    assert await shop.store.streams_after("clock-1", "", 9) == ["clock-1", "clock-10"]
    assert await shop.store.streams_after("clock-1", "clock-1", 9) == ["clock-10"]


async def test_a_step_done_by_two_workers_counts_once(shop: OpenShop) -> None:
    executor = shop.executor()
    for n in range(3):
        await executor.execute(job(f"clock-{n}", Note(START, "new")))
    await shop.store.commit(Write(sweeps=[SWEEP]))
    await step(shop, executor, SWEEP, 2)
    with pytest.raises(Changed):
        await shop.store.commit(Write(sweep_steps=[SweepStep(SWEEP.id, "", "clock-1")]))
    assert await shop.store.sweeps() == [replace(SWEEP, cursor="clock-1")]
    assert await notes(shop, "clock-0") == ["new", "swept"]


async def test_who_found_nothing_more_ends_no_sweep_that_has_moved_on(shop: OpenShop) -> None:
    executor = shop.executor()
    await shop.store.commit(Write(sweeps=[SWEEP]))
    # One looked before there was any stream, and comes to its commit after another's first step.
    last = Write(sweep_steps=[SweepStep(SWEEP.id, SWEEP.cursor, None)])
    for n in range(3):
        await executor.execute(job(f"clock-{n}", Note(START, "new")))
    await step(shop, executor, SWEEP, 2)
    with pytest.raises(Changed):
        await shop.store.commit(last)
    assert await shop.store.sweeps() == [replace(SWEEP, cursor="clock-1")]
