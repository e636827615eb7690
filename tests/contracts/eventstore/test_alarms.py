"""Alarms: before facts, each at its own time; and the ticker's view of them."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.contracts.eventstore.conftest import OpenShop
from tests.support.eventstore import (
    START,
    Meet,
    Note,
    Start,
    at,
    heard,
    id_of,
    job,
    parcel,
    partition_of,
)

from steward_eventstore.execute import Alarms, Applied, Cause, Job, NotDone, StuckAlarm, To
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import LinedUp, Park, Reading, View, Write
from steward_eventstore.postgres import PostgresStore

HERE = partition_of("p-1")


def ring(stream: str, until: float, key: str = "p-1") -> Job:
    return Job(
        Cause(id_of("tick"), "ticker"), lambda: [To(stream, key, Alarms(at(until), at(until)))]
    )


async def story(shop: OpenShop, stream: str) -> list[str]:
    """Tell what happened and when: `breached@5`."""
    return [
        f"{fact.type.split('.')[1].split('_')[1]}@"
        f"{(fact.occurred_at - START).total_seconds() / 60:g}"
        for fact in await shop.store.facts_of(stream)
    ]


async def test_alarms_due_before_a_fact_ring_first_in_order_each_at_its_own_time(
    shop: OpenShop,
) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(20), at(10), at(40)))))
    shop.clock.instant = at(30)
    await executor.execute(job("clock-1", Note(at(29))))
    told = await story(shop, "clock-1")
    assert told == ["started@0"] * 3 + ["breached@10", "breached@20", "noted@29"]
    late = (await shop.store.facts_of("clock-1"))[3]
    assert (late.recorded_at, late.known_at) == (at(30), at(30))


async def test_at_a_tie_the_fact_goes_first(shop: OpenShop) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(10),))))
    shop.clock.instant = at(30)
    await executor.execute_batch(
        [heard("case-1", 1, To("clock-1", "p-1", Meet(at(10))), known_at=at(10))]
    )
    assert await story(shop, "clock-1") == ["started@0", "met@10"]


async def test_what_was_known_late_comes_after_the_alarm(shop: OpenShop) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(10), at(50)))))
    shop.clock.instant = at(30)
    await executor.execute_batch(
        [heard("case-1", 1, To("clock-1", "p-1", Meet(at(9))), known_at=at(11))]
    )
    assert await story(shop, "clock-1") == ["started@0", "started@0", "breached@10", "met@9"]


async def test_the_ticker_rings_what_is_due_strictly_before(shop: OpenShop) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(10), at(20)))))
    assert await shop.store.due({HERE: at(10)}, 10) == []
    assert await shop.store.next_due([HERE]) == at(10)
    assert await shop.store.due({HERE: at(10.01)}, 10) == [("clock-1", at(10))]
    shop.clock.instant = at(15)
    await executor.execute_batch([ring("clock-1", 10)])
    assert await story(shop, "clock-1") == ["started@0", "started@0"]
    await executor.execute_batch([ring("clock-1", 15)])
    assert (await story(shop, "clock-1"))[2:] == ["breached@10"]
    assert await shop.store.next_due([HERE]) == at(20)


async def test_an_alarm_of_long_ago_rings_like_any_other(shop: OpenShop) -> None:
    executor = shop.executor()
    long_ago = datetime(1969, 7, 20, tzinfo=UTC)
    await executor.execute(job("clock-1", Start(long_ago, (long_ago,))))
    assert await shop.store.next_due([HERE]) == long_ago
    assert await shop.store.due({HERE: at(1)}, 10) == [("clock-1", long_ago)]


async def test_a_ring_that_lost_its_race_changes_nothing(shop: OpenShop) -> None:
    first, second = shop.executor(), shop.executor()
    await first.execute(job("clock-1", Start(START, (at(10), at(20)))))
    shop.clock.instant = at(15)
    assert [type(o) for o in await first.execute_batch([ring("clock-1", 15)])] == [Applied]
    assert await second.execute_batch([ring("clock-1", 15)]) == [Applied(())]
    assert (await story(shop, "clock-1"))[2:] == ["breached@10"]
    assert await shop.store.next_due([HERE]) == at(20)


async def test_a_stream_that_wants_no_alarm_has_no_timer(shop: OpenShop) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(10),))))
    await executor.execute(job("clock-1", Meet(at(5))))
    assert await shop.store.next_due([HERE]) is None
    assert await shop.store.due({HERE: at(99)}, 10) == []


async def test_an_alarm_that_no_fact_asks_for_rings_nothing_and_is_set_right(
    shop: OpenShop,
) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(10),))))
    await executor.execute(job("clock-2", Start(START, (at(10),))))
    await executor.execute(job("clock-2", Meet(at(5))))
    # As a restore leaves them, or a program that asked for other instants.
    await shop.store.commit(Write(timers=dict.fromkeys(["clock-1", "clock-2"], (HERE, at(1)))))
    shop.clock.instant = at(6)
    await executor.execute_batch([ring("clock-1", 6), ring("clock-2", 6)])
    assert await shop.store.due({HERE: at(99)}, 10) == [("clock-1", at(10))]
    assert await story(shop, "clock-1") == ["started@0"]
    assert await story(shop, "clock-2") == ["started@0", "met@5"]


@pytest.mark.timeout(10)
async def test_an_alarm_that_does_not_move_is_an_error_and_no_loop(shop: OpenShop) -> None:
    executor = shop.executor()
    await executor.execute(job("stuck-1", Start(START, (at(10),))))
    await executor.execute(job("clock-1", Start(START, (at(10),))))
    shop.clock.instant = at(15)
    stuck, fine = await executor.execute_batch([ring("stuck-1", 15), ring("clock-1", 15)])
    assert isinstance(stuck, NotDone)
    assert isinstance(stuck.error, StuckAlarm)
    assert isinstance(fine, Applied)
    with pytest.raises(StuckAlarm):
        await executor.execute(job("stuck-1", Note(at(15))))


async def test_an_alarm_that_comes_again_at_the_same_instant_is_another_fact(
    shop: OpenShop,
) -> None:
    executor = shop.executor()
    for cause in ("once", "again"):
        await executor.execute(job("clock-1", Start(START, (at(10),)), cause=cause))
        shop.clock.instant = at(15)
        await executor.execute_batch([ring("clock-1", 15)])
    facts = await shop.store.facts_of("clock-1")
    assert await story(shop, "clock-1") == ["started@0", "breached@10"] * 2
    assert len({fact.id for fact in facts}) == len(facts)


async def test_what_only_rang_pushes_nothing_out_that_is_remembered(
    shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, int] = {}
    read = shop.store.read

    async def watched(reading: Reading) -> View:
        asked.update(reading.streams)
        return await read(reading)

    for stream in ("clock-1", "clock-2"):
        await shop.executor().execute(job(stream, Start(START, (at(10), at(20)))))
    executor = shop.executor(cached_streams=1)
    await executor.execute(job("clock-1", Note(START, "heard")))
    shop.clock.instant = at(15)
    await executor.execute_batch([ring("clock-2", 15), ring("clock-1", 15)])
    monkeypatch.setattr(shop.store, "read", watched)
    shop.clock.instant = at(25)
    await executor.execute_batch([ring("clock-1", 25), ring("clock-2", 25)])
    assert asked == {"clock-1": 4, "clock-2": 0}
    told = ["started@0", "started@0", "breached@10", "breached@20"]
    assert await story(shop, "clock-2") == told


async def test_due_streams_are_shared_out_over_partitions(shop: OpenShop) -> None:
    executor = shop.executor()
    keys = [f"p-{n}" for n in range(40)]
    storm = keys[0]
    for n in range(20):
        await executor.execute(job(f"clock-s{n:02}", Start(START, (at(1),)), key=storm))
    other = next(key for key in keys if partition_of(key) != partition_of(storm))
    await executor.execute(job("clock-other", Start(START, (at(2),)), key=other))
    limits = {partition_of(storm): at(5), partition_of(other): at(5)}
    due = [name for name, _ in await shop.store.due(limits, 6)]
    assert len(due) == 6, "What the other partition leaves is for the storm."
    assert "clock-other" in due
    assert len(await shop.store.due(limits, 2)) == 2


async def test_the_keys_of_a_partition_come_in_turn_where_one_has_many(shop: OpenShop) -> None:
    executor = shop.executor()
    keys = [key for key in (f"p-{n}" for n in range(40)) if partition_of(key) == HERE]
    storm, second, third, *_ = keys
    for n in range(20):
        await executor.execute(job(f"clock-s{n:02}", Start(START, (at(1),)), key=storm))
    for key, seconds in ((second, 3), (second, 2), (third, 4)):
        stream = f"clock-{key}-{seconds}"
        await executor.execute(job(stream, Start(START, (at(seconds),)), key=key))
    due = await shop.store.due({HERE: at(9)}, 6)
    others = [(name, when) for name, when in due if when > at(1)]
    assert len(due) == 6
    assert set(others) == {
        (f"clock-{second}-2", at(2)),
        (f"clock-{second}-3", at(3)),
        (f"clock-{third}-4", at(4)),
    }
    # Whatever is not due yet, of whichever key, is left out.
    assert [when for _, when in await shop.store.due({HERE: at(2)}, 2)] == [at(1), at(1)]


async def test_the_oldest_alarms_of_a_partition_come_first(shop: OpenShop) -> None:
    executor = shop.executor()
    for n in (3, 1, 2):
        await executor.execute(job(f"clock-{n}", Start(START, (at(n),))))
    due = await shop.store.due({HERE: at(9)}, 2)
    assert due == [("clock-1", at(1)), ("clock-2", at(2))]


async def test_an_alarm_set_behind_those_that_rang_is_still_found(shop: OpenShop) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(10),))))
    shop.clock.instant = at(15)
    await executor.execute_batch([ring("clock-1", 15)])
    shop.store.rang(HERE, at(10))
    await executor.execute_batch(
        [heard("case-1", 1, To("clock-2", "p-1", Start(START, (at(1),))), known_at=START)]
    )
    for _ in range(200):
        if found := await shop.store.due({HERE: at(15)}, 10):
            break
        await executor.execute(job("clock-3", Note(START)))
    assert found == [("clock-2", at(1))]


async def test_the_alarms_that_a_parked_stream_feeds_wait_ten_minutes_for_it(
    shop: OpenShop,
) -> None:
    executor = shop.executor()
    now = await _wall(shop)
    await executor.execute(job("clock-1", Start(START, (at(10),))))
    await executor.execute(job("clock-2", Start(START, (at(10),))))
    shop.wall.instant = now - timedelta(minutes=9)
    await executor.execute_batch(
        [heard("case-1", 1, To("clock-9", "p-1", Meet(START)), feeds="clock-1")]
    )
    shop.wall.instant = now
    assert await shop.store.due({HERE: at(99)}, 10) == [("clock-2", at(10))]


async def test_after_ten_minutes_the_alarms_of_a_parked_stream_ring_without_it(
    shop: OpenShop,
) -> None:
    executor = shop.executor()
    now = await _wall(shop)
    await executor.execute(job("clock-1", Start(START, (at(10),))))
    shop.wall.instant = now - timedelta(minutes=10)
    await executor.execute_batch(
        [heard("case-1", 1, To("clock-9", "p-1", Meet(START)), feeds="clock-1")]
    )
    shop.wall.instant = now
    assert await shop.store.due({HERE: at(99)}, 10) == [("clock-1", at(10))]


async def test_an_alarm_that_failed_is_left_to_the_retries_however_long(shop: OpenShop) -> None:
    executor = shop.executor()
    now = await _wall(shop)
    for stream in ("clock-1", "clock-2"):
        await executor.execute(job(stream, Start(START, (at(10),))))
    failed = LinedUp("alarms", "clock-1", 1, "clock-1", parcel("it failed"))
    long_ago = now - timedelta(days=1)
    park = Park(failed, "It failed.", "StuckAlarm", long_ago, long_ago, feeds="clock-1")
    await shop.store.commit(Write(park=[park]))
    shop.wall.instant = now
    assert await shop.store.due({HERE: at(99)}, 10) == [("clock-2", at(10))]


async def _wall(shop: OpenShop) -> datetime:
    if isinstance(shop.store, MemoryStore):
        return START
    assert isinstance(shop.store, PostgresStore)
    now: datetime = await shop.store.pool.fetchval("SELECT clock_timestamp()")
    return now


async def test_history_marks_what_it_causes_and_keeps_out_of_the_ticker(shop: OpenShop) -> None:
    executor = shop.executor()
    shop.clock.instant = at(1000)
    await executor.execute(
        job("clock-1", Start(START, (at(10), at(200))), history=at(100), known_at=at(0))
    )
    assert await shop.store.next_due([HERE]) is None
    await executor.execute(job("clock-1", Note(at(50)), history=at(100), known_at=at(50)))
    await executor.execute(
        job("clock-1", Note(at(100)), history=at(100), known_at=at(100), ends_history=True)
    )
    facts = await shop.store.facts_of("clock-1")
    assert await story(shop, "clock-1") == [
        "started@0",
        "started@0",
        "breached@10",
        "noted@50",
        "noted@100",
    ]
    assert [fact.history for fact in facts] == [at(100)] * 4 + [None]
    assert [fact.known_at for fact in facts[:4]] == [at(0), at(0), at(10), at(50)]
    assert await shop.store.next_due([HERE]) == at(200)
    await executor.execute_batch([ring("clock-1", 999)])
    [last] = (await shop.store.facts_of("clock-1"))[5:]
    assert (last.occurred_at, last.known_at, last.history) == (at(200), at(1000), None)


async def test_what_is_aside_rings_nothing_and_ends_no_history(shop: OpenShop) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(10),))))
    await executor.execute(job("clock-2", Start(START, (at(10),)), history=at(100), known_at=at(0)))
    shop.clock.instant = at(150)
    for stream in ("clock-1", "clock-2"):
        await executor.execute(job(stream, Note(at(150)), aside=True))
        assert await story(shop, stream) == ["started@0", "noted@150"]
    assert await shop.store.next_due([HERE]) == at(10)
    [[stream, _]] = await shop.store.due({HERE: at(150)}, 10)
    assert stream == "clock-1"


async def test_what_comes_late_of_an_ended_past_takes_no_stream_out_of_the_ticker(
    shop: OpenShop,
) -> None:
    executor = shop.executor()
    shop.clock.instant = at(150)
    await executor.execute(
        job("clock-1", Start(START, (at(200),)), history=at(100), known_at=at(0))
    )
    await executor.execute(
        job("clock-1", Note(at(100)), history=at(100), known_at=at(100), ends_history=True)
    )
    await executor.execute(job("clock-1", Note(at(50)), history=at(100), known_at=at(50)))
    late = (await shop.store.facts_of("clock-1"))[-1]
    assert (late.occurred_at, late.history) == (at(50), at(100))
    assert await shop.store.next_due([HERE]) == at(200)
    # A longer past is imported: until it ends, nothing rings.
    await executor.execute(job("clock-1", Note(at(110)), history=at(120), known_at=at(110)))
    assert await shop.store.next_due([HERE]) is None
    await executor.execute(
        job("clock-1", Note(at(120)), history=at(120), known_at=at(120), ends_history=True)
    )
    assert await shop.store.next_due([HERE]) == at(200)


async def test_a_live_fact_brings_history_into_the_ticker_and_rings_what_was_due(
    shop: OpenShop,
) -> None:
    executor = shop.executor()
    shop.clock.instant = at(150)
    await executor.execute(
        job("clock-1", Start(START, (at(10), at(200))), history=at(100), known_at=at(0))
    )
    await shop.executor().execute(job("clock-1", Note(at(149))))
    facts = await shop.store.facts_of("clock-1")
    assert [fact.history for fact in facts] == [at(100)] * 3 + [None]
    assert facts[2].known_at == at(10)
    assert await shop.store.next_due([HERE]) == at(200)
