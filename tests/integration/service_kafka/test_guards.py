"""Each guard of the shell: what it prevents.

That nothing else prevents it is what `make mutations` shows: without the guard its test fails.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from tests.integration.service_kafka.conftest import (
    Frozen,
    Hand,
    Workshop,
    ask,
    fact,
    kinds,
    notes_of,
    versions,
)
from tests.support.eventstore import HEARD, Meet, Note, Start, at
from tests.support.waiting import until

from steward_decider import Refused
from steward_events.recorded import Recorded
from steward_eventstore.execute import Executor, Job, Outcome, To
from steward_eventstore.port import OwnMark, Unavailable
from steward_eventstore.postgres import PostgresStore
from steward_service import listening, relay
from steward_service.hearing import Hearing
from steward_service.listening import Listener
from steward_service.partitions import partition_of
from steward_service.relay import Relay
from steward_service.retries import Retries
from steward_service.telemetry import Metrics
from steward_service.ticker import Ticker
from steward_service.topics import Topic

# What the relay must not do.


async def took_over(relay: Relay, facts: int) -> None:
    async def published() -> bool:
        return await relay.publish_page() == facts

    await until(published, "nobody took the lease over")


async def hand_over(store: PostgresStore) -> None:
    """Let the lease run out, as after the end of the process that holds it."""
    await store.pool.execute("UPDATE relay SET held_until = '-infinity'")


async def test_a_relay_that_slept_past_its_lease_cannot_make_others_repeat_what_came_since(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, dsn = await workshop.topic(), await workshop.dsn()
    store = await workshop.store(dsn)
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    await ask(executor, "clock-1", *(Note(clock.now(), str(n)) for n in range(5)), id_="one")
    frozen = Frozen(await workshop.store(dsn))
    old = workshop.relay(frozen, clock, topic)  # type: ignore[arg-type]
    sleeping = asyncio.create_task(old.publish_page())
    await frozen.read.wait()
    await hand_over(store)
    new = workshop.relay(store, clock, topic)
    await took_over(new, 5)
    await ask(executor, "clock-1", *(Note(clock.now(), str(n)) for n in range(5, 9)), id_="two")
    assert await new.publish_page() == 4

    frozen.go_on.set()
    assert await sleeping == 0
    assert (await store.backlog())[0] == 0, "What is acknowledged waits again."
    await hand_over(store)
    await workshop.relay(store, clock, topic).publish_page()
    published = await workshop.published(topic)
    # Without the fence nothing would be lost either, but who sleeps for a day would make the next one
    # repeat that day.
    assert len(published) == 9 + 5
    assert versions(published) == {"clock-1": list(range(1, 10))}


async def test_a_relay_that_slept_goes_on_where_another_has_come_to(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    slept, other = (workshop.relay(store, clock, topic) for _ in range(2))
    await ask(executor, "clock-1", *(Note(clock.now(), str(n)) for n in range(5)), id_="one")
    await took_over(slept, 5)
    await ask(executor, "clock-1", *(Note(clock.now(), str(n)) for n in range(5, 9)), id_="two")
    await hand_over(store)
    await took_over(other, 4)
    await hand_over(store)
    slept._renewed_at -= relay._RENEW_SECONDS
    assert await slept.publish_page() == 0, "It publishes again what another has published."
    await ask(executor, "clock-1", Note(clock.now(), "9"), id_="three")
    await took_over(slept, 1)
    published = await workshop.published(topic)
    assert len(published) == 10
    assert versions(published) == {"clock-1": list(range(1, 11))}


async def test_a_relay_that_slept_through_a_restore_cannot_move_the_cursor_to_the_old_epoch(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, dsn = await workshop.topic(), await workshop.dsn()
    store = await workshop.store(dsn)
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    await ask(executor, "clock-1", Note(clock.now(), "before"), id_="one")
    frozen = Frozen(await workshop.store(dsn))
    old = workshop.relay(frozen, clock, topic)  # type: ignore[arg-type]
    sleeping = asyncio.create_task(old.publish_page())
    await frozen.read.wait()
    await hand_over(store)
    await took_over(workshop.relay(store, clock, topic), 1)

    await store.pool.execute("UPDATE log SET epoch = 2")
    # The back-up is older than the sleeper's lease: its number is given once more.
    await store.pool.execute("UPDATE relay SET epoch = 2, xid = '0', pos = 0, fence = 0")
    await ask(executor, "clock-1", Note(clock.now(), "after"), id_="two")
    await hand_over(store)
    await took_over(workshop.relay(store, clock, topic), 1)

    frozen.go_on.set()
    await sleeping

    await ask(executor, "clock-1", Note(clock.now(), "long after"), id_="three")
    await hand_over(store)
    next_one = workshop.relay(store, clock, topic)
    assert (await store.backlog())[0] == 1, "Nobody sees that a fact waits."
    assert await next_one.publish_page() == 1
    assert versions(await workshop.published(topic)) == {"clock-1": [1, 2, 3]}


async def test_a_relay_keeps_its_lease_while_it_works(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    relaying = workshop.relay(store, await workshop.clock(store), topic)
    until_when = "SELECT held_until FROM relay"
    await relaying.publish_page()
    first = await store.pool.fetchval(until_when)
    relaying._renewed_at -= relay._RENEW_SECONDS
    await relaying.publish_page()
    assert await store.pool.fetchval(until_when) > first


async def test_the_producer_that_a_relay_has_started_is_idempotent_and_waits_for_all_replicas(
    workshop: Workshop,
) -> None:
    # One broker loses nothing and repeats nothing by itself: this looks at what was asked of it.
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    relaying = workshop.relay(store, clock, topic)
    await ask(workshop.executor(store, clock), "clock-1", Note(clock.now(), "1"), id_="one")
    await took_over(relaying, 1)
    producer = relaying._producer
    assert producer is not None
    assert producer._sender._acks == -1
    numbers = producer._txn_manager
    assert numbers is not None
    assert numbers.has_pid()


class Narrow(Topic):
    """A topic that takes one long note in a batch, but not two."""

    def settings(self) -> dict[str, str]:
        return {**super().settings(), "max.message.bytes": "6000"}


LONG = "x" * 3_000
"""One message with it is longer than 3,000 and shorter than 5,000 bytes."""
PROBE = b"probe"


async def widen(workshop: Workshop, topic: str) -> None:
    """Let a narrow topic take any batch, and wait until a probe says that it does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=workshop.kafka)
    await admin.start()
    wide = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "1000000"})
    await admin.alter_configs([wide])
    await admin.close()
    producer = await workshop.producer()
    place = partition_of("p-1", workshop.partitions)

    async def taken() -> bool:
        try:
            await producer.send_and_wait(topic, b"x" * 20_000, PROBE, place)
        except MessageSizeTooLargeError:
            return False
        return True

    await until(taken, "the topic did not become wider")


def facts_of(records: Iterable["ConsumerRecord[bytes, bytes]"]) -> dict[str, list[int]]:
    return versions([record for record in records if record.key != PROBE])


async def test_the_cursor_moves_only_after_all_was_acknowledged(workshop: Workshop) -> None:
    topic, store = await workshop.topic(Narrow), await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    relaying = workshop.relay(store, clock, topic)
    await ask(executor, "clock-1", *(Note(clock.now(), LONG) for _ in range(3)), id_="one")
    with pytest.raises(MessageSizeTooLargeError):
        await relaying.publish_page()
    await widen(workshop, topic)
    await hand_over(store)
    assert await workshop.relay(store, clock, topic).publish_page() == 3
    assert facts_of(await workshop.published(topic)) == {"clock-1": [1, 2, 3]}


async def test_a_producer_that_failed_once_is_not_used_again(workshop: Workshop) -> None:
    topic, store = await workshop.topic(Narrow), await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    relaying = workshop.relay(store, clock, topic)
    stop = asyncio.Event()
    await ask(executor, "clock-1", Note(clock.now(), "short"), id_="one")
    assert await relaying.publish_page() == 1
    await ask(executor, "clock-1", Note(clock.now(), LONG), Note(clock.now(), LONG), id_="two")
    running = asyncio.create_task(relaying.run(stop))

    async def fails_with(error: str) -> None:
        async def does() -> bool:
            return error in relaying.failure

        relaying.failure = ""
        await until(does, f"the relay did not fail with {error}")

    async def nothing_waits() -> bool:
        return (await store.backlog())[0] == 0

    await fails_with("MessageSizeTooLarge")
    await widen(workshop, topic)
    await until(nothing_waits, "the relay did not start again")
    stop.set()
    await running
    assert facts_of(await workshop.published(topic)) == {"clock-1": [1, 2, 3]}


async def test_a_batch_does_not_overtake_one_of_its_partition_that_fails(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two long notes a batch.
    monkeypatch.setattr(relay, "_BATCH_BYTES", 10_000)
    topic, store = await workshop.topic(Narrow), await workshop.store()
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    relaying = workshop.relay(store, clock, topic)
    await ask(executor, "clock-1", *(Note(clock.now(), LONG) for _ in range(3)), id_="one")
    with pytest.raises(MessageSizeTooLargeError):
        await relaying.publish_page()
    await relaying.close()
    await widen(workshop, topic)
    again = workshop.relay(store, clock, topic)
    await hand_over(store)
    assert await again.publish_page() == 3
    assert facts_of(await workshop.published(topic)) == {"clock-1": [1, 2, 3]}


# What the ticker must not do: escalate what was done in time and is only not heard yet.


class Held:
    """An executor that keeps one fact from being handled until it is let go."""

    def __init__(self, executor: Executor, stream: str, version: int) -> None:
        self._executor = executor
        self._place = (stream, version)
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()

    def is_among(self, jobs: Sequence[Job]) -> bool:
        marks = [job.mark for job in jobs if isinstance(job.mark, OwnMark)]
        return self._place in [(mark.stream, mark.version) for mark in marks]

    async def execute_batch(self, jobs: Sequence[Job]) -> list[Outcome]:
        if self.is_among(jobs):
            self.reached.set()
            await self.let_go.wait()
        return await self._executor.execute_batch(jobs)


DUE = {"case-1": at(10), "case-0": at(5)}


def follow(heard: Recorded) -> Iterable[To]:
    """A case's first fact starts its clock; that it was done meets the clock."""
    kind, _, number = heard.stream.partition("-")
    if kind == "done":
        yield To(f"clock-{number}", heard.key, Meet(heard.occurred_at))
    else:
        yield To(f"clock-{number}", heard.key, Start(heard.occurred_at, (DUE[heard.stream],)))


STARTED = fact("case-1", 1, when=at(0))
DONE = fact("done-1", 1, when=at(9))
PLACE = partition_of("p-1", 6)


class Office:
    """A service whose listener has heard that a case was started, and is held before its end."""

    def __init__(self, workshop: Workshop, store: PostgresStore, topics: Sequence[str]) -> None:
        self.workshop = workshop
        self.store = store
        self.topics = topics
        self.clock = Hand(at(0))
        self.executor = workshop.executor(store, self.clock)
        self.held = Held(self.executor, DONE.stream, DONE.version)

    async def open(self, *also: Recorded) -> None:
        self.listener = self.workshop.listener(
            self.held,  # type: ignore[arg-type]
            self.clock,
            dict.fromkeys(self.topics, follow),
        )
        await self.workshop.listening(self.listener)
        self.workshop.stack.callback(self.held.let_go.set)
        self.ticker = Ticker(
            self.executor,
            self.clock,
            await self.workshop.clock(self.store),
            self.listener,
            Metrics(),
        )
        await self.workshop.publish(self.topics[0], *also, STARTED)

        async def started() -> bool:
            # Not before its offset counts: a rebalance would begin anew.
            return await kinds(self.store, "clock-1") == ["started"] and (
                await self.listener.lag() == 0
            )

        await until(started, "the clock was not started")

    async def ring(self) -> None:
        """Two hours later the alarms ring; then the listener goes on."""
        self.clock.instant = at(120)
        await self.ticker.ring_due()
        await self.go_on()

    async def go_on(self) -> None:
        self.held.let_go.set()

        async def all_handled() -> bool:
            return await self.listener.lag() == 0

        await until(all_handled, "not everything was handled")


async def office(workshop: Workshop, topics: int = 1) -> Office:
    names = [await workshop.topic() for _ in range(topics)]
    return Office(workshop, await workshop.store(), names)


async def play(
    workshop: Workshop,
    *told: Recorded,
    topics: int = 1,
    fetched: bool = False,
) -> list[str]:
    """Ring while what was told waits, or is fetched and not handled; gives the clock's story."""
    late = await office(workshop, topics)
    await late.open()
    await workshop.publish(late.topics[-1], *told)
    if fetched:
        await asyncio.wait_for(late.held.reached.wait(), 40)
    await late.ring()
    return await kinds(late.store, "clock-1")


IN_TIME = ["started", "met"]
"""The duty was done a minute before its time."""


async def test_alarms_ring_up_to_what_was_heard_and_not_up_to_now(workshop: Workshop) -> None:
    assert await play(workshop, DONE) == IN_TIME


async def test_alarms_ring_up_to_what_was_heard_on_the_topic_that_is_furthest_behind(
    workshop: Workshop,
) -> None:
    assert await play(workshop, DONE, topics=2) == IN_TIME


async def test_what_was_fetched_and_is_not_handled_was_not_heard(workshop: Workshop) -> None:
    assert await play(workshop, DONE, fetched=True) == IN_TIME


async def test_what_came_while_the_broker_answered_was_not_heard(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = await office(workshop)
    await late.open(fact("case-0", 1, when=at(0)))
    # The watch asks for the ends too; here nobody may but the ticker.
    watch, ends = late.listener._watch, late.listener._ends
    assert watch is not None
    assert ends is not None
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    answer: Any = ends.end_offsets

    async def answer_slowly(places: Collection[Any]) -> Any:
        found = await answer(places)
        if late.clock.instant == at(6):
            await workshop.publish(late.topics[0], DONE)
            late.clock.instant = at(120)
        return found

    monkeypatch.setattr(ends, "end_offsets", answer_slowly)
    late.clock.instant = at(6)
    await late.ticker.ring_due()
    await late.go_on()
    assert await kinds(late.store, "clock-0") == ["started", "breached"]
    assert await kinds(late.store, "clock-1") == IN_TIME


async def in_hand(workshop: Workshop) -> Office:
    """Give an office whose listener holds a batch, and that nobody watches."""
    late = await office(workshop)
    await late.open()
    # The watch asks how far it is, and would find out from Kafka.
    watch = late.listener._watch
    assert watch is not None
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    await workshop.publish(late.topics[0], DONE)
    await asyncio.wait_for(late.held.reached.wait(), 40)
    return late


async def go_and_come_back(listener: Listener) -> None:
    """Let the partitions go to another, which may have gone on with them, and come back."""
    mine = set(listener._assigned)
    await listener.on_partitions_revoked(mine)
    await listener.on_partitions_assigned(mine)


async def finish(late: Office) -> None:
    """Let the batch in hand be handled."""
    before = late.listener.handled_messages
    late.held.let_go.set()

    async def it_was_handled() -> bool:
        return late.listener.handled_messages > before

    await until(it_was_handled, "the batch in hand was not finished")


async def test_a_batch_of_an_earlier_share_of_the_partitions_says_nothing_of_what_was_heard(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "DRAIN_SECONDS", 0.0)
    late = await in_hand(workshop)
    await go_and_come_back(late.listener)
    await finish(late)
    assert late.listener._handled == {}


async def test_what_kafka_said_of_an_earlier_share_of_the_partitions_is_asked_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "DRAIN_SECONDS", 0.0)
    late = await in_hand(workshop)
    listener, consumer = late.listener, late.listener._subscriber.consumer
    assert consumer is not None
    committed: Any = consumer.committed

    async def answer_slowly(place: TopicPartition) -> Any:
        monkeypatch.setattr(consumer, "committed", committed)
        found = await committed(place)
        await go_and_come_back(listener)
        await finish(late)
        return found

    async def nothing(_: Collection[TopicPartition]) -> None:
        """Where its client stands says the same, but only while nothing is in hand."""

    monkeypatch.setattr(listener, "_pass_over", nothing)
    await go_and_come_back(listener)
    monkeypatch.setattr(consumer, "committed", answer_slowly)
    late.clock.instant = at(120)
    await listener.heard([PLACE])
    assert await listener.heard([PLACE]) == {PLACE: at(120)}


async def test_what_is_in_hand_was_not_heard_though_the_client_has_gone_on(
    workshop: Workshop,
) -> None:
    late = await in_hand(workshop)
    listener, consumer = late.listener, late.listener._subscriber.consumer
    assert consumer is not None
    [place] = [at for at in listener._assigned if at == TopicPartition(late.topics[0], PLACE)]
    assert await consumer.position(place) == 2
    assert await listener._behind([place]) == {place: 1}
    await late.go_on()
    assert await listener._behind([place]) == {place: 0}


async def test_while_a_batch_is_in_hand_the_consumer_is_not_started_anew(
    workshop: Workshop,
) -> None:
    late = await in_hand(workshop)
    listener, consumer = late.listener, late.listener._subscriber.consumer
    listener._progress_at -= 2 * listener._stuck_seconds
    await listener._restart_if_stuck()
    assert listener._subscriber.consumer is consumer
    await late.go_on()
    assert await kinds(late.store, "clock-1") == IN_TIME


async def test_history_says_nothing_of_what_else_was_heard(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the history is handled while what comes after it is held.
    monkeypatch.setattr(listening, "MAX_RECORDS", 1)
    monkeypatch.setattr(listening, "_AHEAD", timedelta(hours=2))
    # Another system's times may be ahead of ours, by the zone of its clock for example.
    ahead = fact("case-0", 1, when=at(0))._replace(
        known_at=at(60), occurred_at=at(60), history=at(90)
    )
    assert await play(workshop, ahead, DONE, fetched=True) == IN_TIME


@pytest.mark.parametrize("said", ["9999-12-31T23:59:59-12:00", "2100-01-01T00:00:00+00:00"])
async def test_a_known_time_that_is_nobodys_says_nothing_of_what_else_was_heard(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    # So that it is handled while what comes after it is held.
    monkeypatch.setattr(listening, "MAX_RECORDS", 1)
    wrong = fact("case-0", 1, when=at(0))._replace(known_at=datetime.fromisoformat(said))
    assert await play(workshop, wrong, DONE, fetched=True) == IN_TIME


async def test_a_known_time_that_no_database_can_take_keeps_no_alarm_from_ringing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_RECORDS", 1)
    late = await office(workshop)
    said = datetime.fromisoformat("0001-01-01T00:00:00+14:00")
    wrong = fact("case-0", 1, when=at(0))._replace(known_at=said)
    await workshop.publish(late.topics[0], wrong, DONE)
    listener = await workshop.listening(
        workshop.listener(late.held, late.clock, dict.fromkeys(late.topics, follow))  # type: ignore[arg-type]
    )
    workshop.stack.callback(late.held.let_go.set)
    await asyncio.wait_for(late.held.reached.wait(), 40)
    assert await late.store.due(await listener.heard([PLACE]), 10) == []


async def test_alarms_wait_while_the_stream_that_feeds_them_is_parked(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock, wall = Hand(at(0)), await workshop.clock(store)
    executor = workshop.executor(store, clock, wall=wall)

    def with_the_policy(heard: Recorded) -> Iterable[To]:
        if heard.stream == DONE.stream and topic not in HEARD:
            raise Refused("The policy has not been heard.", code="not_heard_yet")
        return follow(heard)

    feeds = {"done-1": "clock-1"}
    hearing = Hearing("test", {topic: with_the_policy}, feeds=lambda s: feeds.get(s, ""))
    listener = await workshop.listening(
        workshop.listener(executor, clock, hearing.listens, feeds=hearing.feeds)
    )
    await workshop.publish(topic, STARTED, DONE)
    clock.instant = at(11)

    async def all_heard() -> bool:
        return (await listener.heard([PLACE])).get(PLACE) == at(11)

    await until(all_heard, "not everything was heard")
    assert [parked.stream for parked in await store.parked()] == ["done-1"]
    await Ticker(executor, clock, wall, listener, Metrics()).ring_due()
    HEARD.add(topic)
    await Retries(executor, wall, hearing).retry_due(hurried=True)
    assert await kinds(store, "clock-1") == IN_TIME


# What the listener must not do: lose a message.


async def test_before_its_partitions_go_to_another_the_batch_in_hand_is_finished(
    workshop: Workshop,
) -> None:
    late = await office(workshop)
    await late.open()
    await workshop.publish(late.topics[0], DONE)
    await asyncio.wait_for(late.held.reached.wait(), 40)
    revoked = asyncio.create_task(late.listener.on_partitions_revoked(late.listener._assigned))
    # The loop runs dry: whoever does not wait is done by then.
    for _ in range(100):
        await asyncio.sleep(0)
    assert not revoked.done()
    late.held.let_go.set()
    await revoked
    assert await kinds(late.store, "clock-1") == IN_TIME


class Away(Held):
    """An executor whose database is away from one fact on, until it is let go."""

    async def execute_batch(self, jobs: Sequence[Job]) -> list[Outcome]:
        if not self.let_go.is_set() and self.is_among(jobs):
            self.reached.set()
            raise Unavailable("The database is away.")
        return await super().execute_batch(jobs)


async def test_before_its_partitions_go_to_another_a_batch_that_waits_for_the_database_is_given_up(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "DRAIN_SECONDS", 1000.0)
    late = await office(workshop)
    late.held = Away(late.executor, DONE.stream, DONE.version)
    await late.open()
    await workshop.publish(late.topics[0], DONE)
    await asyncio.wait_for(late.held.reached.wait(), 40)
    revoked = asyncio.create_task(late.listener.on_partitions_revoked(late.listener._assigned))

    async def went() -> bool:
        return revoked.done()

    await until(went, "the batch is not given up")
    assert await kinds(late.store, "clock-1") == ["started"]


def copy(heard: Recorded) -> Iterable[To]:
    stream = heard.stream.replace("case-", "clock-")
    yield To(stream, heard.key, Note(heard.occurred_at, f"{heard.stream}/{heard.version}"))


async def test_a_header_that_is_not_utf8_does_not_lose_its_message(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Alone in its batch: with others it would take them along.
    monkeypatch.setattr(listening, "MAX_RECORDS", 1)
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    producer = await workshop.producer()
    headers = [("ce_id", b"\xff\xfe")]
    await producer.send_and_wait(topic, b"{}", b"p-1", PLACE, headers=headers)
    await workshop.publish(topic, fact("case-1", 1, when=clock.now()))
    listener = await workshop.listening(
        workshop.listener(workshop.executor(store, clock), clock, {topic: copy})
    )

    async def the_next_was_heard() -> bool:
        return await notes_of(store, "clock-1") == ["case-1/1"] and not await listener.lag()

    await until(the_next_was_heard, "the message behind the broken one was not heard")
    parked = [each.stream for each in await store.parked()]
    # Its offset is committed with the next one's: it is never heard again.
    assert parked == [f"unreadable:{topic}/{PLACE}/0"]
    assert listener.handled_messages == 2


async def test_a_batch_that_was_cut_off_before_its_commit_is_heard_again(
    workshop: Workshop,
) -> None:
    topic, dsn = await workshop.topic(), await workshop.dsn()
    store, other = await workshop.store(dsn), await workshop.store(dsn)
    clock = await workshop.clock(store)
    executor = workshop.executor(store, clock)
    await workshop.publish(topic, fact("case-1", 1, when=clock.now()))
    group = f"cut-{topic}"
    first = workshop.listener(executor, clock, {topic: copy}, group=group)
    await first.start()

    async def the_first_was_heard() -> bool:
        return await notes_of(store, "clock-1") == ["case-1/1"] and not await first.lag()

    await until(the_first_was_heard, "the first message was not heard")

    async def commit_waits() -> bool:
        return bool(await other.pool.fetchval(f"SELECT count(*) FROM ({WAITING}) AS waiting"))

    async def leaves() -> bool:
        return first._leaving

    async with other.pool.acquire() as session, session.transaction():
        await session.execute("LOCK TABLE events IN SHARE MODE")
        await workshop.publish(topic, fact("case-1", 2, when=clock.now()))
        await until(commit_waits, "the batch did not come to its commit")
        leaving = asyncio.create_task(first.drain())
        await until(leaves, "the listener does not leave")
        await session.execute(f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting")
        await leaving
    await workshop.listening(workshop.listener(executor, clock, {topic: copy}, group=group))
    await workshop.publish(topic, fact("case-2", 1, when=clock.now()))

    async def the_next_was_heard() -> bool:
        return await notes_of(store, "clock-2") == ["case-2/1"]

    await until(the_next_was_heard, "the message behind the one that was cut off was not heard")
    assert await notes_of(store, "clock-1") == ["case-1/1", "case-1/2"]
    assert await store.parked() == []


WAITING = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
