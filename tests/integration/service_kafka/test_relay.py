"""What is committed is published: in order, at least once, whoever relays."""

import asyncio
from datetime import timedelta

from tests.integration.service_kafka.conftest import (
    Frozen,
    Workshop,
    ask,
    settled,
    stored,
    versions,
)
from tests.support.eventstore import Note, id_of
from tests.support.waiting import until

from steward_events.cloudevents import from_kafka
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_service.topics import Topic, create_topics


async def write(executor: Executor, writer: int, facts: int) -> None:
    now = executor.clock.now()
    for number in range(facts):
        # Two streams in one transaction, one of them shared with the other writers.
        await executor.execute_batch(
            [
                Job(
                    Cause(id_of(f"{writer}/{number}"), "http"),
                    lambda number=number: [  # type: ignore[misc]
                        To(f"clock-w{writer}", "p-1", Note(now, f"{number}")),
                        To("clock-shared", "p-1", Note(now, f"{writer}/{number}")),
                    ],
                )
            ]
        )


async def test_every_stream_is_published_in_the_order_of_its_versions(workshop: Workshop) -> None:
    topic, dsn = await workshop.topic(), await workshop.dsn()
    store = await workshop.store(dsn)
    clock = await workshop.clock(store)
    relay = workshop.relay(store, clock, topic, page=50)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    writers = [workshop.executor(await workshop.store(dsn), clock) for _ in range(4)]
    await asyncio.gather(*(write(writer, n, 40) for n, writer in enumerate(writers)))

    async def nothing_waits() -> bool:
        return (await store.backlog())[0] == 0

    await until(nothing_waits, "not everything was relayed")
    stop.set()
    await running
    published = await workshop.published(topic)
    assert len(published) == await stored(store) == 4 * 40 * 2
    found = versions(published)
    assert found["clock-shared"] == list(range(1, 161))
    for writer in range(4):
        assert found[f"clock-w{writer}"] == list(range(1, 41))


async def test_a_group_wide_fact_goes_to_every_partition_with_one_id(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    to = To("clock-everywhere", "g-1", Note(clock.now(), "for all"), everywhere=True)
    await executor.execute(Job(Cause(id_of(topic), "http"), lambda: [to]))
    await settled(executor)
    assert await workshop.relay(store, clock, topic).publish_page() == 1
    published = await workshop.published(topic)
    assert {record.partition for record in published} == set(range(workshop.partitions))
    heard = [from_kafka(record.headers, record.key, record.value) for record in published]
    assert len({each.id for each in heard}) == 1
    assert heard[0].everywhere


async def test_after_a_produce_error_a_new_producer_starts_from_the_cursor(
    workshop: Workshop,
) -> None:
    store = await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    topic = f"made-later-{id_of(str(store.pool))}"
    await ask(executor, "clock-1", *(Note(clock.now(), str(n)) for n in range(5)), id_=topic)
    relay = workshop.relay(store, clock, topic)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))

    async def it_failed() -> bool:
        return relay.failure != ""

    await until(it_failed, "publishing on a topic that is not there did not fail")
    assert (await store.backlog())[0] == 5
    await create_topics(
        [workshop.kafka], workshop.partitions, topics=[Topic(topic, timedelta(days=1))]
    )

    async def nothing_waits() -> bool:
        return (await store.backlog())[0] == 0

    await until(nothing_waits, "the relay did not start again")
    stop.set()
    await running
    assert versions(await workshop.published(topic)) == {"clock-1": [1, 2, 3, 4, 5]}
    assert relay.failure == ""


async def test_an_old_relay_changes_nothing_after_its_fence(workshop: Workshop) -> None:
    topic, dsn = await workshop.topic(), await workshop.dsn()
    store = await workshop.store(dsn)
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    await ask(executor, "clock-1", *(Note(clock.now(), str(n)) for n in range(5)), id_="one")
    frozen = Frozen(await workshop.store(dsn))
    short = timedelta(milliseconds=300)
    old = workshop.relay(frozen, clock, topic, lease=short)  # type: ignore[arg-type]
    new = workshop.relay(store, clock, topic)
    publishing = asyncio.create_task(old.publish_page())
    await frozen.read.wait()
    assert await new.publish_page() == 0  # the lease is another's

    async def taken_over() -> bool:
        return await new.publish_page() == 5

    await until(taken_over, "nobody took the lease over")
    await ask(executor, "clock-1", *(Note(clock.now(), str(n)) for n in range(5, 9)), id_="two")
    assert await new.publish_page() == 4
    where = await store.pool.fetchrow("SELECT xid::text, pos, fence, relayed FROM relay")

    frozen.go_on.set()
    assert await publishing == 0
    assert old.relayed_facts == 0
    assert await store.pool.fetchrow("SELECT xid::text, pos, fence, relayed FROM relay") == where
    assert await old.publish_page() == 0
    await ask(executor, "clock-1", Note(clock.now(), "9"), id_="three")
    assert await new.publish_page() == 1
    assert versions(await workshop.published(topic)) == {"clock-1": list(range(1, 11))}
