"""Other systems' events: each once, whatever they repeat, and sealed while they wait."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from pydantic_core import to_json
from tests.integration.service_kafka.conftest import Workshop, notes_of
from tests.support.eventstore import Note
from tests.support.prepared import with_keys
from tests.support.stack import FreshDatabase
from tests.support.waiting import until

from steward_decider import Refused
from steward_events.cloudevents import ForeignEvent
from steward_eventstore.execute import To
from steward_service.hearing import Boxes, Hearing
from steward_service.retries import Retries
from steward_service.sealing import Sealer

NOON = datetime(2026, 9, 28, 4, tzinfo=UTC)
ALLOWED: set[str] = set()


async def on_ticket(event: ForeignEvent) -> Iterable[To]:
    summary = event.data["summary"]
    if summary.startswith("later") and summary not in ALLOWED:
        raise Refused("The project is unknown.", code="unknown_project")
    return [To(f"clock-{event.subject}", event.key, Note(event.time, summary))]


def ticket(id_: str, subject: str, summary: str, **more: Any) -> bytes:
    return to_json(
        {
            "specversion": "1.0",
            "id": id_,
            "type": "ticket.opened.v1",
            "source": "https://tickets.example",
            "subject": subject,
            "time": NOON.isoformat(),
            "data": {"summary": summary},
            **more,
        }
    )


async def send(producer: AIOKafkaProducer, topic: str, value: bytes) -> None:
    headers = [("content-type", b"application/cloudevents+json")]
    await producer.send_and_wait(topic, value, b"p-1", 0, headers=headers)


async def test_foreign_events_are_taken_once_and_wait_sealed(
    workshop: Workshop, fresh_database: FreshDatabase
) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)
    pool = await asyncpg.create_pool(await fresh_database(with_keys), min_size=1, max_size=2)
    boxes = Boxes(Sealer(pool, os.urandom(32)), {topic})
    more = {"foreign": {topic: on_ticket}, "boxes": boxes}
    executor = workshop.executor(store, clock, pack=boxes.close)
    await workshop.listening(workshop.listener(executor, clock, {}, hearing=more))
    producer = await workshop.producer()
    later = f"later: Frau Wang, 138 0013 8000 {topic}"
    await send(producer, topic, ticket("1", "a", "dark lamp"))
    await send(producer, topic, ticket("1", "a", "dark lamp"))
    await send(producer, topic, ticket("2", "b", later))
    await send(producer, topic, ticket("3", "b", "behind it"))
    await send(producer, topic, b"not JSON")
    await send(producer, topic, ticket("1", "a", "another content"))
    await send(producer, topic, ticket("4", "c", "the last"))

    async def the_last_was_taken() -> bool:
        return await notes_of(store, "clock-c") == ["the last"]

    await until(the_last_was_taken, "a bad ticket stopped the partition")
    assert await notes_of(store, "clock-a") == ["dark lamp"]
    assert await notes_of(store, "clock-b") == []
    source = "https://tickets.example"
    parked = {p.stream: (p.code, p.waiting) for p in await store.parked()}
    assert parked == {
        f"{source}|a": ("key_reused", 1),
        f"{source}|b": ("unknown_project", 2),
        f"unreadable:{topic}/0/4": ("unreadable", 1),
    }
    kept = [m.parcel.value for s in parked for m in await store.line("test", s)]
    assert len(kept) == 4
    assert not any(b"Wang" in value or b"not JSON" in value for value in kept)

    ALLOWED.add(later)
    retries = Retries(executor, clock, Hearing("test", {}, {topic: on_ticket}, boxes=boxes))

    async def both_taken() -> bool:
        await retries.retry_due()
        return await notes_of(store, "clock-b") == [later, "behind it"]

    await until(both_taken, "the parked ticket was not tried again")
    assert len(await store.parked()) == 2
    await pool.close()


async def test_a_defect_parks_one_foreign_message_and_no_other(workshop: Workshop) -> None:
    topic, store = await workshop.topic(), await workshop.store()
    clock = await workshop.clock(store)

    async def sometimes_broken(event: ForeignEvent) -> Iterable[To]:
        if event.id == "1":
            raise KeyError(event.id)
        return await on_ticket(event)

    executor = workshop.executor(store, clock)
    more = {"foreign": {topic: sometimes_broken}}
    await workshop.listening(workshop.listener(executor, clock, {}, hearing=more))
    producer = await workshop.producer()
    await send(producer, topic, ticket("1", "a", "broken"))
    await send(producer, topic, ticket("2", "b", "whole"))

    async def the_other_was_taken() -> bool:
        return await notes_of(store, "clock-b") == ["whole"]

    await until(the_other_was_taken, "a defect stopped the partition")
    assert [p.code for p in await store.parked()] == ["defect"]
