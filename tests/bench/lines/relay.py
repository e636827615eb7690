"""Relay: facts from the database to Kafka's acknowledgement, against a bare idempotent producer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaProducer
from tests.bench.frame import Bench, Line, percentile, store_at
from tests.bench.lines.append import BATCH, WRITERS, recorded, step, store_of
from tests.support.eventstore import StillClock, migrated
from tests.support.waiting import until

from steward_events.cloudevents import to_kafka
from steward_eventstore.port import Cursor, Head, Relayed, StreamWrite, Write
from steward_eventstore.postgres import PostgresStore
from steward_eventstore.rows import data_of, meta_of
from steward_service.relay import Relay
from steward_service.telemetry import Metrics

PARTITIONS = 6
FACTS_A_SECOND = 15_000
"""How many facts are laid out for each second that a measure is to take."""
WARMS_UP = 5
"""The first of so many parts opens connections and finds a Kafka that was idle; it does not count."""
COMMITS_A_SECOND = 300
WARM_UP = COMMITS_A_SECOND
"""So many acts open connections and teach PostgreSQL and Kafka the topic; they do not count."""


Message = tuple[int, bytes, list[tuple[str, bytes]], bytes]
"""Partition, key, headers and value."""


def partition_of(number: int) -> int:
    """Give a stream's partition."""
    return number % PARTITIONS


async def laid_out(bench: Bench, facts: int) -> PostgresStore:
    """Make a store with so many facts, four in each stream."""
    store = await store_of(bench)
    for first in range(0, facts // 4, BATCH):
        numbers = range(first, min(first + BATCH, facts // 4))
        for version in range(1, 5):
            await store.commit(Write(streams=[placed(n, version) for n in numbers]))
    await store.pool.execute("VACUUM ANALYZE events")
    return store


def placed(number: int, version: int) -> StreamWrite:
    """Give the append of one version of a stream in its partition."""
    made = step(f"case-{number:06}", version)
    head = Head(made.head.stream, "p-1", partition_of(number), version, made.head.recorded_at)
    return StreamWrite(head, version - 1, made.facts)


def relay_of(bench: Bench, store: PostgresStore, topic: str) -> Relay:
    """Give the service's own relay."""
    return Relay(store, StillClock(), [bench.kafka], topic, PARTITIONS, Metrics(), holder="bench")


def producer_of(bench: Bench, linger_ms: int) -> AIOKafkaProducer:
    """Give a bare producer with the same guarantees."""
    return AIOKafkaProducer(
        bootstrap_servers=bench.kafka,
        enable_idempotence=True,
        acks="all",
        max_batch_size=512 * 1024,
        linger_ms=linger_ms,
    )


async def relay(bench: Bench) -> Mapping[str, float]:
    """Relay what is stored, page by page, each acknowledged before the next is read."""
    topic = await bench.topic(PARTITIONS)
    facts = round(FACTS_A_SECOND * bench.seconds)
    store = await laid_out(bench, facts)
    working = relay_of(bench, store, topic)
    done = 0
    while done < facts // WARMS_UP:
        done += await working.publish_page()
    first, begin = done, monotonic()
    while done < facts:
        done += await working.publish_page()
    took = monotonic() - begin
    await working.close()
    await store.close()
    await check(await bench.read_topic(topic, facts))
    return {"relay": (facts - first) / took}


async def bare(bench: Bench) -> Mapping[str, float]:
    """Send the same messages, prepared beforehand, with nothing but aiokafka's producer."""
    topic = await bench.topic(PARTITIONS)
    facts = round(FACTS_A_SECOND * bench.seconds)
    messages = [
        (partition_of(number), *message(f"case-{number:06}", version))
        for number in range(facts // 4)
        for version in range(1, 5)
    ]
    producer = producer_of(bench, linger_ms=5)
    await producer.start()

    async def send(some: Sequence[Message]) -> None:
        sent = [
            await producer.send(topic, value, key, partition, headers=headers)
            for partition, key, headers, value in some
        ]
        await asyncio.gather(*sent)

    first = facts // WARMS_UP
    await send(messages[:first])
    begin = monotonic()
    await send(messages[first:])
    took = monotonic() - begin
    await producer.stop()
    await check(await bench.read_topic(topic, facts))
    return {"bare": (facts - first) / took}


def message(stream: str, version: int) -> tuple[bytes, list[tuple[str, bytes]], bytes]:
    """Give key, headers and value of one fact."""
    fact = recorded(stream, version)
    return to_kafka(fact.type, stream, version, data_of(fact), meta_of(fact))


async def check(places: Sequence[tuple[str, int]]) -> None:
    """Every stream must be whole and in the order of its versions."""
    reached: dict[str, int] = {}
    for stream, version in places:
        assert version == reached.get(stream, 0) + 1, f"{stream} is out of order."
        reached[stream] = version


class Watched(PostgresStore):
    """Notes when each fact was acknowledged: the moment at which the relay moves its cursor."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool)
        self._page: list[Relayed] = []
        self.acknowledged: dict[str, float] = {}

    async def relay_page(self, cursor: Cursor, limit: int, *, ended: bool = False) -> list[Relayed]:
        """Give the next facts."""
        self._page = await super().relay_page(cursor, limit, ended=ended)
        return self._page

    async def relayed(self, fence: int, cursor: Cursor, facts: int = 0) -> bool:
        """Move the relay's cursor."""
        now = monotonic()
        self.acknowledged.update((row.stream, now) for row in self._page)
        return await super().relayed(fence, cursor, facts)


async def commit_acknowledged(bench: Bench) -> Mapping[str, float]:
    """Commit 300 facts a second, and see how long after the commit Kafka has each."""
    topic = await bench.topic(PARTITIONS)
    opened = await store_at(await bench.database(migrated), connections=WRITERS)
    store = Watched(opened.pool)
    working, stop = relay_of(bench, store, topic), asyncio.Event()
    running = asyncio.create_task(working.run(stop))
    committed: dict[str, float] = {}

    async def commit(number: int) -> None:
        write = placed(number, 1)
        await store.commit(Write(streams=[write]))
        committed[write.head.stream] = monotonic()
        working.wake()

    async def all_acknowledged() -> bool:
        return len(store.acknowledged) >= len(committed)

    await paced(bench, commit)
    await until(all_acknowledged, "Some facts were not acknowledged.")
    stop.set()
    await running
    await store.close()
    late = [store.acknowledged[stream] - at for stream, at in list(committed.items())[WARM_UP:]]
    bench.keep("latency", "commit → acknowledged", late)
    return {"commit-acknowledged": percentile(late, 0.99) * 1000}


async def bare_acknowledged(bench: Bench) -> Mapping[str, float]:
    """Send 300 of the same messages a second with aiokafka's producer alone."""
    topic = await bench.topic(PARTITIONS)
    producer = producer_of(bench, linger_ms=0)
    await producer.start()
    late: list[float] = []

    async def send(number: int) -> None:
        key, headers, value = message(f"case-{number:06}", 1)
        begin = monotonic()
        await producer.send_and_wait(topic, value, key, partition_of(number), headers=headers)
        late.append(monotonic() - begin)

    await paced(bench, send)
    await producer.stop()
    bench.keep("latency", "bare producer, send → acknowledged", late[WARM_UP:])
    return {"bare-acknowledged": percentile(late[WARM_UP:], 0.99) * 1000}


async def paced(bench: Bench, act: Callable[[int], Awaitable[None]]) -> None:
    """Act 300 times a second, whether or not the last act has ended, after a second to warm up."""
    begin = monotonic()
    acts: list[asyncio.Future[None]] = []
    for number in range(WARM_UP + round(COMMITS_A_SECOND * bench.seconds)):
        await asyncio.sleep(max(0.0, begin + number / COMMITS_A_SECOND - monotonic()))
        acts.append(asyncio.ensure_future(act(number)))
    await asyncio.gather(*acts)


MEASURES = {
    "relay": relay,
    "bare": bare,
    "commit-acknowledged": commit_acknowledged,
    "bare-acknowledged": bare_acknowledged,
}
LINES = [
    Line("relay", "relay", "facts/s", 0.4, "bare", of="ratio", grows=True),
    Line(
        "commit → acknowledged (p99, 300/s)",
        "commit-acknowledged",
        "ms",
        20,
        "bare-acknowledged",
        of="above",
        at_most=True,
    ),
]
