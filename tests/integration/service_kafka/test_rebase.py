"""A database that came back from a back-up is given what it lacks, and nothing twice."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from tests.integration.service_kafka.conftest import Hand, Workshop, fact, notes_of, versions
from tests.support.eventstore import (
    CREATE_TABLES,
    PARTITIONS,
    ClockDecider,
    Note,
    Start,
    at,
    id_of,
    migrated,
    project,
)
from tests.support.prepared import with_keys
from tests.support.stack import RUN, FreshDatabase, database_dsn
from tests.support.waiting import until

from steward_decider import Refused
from steward_events.cloudevents import ForeignEvent
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.postgres import PostgresStore
from steward_eventstore.restoring import ALONE
from steward_service import keys
from steward_service.listening import EverythingHeard
from steward_service.partitions import partition_of
from steward_service.rebase import INBOUND, CannotRebase, Rebased, rebase, rebase_keys
from steward_service.relay import Relay
from steward_service.sealing import WRAPPED_BYTES
from steward_service.telemetry import Metrics
from steward_service.ticker import Ticker
from steward_service.topics import Topic, create_topics

_numbers = itertools.count(1)
FACTS = "SELECT stream_id, version, partition, type, data, meta FROM events ORDER BY 1, 2"
HEADS = (
    "SELECT stream_id, key, partition, version, recorded_at, history, live FROM streams ORDER BY 1"
)
MODELS = "SELECT (SELECT json_agg(c ORDER BY c.stream) FROM clocks c)::text, (SELECT json_agg(t ORDER BY t.project, t.kind) FROM tally t)::text"
TIMERS = "SELECT * FROM timers ORDER BY stream_id"
# As a dump brings them from a cluster that has counted much further.
FROM_ELSEWHERE = """
UPDATE events SET xid = (xid::text::bigint + 1000000000)::text::xid8;
UPDATE streams SET last_xid = (last_xid::text::bigint + 1000000000)::text::xid8;
UPDATE relay SET xid = (xid::text::bigint + 1000000000)::text::xid8 WHERE pos > 0;
"""


async def with_read_models(dsn: str) -> None:
    await migrated(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute(CREATE_TABLES)
    await connection.close()


@dataclass
class Business:
    """A service with its topic, whose database may be backed up and lost."""

    workshop: Workshop
    name: str
    dsn: str
    hand: Hand

    @property
    def topic(self) -> str:
        return f"steward.{self.name}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[PostgresStore, Executor]]:
        store = await PostgresStore.connect(self.dsn)
        executor = Executor(
            store,
            self.hand,
            {"clock": ClockDecider()},
            source=f"/steward/{self.name}",
            partition_of=lambda key: partition_of(key, PARTITIONS),
            project=project,
        )
        try:
            yield store, executor
        finally:
            await store.close()

    async def publish(self, store: PostgresStore) -> None:
        relay = Relay(
            store, self.hand, [self.workshop.kafka], self.topic, PARTITIONS, Metrics(),
            holder="relay",
        )  # fmt: skip

        async def is_out() -> bool:
            await relay.publish_page()
            return (await store.backlog())[0] == 0

        await until(is_out, "not all was published")
        await relay.close()

    async def back_up(self) -> str:
        """Copy the database as it is; gives the copy's address."""
        copy = f"{urlsplit(self.dsn).path[1:]}_{next(_numbers)}"
        admin = await asyncpg.connect(database_dsn(self.dsn, "postgres"))
        await admin.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{urlsplit(self.dsn).path[1:]}"')
        await admin.close()
        self.workshop.stack.push_async_callback(self._drop, copy)
        return database_dsn(self.dsn, copy)

    async def _drop(self, name: str) -> None:
        admin = await asyncpg.connect(database_dsn(self.dsn, "postgres"))
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()

    async def rebase(self) -> Rebased:
        return await rebase(self.dsn, self.name, [self.workshop.kafka], project=project)

    async def all(self, *queries: str) -> list[Any]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [list(map(tuple, await connection.fetch(query))) for query in queries]
        finally:
            await connection.close()

    async def run(self, script: str) -> None:
        connection = await asyncpg.connect(self.dsn)
        await connection.execute(script)
        await connection.close()


@pytest.fixture
async def business(workshop: Workshop) -> Business:
    name = f"b{RUN}x{next(_numbers)}"
    await create_topics(
        [workshop.kafka], PARTITIONS, topics=[Topic(f"steward.{name}", timedelta(days=7))]
    )
    return Business(workshop, name, await workshop.database(with_read_models), Hand())


async def say(executor: Executor, stream: str, *texts: str, **cause: Any) -> None:
    for text in texts:
        wanted = [To(stream, "p-1", Note(executor.clock.now(), text))]
        await executor.execute(Job(Cause(id_of(f"{stream} {text}"), "http", **cause), wanted.copy))


async def ring(store: PostgresStore, executor: Executor, hand: Hand) -> None:
    heard = EverythingHeard(hand, PARTITIONS)
    await Ticker(executor, hand, hand, heard, Metrics()).ring_due()


async def test_what_a_restored_database_lacks_is_appended_again_word_for_word(
    business: Business,
) -> None:
    hand = business.hand
    async with business.open() as (store, executor):
        await say(executor, "clock-old", "1", "2")
        start = To("clock-rings", "p-1", Start(hand.now(), (at(10), at(90))))
        await executor.execute(Job(Cause(id_of("start"), "http"), lambda: [start]))
        await business.publish(store)
    older = await business.back_up()
    async with business.open() as (store, executor):
        hand.instant = at(20)
        await ring(store, executor, hand)
        await say(executor, "clock-old", "3", "forget")
        await say(executor, "clock-new", "1", "2")
        await say(executor, "clock-past", "1", history=at(60), known_at=at(5))
        await say(executor, "clock-ended", "1", history=at(60), known_at=at(5))
        hand.instant = at(70)
        await say(executor, "clock-ended", "2")
        group = To("clock-group", "g-1", Note(hand.now(), "to all"), everywhere=True)
        await executor.execute(Job(Cause(id_of("group"), "http"), lambda: [group]))
        await business.publish(store)
    whole = await business.all(FACTS, HEADS, MODELS, TIMERS)
    published = len(await business.workshop.published(business.topic))
    business.dsn = older
    await business.run(FROM_ELSEWHERE)

    assert await business.rebase() == Rebased(business.name, True, 9, 0, 0)
    assert await business.all(FACTS, HEADS, MODELS) == whole[:3]
    assert await business.rebase() == Rebased(business.name, False, 0, 0, 0)
    async with business.open() as (store, executor):
        await ring(store, executor, hand)
        assert (await business.all(FACTS, TIMERS)) == [whole[0], whole[3]]
        await say(executor, "clock-old", "5")
        await business.publish(store)
    told = await business.workshop.published(business.topic)
    assert len(told) == published + 1, "what was there already is not told again"
    assert versions(told)["clock-old"] == [1, 2, 3, 4, 5]


async def test_what_was_not_published_is_published_whatever_is_open_elsewhere(
    business: Business, fresh_database: FreshDatabase
) -> None:
    async with business.open() as (store, executor):
        await say(executor, "clock-1", "1")
        await business.publish(store)
        await say(executor, "clock-1", "2", "3")
    await business.run(FROM_ELSEWHERE)
    other = await asyncpg.connect(await fresh_database())
    async with other.transaction():
        await other.execute("CREATE TABLE of_another (n integer)")  # it holds back xmin
        assert await business.rebase() == Rebased(business.name, True, 0, 2, 0)
    await other.close()
    assert versions(await business.workshop.published(business.topic))["clock-1"] == [1, 2, 3]


async def test_what_comes_from_another_cluster_goes_on_though_it_lacks_nothing(
    business: Business,
) -> None:
    async with business.open() as (store, executor):
        await say(executor, "clock-1", "1", "2")
        await business.publish(store)
    await business.run(FROM_ELSEWHERE)
    assert await business.rebase() == Rebased(business.name, True, 0, 0, 0)
    async with business.open() as (store, executor):
        assert await store.backlog() == (0, None)
        await say(executor, "clock-1", "3")
        await business.publish(store)
    assert versions(await business.workshop.published(business.topic))["clock-1"] == [1, 2, 3]


async def test_two_histories_are_not_made_one(business: Business) -> None:
    older = await business.back_up()
    async with business.open() as (store, executor):
        await say(executor, "clock-1", "one")
        await business.publish(store)
    business.dsn = older
    async with business.open() as (_, executor):
        await say(executor, "clock-0", "before the rebase")
        await say(executor, "clock-1", "another")
    before = await business.all(FACTS, "SELECT * FROM relay")
    with pytest.raises(CannotRebase, match=r"Version 1 of clock-1 is one fact .* and another"):
        await business.rebase()
    assert await business.all(FACTS, "SELECT * FROM relay") == before
    assert len(await business.workshop.published(business.topic)) == 1


async def test_a_back_up_from_before_what_the_topic_retains_is_refused(business: Business) -> None:
    older = await business.back_up()
    async with business.open() as (store, executor):
        await say(executor, "clock-1", "1", "2")
        await business.publish(store)
    admin = AIOKafkaAdminClient(bootstrap_servers=business.workshop.kafka)
    await admin.start()
    place = TopicPartition(business.topic, partition_of("p-1", PARTITIONS))
    await admin.delete_records({place: RecordsToDelete(1)})
    await admin.close()
    business.dsn = older
    before = await business.all(FACTS, HEADS, "SELECT * FROM log")
    with pytest.raises(CannotRebase, match="too old: clock-1 ends with version 0"):
        await business.rebase()
    assert await business.all(FACTS, HEADS, "SELECT * FROM log") == before


async def test_a_running_service_is_not_rebased(business: Business) -> None:
    store = await PostgresStore.connect(business.dsn, application=f"{business.name}-here-8080")
    with pytest.raises(CannotRebase, match="is running: stop it"):
        await business.rebase()
    await store.close()
    assert not (await business.rebase()).changed


async def test_what_is_heard_a_second_time_has_no_second_effect(business: Business) -> None:
    workshop, source = business.workshop, await business.workshop.topic()

    def reaction(recorded: Any) -> Iterable[To]:
        yield To("clock-1", "p-1", Note(recorded.occurred_at, f"heard {recorded.version}"))

    async def hear(upto: int) -> list[str]:
        async with business.open() as (store, executor):
            listener = workshop.listener(
                executor, business.hand, {source: reaction},
                consumer=business.name, group=f"steward.{business.name}",
            )  # fmt: skip
            await listener.start()

            async def heard() -> bool:
                sql = "SELECT max(version) FROM inbox"
                return bool((await store.pool.fetchval(sql) or 0) >= upto)

            await until(heard, "not all was heard")
            await listener.drain()
            await business.publish(store)
            return await notes_of(store, "clock-1")

    await workshop.publish(source, *(fact("case-1", n, when=at(n)) for n in (1, 2)))
    await hear(2)
    older = await business.back_up()
    await workshop.publish(source, *(fact("case-1", n, when=at(n)) for n in (3, 4)))
    everything = await hear(4)
    business.dsn = older
    assert await business.rebase() == Rebased(business.name, True, 2, 0, 2)
    await workshop.publish(source, fact("case-1", 5, when=at(5)))
    assert await hear(5) == [*everything, "heard 5"]
    assert not (await business.rebase()).changed


async def test_what_waits_in_a_line_was_heard(business: Business) -> None:
    workshop, source = business.workshop, await business.workshop.topic()
    await workshop.publish(source, *(fact("case-1", n, when=at(n)) for n in (1, 3)))
    async with business.open() as (store, executor):
        listener = workshop.listener(
            executor, business.hand, {source: lambda _: ()},
            consumer=business.name, group=f"steward.{business.name}",
        )  # fmt: skip
        await listener.start()

        async def the_third_waits() -> bool:
            return [parked.code for parked in await store.parked()] == ["gap"]

        await until(the_third_waits, "the version after the gap was not parked")
        await listener.drain()
    assert await business.rebase() == Rebased(business.name, False, 0, 0, 0)


async def test_what_another_system_said_and_waits_or_has_given_up_is_not_lacking(
    business: Business,
) -> None:
    workshop, inbound = business.workshop, f"{INBOUND}{business.name}"
    await create_topics([workshop.kafka], PARTITIONS, topics=[Topic(inbound, timedelta(days=7))])

    async def on_ticket(event: ForeignEvent) -> Iterable[To]:
        raise Refused("The project is unknown.", code="unknown_project")

    said = {"specversion": "1.0", "id": "1", "type": "ticket.opened.v1", "subject": "a",
            "source": "https://tickets.example", "time": at(0).isoformat()}  # fmt: skip
    headers = [(f"ce_{name}", text.encode()) for name, text in said.items()]
    producer = await workshop.producer()
    await producer.send_and_wait(inbound, b"{}", b"p-1", 0, headers=headers)
    async with AIOKafkaProducer(
        bootstrap_servers=workshop.kafka, transactional_id=business.name
    ) as another:
        await another.begin_transaction()
        given_up = [("ce_id", b"2"), *headers[:1], *headers[2:]]
        await another.send_and_wait(inbound, b"{}", b"p-1", 0, headers=given_up)
        await another.abort_transaction()
    await producer.send_and_wait(inbound, b"{}", b"p-1", 0)
    async with business.open() as (store, executor):
        listener = workshop.listener(
            executor, business.hand, {}, hearing={"foreign": {inbound: on_ticket}},
            consumer=business.name, group=f"steward.{business.name}",
        )  # fmt: skip
        await listener.start()

        async def both_wait() -> bool:
            return {p.code for p in await store.parked()} == {"unknown_project", "unreadable"}

        await until(both_wait, "what cannot be taken was not parked")
        await listener.drain()
    assert await business.rebase() == Rebased(business.name, False, 0, 0, 0)


async def test_of_two_rebases_at_once_the_second_finds_nothing_to_do(business: Business) -> None:
    async with business.open() as (_, executor):
        await say(executor, "clock-1", "1", "2")
    await business.run(FROM_ELSEWHERE)
    holder = await asyncpg.connect(business.dsn)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute(ALONE)
    rebasing = [asyncio.create_task(business.rebase()) for _ in range(2)]

    async def both_wait() -> bool:
        return bool(await holder.fetchval(WAITING) == 2)

    await until(both_wait, "they do not wait for each other")
    await transaction.rollback()
    await holder.close()
    assert sorted([(await each).published for each in rebasing]) == [0, 2]


WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
 WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""


async def test_stores_of_keys_are_given_what_the_topic_has(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = await workshop.topic()
    monkeypatch.setattr(keys, "TOPIC", topic)
    owner, older = [await workshop.database() for _ in range(2)]
    for dsn in (owner, older):
        await with_keys(dsn)
    async with asyncpg.create_pool(owner) as pool, pool.acquire() as connection:
        producer = await workshop.producer()
        add = "INSERT INTO subject_keys (subject, wrapped) VALUES ($1, $2)"
        for subject in ("person-1", "person-2", "person-3"):
            await connection.execute(add, subject, subject.encode().ljust(WRAPPED_BYTES))
        while await keys.tell_keys(connection, producer, topic):
            pass
        await keys.erase_keys(pool, ["person-2"])
        while await keys.tell_keys(connection, producer, topic):
            pass
    async with asyncpg.create_pool(older) as pool:
        # The back-up holds a key that was erased since, and one that was not told yet.
        add = "INSERT INTO subject_keys (subject, wrapped, told) VALUES ($1, $2, $3)"
        await pool.execute(add, "person-2", b"person-2".ljust(WRAPPED_BYTES), True)
        await pool.execute(add, "person-3", b"newer", False)
        assert await rebase_keys([older], [workshop.kafka]) == 2
        assert await rebase_keys([older], [workshop.kafka]) == 0
        rows = await pool.fetch("SELECT subject, wrapped, told FROM subject_keys ORDER BY subject")
    assert [tuple(row) for row in rows] == [
        ("person-1", b"person-1".ljust(WRAPPED_BYTES), True),
        ("person-2", None, True),
        ("person-3", b"newer", False),
    ]
