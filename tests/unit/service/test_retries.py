"""Other systems' messages that could not be taken: tried again, in their places, and each once."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from uuid import UUID

import pytest
from pydantic_core import to_json
from tests.support.eventstore import (
    START,
    ClockDecider,
    Note,
    Running,
    StillClock,
    at,
    partition_of,
)

from steward_decider import NotHeardYet, Refused
from steward_events.cloudevents import ForeignEvent
from steward_events.sealed import Sealed
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import ForeignMark, Parcel
from steward_service.hearing import Boxes, Hearing, Seals
from steward_service.retries import Retries
from steward_service.sealing import KeyNotHeard

TOPIC = "steward.inbound.tickets"
SOURCE = "https://tickets.example"
REFUSED: set[str] = set()
EARLY: set[str] = set()
"""What needs something that has not been heard."""


async def on_ticket(event: ForeignEvent) -> Iterable[To]:
    if event.id in REFUSED:
        raise Refused("The project is unknown.", code="unknown_project")
    if event.id in EARLY:
        raise NotHeardYet("The project has not been heard.")
    return [To(f"clock-{event.subject}", event.key, Note(event.time, event.id))]


def ticket(id_: str, subject: str = "a") -> Parcel:
    event = {
        "specversion": "1.0",
        "id": id_,
        "type": "ticket.commented.v1",
        "source": SOURCE,
        "subject": subject,
        "time": START.isoformat(),
        "sequence": id_,
        "data": {},
    }
    headers = (("content-type", b"application/cloudevents+json"),)
    return Parcel(TOPIC, b"p-1", headers, to_json(event))


class Listening:
    """A service that hears tickets, over a store in memory."""

    def __init__(self, seals: Seals | None = None) -> None:
        REFUSED.clear()
        EARLY.clear()
        boxes = None if seals is None else Boxes(seals, [TOPIC])
        self.clock = StillClock()
        self.store = MemoryStore(self.clock)
        self.executor = Executor(
            self.store,
            self.clock,
            {"clock": ClockDecider()},
            source="test",
            partition_of=partition_of,
            pack=None if boxes is None else boxes.close,
        )
        self.hearing = Hearing("test", {}, {TOPIC: on_ticket}, boxes=boxes)
        self.retries = Retries(self.executor, self.clock, self.hearing)

    async def hear(self, *ids: str, subject: str = "a") -> None:
        jobs = [await self.hearing.job(ticket(id_, subject), f"{TOPIC}/0/{id_}") for id_ in ids]
        await self.executor.execute_batch(jobs)

    async def hear_unread(self, id_: str) -> None:
        """Hear what an older program could not read."""
        place = f"{TOPIC}/0/{id_}"
        mark = ForeignMark("test", TOPIC, place, f"unreadable:{place}")
        broken = Refused("It cannot be read.", code="unreadable")
        job = Job(Cause(UUID(int=1), "test"), tuple, mark, ticket(id_), broken=broken)
        await self.executor.execute_batch([job])

    async def parked(self) -> list[tuple[str, str, int]]:
        return [(p.stream, p.code, p.waiting) for p in await self.store.parked()]

    async def notes(self) -> tuple[str, ...]:
        state = Running()
        for recorded in await self.store.facts_of("clock-a"):
            assert recorded.fact is not None
            state = ClockDecider().evolve(state, recorded.fact)
        return state.notes


@pytest.mark.timeout(10)
async def test_what_meets_a_defect_waits_in_its_own_line_until_that_is_mended() -> None:
    service = Listening()
    defect = await service.hearing.defect(ticket("1"), f"{TOPIC}/0/1")
    await service.executor.execute_batch([defect])
    await service.hear("2")
    assert await service.parked() == [(f"{SOURCE}|a", "defect", 2)]
    service.clock.instant = at(1)
    assert await service.retries.retry_due() == 1
    assert await service.notes() == ("1", "2")
    assert await service.parked() == []


@pytest.mark.timeout(10)
async def test_what_stands_behind_a_refused_message_is_not_tried() -> None:
    service = Listening()
    REFUSED.add("1")
    await service.hear("1", "2")
    service.clock.instant = at(1)
    assert await service.retries.retry_due() == 0
    assert await service.notes() == ()
    assert await service.parked() == [(f"{SOURCE}|a", "unknown_project", 2)]
    REFUSED.clear()
    service.clock.instant = at(9)
    assert await service.retries.retry_due() == 1
    assert await service.notes() == ("1", "2")


@pytest.mark.timeout(10)
async def test_what_can_be_read_by_now_is_taken_once_and_waits_no_longer() -> None:
    service = Listening()
    await service.hear_unread("1")
    service.clock.instant = at(1)
    assert await service.retries.retry_due() == 1
    await service.hear("1")
    assert await service.notes() == ("1",)
    assert await service.parked() == []


@pytest.mark.timeout(10)
async def test_what_can_be_read_by_now_waits_in_its_own_line_where_it_is_refused() -> None:
    service = Listening()
    REFUSED.update("12")
    await service.hear_unread("1")
    await service.hear("2")
    service.clock.instant = at(1)
    await service.retries.retry_due()
    assert await service.parked() == [(f"{SOURCE}|a", "unknown_project", 2)]
    REFUSED.clear()
    service.clock.instant = at(9)
    assert await service.retries.retry_due() == 1
    assert await service.notes() == ("1", "2")


@pytest.mark.timeout(10)
async def test_in_a_hurry_only_what_was_not_heard_yet_is_tried_before_its_time() -> None:
    service = Listening()
    EARLY.add("1")
    REFUSED.add("2")
    await service.hear("1")
    await service.hear("2", subject="b")
    EARLY.clear()
    REFUSED.clear()
    assert await service.retries.retry_due() == 0
    assert await service.retries.retry_due(hurried=True) == 1
    assert await service.notes() == ("1",)
    assert await service.parked() == [(f"{SOURCE}|b", "unknown_project", 1)]


class LateKeys:
    """Seals whose keys have not been heard the first time; `meanwhile` happens while they look."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def seal(self, subject: str, field: str, text: str) -> Sealed:
        return Sealed(subject=subject, field=field, value_id="1", box=text)

    async def unseal(self, sealed: Sealed) -> str:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
            raise KeyNotHeard(f"The key of {sealed.subject} has not been heard yet.")
        return sealed.box


@pytest.mark.timeout(10)
async def test_what_cannot_be_unsealed_does_not_put_off_what_came_to_stand_in_front() -> None:
    keys = LateKeys()
    service = Listening(keys)
    REFUSED.add("2")
    await service.hear("2")
    REFUSED.clear()
    keys.meanwhile = partial(service.hear, "1")
    service.clock.instant = at(1)
    assert await service.retries.retry_due() == 0
    assert await service.parked() == [(f"{SOURCE}|a", "unknown_project", 2)]
    assert await service.retries.retry_due() == 1
    assert await service.notes() == ("1", "2")


async def test_in_a_hurry_those_that_were_refused_are_in_nobodys_way() -> None:
    service = Listening()
    EARLY.add("2")
    await service.hear("2", subject="early")
    for minute in range(1, 60, 10):
        service.clock.instant = at(minute)
        await service.retries.retry_due()  # from time to time it waits longer
    REFUSED.add("1")
    for subject in range(101):
        await service.hear("1", subject=f"refused-{subject}")
    assert (await service.store.parked(limit=200))[-1].stream == f"{SOURCE}|early"
    EARLY.clear()
    assert await service.retries.retry_due(hurried=True) == 1
