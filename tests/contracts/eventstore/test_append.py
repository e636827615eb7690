"""Facts of a stream: appended in order, once, whole; read as a whole or after a known version."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.contracts.eventstore.conftest import OpenShop
from tests.support.eventstore import (
    START,
    TALLY,
    AskUnheard,
    ClockDecider,
    Meet,
    Note,
    Running,
    Shop,
    Start,
    TestCommand,
    at,
    heard,
    id_of,
    job,
    noted,
    partition_of,
)

from steward_decider import Refused
from steward_events.fact import Fact
from steward_eventstore.execute import Applied, Cause, Job, NotDone, Parked, To
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import (
    EVERYWHERE,
    Changed,
    Head,
    OwnAdvance,
    Reading,
    Relayed,
    StreamWrite,
    Write,
)


async def notes(shop: OpenShop, stream: str) -> list[str]:
    return [
        fact.fact.model_dump()["fields"]["text"]
        for fact in await shop.store.facts_of(stream)
        if fact.fact is not None and fact.type == "sla.case_noted.v1"
    ]


class SlowDecider(ClockDecider):
    """Takes its time, and tells how often it has decided."""

    def __init__(self) -> None:
        super().__init__()
        self.decided = 0

    def decide(self, command: TestCommand, state: Running) -> Sequence[Fact]:
        time.sleep(0.06)
        self.decided += 1
        return super().decide(command, state)


async def test_while_a_long_batch_is_decided_others_have_their_turn(shop: OpenShop) -> None:
    slow = SlowDecider()
    shop.deciders = {"clock": slow}
    seen: set[int] = set()

    async def other() -> None:
        while True:
            seen.add(slow.decided)
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await shop.executor().execute_batch([job("clock-1", Note(at(n), str(n))) for n in range(5)])
    beside.cancel()
    assert seen >= {1, 2, 3, 4}
    assert await notes(shop, "clock-1") == ["0", "1", "2", "3", "4"]


async def test_a_fact_is_stored_with_all_that_is_known_of_it(shop: OpenShop) -> None:
    shop.clock.instant = at(5)
    done = await shop.executor().execute(job("clock-1", Note(at(1), "hello"), cause="request"))
    [fact] = await shop.store.facts_of("clock-1")
    assert isinstance(done, Applied)
    assert done.facts == (fact,)
    assert fact.fact == noted("hello", at(1))
    assert (fact.stream, fact.version, fact.key, fact.source) == ("clock-1", 1, "p-1", "test")
    assert (fact.occurred_at, fact.recorded_at, fact.known_at) == (at(1), at(5), at(5))
    assert fact.causation_id == fact.correlation_id == str(id_of("request"))
    assert fact.history is None
    assert not fact.everywhere


async def test_the_same_request_makes_the_same_ids_in_every_store(shop: OpenShop) -> None:
    wanted = job("clock-1", Note(START, "a"), Note(START, "b"), cause="request")
    here = await shop.executor().execute(wanted)
    there = await Shop(MemoryStore(shop.wall)).executor().execute(wanted)
    assert isinstance(here, Applied)
    assert isinstance(there, Applied)
    assert [fact.id for fact in here.facts] == [fact.id for fact in there.facts]
    assert here.facts[0].id != here.facts[1].id


async def test_facts_are_read_after_the_version_that_is_known(shop: OpenShop) -> None:
    await shop.executor().execute(job("clock-1", *(Note(START, str(n)) for n in range(5))))
    view = await shop.store.read(Reading({"clock-1": 3, "clock-2": 0}))
    assert view.facts["clock-1"] == [noted("3", START), noted("4", START)]
    assert view.heads["clock-1"].version == 5
    assert "clock-2" not in view.heads


async def test_whole_streams_are_given_one_after_the_other(shop: OpenShop) -> None:
    for stream in ("clock-2", "clock-1", "clock-3"):
        await shop.executor().execute(job(stream, Note(START, "a"), Note(START, "b")))
    facts = await shop.store.facts_of("clock-3", "clock-1", "clock-4")
    assert [(fact.stream, fact.version) for fact in facts] == [
        ("clock-1", 1),
        ("clock-1", 2),
        ("clock-3", 1),
        ("clock-3", 2),
    ]
    assert await shop.store.facts_of() == []


async def test_a_stale_version_changes_nothing(shop: OpenShop) -> None:
    await shop.executor().execute(job("clock-1", Note(START, "a")))
    [fact] = await shop.store.facts_of("clock-1")
    head = Head("clock-1", "p-1", partition_of("p-1"), 1, START)
    other = Head("clock-0", "p-1", partition_of("p-1"), 1, START)
    write = Write(
        streams=[
            StreamWrite(other, 0, (fact._replace(stream="clock-0"),)),
            StreamWrite(head, 0, (fact,)),
        ]
    )
    with pytest.raises(Changed):
        await shop.store.commit(write)
    assert await shop.store.facts_of("clock-0") == []


async def test_two_processes_that_append_to_one_stream_lose_nothing(shop: OpenShop) -> None:
    first, second = shop.executor(), shop.executor()
    for n in range(6):
        await (first, second)[n % 2].execute(job("clock-1", Note(START, str(n))))
    assert await notes(shop, "clock-1") == list("012345")


async def test_what_the_sender_had_not_seen_refuses_the_command(shop: OpenShop) -> None:
    await shop.executor().execute(job("clock-1", Note(START, "a")))
    with pytest.raises(Refused) as refusal:
        await shop.executor().execute(job("clock-1", Note(START, "b"), expected=0))
    assert refusal.value.code == "precondition"
    await shop.executor().execute(job("clock-1", Note(START, "c"), expected=1))
    assert await notes(shop, "clock-1") == ["a", "c"]


async def test_a_refused_request_is_told_why_and_keeps_nothing(shop: OpenShop) -> None:
    with pytest.raises(Refused, match="Nothing runs"):
        await shop.executor().execute(job("clock-1", Note(START, "lost"), Meet(START)))
    assert await shop.store.facts_of("clock-1") == []
    assert await shop.rows(TALLY) == []


async def test_a_refused_job_of_a_batch_keeps_nothing_and_does_not_stop_the_rest(
    shop: OpenShop,
) -> None:
    outcomes = await shop.executor().execute_batch(
        [
            job("clock-1", Note(START, "before")),
            job("clock-1", Note(START, "lost"), Meet(START)),
            job("clock-1", Note(START, "after")),
            job("clock-2", Note(START, "elsewhere")),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Applied, NotDone, Applied, Applied]
    assert await notes(shop, "clock-1") == ["before", "after"]
    assert await notes(shop, "clock-2") == ["elsewhere"]
    assert [row["count"] for row in await shop.rows(TALLY)] == [3]


async def test_one_job_may_change_several_streams_together(shop: OpenShop) -> None:
    to = [To(f"clock-{n}", f"p-{n}", Note(START, "together")) for n in (3, 1, 2)]
    await shop.executor().execute(Job(Cause(id_of("x"), "test"), lambda: to))
    assert [await notes(shop, f"clock-{n}") for n in (1, 2, 3)] == [["together"]] * 3


async def test_a_reaction_that_refuses_is_answered_to_the_caller(shop: OpenShop) -> None:
    def refuse() -> Sequence[To]:
        raise Refused("It cannot be mapped.")

    with pytest.raises(Refused, match="mapped"):
        await shop.executor().execute(Job(Cause(id_of("x"), "test"), refuse))


async def test_recorded_at_is_never_before_the_streams_last(shop: OpenShop) -> None:
    shop.clock.instant = at(10)
    executor = shop.executor()
    await executor.execute(job("clock-1", Note(START, "a")))
    shop.clock.instant = at(4)
    await executor.execute(job("clock-1", Note(START, "b")))
    await shop.executor().execute(job("clock-1", Note(START, "c")))
    assert [f.recorded_at for f in await shop.store.facts_of("clock-1")] == [at(10)] * 3


async def test_a_group_wide_stream_goes_everywhere(shop: OpenShop) -> None:
    await shop.executor().execute(job("clock-g", Note(START, "a"), key="g-1", everywhere=True))
    [fact] = await shop.store.facts_of("clock-g")
    [relayed] = await _log(shop)
    assert fact.everywhere
    assert relayed.partition == EVERYWHERE


async def test_a_nul_is_found_by_halving_until_its_job_stands_alone(shop: OpenShop) -> None:
    jobs = [
        heard(f"case-{n}", 1, To(f"clock-{n}", "p-1", Note(START, "\0" if n == 5 else "fine")))
        for n in range(8)
    ]
    outcomes = await shop.executor().execute_batch(jobs)
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Parked)] == [5]
    assert [p.stream for p in await shop.store.parked()] == ["case-5"]
    assert (await shop.store.parked())[0].code == "bad_data"
    assert [len(await notes(shop, f"clock-{n}")) for n in range(8)] == [1, 1, 1, 1, 1, 0, 1, 1]


async def test_a_nul_in_a_request_is_answered_to_the_caller(shop: OpenShop) -> None:
    with pytest.raises(Refused) as refusal:
        await shop.executor().execute(job("clock-1", Note(START, "a\0b")))
    assert refusal.value.code == "bad_data"
    await shop.executor().execute(job("clock-1", Note(START, r"a\u0000b")))
    assert await notes(shop, "clock-1") == [r"a\u0000b"]


@pytest.mark.parametrize("where", ["what it says", "what stands in its headers"])
async def test_a_nul_that_no_list_would_meet_is_refused_too(shop: OpenShop, where: str) -> None:
    shop.project = lambda _: ()
    says, correlation = ("a\0b", "") if where == "what it says" else ("a", "a\0b")
    command = To("clock-1", "p-1", Note(START, says))
    cause = Cause(id_of(where), "test", correlation_id=correlation)
    with pytest.raises(Refused) as refusal:
        await shop.executor().execute(Job(cause, lambda: [command]))
    assert refusal.value.code == "bad_data"
    assert await shop.store.facts_of("clock-1") == []


async def test_an_address_that_no_index_takes_is_parked_under_one_that_it_does(
    shop: OpenShop,
) -> None:
    outcomes = await shop.executor().execute_batch(
        [
            heard("case-\0", 1, To("clock-1", "p-1", Note(START))),
            heard("case-" + "long" * 2000, 1, To("clock-1", "p-1", Note(START))),
            heard("case-1", 1, To("clock-1", "p-1", Note(START, "fine"))),
        ]
    )
    assert [type(o) for o in outcomes] == [Parked, Parked, Applied]
    assert len(await shop.store.parked()) == 2
    assert await notes(shop, "clock-1") == ["fine"]


async def test_a_fact_that_no_kafka_message_holds_is_refused_at_append(shop: OpenShop) -> None:
    with pytest.raises(Refused, match="bytes"):
        await shop.executor().execute(job("clock-1", Note(START, "长" * 200_000)))
    assert await shop.store.facts_of("clock-1") == []


async def test_the_relay_reads_facts_once_and_in_order(shop: OpenShop) -> None:
    executor = shop.executor()
    for n in range(5):
        await executor.execute(job(f"clock-{n % 2}", Note(START, str(n))))
    lease = await shop.store.take_lease("one", timedelta(seconds=10))
    assert lease is not None
    first = await shop.store.relay_page(lease.cursor, 3)
    assert [(r.stream, r.version) for r in first] == [
        ("clock-0", 1),
        ("clock-1", 1),
        ("clock-0", 2),
    ]
    assert await shop.store.backlog() == (5, START)
    assert await shop.store.relayed(lease.fence, first[-1].cursor, 3)
    again = await shop.store.take_lease("one", timedelta(seconds=10))
    assert again is not None
    assert again.fence == lease.fence
    rest = await shop.store.relay_page(again.cursor, 3)
    assert [(r.stream, r.version) for r in rest] == [("clock-1", 2), ("clock-0", 3)]
    assert await shop.store.backlog() == (2, START)


async def test_who_lost_the_lease_moves_nothing(shop: OpenShop) -> None:
    await shop.executor().execute(job("clock-1", Note(START, "a")))
    old = await shop.store.take_lease("one", timedelta(seconds=-1))
    new = await shop.store.take_lease("two", timedelta(seconds=10))
    assert old is not None
    assert new is not None
    assert await shop.store.take_lease("one", timedelta(seconds=10)) is None
    [fact] = await shop.store.relay_page(old.cursor, 10)
    assert not await shop.store.relayed(old.fence, fact.cursor)
    renewed = await shop.store.take_lease("two", timedelta(seconds=10))
    assert renewed is not None
    assert renewed.cursor == old.cursor
    assert await shop.store.relayed(new.fence, fact.cursor)


async def test_an_inbox_place_moves_only_from_where_it_was_read(shop: OpenShop) -> None:
    step = OwnAdvance("listener", "case-1", 0, 1, id_of("1"))
    await shop.store.commit(Write(own=[step]))
    for wrong in (step, OwnAdvance("listener", "case-1", 2, 3, id_of("3"))):
        with pytest.raises(Changed):
            await shop.store.commit(Write(own=[wrong]))
    await shop.store.commit(Write(own=[OwnAdvance("listener", "case-1", 1, 2, id_of("2"))]))


async def test_a_command_may_need_what_is_heard_later(shop: OpenShop) -> None:
    [outcome] = await shop.executor().execute_batch(
        [heard("case-1", 1, To("clock-1", "p-1", AskUnheard(START, "policy")))]
    )
    assert outcome == Parked("policy has not been heard.", "not_heard_yet")
    assert await shop.store.facts_of("clock-1") == []


async def test_a_state_is_remembered_and_still_right_when_others_append(shop: OpenShop) -> None:
    ours, theirs = shop.executor(), shop.executor(cached_streams=0)
    await ours.execute(job("clock-1", Start(START, (at(60),))))
    await theirs.execute(job("clock-1", Meet(at(1))))
    with pytest.raises(Refused, match="Nothing runs"):
        await ours.execute(job("clock-1", Meet(at(2))))


async def _log(shop: OpenShop) -> list[Relayed]:
    lease = await shop.store.take_lease("reader", timedelta(seconds=10))
    assert lease is not None
    return await shop.store.relay_page(lease.cursor, 1000)
