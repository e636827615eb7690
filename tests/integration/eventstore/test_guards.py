"""Each guard of the store in PostgreSQL: what it prevents, and that it happens without the guard.

Every scenario is played twice: with the guard as released, and with its text taken out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import asyncpg
import pytest
from asyncpg import Connection
from tests.integration.eventstore.conftest import Database, InterruptedStore
from tests.support.eventstore import (
    HEARD,
    START,
    AskUnheard,
    Note,
    Running,
    Shop,
    Start,
    at,
    foreign,
    heard,
    id_of,
    job,
    noted,
    partition_of,
)
from tests.support.removal import without

from steward_decider import Refused
from steward_events.recorded import Recorded
from steward_eventstore import execute as execute_module
from steward_eventstore import postgres
from steward_eventstore.execute import Alarms, Applied, Cause, Job, To
from steward_eventstore.port import Changed, Cursor, Head, StreamWrite, Unavailable, Write
from steward_eventstore.postgres import PostgresStore

BEGINNING = Cursor(1, 0, 0)
guarded = pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "without the guard"])


def append(stream: str, version: int) -> Write:
    """Give the append of one fact."""
    fact = Recorded(
        id_of(f"{stream}/{version}"), "sla.case_noted.v1", stream, version, "p-1", "test",
        START, START, START, noted(f"{version}", START),
    )  # fmt: skip
    head = Head(stream, "p-1", partition_of("p-1"), version, START)
    return Write(streams=[StreamWrite(head, version - 1, (fact,))])


def together(*writes: Write) -> Write:
    """Give one write of several streams."""
    return Write(streams=[stream for write in writes for stream in write.streams])


async def log(store: PostgresStore, cursor: Cursor = BEGINNING) -> list[tuple[str, int]]:
    return [(fact.stream, fact.version) for fact in await store.relay_page(cursor, 1000)]


async def notes(store: PostgresStore, stream: str) -> list[str]:
    return [str(f.fact.fields["text"]) for f in await store.facts_of(stream)]  # type: ignore[union-attr]


def say(text: str, stream: str = "clock-1") -> To:
    return To(stream, "p-1", Note(START, text))


def ask(needs: str) -> To:
    return To("clock-1", "p-1", AskUnheard(START, needs))


async def waits_for_a_lock(database: Database, sessions: int) -> None:
    """Wait until so many sessions wait for a lock."""
    watcher = await database.session()
    for _ in range(1000):
        waiting = await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if waiting >= sessions:
            return
    raise AssertionError("Nobody waits for a lock.")


@guarded
@pytest.mark.parametrize("beside", [(), ("clock-0",)], ids=["one stream", "several streams"])
async def test_a_transaction_with_an_older_number_cannot_append_the_newer_version(
    database: Database, guarded: bool, beside: tuple[str, ...]
) -> None:
    if not guarded:
        await database.remove("AND s.last_xid <= pg_current_xact_id()")
    store, session = await database.store(), await database.session()
    await store.commit(together(append("clock-1", 1), *(append(name, 1) for name in beside)))
    transaction = session.transaction()
    await transaction.start()
    # It wrote something else first, and so took its number before the next version's writer.
    await session.execute("INSERT INTO sweeps VALUES ('a', 'b', 'c', 'd', 'e')")
    await store.commit(append("clock-1", 2))
    late = together(append("clock-1", 3), *(append(name, 2) for name in beside))
    if guarded:
        with pytest.raises(Changed):
            await database.within(session).commit(late)
        await transaction.rollback()
        await store.commit(late)
    else:
        await database.within(session).commit(late)
        await transaction.commit()
    published = [version for stream, version in await log(store) if stream == "clock-1"]
    assert published == ([1, 2, 3] if guarded else [1, 3, 2])


@guarded
@pytest.mark.parametrize("beside", [(), ("clock-0",)], ids=["one stream", "several streams"])
async def test_one_transaction_may_append_twice(
    database: Database, guarded: bool, beside: tuple[str, ...]
) -> None:
    if not guarded:
        await database.remove(
            "s.last_xid <= pg_current_xact_id()", "s.last_xid < pg_current_xact_id()"
        )
    session = await database.session()
    inside = database.within(session)
    async with session.transaction():
        await inside.commit(together(append("clock-1", 1), *(append(n, 1) for n in beside)))
        second = inside.commit(together(append("clock-1", 2), *(append(n, 2) for n in beside)))
        if guarded:
            await second
        else:
            with pytest.raises(Changed):
                await second
    expected = [1, 2] if guarded else []
    assert [v for s, v in await log(await database.store()) if s == "clock-1"] == expected


@guarded
async def test_the_relay_waits_for_a_transaction_that_is_still_running(
    database: Database, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = "AND xid < pg_snapshot_xmin(pg_current_snapshot())"
    assert bound in postgres.RELAY_PAGE
    if not guarded:
        monkeypatch.setattr(postgres, "RELAY_PAGE", postgres.RELAY_PAGE.replace(bound, ""))
    store, session = await database.store(), await database.session()
    transaction = session.transaction()
    await transaction.start()
    await database.within(session).commit(append("clock-slow", 1))
    await store.commit(append("clock-fast", 1))
    page = await store.relay_page(BEGINNING, 1000)
    cursor = page[-1].cursor if page else BEGINNING
    await transaction.commit()
    published = [(fact.stream, fact.version) for fact in page] + await log(store, cursor)
    if guarded:
        assert published == [("clock-slow", 1), ("clock-fast", 1)]
    else:
        assert published == [("clock-fast", 1)], "The slow transaction's fact was skipped."


@guarded
async def test_transaction_numbers_are_compared_as_numbers(
    database: Database, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = "ORDER BY events.xid, events.pos"
    assert order in postgres.RELAY_PAGE
    if not guarded:
        monkeypatch.setattr(
            postgres, "RELAY_PAGE", postgres.RELAY_PAGE.replace(order, "ORDER BY xid, pos")
        )
    session = await database.session()
    for version, xid in enumerate(("9", "10", "99", "100"), 1):
        await session.execute(
            "INSERT INTO events (log_epoch, xid, stream_id, version, partition, type, data, meta)"
            " VALUES (1, $1::text::xid8, 'clock-1', $2, 0, 'x', '{}', '{}')",
            xid,
            version,
        )
    published = [version for _, version in await log(await database.store())]
    assert (published == [1, 2, 3, 4]) is guarded


@guarded
async def test_who_lost_the_lease_cannot_move_the_relays_cursor(
    database: Database, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fence = "WHERE fence = $1"
    assert fence in postgres.RELAYED
    if not guarded:
        monkeypatch.setattr(
            postgres, "RELAYED", postgres.RELAYED.replace(fence, "WHERE $1::bigint > 0")
        )
    store = await database.store()
    await store.commit(append("clock-1", 1))
    [fact] = await store.relay_page(BEGINNING, 10)
    old = await store.take_lease("old", timedelta(seconds=-1))
    assert old is not None
    assert await store.take_lease("new", timedelta(minutes=1)) is not None
    assert await store.relayed(old.fence, fact.cursor) is not guarded
    [cursor] = await (await database.session()).fetch("SELECT pos FROM relay")
    assert (cursor["pos"] == 0) is guarded


@guarded
async def test_locks_are_taken_in_one_order_and_the_reverse_deadlocks(
    database: Database, guarded: bool
) -> None:
    first, second, blocker = [await database.session() for _ in range(3)]
    await (await database.store()).commit(together(append("clock-a", 1), append("clock-b", 1)))
    both = together(append("clock-a", 2), append("clock-b", 2))
    hold = blocker.transaction()
    await hold.start()
    await blocker.execute("SELECT FROM streams WHERE stream_id = 'clock-a' FOR UPDATE")
    one = asyncio.create_task(database.within(first).commit(both))
    await waits_for_a_lock(database, 1)
    if not guarded:
        await database.remove("ORDER BY stream_id FOR UPDATE", "ORDER BY stream_id DESC FOR UPDATE")
    two = asyncio.create_task(database.within(second).commit(both))
    await waits_for_a_lock(database, 2)
    await hold.rollback()
    ends = await asyncio.gather(one, two, return_exceptions=True)
    [lost] = [end for end in ends if end is not None]
    assert isinstance(lost, Changed)
    assert isinstance(lost.__cause__, asyncpg.DeadlockDetectedError) is not guarded


@guarded
async def test_of_two_creators_of_one_stream_the_second_comes_after_the_first(
    database: Database, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not guarded:
        monkeypatch.setattr(postgres, "_CHANGED_TABLES", set())
    ours, theirs = await database.shop(), await database.shop()
    interrupted(ours).before_commit = lambda: theirs.executor().execute(
        job("clock-1", Note(START, "theirs"))
    )
    mine = ours.executor().execute(job("clock-1", Note(START, "mine")))
    if guarded:
        await mine
        assert await notes(interrupted(ours), "clock-1") == ["theirs", "mine"]
    else:
        with pytest.raises(Refused, match="duplicate key"):
            await mine


@guarded
async def test_an_alarm_of_an_older_state_does_not_replace_that_of_a_newer(
    database: Database, guarded: bool
) -> None:
    if not guarded:
        await database.remove("AND s.version = s_expected[1]")
    ticker, listener = await database.shop(), await database.shop()
    await listener.executor().execute(job("clock-1", Start(START, (at(50),))))
    interrupted(ticker).before_commit = lambda: listener.executor().execute(
        job("clock-1", Start(START, (at(20),)))
    )
    await ticker.executor().execute(ring("clock-1", at(10)))
    due = await ticker.store.next_due([partition_of("p-1")])
    assert due == (at(20) if guarded else at(50))


@guarded
async def test_a_ring_that_loses_its_race_is_nothing(database: Database, guarded: bool) -> None:
    if not guarded:
        session = await database.session()
        await database.remove("AND s.version = s_expected[1]")
        await session.execute("ALTER TABLE events DROP CONSTRAINT events_pkey")
    ours, theirs = await database.shop(), await database.shop()
    await ours.executor().execute(job("clock-1", Start(START, (at(10),))))
    for shop in (ours, theirs):
        shop.clock.instant = at(15)
    interrupted(ours).before_commit = lambda: theirs.executor().execute(ring("clock-1", at(15)))
    done = await ours.executor().execute(ring("clock-1", at(15)))
    assert isinstance(done, Applied)
    assert len(done.facts) == (0 if guarded else 1)
    assert len(await ours.store.facts_of("clock-1")) == (2 if guarded else 3)


async def test_what_another_task_remembers_meanwhile_is_not_folded_twice(
    database: Database,
) -> None:
    shop = await database.shop()
    executor = shop.executor()
    await executor.execute(job("clock-1", Note(START, "one")))

    async def meanwhile() -> None:
        await executor.execute(job("clock-1", Note(START, "two")))

    interrupted(shop).before_commit = meanwhile
    await executor.execute(job("clock-1", Note(START, "three")))
    interrupted(shop).after_read = meanwhile_note(executor, "four")
    await executor.execute(job("clock-1", Note(START, "five")))
    state: Running = executor._cache["clock-1"].state
    assert state.notes == ("one", "two", "three", "four", "five")


@guarded
async def test_a_version_that_comes_before_its_time_waits(
    database: Database, guarded: bool
) -> None:
    guard = "if version > done + 1:"
    module = execute_module if guarded else without(execute_module, (guard, "if False:"))
    shop = await database.shop()
    executor = module.Executor(
        shop.store, shop.clock, shop.deciders, source="test", partition_of=partition_of
    )
    await executor.execute_batch([heard("case-1", 1, say("one")), heard("case-1", 3, say("three"))])
    await executor.execute_batch([heard("case-1", 2, say("two"))])
    told = await notes(interrupted(shop), "clock-1")
    if guarded:
        assert told == ["one"], "The second lines up behind the third, which waits for it."
        assert len(await shop.store.line("listener", "case-1")) == 2
    else:
        assert told == ["one", "three"], "The second was taken for a repeat."
        assert await shop.store.parked() == []


@guarded
async def test_two_listeners_after_a_rebalance_have_one_effect(
    database: Database, guarded: bool
) -> None:
    if not guarded:
        await database.remove("AND q.expected > 0 AND i.version = q.expected", "AND q.expected > 0")
    old, new = await database.shop(), await database.shop()
    await old.executor().execute_batch([heard("case-1", 1, heard=told_by_intake(1))])
    interrupted(old).before_commit = lambda: new.executor().execute_batch(
        [heard("case-1", 2, heard=told_by_intake(2))]
    )
    await old.executor().execute_batch([heard("case-1", 2, heard=told_by_intake(2))])
    count = await (await database.session()).fetchval("SELECT sum(count) FROM tally")
    assert count == (2 if guarded else 3)


PARKING = "IF FOUND THEN"


@guarded
async def test_a_message_does_not_overtake_one_that_was_parked_meanwhile(
    database: Database, guarded: bool
) -> None:
    if not guarded:
        await database.remove(PARKING, "IF false THEN")
    old, new = await database.shop(), await database.shop()
    interrupted(old).before_commit = lambda: new.executor().execute_batch(
        [foreign("ticket-1", "first", ask("policy"))]
    )
    await old.executor().execute_batch([foreign("ticket-1", "second", say("second"))])
    line = [waiting.parcel.value for waiting in await old.store.line("inbound", "ticket-1")]
    assert line == ([b"first", b"second"] if guarded else [b"first"])
    assert await notes(interrupted(old), "clock-1") == ([] if guarded else ["second"])


@guarded
async def test_a_message_does_not_wait_behind_a_line_that_was_emptied_meanwhile(
    database: Database, guarded: bool
) -> None:
    if not guarded:
        await database.remove(PARKING, "IF false THEN")
    listener, retry = await database.shop(), await database.shop()
    first = heard("case-1", 1, ask("policy"))
    await listener.executor().execute_batch([first])
    HEARD.add("policy")
    again = Job(first.cause, first.react, first.mark, first.parcel, order=1, retry=True)
    interrupted(listener).before_commit = lambda: retry.executor().execute_batch([again])
    await listener.executor().execute_batch([heard("case-1", 2, say("two"))])
    told = await notes(interrupted(listener), "clock-1")
    assert told == (["policy", "two"] if guarded else ["policy"])
    assert len(await listener.store.parked()) == (0 if guarded else 1)


async def test_two_retries_at_once_have_one_effect(database: Database) -> None:
    one, other = await database.shop(), await database.shop()
    first = heard("case-1", 1, ask("policy"))
    await one.executor().execute_batch([first, heard("case-1", 2, say("two"))])
    HEARD.add("policy")
    line = [
        Job(j.cause, j.react, j.mark, j.parcel, order=j.order, retry=True)
        for j in (first, heard("case-1", 2, say("two")))
    ]
    interrupted(one).before_commit = lambda: other.executor().execute_batch(line)
    await one.executor().execute_batch(line)
    assert await notes(interrupted(one), "clock-1") == ["policy", "two"]
    assert await one.store.parked() == []


async def test_a_job_whose_connection_broke_in_its_commit_applies_once_when_tried_again(
    database: Database,
) -> None:
    shop, blocker = await database.shop(), await database.session()
    await shop.executor().execute(job("clock-1", Note(START, "one")))
    message = heard("case-1", 1, say("two"))
    hold = blocker.transaction()
    await hold.start()
    await blocker.execute("SELECT FROM streams FOR UPDATE")
    trying = asyncio.create_task(shop.executor().execute_batch([message]))
    await waits_for_a_lock(database, 1)
    await cut(blocker)
    with pytest.raises(Unavailable):
        await trying
    await hold.rollback()
    assert await notes(interrupted(shop), "clock-1") == ["one"]
    for _ in range(2):
        await shop.executor().execute_batch([message])
    assert await notes(interrupted(shop), "clock-1") == ["one", "two"]


async def test_a_job_whose_answer_was_lost_after_its_commit_applies_once_when_tried_again(
    database: Database,
) -> None:
    shop = await database.shop()

    async def lose_the_answer() -> None:
        raise Unavailable("The answer was lost.")

    interrupted(shop).after_commit = lose_the_answer
    executor, message = shop.executor(), heard("case-1", 1, say("one"))
    with pytest.raises(Unavailable):
        await executor.execute_batch([message])
    await executor.execute_batch([message])
    assert await notes(interrupted(shop), "clock-1") == ["one"]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await PostgresStore.connect("postgresql://nobody@/nothing?host=/tmp/there-is-no-server")


async def test_nothing_is_skipped_and_order_kept_while_many_append(database: Database) -> None:
    shops = [await database.shop() for _ in range(4)]
    executors = [shop.executor() for shop in shops]
    appended = asyncio.Event()

    async def writer(number: int) -> None:
        executor = executors[number % 4]
        for n in range(25):
            streams = sorted({f"clock-{(number + n) % 5}", f"clock-{(number * 3 + n) % 5}"})
            to = [say(f"{number}/{n}", stream) for stream in streams]
            cause = Cause(id_of(f"{number}/{n}"), "test")
            await executor.execute(Job(cause, lambda to=to: to))  # type: ignore[misc]

    async def relay() -> list[tuple[str, int]]:
        store, cursor = interrupted(shops[0]), BEGINNING
        published: list[tuple[str, int]] = []
        while True:
            finished = appended.is_set()
            page = await store.relay_page(cursor, 50)
            published += [(fact.stream, fact.version) for fact in page]
            if page:
                cursor = page[-1].cursor
            elif finished:
                return published

    relaying = asyncio.create_task(relay())
    await asyncio.gather(*(writer(number) for number in range(12)))
    appended.set()
    published = await relaying
    for number in range(5):
        stream = f"clock-{number}"
        facts = await shops[0].store.facts_of(stream)
        versions = [version for name, version in published if name == stream]
        assert versions == list(range(1, len(facts) + 1))


async def cut(session: Connection) -> None:
    """End every other session of the database, as a crash or a failover does."""
    await session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )


def ring(stream: str, until: datetime) -> Job:
    return Job(
        Cause(id_of("tick"), "ticker"),
        lambda: [To(stream, "p-1", Alarms(until, until))],
    )


def interrupted(shop: Shop) -> InterruptedStore:
    assert isinstance(shop.store, InterruptedStore)
    return shop.store


def meanwhile_note(executor: execute_module.Executor, text: str) -> Callable[[], Awaitable[object]]:
    return lambda: executor.execute(job("clock-1", Note(START, text)))


def told_by_intake(version: int) -> Recorded:
    return Recorded(
        id_of(f"case-1/{version}"), "sla.case_noted.v1", "case-1", version, "p-1", "intake",
        START, START, START, noted(str(version), START),
    )  # fmt: skip
