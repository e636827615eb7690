"""Parts of a service on the real broker and a real database, put together as a test needs them."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from tests.support.eventstore import (
    PARTITIONS,
    ClockDecider,
    StillClock,
    id_of,
    migrated,
    started,
)
from tests.support.stack import RUN, FreshDatabase
from tests.support.waiting import until

from steward_decider import AnyDecider
from steward_events.cloudevents import from_kafka, to_kafka
from steward_events.recorded import Recorded
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.port import Cursor, EventStore, Relayed
from steward_eventstore.postgres import PostgresStore
from steward_eventstore.rows import data_of, meta_of
from steward_service.clocks import SystemClock
from steward_service.hearing import Hearing, Reaction
from steward_service.listening import Listener
from steward_service.partitions import partition_of
from steward_service.relay import Relay
from steward_service.telemetry import Metrics, exception_without_quotes
from steward_service.topics import Topic, create_topics

_numbers = itertools.count(1)
_WEEK = timedelta(days=7)


class Hand(StillClock):
    """A clock that the test moves by hand."""

    def passed(self, instant: datetime) -> datetime:
        return instant


class Frozen:
    """A store whose reader of pages is stopped, as a process is by SIGSTOP, with a page in hand."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.read = asyncio.Event()
        self.go_on = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def relay_page(self, cursor: Cursor, limit: int) -> list[Relayed]:
        page = await self._store.relay_page(cursor, limit)
        self.read.set()
        await self.go_on.wait()
        return page


@dataclass
class Workshop:
    """Makes topics, stores and the parts of a service; all of it ends with the test."""

    kafka: str
    database: FreshDatabase
    stack: AsyncExitStack
    partitions: int = PARTITIONS

    async def topic(self, kind: type[Topic] = Topic) -> str:
        name = f"shell-{RUN}-{next(_numbers)}"
        await create_topics([self.kafka], self.partitions, topics=[kind(name, _WEEK)])
        return name

    async def dsn(self) -> str:
        return await self.database(migrated)

    async def store(self, dsn: str | None = None) -> PostgresStore:
        store = await PostgresStore.connect(dsn or await self.dsn())
        self.stack.push_async_callback(store.close)
        return store

    async def clock(self, store: PostgresStore) -> SystemClock:
        clock = await SystemClock.connect(lambda: store.pool.fetchval("SELECT clock_timestamp()"))
        self.stack.push_async_callback(clock.close)
        return clock

    def executor(
        self,
        store: PostgresStore,
        clock: Any,
        deciders: Mapping[str, AnyDecider] | None = None,
        **more: Any,
    ) -> Executor:
        return Executor(
            store,
            clock,
            deciders or {"clock": ClockDecider(), "stuck": ClockDecider(stuck=True)},
            source="/steward/test",
            partition_of=lambda key: partition_of(key, self.partitions),
            **more,
        )

    def listener(
        self,
        executor: Executor,
        clock: Any,
        listens: Mapping[str, Reaction],
        *,
        consumer: str = "test",
        group: str = "",
        feeds: Callable[[str], str] = lambda _: "",
        **more: Any,
    ) -> Listener:
        hearing = Hearing(consumer, listens, feeds=feeds, **more.pop("hearing", {}))
        return Listener(
            hearing,
            executor,
            clock,
            [self.kafka],
            Metrics(),
            group=group or f"group-{RUN}-{next(_numbers)}",
            **more,
        )

    async def listening(self, listener: Listener) -> Listener:
        await listener.start()
        self.stack.push_async_callback(listener.drain)
        return listener

    def relay(
        self,
        store: PostgresStore,
        clock: Any,
        topic: str,
        **more: Any,
    ) -> Relay:
        more.setdefault("holder", f"holder-{next(_numbers)}")
        relay = Relay(store, clock, [self.kafka], topic, self.partitions, Metrics(), **more)
        self.stack.push_async_callback(relay.close)
        return relay

    async def producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=True)
        await producer.start()
        self.stack.push_async_callback(producer.stop)
        return producer

    async def publish(self, topic: str, *facts: Recorded) -> None:
        """Publish facts as the relay of another service would."""
        producer = await self.producer()
        for fact in facts:
            key, headers, value = wire(fact)
            await producer.send_and_wait(
                topic,
                value,
                key,
                partition=partition_of(fact.key, self.partitions),
                headers=headers,
            )

    async def published(self, topic: str) -> list["ConsumerRecord[bytes, bytes]"]:
        """Read a topic from its beginning to its present end."""
        async with AIOKafkaConsumer(bootstrap_servers=self.kafka) as consumer:
            places = [TopicPartition(topic, number) for number in range(self.partitions)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            found: list[ConsumerRecord[bytes, bytes]] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += records
            return found


def wire(fact: Recorded) -> tuple[bytes, list[tuple[str, bytes]], bytes]:
    """Give a fact as it stands on a topic: key, headers, value."""
    return to_kafka(fact.type, fact.stream, fact.version, data_of(fact), meta_of(fact))


def fact(
    stream: str, version: int, *, key: str = "p-1", when: datetime, known: datetime | None = None
) -> Recorded:
    """Give a fact of another service."""
    content = started(when)
    return Recorded(
        id=id_of(f"{stream}/{version}"),
        type=content.wire_type,
        stream=stream,
        version=version,
        key=key,
        source="/steward/other",
        occurred_at=when,
        recorded_at=known or when,
        known_at=known or when,
        fact=content,
    )


async def ask(executor: Executor, stream: str, *commands: Any, key: str = "p-1", id_: str) -> None:
    """Carry out commands as a request would, and wait until a relay may publish their facts."""
    wanted = [To(stream, key, command) for command in commands]
    await executor.execute(Job(Cause(id_of(id_), "http"), lambda: wanted))
    await settled(executor)


async def settled(executor: Executor) -> None:
    """Wait until a relay may publish all facts: even a vacuum of another database holds them up."""
    pool = executor.store.pool  # type: ignore[attr-defined]

    async def no_older_one_is_under_way() -> bool:
        sql = "SELECT 1 FROM events WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()) LIMIT 1"
        return await pool.fetchval(sql) is None

    await until(no_older_one_is_under_way, "a transaction is under way")


async def notes_of(store: PostgresStore, stream: str) -> list[str]:
    """Give the texts noted in a stream, in order."""
    return [
        str(recorded.fact.fields["text"])  # type: ignore[union-attr]
        for recorded in await store.facts_of(stream)
        if recorded.type.startswith("sla.case_noted")
    ]


async def kinds(store: PostgresStore, stream: str) -> list[str]:
    """Give what happened to a clock, in order."""
    return [
        recorded.type.removeprefix("sla.clock_").removesuffix(".v1")
        for recorded in await store.facts_of(stream)
    ]


def versions(records: list["ConsumerRecord[bytes, bytes]"]) -> dict[str, list[int]]:
    """Give by stream the versions in the order of their first occurrence."""
    found: dict[str, list[int]] = defaultdict(list)
    for record in records:
        heard = from_kafka(record.headers, record.key, record.value)
        if heard.version not in found[heard.stream]:
            found[heard.stream].append(heard.version)
    return found


async def stored(store: PostgresStore) -> int:
    """Give how many facts a store holds."""
    return int(await store.pool.fetchval("SELECT count(*) FROM events"))


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Logs in one line each: the framework's own pages of traceback cost seconds."""
    structlog.configure(
        processors=[
            structlog.processors.ExceptionRenderer(exception_without_quotes),
            structlog.processors.KeyValueRenderer(),
        ]
    )


@pytest.fixture
async def workshop(kafka_bootstrap: str, fresh_database: FreshDatabase) -> AsyncIterator[Workshop]:
    async with AsyncExitStack() as stack:
        yield Workshop(kafka_bootstrap, fresh_database, stack)
