"""The store in PostgreSQL does what the store in memory does, whatever is asked of them.

`STEWARD_STEPS=5000` tries more than the few hundred steps of an ordinary run.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.contracts.eventstore.conftest import OpenShop, with_read_models
from tests.support.eventstore import (
    CLOCKS,
    HEARD,
    PARTITIONS,
    TALLY,
    AskUnheard,
    Meet,
    Note,
    Start,
    TestCommand,
    at,
    foreign,
    heard,
    id_of,
    job,
    project,
)
from tests.support.stack import FreshDatabase

from steward_eventstore.execute import Alarms, Applied, Cause, Job, NotDone, Outcome, Parked, To
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import ParkedStream
from steward_eventstore.postgres import PostgresStore

STEPS = int(os.environ.get("STEWARD_STEPS", "300"))
STEPS_EACH = 15

minutes = st.integers(0, 90).map(at)
texts = st.sampled_from(["", "a", "b", "forget", "长\\u0000", "\0"])
commands: st.SearchStrategy[TestCommand] = st.one_of(
    st.builds(Start, minutes, st.lists(minutes, max_size=2).map(tuple)),
    st.builds(Note, minutes, texts),
    st.builds(Meet, minutes),
    st.builds(AskUnheard, minutes, st.sampled_from(["policy", "calendar"])),
)
streams = st.sampled_from(["clock-1", "clock-2", "clock-3"])
wanted = st.lists(
    st.builds(
        lambda stream, command, about: To(stream, f"p-{stream[-1]}", command, about=about),
        streams,
        commands,
        st.sampled_from(["", "standing"]),
    ),
    max_size=3,
)
histories = st.sampled_from([None, None, None, at(30), at(60)])


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Draw a request, something heard, a foreign message or a ring."""
    made: Job
    match draw(st.integers(0, 3)):
        case 0:
            stream, command = draw(streams), draw(commands)
            made = job(stream, command, key=f"p-{stream[-1]}", cause=str(draw(st.integers(0, 999))))
        case 1:
            source, version = draw(st.sampled_from(["case-1", "case-2"])), draw(st.integers(1, 4))
            id_ = draw(st.sampled_from(["", "", "", "another"])) and f"{source}/{version}/another"
            feeds = f"clock-{source[-1]}"
            made = heard(
                source, version, *draw(wanted), id_=id_, known_at=draw(minutes), feeds=feeds
            )
        case 2:
            id_, fingerprint = draw(st.sampled_from("abc")), draw(st.sampled_from("xy"))
            order = draw(st.sampled_from([0, 1, 2, 2**50]))
            made = foreign("ticket-1", id_, *draw(wanted), fingerprint=fingerprint, order=order)
        case _:
            stream, until = draw(streams), draw(minutes)
            alarms = To(stream, f"p-{stream[-1]}", Alarms(until, until))
            return Job(Cause(id_of(f"ring{until}"), "ticker"), lambda: [alarms])
    history = draw(histories)
    ends = draw(st.booleans())
    return replace(made, cause=replace(made.cause, history=history, ends_history=ends))


Step = list[Job] | str | timedelta
steps = st.lists(
    st.one_of(
        st.lists(jobs(), min_size=1, max_size=5),
        st.lists(jobs(), min_size=1, max_size=5),
        st.sampled_from(["policy", "calendar", "retry", "restart"]),
        st.integers(1, 30).map(lambda n: timedelta(minutes=n)),
    ),
    min_size=STEPS_EACH // 3,
    max_size=STEPS_EACH,
)


@pytest.fixture
async def postgres(fresh_database: FreshDatabase) -> AsyncIterator[PostgresStore]:
    """One database for all stories; each begins by emptying it."""
    store = await PostgresStore.connect(await fresh_database(with_read_models), connections=2)
    yield store
    await store.close()


@settings(
    max_examples=max(1, STEPS // STEPS_EACH),
    deadline=None,
    derandomize="STEWARD_STEPS" not in os.environ,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(story=steps)
async def test_both_stores_go_the_same_way(postgres: PostgresStore, story: list[Step]) -> None:
    await postgres.pool.execute(EMPTY)
    HEARD.clear()
    ours = OpenShop(postgres, project=project)
    model = OpenShop(MemoryStore(ours.wall), ours.clock, ours.wall, project=project)
    executors = [model.executor(), ours.executor()]
    for step in story:
        match step:
            case timedelta():
                ours.clock.instant += step
            case "restart":
                executors = [model.executor(), ours.executor()]
            case "policy" | "calendar":
                HEARD.add(step)
            case _:
                batch = await again(model) if isinstance(step, str) else step
                first, second = [await executor.execute_batch(batch) for executor in executors]
                assert told(first) == told(second)
        assert await all_of(model) == await all_of(ours)


EMPTY = """
TRUNCATE streams, events, inbox, inbox_foreign, timers, parked_streams, parked_messages, sweeps,
         clocks, tally
"""


async def again(shop: OpenShop) -> list[Job]:
    """Make the jobs of all lines once more, as nothing but advances: the messages are given up."""
    found: list[Job] = []
    for parked in await shop.store.parked():
        for waiting in await shop.store.line(parked.consumer, parked.stream):
            made = (
                heard(parked.stream, waiting.order, id_=waiting.parcel.value.decode())
                if parked.consumer == "listener"
                else foreign(parked.stream, waiting.id.split()[1])
            )
            found.append(replace(made, retry=True, attempts=parked.attempts, order=waiting.order))
    return found


def told(outcomes: list[Outcome]) -> list[object]:
    """Give what can be compared of outcomes: the databases word their refusals differently."""
    return [
        outcome.code
        if isinstance(outcome, Parked)
        else type(outcome.error)
        if isinstance(outcome, NotDone)
        else [fact.id for fact in outcome.facts]
        if isinstance(outcome, Applied)
        else outcome
        for outcome in outcomes
    ]


async def all_of(shop: OpenShop) -> dict[str, object]:
    """Give everything that the port shows of a store."""
    names = await shop.store.streams_after("", "", 100)
    parked = await shop.store.parked()
    return {
        "facts": {name: await shop.store.facts_of(name) for name in names},
        "clocks": await shop.rows(CLOCKS),
        "tally": await shop.rows(TALLY),
        "alarms": sorted(await alarms(shop)),
        "next": await shop.store.next_due(range(PARTITIONS)),
        "parked": [_without_wording(each) for each in parked],
        "lines": [await shop.store.line(each.consumer, each.stream) for each in parked],
    }


async def alarms(shop: OpenShop) -> list[tuple[str, datetime]]:
    if isinstance(shop.store, MemoryStore):
        return [(name, when) for name, (_, when) in shop.store.timers.items()]
    assert isinstance(shop.store, PostgresStore)
    return [
        (r[0], r[1]) for r in await shop.store.pool.fetch("SELECT stream_id, due_at FROM timers")
    ]


def _without_wording(parked: ParkedStream) -> ParkedStream:
    return replace(parked, reason="") if parked.code == "bad_data" else parked
