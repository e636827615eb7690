"""Many people and another ticketing system that use a system at once, and never give up."""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from tests.support.system import SOURCE, System, ticket_message

from steward_events.vocabulary import External
from steward_intake.application.desk import external_case_id
from steward_service.queries import DATABASE_FAULTS

AGO = timedelta(days=5)
"""So old are the cases: their deadlines have passed, and all that follows comes at once."""
PROJECTS = ("chaos-1", "chaos-2", "chaos-3")
PEOPLE, SYSTEMS = 24, 12
"""Cases of a wave that come over HTTP, and over Kafka."""
DROPPED = 4
"""Whose phone it is that drops the connection, by number."""
PATIENCE_SECONDS = 600.0
"""So long do they try: whoever they ask may be killed again and again."""
REST_SECONDS = 4.0
"""So long does each rest before they come again: what they cause is told before long."""
LADDER = ("cs_supervisor", "centre_manager", "company_leader", "general_manager")

_OF_A_TICKET = (
    "intake.case_received.v1",
    "intake.case_classified.v1",
    "intake.progress_reported.v1",
)
_HANDLED = {"corrective": "已更换", "preventive": "每月巡查"}


def registers() -> list[dict[str, str]]:
    """Give the projects with all who are told of lateness there."""
    holders = [(project, role) for project in PROJECTS for role in LADDER]
    return [
        {"type": "group", "group_id": "chaos", "name": "混沌集团"},
        *(_project(name) for name in PROJECTS),
        *(
            {
                "type": "staff",
                "person_id": f"{project}-{role}",
                "group_id": "chaos",
                "name": "王芳",
                # One number drops the connection: nobody knows what became of its texts.
                "phone": f"1380{number:03d}" + ("0002" if number == DROPPED else "1111"),
                "email": f"{role}@{project}.example.cn",
            }
            for number, (project, role) in enumerate(holders)
        ),
        *(
            {"type": "role", "project_id": p, "role": r, "person_id": f"{p}-{r}"}
            for p, r in holders
        ),
    ]


def _project(name: str) -> dict[str, str]:
    return {"type": "project", "project_id": name, "group_id": "chaos", "name": name}


@dataclass
class Told:
    """What the clients know: for each case, which facts they were told were accepted."""

    facts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    stories: dict[str, list[str]] = field(default_factory=dict)
    """For some cases also the order in which it was said."""
    in_time: set[str] = field(default_factory=set)
    """The cases of which they said that they were handled before they were due."""
    going_on: set[str] = field(default_factory=set)
    """The cases that nobody handles and that are not due yet."""
    requests: int = 0

    def take(self, case_id: str, *types: str) -> None:
        """Write down what one answer said."""
        self.requests += 1
        self.facts[case_id].update(types)


class Tickets:
    """Another ticketing system; it says again what was not acknowledged."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def say(self, what: str, subject: str, data: dict[str, Any], id_: str) -> None:
        """Say one thing until Kafka has it."""
        message = ticket_message(what, subject, data, id_=id_, at=datetime.now(UTC) - AGO)
        while True:
            try:
                await self._producer.send_and_wait(**message)
            except KafkaError:
                await asyncio.sleep(0.2)
            else:
                return


@asynccontextmanager
async def tickets_of(system: System) -> AsyncIterator[Tickets]:
    """Open the other ticketing system."""
    # Not idempotent: such a producer goes on by itself after its broker was away.
    producer = AIOKafkaProducer(
        bootstrap_servers=system.stack.endpoints.kafka.split(","),
        enable_idempotence=False,
        acks="all",
        request_timeout_ms=10_000,
    )
    await producer.start()
    try:
        yield Tickets(producer)
    finally:
        await producer.stop()


@dataclass
class Crowd:
    """People and systems that come with cases and never give up; `name` makes theirs their own."""

    system: System
    told: Told
    tickets: Tickets
    name: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def wave(self) -> list["asyncio.Task[None]"]:
        """Let a fixed number come at once."""
        people = [self._person(next(self._numbers)) for _ in range(PEOPLE)]
        systems = [self._system(next(self._numbers)) for _ in range(SYSTEMS)]
        return [asyncio.create_task(coming) for coming in (*people, *systems)]

    async def come(self, until: asyncio.Event, at_once: int) -> None:
        """Come, so many at once, until told to stop; all that began is brought to its end."""
        await asyncio.gather(*(self._queue(until) for _ in range(at_once)))

    async def _queue(self, until: asyncio.Event) -> None:
        while not until.is_set():
            await asyncio.sleep(REST_SECONDS)
            number = next(self._numbers)
            if number % 4 < 2:
                await self._person(number)
            elif number % 4 == 2:
                await self._system(number // 4)
            else:
                await self._latecomer(number // 4)

    async def _person(self, number: int) -> None:
        """Complain, be classified, chase twice; some are handled, in time or late."""
        came = datetime.now(UTC) - AGO
        key = f"{self.name}-{number}"
        said = {
            "project_id": PROJECTS[number % len(PROJECTS)],
            "kind": "complaint",
            "summary": "楼道灯不亮",
            "occurred_at": came.isoformat(),
        }
        answer = await self._accepted("/v1/cases", said, key)
        case = answer["case_id"]
        self.told.take(case, "intake.case_received.v1")
        classified = {
            "validity": "valid",
            "severity": "minor",
            "occurred_at": (came + timedelta(minutes=5)).isoformat(),
        }
        await self._act(case, "classify", classified, f"{key}-classify")
        await asyncio.gather(
            *(self._act(case, "chase", {"demand": "快些"}, f"{key}-chase-{n}") for n in (1, 2))
        )
        if number % 3 == 1:
            await self._act(case, "handle", _HANDLED, f"{key}-handle")
        if number % 3 == 2:
            in_time = {**_HANDLED, "occurred_at": (came + timedelta(days=1)).isoformat()}
            await self._act(case, "handle", in_time, f"{key}-handle")
            self.told.in_time.add(case)
        # Whoever is not sure asks again, and hears what was answered the first time.
        again = await self._accepted("/v1/cases", said, key)
        assert again == answer

    async def _act(self, case: str, action: str, said: dict[str, Any], key: str) -> None:
        answer = await self._accepted(f"/v1/cases/{case}/{action}", said, key)
        self.told.take(case, *answer["facts"])

    async def _system(self, number: int) -> None:
        """Open a ticket, comment on it, perhaps close it; some of it is said twice."""
        subject = f"{self.name}-{number}"
        case = case_of(subject)
        place = {"project_id": PROJECTS[number % len(PROJECTS)]}
        opened = {
            **place,
            "kind": "complaint",
            "severity": "minor",
            "validity": "valid",
            "summary": "电梯异响",
        }
        story = [("opened", opened), ("commented", {**place, "comment": "已派人"})]
        if number % 2:
            story.append(("handled", place))
        for place_in_story, (what, data) in enumerate(story):
            for _ in range(1 + (number % 4 == 0)):
                await self.tickets.say(what, subject, data, f"{subject}-{place_in_story}")
        if number % 2:
            self.told.in_time.add(case)
        self._expect(case, *(["intake.case_handled.v1"] if number % 2 else []))

    async def _latecomer(self, number: int) -> None:
        """Open a ticket of a project that is not registered yet: what is said of it waits."""
        subject, project = f"{self.name}-late-{number}", f"{self.name}-late-{number}"
        place = {"project_id": project}
        opened = {
            **place,
            "kind": "complaint",
            "severity": "minor",
            "validity": "valid",
            "summary": "门禁失灵",
        }
        await self.tickets.say("opened", subject, opened, f"{subject}-0")
        await self.tickets.say("commented", subject, {**place, "comment": "已派人"}, f"{subject}-1")

        async def waits() -> str:
            try:
                return await self.system.parked("intake", f"{SOURCE}|{subject}")
            except DATABASE_FAULTS:
                return ""

        await self.system.until(waits, f"{subject} did not wait for its project", PATIENCE_SECONDS)
        key = f"{subject}-project"
        await self._accepted("/v1/registers", [_project(project)], key)
        self._expect(case_of(subject))

    async def _accepted(self, path: str, said: object, key: str) -> Any:
        return await self.system.accepted("intake", path, said, key, PATIENCE_SECONDS)

    def _expect(self, case: str, *more: str) -> None:
        story = [*_OF_A_TICKET, *more]
        self.told.take(case, *story)
        self.told.stories[case] = story


def case_of(subject: str) -> str:
    """Give the case that a ticket of the other system becomes."""
    return external_case_id(External(source=SOURCE, subject=subject))
