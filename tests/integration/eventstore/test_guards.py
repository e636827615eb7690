"""Each guard of the store in PostgreSQL: what it prevents.

That nothing else prevents it is what `make mutations` shows: without the guard its test fails.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from asyncpg import Connection
from tests.integration.eventstore.conftest import Database, InterruptedStore
from tests.support.eventstore import (
    CLOCKS,
    HEARD,
    START,
    TALLY,
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
    parcel,
    partition_of,
)
from tests.support.waiting import until

from steward_events.recorded import Recorded
from steward_eventstore.execute import (
    Alarms,
    Applied,
    Cause,
    Executor,
    Job,
    NotDone,
    Repeated,
    Run,
    To,
)
from steward_eventstore.port import (
    Changed,
    Cursor,
    Head,
    Increment,
    OwnAdvance,
    StreamWrite,
    Unavailable,
    Upsert,
    Write,
)
from steward_eventstore.postgres import PostgresStore
from steward_service.batches import run_batch

BEGINNING = Cursor(1, 0, 0)


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

    async def they_wait() -> bool:
        waiting: int = await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return waiting >= sessions

    await until(they_wait, "nobody waits for a lock")


@pytest.mark.parametrize("beside", [(), ("clock-0",)], ids=["one stream", "several streams"])
async def test_a_transaction_with_an_older_number_cannot_append_the_newer_version(
    database: Database, beside: tuple[str, ...]
) -> None:
    store, session = await database.store(), await database.session()
    await store.commit(together(append("clock-1", 1), *(append(name, 1) for name in beside)))
    transaction = session.transaction()
    await transaction.start()
    # It wrote something else first, and so took its number before the next version's writer.
    await session.execute("INSERT INTO sweeps VALUES ('a', 'b', 'c', 'd', 'e')")
    await store.commit(append("clock-1", 2))
    late = together(append("clock-1", 3), *(append(name, 2) for name in beside))
    with pytest.raises(Changed):
        await database.within(session).commit(late)
    await transaction.rollback()
    await store.commit(late)
    assert [version for stream, version in await log(store) if stream == "clock-1"] == [1, 2, 3]


@pytest.mark.parametrize("beside", [(), ("clock-0",)], ids=["one stream", "several streams"])
async def test_one_transaction_may_append_twice(
    database: Database, beside: tuple[str, ...]
) -> None:
    session = await database.session()
    inside = database.within(session)
    async with session.transaction():
        await inside.commit(together(append("clock-1", 1), *(append(n, 1) for n in beside)))
        await inside.commit(together(append("clock-1", 2), *(append(n, 2) for n in beside)))
    assert [v for s, v in await log(await database.store()) if s == "clock-1"] == [1, 2]


async def test_the_relay_waits_for_a_transaction_that_is_still_running(database: Database) -> None:
    store, session = await database.store(), await database.session()
    transaction = session.transaction()
    await transaction.start()
    await database.within(session).commit(append("clock-slow", 1))
    await store.commit(append("clock-fast", 1))
    page = await store.relay_page(BEGINNING, 1000)
    cursor = page[-1].cursor if page else BEGINNING
    await transaction.commit()
    published = [(fact.stream, fact.version) for fact in page] + await log(store, cursor)
    assert published == [("clock-slow", 1), ("clock-fast", 1)]


async def test_transaction_numbers_are_compared_as_numbers(database: Database) -> None:
    session = await database.session()
    for version, xid in enumerate(("9", "10", "99", "100"), 1):
        await session.execute(
            "INSERT INTO events (log_epoch, xid, stream_id, version, partition, type, data, meta)"
            " VALUES (1, $1::text::xid8, 'clock-1', $2, 0, 'x', '{}', '{}')",
            xid,
            version,
        )
    assert [version for _, version in await log(await database.store())] == [1, 2, 3, 4]


async def test_a_page_goes_on_within_a_transaction_and_with_what_came_before_it_under_a_later_number(
    database: Database,
) -> None:
    store, session = await database.store(), await database.session()
    async with session.transaction():
        await session.execute("SELECT pg_current_xact_id()")
        await store.commit(together(append("clock-1", 1), append("clock-2", 1)))
        await database.within(session).commit(append("clock-slow", 1))
    published: list[str] = []
    cursor = BEGINNING
    while page := await store.relay_page(cursor, 1):
        published += [fact.stream for fact in page]
        cursor = page[-1].cursor
    assert published == ["clock-slow", "clock-1", "clock-2"]


async def test_after_a_restore_the_relay_reads_the_new_epoch_alone(database: Database) -> None:
    store, session = await database.store(), await database.session()
    await store.commit(append("clock-1", 1))
    await session.execute("UPDATE log SET epoch = 2")
    await store.commit(append("clock-1", 2))
    assert await log(store, Cursor(2, 0, 0)) == [("clock-1", 2)]
    assert await log(store) == [("clock-1", 1)]


async def test_who_lost_the_lease_cannot_move_the_relays_cursor(database: Database) -> None:
    store = await database.store()
    await store.commit(append("clock-1", 1))
    [fact] = await store.relay_page(BEGINNING, 10)
    old = await store.take_lease("old", timedelta(seconds=-1))
    assert old is not None
    assert await store.take_lease("new", timedelta(minutes=1)) is not None
    assert not await store.relayed(old.fence, fact.cursor)
    [cursor] = await (await database.session()).fetch("SELECT pos FROM relay")
    assert cursor["pos"] == 0


async def test_a_transaction_that_is_left_open_is_ended_by_the_server(database: Database) -> None:
    store = await database.store()
    limit = await store.pool.fetchval("SHOW idle_in_transaction_session_timeout")
    assert limit == "10s", "It would hold up the relays of the whole server."


async def seeded(database: Database) -> None:
    """Store what can be locked, the later names first."""
    session, store = await database.session(), await database.store()
    for name in ("b", "a"):
        await store.commit(append(f"clock-{name}", 1))
        await session.execute(
            "INSERT INTO inbox VALUES ('listener', $1, 1, $2)", f"case-{name}", id_of(name)
        )
        await session.execute(
            "INSERT INTO parked_streams VALUES ('listener', $1, '', '', now(), now())",
            f"case-{name}",
        )
    await session.execute("INSERT INTO clocks VALUES ('clock-a', 'running', 0)")
    await session.execute("INSERT INTO tally VALUES ('p-1', 'late', 0)")


CASES = [("listener", "case-a"), ("listener", "case-b")]
PARKED = Write(parked_as_read=dict.fromkeys(CASES, True))
ADVANCED = Write(own=[OwnAdvance(*place, 1, 2, id_of("two")) for place in CASES])
LISTED = replace(
    append("clock-a", 2),
    changes=[
        Increment(TALLY, {"project": "p-1", "kind": "late"}, {"count": 1}),
        Upsert(CLOCKS, {"stream": "clock-a", "note": "late"}),
    ],
)


@pytest.mark.parametrize(
    ("write", "first", "then"),
    [
        (PARKED, "parked_streams WHERE stream_id = 'case-a'",
         "parked_streams WHERE stream_id = 'case-b'"),
        (replace(append("clock-a", 2), parked_as_read=PARKED.parked_as_read),
         "parked_streams WHERE stream_id = 'case-a'", "streams WHERE stream_id = 'clock-b'"),
        (together(append("clock-a", 2), append("clock-b", 2)),
         "streams WHERE stream_id = 'clock-a'", "streams WHERE stream_id = 'clock-b'"),
        (replace(append("clock-a", 2), own=ADVANCED.own),
         "streams WHERE stream_id = 'clock-a'", "inbox WHERE stream_id = 'case-b'"),
        (ADVANCED, "inbox WHERE stream_id = 'case-a'",
         "inbox WHERE stream_id = 'case-b'"),
        (LISTED, "streams WHERE stream_id = 'clock-a'", "clocks"),
        (LISTED, "clocks", "tally"),
    ],
    ids=["parked streams", "then streams", "streams", "then the inbox", "the inbox", "then lists",
         "lists"],
)  # fmt: skip
async def test_what_waits_for_the_first_lock_holds_no_later_one(
    database: Database, write: Write, first: str, then: str
) -> None:
    await seeded(database)
    holder, other = await database.session(), await database.session()
    async with holder.transaction():
        await holder.execute(f"SELECT FROM {first} FOR UPDATE")
        waiting = asyncio.create_task((await database.store()).commit(write))
        await waits_for_a_lock(database, 1)
        await other.execute(f"SELECT FROM {then} FOR UPDATE NOWAIT")
    await waiting


async def test_who_is_chosen_to_end_a_deadlock_tries_again(database: Database) -> None:
    shop, other = await database.shop(), await database.session()
    for name in ("clock-a", "clock-b"):
        await shop.executor().execute(job(name, Note(START, "one")))
    await other.execute("SET deadlock_timeout = '1min'")
    both = [say("two", "clock-a"), say("two", "clock-b")]
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SELECT FROM streams WHERE stream_id = 'clock-b' FOR UPDATE")
    trying = asyncio.create_task(
        shop.executor().execute(Job(Cause(id_of("both"), "test"), lambda: both))
    )
    await waits_for_a_lock(database, 1)
    await other.execute("SELECT FROM streams WHERE stream_id = 'clock-a' FOR UPDATE")
    await transaction.rollback()
    await trying
    assert await notes(interrupted(shop), "clock-a") == ["one", "two"]


async def test_of_two_creators_of_one_stream_the_second_comes_after_the_first(
    database: Database,
) -> None:
    ours, theirs = await database.shop(), await database.shop()
    interrupted(ours).before_commit = lambda: theirs.executor().execute(
        job("clock-1", Note(START, "theirs"))
    )
    await ours.executor().execute(job("clock-1", Note(START, "mine")))
    assert await notes(interrupted(ours), "clock-1") == ["theirs", "mine"]


async def test_of_two_messages_that_are_first_to_tell_the_same_the_second_comes_after_the_first(
    database: Database,
) -> None:
    ours, theirs = await database.shop(), await database.shop()

    def tells(id_: str, order: int, stream: str) -> Job:
        return foreign("ticket-1", id_, say(id_, stream)._replace(about="state"), order=order)

    # They share no stream, whose own check would be first.
    interrupted(ours).before_commit = lambda: theirs.executor().execute_batch(
        [tells("first", 1, "clock-1")]
    )
    await ours.executor().execute_batch([tells("second", 2, "clock-2")])
    assert await ours.store.parked() == []
    assert await notes(interrupted(ours), "clock-2") == ["second"]


async def test_an_alarm_of_an_older_state_does_not_replace_that_of_a_newer(
    database: Database,
) -> None:
    ticker, listener = await database.shop(), await database.shop()
    await listener.executor().execute(job("clock-1", Start(START, (at(50),))))
    interrupted(ticker).before_commit = lambda: listener.executor().execute(
        job("clock-1", Start(START, (at(20),)))
    )
    await ticker.executor().execute(ring("clock-1", at(10)))
    assert await ticker.store.next_due([partition_of("p-1")]) == at(20)


async def test_alarms_of_older_states_do_not_replace_those_of_newer(database: Database) -> None:
    ticker, listener = await database.shop(), await database.shop()
    for name in ("clock-1", "clock-2"):
        await listener.executor().execute(job(name, Start(START, (at(50),))))
    interrupted(ticker).before_commit = lambda: listener.executor().execute(
        job("clock-1", Start(START, (at(20),)))
    )
    await ticker.executor().execute_batch([ring("clock-1", at(10)), ring("clock-2", at(10))])
    assert await ticker.store.next_due([partition_of("p-1")]) == at(20)


async def test_a_ring_that_loses_its_race_is_nothing(database: Database) -> None:
    ours, theirs = await database.shop(), await database.shop()
    await ours.executor().execute(job("clock-1", Start(START, (at(10),))))
    for shop in (ours, theirs):
        shop.clock.instant = at(15)
    interrupted(ours).before_commit = lambda: theirs.executor().execute(ring("clock-1", at(15)))
    done = await ours.executor().execute(ring("clock-1", at(15)))
    assert isinstance(done, Applied)
    assert done.facts == ()
    assert len(await ours.store.facts_of("clock-1")) == 2


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
    interrupted(shop).before_read = meanwhile_note(executor, "four")
    await executor.execute(job("clock-1", Note(START, "five")))
    state: Running = executor._cache["clock-1"].state
    assert state.notes == ("one", "two", "three", "four", "five")


async def test_what_is_remembered_of_facts_that_a_restore_lost_is_forgotten(
    database: Database,
) -> None:
    shop, session = await database.shop(), await database.session()
    executor = shop.executor()
    for text in ("one", "lost"):
        await executor.execute(job("clock-1", Note(START, text)))
    await session.execute("DELETE FROM events WHERE version = 2")
    await session.execute("UPDATE streams SET version = 1")
    await executor.execute(job("clock-1", Note(START, "two")))
    state: Running = executor._cache["clock-1"].state
    assert state.notes == ("one", "two")
    assert await notes(interrupted(shop), "clock-1") == ["one", "two"]


async def test_a_request_that_is_taken_twice_at_once_has_one_answer(database: Database) -> None:
    ours, theirs = await database.shop(), await database.shop()
    # It changes no stream, whose own check would be first.
    request = foreign("clock-1", "key-1", parked=False, answer=lambda _: b"done")
    interrupted(ours).before_commit = lambda: theirs.executor().execute(request)
    assert await ours.executor().execute(request) == Repeated(b"done")


async def test_a_version_that_comes_before_its_time_waits(database: Database) -> None:
    shop = await database.shop()
    executor = shop.executor()
    await executor.execute_batch([heard("case-1", 1, say("one")), heard("case-1", 3, say("three"))])
    await executor.execute_batch([heard("case-1", 2, say("two"))])
    told = await notes(interrupted(shop), "clock-1")
    assert told == ["one"], "The second lines up behind the third, which waits for it."
    assert len(await shop.store.line("listener", "case-1")) == 2


async def test_two_listeners_after_a_rebalance_have_one_effect(database: Database) -> None:
    old, new = await database.shop(), await database.shop()
    await old.executor().execute_batch([heard("case-1", 1, heard=told_by_intake(1))])
    interrupted(old).before_commit = lambda: new.executor().execute_batch(
        [heard("case-1", 2, heard=told_by_intake(2))]
    )
    await old.executor().execute_batch([heard("case-1", 2, heard=told_by_intake(2))])
    count = await (await database.session()).fetchval("SELECT sum(count) FROM tally")
    assert count == 2


async def test_a_message_does_not_overtake_one_that_was_parked_meanwhile(
    database: Database,
) -> None:
    old, new = await database.shop(), await database.shop()
    interrupted(old).before_commit = lambda: new.executor().execute_batch(
        [foreign("ticket-1", "first", ask("policy"))]
    )
    await old.executor().execute_batch([foreign("ticket-1", "second", say("second"))])
    line = [waiting.parcel.value for waiting in await old.store.line("inbound", "ticket-1")]
    assert line == [b"first", b"second"]
    assert await notes(interrupted(old), "clock-1") == []


async def test_what_is_passed_over_at_once_does_not_overtake_what_was_parked_meanwhile(
    database: Database,
) -> None:
    old, new = await database.shop(), await database.shop()
    # To an older program the facts mean nothing, to a newer one they do.
    jobs = [heard("case-1", version) for version in (1, 2)]
    interrupted(old).before_commit = lambda: new.executor().execute_batch(
        [heard("case-1", 1, ask("policy"))]
    )
    await old.executor().execute_batch([jobs[-1]._replace(run=Run(1, lambda: jobs))])
    line = await old.store.line("listener", "case-1")
    assert [waiting.order for waiting in line] == [1, 2]


async def test_what_cannot_be_parked_either_is_given_back_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await database.shop()
    commit, tries = shop.store.commit, itertools.count(1)

    async def counted(write: Write) -> None:
        assert next(tries) <= 2, "It is parked again and again."
        await commit(write)

    monkeypatch.setattr(shop.store, "commit", counted)
    unwritable = parcel("two")._replace(topic="a\0b")
    too_early = heard("case-1", 2, say("two"))._replace(parcel=unwritable)
    [outcome] = await shop.executor().execute_batch([too_early])
    assert isinstance(outcome, NotDone)
    assert await shop.store.parked() == []


async def test_what_meets_a_defect_in_its_line_too_is_given_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await database.shop()
    commit, tries = shop.store.commit, itertools.count(1)

    async def broken(write: Write) -> None:
        if next(tries) <= 2:
            raise RuntimeError
        await commit(write)

    monkeypatch.setattr(shop.store, "commit", broken)
    [outcome] = await run_batch(shop.executor(), [heard("case-1", 1, say("one"))])
    assert isinstance(outcome, NotDone)


async def test_a_message_does_not_wait_behind_a_line_that_was_emptied_meanwhile(
    database: Database,
) -> None:
    listener, retry = await database.shop(), await database.shop()
    first = heard("case-1", 1, ask("policy"))
    await listener.executor().execute_batch([first])
    HEARD.add("policy")
    again = Job(first.cause, first.react, first.mark, first.parcel, order=1, retry=True)
    interrupted(listener).before_commit = lambda: retry.executor().execute_batch([again])
    await listener.executor().execute_batch([heard("case-1", 2, say("two"))])
    told = await notes(interrupted(listener), "clock-1")
    assert told == ["policy", "two"]
    assert await listener.store.parked() == []


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


# A sequence counts also what is rolled back.
FAILS_ONCE = """
CREATE SEQUENCE tries;
CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') = 1 THEN
        RAISE 'It cannot be done now.' USING ERRCODE = '{sqlstate}';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail_once BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fail_once();
"""


@pytest.mark.parametrize(
    "sqlstate",
    ["08006", "53100", "57P03", "58030", "25006"],
    ids=["connection lost", "disc full", "starting up", "I/O error", "read-only"],
)
async def test_what_a_server_cannot_do_now_is_done_later_and_parks_nothing(
    database: Database, sqlstate: str
) -> None:
    shop, session = await database.shop(), await database.session()
    await session.execute(FAILS_ONCE.format(sqlstate=sqlstate))
    outcomes = await run_batch(shop.executor(), [heard("case-1", 1, say("one"))])
    assert await shop.store.parked() == []
    assert [type(outcome) for outcome in outcomes] == [Applied]
    assert await notes(interrupted(shop), "clock-1") == ["one"]
    assert await session.fetchval("SELECT last_value FROM tries") == 2


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
            await run_batch(executor, [Job(cause, lambda to=to: to)])  # type: ignore[misc]

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


def meanwhile_note(executor: Executor, text: str) -> Callable[[], Awaitable[object]]:
    return lambda: executor.execute(job("clock-1", Note(START, text)))


def told_by_intake(version: int) -> Recorded:
    return Recorded(
        id_of(f"case-1/{version}"), "sla.case_noted.v1", "case-1", version, "p-1", "intake",
        START, START, START, noted(str(version), START),
    )  # fmt: skip
