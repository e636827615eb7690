"""Kafka's messages become facts: in order, none lost, and none of them stops the others."""

import asyncio
import contextlib
import gc
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from tests.integration.service_kafka.conftest import Workshop, fact, notes_of, stored, wire
from tests.support.eventstore import HEARD, AskUnheard, Note, met
from tests.support.strange import send_strange
from tests.support.waiting import until

from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_eventstore.port import EVERYWHERE, BadData, Reading, Write
from steward_service.hearing import Hearing
from steward_service.listening import Listener
from steward_service.partitions import partition_of
from steward_service.retries import NotParked, Retries, discard, find_parked


def copy(heard: Recorded) -> Iterable[To]:
    stream = heard.stream.replace("case-", "clock-")
    yield To(stream, heard.key, Note(heard.occurred_at, f"{heard.stream}/{heard.version}"))


async def test_what_is_published_is_heard_in_order(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()
    await workshop.publish(
        topic, *(fact(f"case-{n % 7}", n // 7 + 1, key=f"p-{n % 7}", when=now) for n in range(70))
    )
    executor = workshop.executor(store, clock)
    await workshop.listening(workshop.listener(executor, clock, {topic: copy}))

    async def all_heard() -> bool:
        return await stored(store) == 70

    await until(all_heard, "not everything was heard")
    for case in range(7):
        assert await notes_of(store, f"clock-{case}") == [f"case-{case}/{v}" for v in range(1, 11)]


async def test_a_header_that_is_not_utf8_does_not_stop_its_partition(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()
    producer = await workshop.producer()
    place = partition_of("p-1", workshop.partitions)
    await producer.send_and_wait(topic, b"{}", b"p-1", place, headers=[("ce_id", b"\xff\xfe")])
    await workshop.publish(topic, fact("case-1", 1, when=now))
    executor = workshop.executor(store, clock)
    await workshop.listening(workshop.listener(executor, clock, {topic: copy}))

    async def the_next_was_heard() -> bool:
        return await notes_of(store, "clock-1") == ["case-1/1"]

    await until(the_next_was_heard, "the message behind the broken one was not heard")
    [parked] = await store.parked()
    assert parked.stream == f"unreadable:{topic}/{place}/0"
    assert parked.reason == "The header ce_id is not UTF-8."
    [waiting] = await store.line(parked.consumer, parked.stream)
    assert waiting.parcel.headers == (("ce_id", b"\xff\xfe"),)


async def test_no_header_of_any_name_stops_a_partition_or_is_lost(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    _, headers, value = wire(fact("case-2", 3, when=clock.now()))
    told = [(name.encode(), content) for name, content in headers]
    place = partition_of("p-1", workshop.partitions)
    await send_strange(
        workshop.kafka,
        topic,
        place,
        (b"{}", [(b"\xff\xfe", b"1"), (b"ce_type", None)]),
        (value, [*told, (b"x\0y", None), (b"caf\xe9", b"2")]),
    )
    await workshop.publish(topic, fact("case-1", 1, when=clock.now()))
    executor = workshop.executor(store, clock)
    await workshop.listening(workshop.listener(executor, clock, {topic: copy}))

    async def the_next_was_heard() -> bool:
        return await notes_of(store, "clock-1") == ["case-1/1"]

    await until(the_next_was_heard, "the message behind the strange ones was not heard")
    parked = {p.stream: (p.code, p.waiting) for p in await store.parked()}
    assert parked == {f"unreadable:{topic}/{place}/0": ("unreadable", 1), "case-2": ("gap", 1)}
    [waiting] = await store.line("test", "case-2")
    assert waiting.parcel.headers == (*headers, ("x\ufffdy", b""), ("caf\ufffd", b"2"))


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_what_others_have_compressed_is_heard(workshop: Workshop, compression: str) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    producer = AIOKafkaProducer(bootstrap_servers=workshop.kafka, compression_type=compression)
    await producer.start()
    key, headers, value = wire(fact("case-1", 1, when=clock.now()))
    place = partition_of("p-1", workshop.partitions)
    await producer.send_and_wait(topic, value, key, place, headers=headers)
    await producer.stop()
    await send_strange(workshop.kafka, topic, place, (b"{}", [(b"\xff", b"1")]))
    await workshop.listening(
        workshop.listener(workshop.executor(store, clock), clock, {topic: copy})
    )

    async def both_were_heard() -> bool:
        return [p.code for p in await store.parked()] == ["unreadable"]

    await until(both_were_heard, "what is compressed stops its partition")
    assert await notes_of(store, "clock-1") == ["case-1/1"]


async def test_what_another_system_has_given_up_is_not_heard_and_nobody_waits_for_it(
    workshop: Workshop,
) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    place = partition_of("p-1", workshop.partitions)
    executor, group = workshop.executor(store, clock), f"{topic}-group"
    listener = workshop.listener(executor, clock, {topic: copy}, group=group)
    await listener.start()
    producer = AIOKafkaProducer(bootstrap_servers=workshop.kafka, transactional_id=group)
    await producer.start()

    async def send(version: int) -> None:
        key, headers, value = wire(fact("case-1", version, when=clock.now()))
        await producer.send_and_wait(topic, value, key, place, headers=headers)

    async def ends_at(offset: int) -> bool:
        end = await ends.end_offsets([TopicPartition(topic, place)])
        return list(end.values()) == [offset]

    async def nothing_waits() -> bool:
        with contextlib.suppress(KafkaError):
            return await listener.lag() == 0
        return False

    async with AIOKafkaConsumer(
        bootstrap_servers=workshop.kafka, isolation_level="read_committed"
    ) as ends:
        async with producer.transaction():
            await send(1)
        await until(lambda: ends_at(2), "the transaction does not end")
        await until(nothing_waits, "the end of a transaction is waited for")
        assert await notes_of(store, "clock-1") == ["case-1/1"]
        await producer.begin_transaction()
        await send(2)
        await producer.abort_transaction()
        await until(lambda: ends_at(4), "the transaction does not end")
        before = clock.now()
        await until(nothing_waits, "what was given up is waited for")
        assert (await listener.heard([place]))[place] >= before
        await listener.drain()
        listener = workshop.listener(executor, clock, {topic: copy}, group=group)
        await workshop.listening(listener)
        await until(nothing_waits, "the end of a transaction is waited for once more")
    await producer.stop()
    assert await notes_of(store, "clock-1") == ["case-1/1"]
    assert await store.parked() == []


async def test_of_what_can_neither_be_taken_nor_wait_it_is_told_where_it_is(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    commit = store.commit

    async def without_lines(write: Write) -> None:
        if write.park:
            raise BadData("It cannot be kept.")
        await commit(write)

    monkeypatch.setattr(store, "commit", without_lines)
    await workshop.publish(topic, fact("case-2", 2, when=clock.now()))
    await workshop.publish(topic, fact("case-1", 1, when=clock.now()))
    executor = workshop.executor(store, clock)
    with capture_logs() as logs:
        listener = workshop.listener(executor, clock, {topic: copy})
        await listener.start()

        async def the_next_was_heard() -> bool:
            return await notes_of(store, "clock-1") == ["case-1/1"]

        await until(the_next_was_heard, "what cannot wait stops its partition")
        await listener.drain()
    [told] = [log for log in logs if "its topic still has it" in log["event"]]
    assert (told["topic"], told["stream"]) == (topic, "case-2")


async def test_what_cannot_be_read_waits_in_its_own_stream_only(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()
    newer = fact("case-1", 2, when=now)._replace(type="sla.clock_started.v9")
    unknown = fact("case-3", 1, when=now)._replace(type="sla.nobody_knows_this.v1")
    await workshop.publish(
        topic,
        fact("case-1", 1, when=now),
        newer,
        fact("case-1", 3, when=now),
        fact("case-2", 2, when=now),
        unknown,
        fact("case-3", 2, when=now),
    )
    executor = workshop.executor(store, clock)
    await workshop.listening(workshop.listener(executor, clock, {topic: copy}))

    async def the_last_was_heard() -> bool:
        return await notes_of(store, "clock-3") == ["case-3/2"]

    await until(the_last_was_heard, "an unknown name was not passed over")
    parked = {p.stream: (p.code, p.waiting) for p in await store.parked()}
    assert parked == {"case-1": ("newer_version", 2), "case-2": ("gap", 1)}
    assert await notes_of(store, "clock-1") == ["case-1/1"]


async def test_what_is_passed_over_between_others_keeps_its_place(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()

    def nothing(stream: str, *versions: int) -> list[Recorded]:
        facts = [fact(stream, version, when=now) for version in versions]
        return [each._replace(type="sla.clock_met.v1") for each in facts]

    await workshop.publish(
        topic,
        fact("case-1", 1, when=now),
        *nothing("case-1", 2, 3, 4),
        *nothing("case-2", 2, 3),
        fact("case-1", 5, when=now),
        *nothing("case-3", 1, 2),
        fact("case-3", 3, when=now)._replace(type="sla.clock_started.v9"),
        *nothing("case-3", 4, 5),
        *nothing("case-1", 6, 7),
        fact("case-4", 1, when=now),
    )
    executor = workshop.executor(store, clock)
    passes_over = {topic: {b"sla.clock_met.v1"}}
    listener = workshop.listener(
        executor, clock, {topic: copy}, hearing={"passes_over": passes_over}
    )
    await workshop.listening(listener)

    async def the_last_was_heard() -> bool:
        return await notes_of(store, "clock-4") == ["case-4/1"]

    await until(the_last_was_heard, "what comes behind it was not heard")
    assert await notes_of(store, "clock-1") == ["case-1/1", "case-1/5"]
    parked = {p.stream: (p.code, p.waiting) for p in await store.parked()}
    assert parked == {"case-2": ("gap", 2), "case-3": ("newer_version", 3)}
    heard = await store.read(Reading({}, own=[("test", "case-1"), ("test", "case-3")]))
    assert {stream: version for (_, stream), (version, _) in heard.own.items()} == {
        "case-1": 7,
        "case-3": 2,
    }


async def test_a_parked_stream_is_taken_up_by_itself_when_the_cause_is_mended(
    workshop: Workshop,
) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()

    def needs_policy(heard: Recorded) -> Iterable[To]:
        yield To("clock-1", heard.key, AskUnheard(heard.occurred_at, f"policy {topic}"))

    await workshop.publish(topic, *(fact("case-1", v, when=now) for v in (1, 2, 3)))
    executor = workshop.executor(store, clock)
    await workshop.listening(workshop.listener(executor, clock, {topic: needs_policy}))

    async def all_wait() -> bool:
        return [(p.code, p.waiting) for p in await store.parked()] == [("not_heard_yet", 3)]

    await until(all_wait, "the stream was not parked")
    HEARD.add(f"policy {topic}")
    hearing = Hearing("test", {topic: needs_policy})
    retries = Retries(executor, clock, hearing)
    stop = asyncio.Event()
    running = asyncio.create_task(retries.run(stop))

    async def all_noted() -> bool:
        return len(await notes_of(store, "clock-1")) == 3

    await until(all_noted, "the parked stream was not tried again")
    stop.set()
    await running
    assert await store.parked() == []
    await workshop.publish(topic, fact("case-1", 4, when=now))

    async def the_next_was_heard() -> bool:
        return len(await notes_of(store, "clock-1")) == 4

    await until(the_next_was_heard, "a freed stream does not go on")


async def test_a_discarded_message_lets_the_rest_of_its_line_go_on(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()
    newer = fact("case-1", 1, when=now)._replace(type="sla.clock_started.v9")
    await workshop.publish(topic, newer, fact("case-1", 2, when=now), fact("case-1", 4, when=now))
    executor = workshop.executor(store, clock)
    await workshop.listening(workshop.listener(executor, clock, {topic: copy}))

    async def all_wait() -> bool:
        return [p.waiting for p in await store.parked()] == [3]

    await until(all_wait, "the stream was not parked")
    retries = Retries(executor, clock, Hearing("test", {topic: copy}))
    given_up = await discard(store, await find_parked(store, "case-1"), clock)
    assert given_up is not None
    assert given_up.order == 1
    await retries.retry_due()
    assert await notes_of(store, "clock-1") == ["case-1/2"]
    parked = await find_parked(store, "case-1")
    assert (parked.code, parked.waiting) == ("gap", 1)
    assert await discard(store, parked, clock) is None
    await retries.retry_due()
    assert await notes_of(store, "clock-1") == ["case-1/2", "case-1/4"]
    with pytest.raises(NotParked, match="case-1 is not parked"):
        await find_parked(store, "case-1")


async def test_a_defect_parks_the_one_message_that_meets_it(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()

    def sometimes_broken(heard: Recorded) -> Iterable[To]:
        if heard.stream == "case-5":
            raise ZeroDivisionError
        return copy(heard)

    await workshop.publish(topic, *(fact(f"case-{n}", 1, when=now) for n in range(20)))
    executor = workshop.executor(store, clock)
    await workshop.listening(workshop.listener(executor, clock, {topic: sometimes_broken}))

    async def all_but_one() -> bool:
        return await stored(store) == 19

    await until(all_but_one, "a defect stopped others")
    assert [(p.stream, p.code) for p in await store.parked()] == [("case-5", "defect")]


async def test_after_a_barrier_the_next_message_sees_what_was_heard(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()
    shelf: list[str] = []
    seen: dict[str, list[str]] = {}

    def look(heard: Recorded) -> Iterable[To]:
        seen[heard.stream] = list(shelf)
        return ()

    async def put_on_shelf(heard: Sequence[Recorded]) -> None:
        shelf.extend(each.stream for each in heard if each.type.startswith("sla.clock_met"))

    barrier = fact("policy-1", 1, when=now)._replace(fact=met(now), type="sla.clock_met.v1")
    await workshop.publish(topic, fact("case-1", 1, when=now), barrier, fact("case-2", 1, when=now))
    executor = workshop.executor(store, clock)
    await workshop.listening(
        workshop.listener(
            executor, clock, {topic: look}, barriers={"sla.clock_met"}, on_heard=put_on_shelf
        )
    )

    async def both_heard() -> bool:
        return {"case-1", "case-2"} <= seen.keys()

    await until(both_heard, "the messages were not heard")
    assert seen["case-1"] == []
    assert seen["case-2"] == ["policy-1"]


async def test_what_is_parked_is_not_put_into_memory_and_what_is_repeated_is(
    workshop: Workshop,
) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now, executor = clock.now(), workshop.executor(store, clock)
    await workshop.publish(topic, fact("case-1", 2, when=now), fact("case-2", 1, when=now))
    for _ in range(2):  # a new group is told all of it once more
        shelf: list[str] = []

        async def put_on_shelf(heard: Sequence[Recorded], shelf: list[str] = shelf) -> None:
            shelf.extend(each.stream for each in heard)

        listener = workshop.listener(executor, clock, {topic: copy}, on_heard=put_on_shelf)
        await listener.start()

        async def both_were_handled(listener: Listener = listener) -> bool:
            return listener.handled_messages == 2

        await until(both_were_handled, "the messages were not heard")
        await listener.drain()
        assert shelf == ["case-2"]
    assert [p.code for p in await store.parked()] == ["gap"]


async def test_what_another_process_took_out_of_a_line_is_put_into_memory_here_as_well(
    workshop: Workshop,
) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now, executor = clock.now(), workshop.executor(store, clock)
    shelf: list[int] = []

    async def put_on_shelf(heard: Sequence[Recorded]) -> None:
        shelf.extend(each.version for each in heard)

    second, first = (
        fact("case-1", version, when=now)._replace(everywhere=True) for version in (2, 1)
    )
    await workshop.publish(topic, second, first)
    await workshop.listening(
        workshop.listener(executor, clock, {topic: copy}, on_heard=put_on_shelf)
    )

    async def both_wait() -> bool:
        return [p.waiting for p in await store.parked()] == [2]

    await until(both_wait, "the messages were not parked")
    assert shelf == []
    [parked] = await store.parked()
    assert await Retries(executor, clock, Hearing("test", {topic: copy})).retry(parked)

    async def both_are_known() -> bool:
        return shelf == [1, 2]

    await until(both_are_known, "what was taken by another process is not known here")


async def test_two_members_share_partitions_and_keep_the_order_through_a_rebalance(
    workshop: Workshop,
) -> None:
    # So many that a plain deal would give one member different ones of the two topics.
    workshop.partitions = 5
    topics = [await workshop.topic(), await workshop.topic()]
    dsn = await workshop.dsn()
    store = await workshop.store(dsn)
    clock = await workshop.clock(store)
    now = clock.now()
    listens = dict.fromkeys(topics, copy)

    async def member() -> Listener:
        executor = workshop.executor(await workshop.store(dsn), clock)
        return await workshop.listening(
            workshop.listener(executor, clock, listens, group=f"shared-{topics[0]}")
        )

    async def publish(versions: range) -> None:
        for topic, kind in zip(topics, "ab", strict=True):
            await workshop.publish(
                topic,
                *(
                    fact(f"case-{kind}{n}", v, key=f"p-{n}", when=now)
                    for v in versions
                    for n in range(20)
                ),
            )

    first = await member()
    publishing = asyncio.create_task(publish(range(1, 16)))
    second = await member()
    await publishing

    async def shared() -> bool:
        mine, other = (set(m.partitions()) - {EVERYWHERE} for m in (first, second))
        return bool(mine and other) and mine | other == set(range(5)) and not mine & other

    await until(shared, "the two members do not share the partitions")
    await second.drain()
    await publish(range(16, 21))

    async def all_heard() -> bool:
        return await stored(store) == 20 * 2 * 20

    await until(all_heard, "not everything was heard", 40)
    assert await store.parked() == []
    for kind in "ab":
        for n in range(20):
            expected = [f"case-{kind}{n}/{v}" for v in range(1, 21)]
            assert await notes_of(store, f"clock-{kind}{n}") == expected


async def test_a_listener_goes_on_where_the_last_one_stopped(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    now = clock.now()
    executor = workshop.executor(store, clock)
    await workshop.publish(topic, fact("case-1", 1, when=now))

    for version in (1, 2):
        listener = workshop.listener(executor, clock, {topic: copy}, group=f"again-{topic}")
        await listener.start()

        async def heard(version: int = version) -> bool:
            return len(await notes_of(store, "clock-1")) == version

        await until(heard, "it was not heard")
        await listener.drain()
        assert listener.handled_messages == 1
        await workshop.publish(topic, fact("case-1", 2, when=now))


async def test_an_offset_that_could_not_be_committed_is_left_to_the_next_commit(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    listener = await workshop.listening(workshop.listener(executor, clock, {topic: copy}))
    consumer = listener._subscriber.consumer
    assert consumer is not None
    commit: Any = consumer.commit
    commits: list[int] = []

    async def fails_at_first() -> None:
        commits.append(len(await notes_of(store, "clock-1")))
        if len(commits) == 1:
            raise KafkaError("The broker is away.")
        await commit()

    async def tried() -> bool:
        return bool(commits)

    async def all_handled() -> bool:
        return await listener.lag() == 0

    monkeypatch.setattr(consumer, "commit", fails_at_first)
    await workshop.publish(topic, fact("case-1", 1, when=clock.now()))
    await until(tried, "the offset was not committed")
    await workshop.publish(topic, fact("case-1", 2, when=clock.now()))
    await until(all_handled, "the next message was not handled")
    assert commits == [1, 2], "FastStream waits for Kafka once more."


async def test_what_was_handled_leaves_memory_without_a_collection(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    await workshop.publish(topic, *(fact(f"case-{n}", 1, when=clock.now()) for n in range(20)))
    listener = workshop.listener(executor, clock, {topic: copy})
    gc.disable()
    try:
        await listener.start()

        async def all_heard() -> bool:
            return await stored(store) == 20

        await until(all_heard, "not everything was heard")
        await listener.drain()
        kept = [each for each in gc.get_objects() if isinstance(each, ConsumerRecord)]
        assert [record for record in kept if record.topic == topic] == []
    finally:
        gc.enable()


async def test_a_consumer_that_stands_still_is_started_anew(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    listener = await workshop.listening(
        workshop.listener(executor, clock, {topic: copy}, stuck_seconds=1)
    )

    async def joined() -> bool:
        return bool(listener.partitions())

    await until(joined, "the listener was not given its partitions")
    stuck = listener._subscriber.consumer
    assert stuck is not None
    stuck.pause(*stuck.assignment())
    await workshop.publish(topic, fact("case-1", 1, when=clock.now()))

    async def complains() -> bool:
        return any("1 messages wait" in reason for reason in await listener.reasons())

    await until(complains, "the listener says that all is well")

    async def heard() -> bool:
        return await notes_of(store, "clock-1") == ["case-1/1"]

    await until(heard, "the consumer was not started anew")
    assert await listener.reasons() == []


async def test_traces_and_figures_of_the_framework_take_our_batches(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    registry = CollectorRegistry()
    middlewares = [
        KafkaTelemetryMiddleware(tracer_provider=provider),
        KafkaPrometheusMiddleware(registry=registry),
    ]
    executor = workshop.executor(store, clock)
    await workshop.listening(
        workshop.listener(executor, clock, {topic: copy}, middlewares=middlewares)
    )
    await workshop.publish(topic, fact("case-1", 1, when=clock.now()))

    async def traced() -> bool:
        return any(topic in span.name for span in spans.get_finished_spans())

    await until(traced, "the batch left no trace")
    received = "faststream_received_messages_total"
    assert registry.get_sample_value(
        received, {"app_name": "faststream", "broker": "kafka", "handler": topic}
    )
