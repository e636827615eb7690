"""Every process is killed while it works, and nothing is lost, doubled or left unpublished.

Judged from outside: by what the clients were told was accepted, by the topics, by the databases,
and by what the SMS provider has taken.
"""

import asyncio
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, get_args

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from tests.support.system import (
    HEARS,
    OWNERS,
    SOURCE,
    Published,
    System,
    entered,
    running_services,
    ticket_message,
)

from steward_events.sla import Escalated
from steward_events.vocabulary import External
from steward_intake.application.desk import external_case_id
from steward_notify.application.reactions import message_id_of, template_of
from steward_notify.domain.message import Channel
from steward_stack.supervisor import Stack

RESOLVE = "minor-resolve"
"""The target of which is known, by what people were told, whether it was met in time."""

POINTS = ("intake", "sla", "visits", "notify", "kafka", "postgres")
KILLS = 3
PEOPLE, SYSTEMS = 24, 12
"""Cases of a wave that come over HTTP, and over Kafka."""
AGO = timedelta(days=5)
"""So old are the cases: their deadlines have passed, and all that follows comes at once."""
PROJECTS = ("chaos-1", "chaos-2", "chaos-3")
DROPPED = 4
"""Whose phone it is that drops the connection, by number."""
LADDER = ("cs_supervisor", "centre_manager", "company_leader", "general_manager")
TABLE = "{:<9} {:>5} {:>8} {:>5} {:>7} {:>11} {:>14} {:>7}"
HEADINGS = ("point", "kills", "accepted", "lost", "doubled", "unpublished", "unknown texts", "s")

_HANDLED = {"corrective": "已更换", "preventive": "每月巡查"}


@dataclass
class Told:
    """What the clients know: for each case, which facts they were told were accepted."""

    facts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
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


@dataclass
class Crowd:
    """People and systems that come with cases, a wave at a time, and never give up."""

    system: System
    told: Told
    tickets: Tickets
    name: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def wave(self) -> list["asyncio.Task[None]"]:
        """Let so many come at once."""
        people = [self._person(next(self._numbers)) for _ in range(PEOPLE)]
        systems = [self._system(next(self._numbers)) for _ in range(SYSTEMS)]
        return [asyncio.create_task(coming) for coming in (*people, *systems)]

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
        answer = await self.system.accepted("intake", "/v1/cases", said, key)
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
        # Whoever is not sure asks again, and hears what was answered the first time.
        again = await self.system.accepted("intake", "/v1/cases", said, key)
        assert again == answer

    async def _act(self, case: str, action: str, said: dict[str, Any], key: str) -> None:
        path = f"/v1/cases/{case}/{action}"
        answer = await self.system.accepted("intake", path, said, key)
        self.told.take(case, *answer["facts"])

    async def _system(self, number: int) -> None:
        """Open a ticket, comment on it, perhaps close it; some of it is said twice."""
        subject = f"{self.name}-{number}"
        case = external_case_id(External(source=SOURCE, subject=subject))
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
        self.told.take(
            case,
            "intake.case_received.v1",
            "intake.case_classified.v1",
            "intake.progress_reported.v1",
            *(["intake.case_handled.v1"] if number % 2 else []),
        )


@dataclass
class Verdict:
    """What was found wrong; each line names it."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unpublished: list[str] = field(default_factory=list)
    unknown: int = 0

    def once(self, counts: Counter[Any], wanted: set[Any], what: str) -> None:
        """Demand each wanted thing exactly once, and nothing twice."""
        self.lost += [f"{what} of {one} is missing" for one in wanted if not counts[one]]
        self.doubled += [f"{what} of {one}: {n} times" for one, n in counts.items() if n > 1]


@dataclass(frozen=True)
class Fact:
    """A stored fact, as the database has it."""

    stream: str
    version: int
    type: str
    id: str
    data: dict[str, Any]


class Judge:
    """Reads everything from outside and compares it with what the clients were told."""

    def __init__(self, system: System, told: Told) -> None:
        self._system = system
        self._told = told
        self._facts: dict[str, list[Fact]] = {}
        self._found = Verdict()

    async def verdict(self) -> Verdict:
        """Judge all that was ever accepted."""
        for owner in OWNERS:
            rows = await self._system.query(
                owner, "SELECT stream_id, version, type, meta->>'id' AS id, data::text FROM events"
            )
            self._facts[owner] = [
                Fact(r["stream_id"], r["version"], r["type"], r["id"], json.loads(r["data"]))
                for r in rows
            ]
            self._judge_topic(owner, await self._system.published(owner))
        self._judge_accepted()
        await self._judge_heard()
        self._judge_clocks()
        self._judge_followups()
        await self._judge_messages()
        return self._found

    def _judge_topic(self, owner: str, published: list[Published]) -> None:
        stored = {(fact.stream, fact.version): fact.id for fact in self._facts[owner]}
        ids = Counter(stored.values())
        self._found.doubled += [
            f"the ID {id_} {n} times in {owner}" for id_, n in ids.items() if n > 1
        ]
        first: dict[tuple[str, int], str] = {}
        last: Counter[str] = Counter()
        for message in published:
            place = (message.stream, message.version)
            known = first.setdefault(place, message.id)
            if known != message.id:
                self._found.doubled.append(f"{place} was published with two IDs")
            if message.version > last[message.stream] + 1:
                self._found.unpublished.append(f"{place} was published before the one before it")
            last[message.stream] = max(last[message.stream], message.version)
        for place, id_ in stored.items():
            if first.get(place) != id_:
                self._found.unpublished.append(f"{place} of {owner} is not on its topic")
        self._found.lost += [
            f"{place} was published, not stored" for place in first.keys() - stored
        ]

    def _judge_accepted(self) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for fact in self._facts["intake"]:
            counts[fact.stream].update([fact.type])
        for case, types in self._told.facts.items():
            for type_, told in types.items():
                stored = counts[f"case-{case}"][type_]
                if stored < told:
                    self._found.lost.append(f"{type_} of {case}: {stored} of {told}")
                if stored > told:
                    self._found.doubled.append(f"{type_} of {case}: {stored} for {told}")
        ours = {f"case-{case}" for case in self._told.facts}
        self._found.doubled += [
            f"{stream} was never accepted"
            for stream in counts
            if stream.startswith("case-") and stream not in ours
        ]

    async def _judge_heard(self) -> None:
        for consumer, sources in HEARS.items():
            rows = await self._system.query(
                consumer,
                "SELECT stream_id, version, event_id FROM inbox WHERE consumer = $1",
                consumer,
            )
            heard = {row["stream_id"]: (row["version"], str(row["event_id"])) for row in rows}
            for source in sources:
                last = {f.stream: f for f in sorted(self._facts[source], key=lambda f: f.version)}
                self._found.lost += [
                    f"{consumer} has not heard {fact.stream} to its end"
                    for fact in last.values()
                    if heard.get(fact.stream) != (fact.version, fact.id)
                ]

    def _judge_clocks(self) -> None:
        """Each case has its clock; what was late is breached, and climbs; what was not is not."""
        facts = self._facts["sla"]
        breaches = Counter(
            (f.data["case_id"], f.data["clock"], f.data["number"])
            for f in self._of("sla.clock_breached")
        )
        self._found.once(breaches, set(), "the breach")
        escalated = Counter(f.data["escalation_id"] for f in self._of("sla.escalated"))
        self._found.once(escalated, set(), "the escalation")
        noted = Counter(f.data["case_id"] for f in self._of("sla.case_noted"))
        told = {case: sum(types.values()) for case, types in self._told.facts.items()}
        for case in told:
            mine = [f.type.split(".")[1] for f in facts if f.stream == f"clocks-{case}"]
            if "clock_started" not in mine or not noted[case]:
                self._found.lost.append(f"no clock was started for {case}")
        standing: Counter[tuple[str, str]] = Counter()
        for fact in self._of("sla.clock_breached"):
            standing[fact.data["case_id"], fact.data["target"]] += 1
        for fact in self._of("sla.breach_withdrawn"):
            standing[fact.data["case_id"], fact.data["target"]] -= 1
        in_time = {
            (fact.data["case_id"], fact.data["target"])
            for fact in self._of("sla.clock_met")
            if fact.data["outcome"] == "in_time"
        }
        self._found.lost += [
            f"{case} is late and has no breach"
            for case in told
            if (case, RESOLVE) not in in_time and not standing[case, RESOLVE]
        ]
        self._found.doubled += [
            f"{target} of {case} was met in time and has {standing[case, target]} breaches"
            for case, target in in_time
            if standing[case, target]
        ]

    def _judge_followups(self) -> None:
        handled = {
            fact.data["case_id"]
            for fact in self._facts["intake"]
            if fact.type == "intake.case_handled.v1"
        }
        due = Counter(f.data["case_id"] for f in self._of("visits.followup_due"))
        self._found.once(due, handled, "the follow-up")

    async def _judge_messages(self) -> None:
        requested = self._of("notify.message_requested")
        counts = Counter(
            (f.data["escalation_id"], f.data["template"], f.data["channel"])
            for f in requested
            if f.data["escalation_id"]
        )
        told = {
            (fact.data["escalation_id"], template_of(Escalated.model_validate(fact.data)))
            for fact in self._of("sla.escalated")
        } | {
            (fact.data["escalation_id"], "breach_withdrawn")
            for fact in self._of("sla.escalation_withdrawn")
        }
        wanted = {(*one, channel) for one in told for channel in ("sms", "email")}
        self._found.once(counts, wanted, "the message")
        late = {
            message_id_of(fact.data["followup_id"], "followup_overdue", channel)
            for fact in self._of("visits.followup_overdue")
            for channel in get_args(Channel)
        }
        reminders = Counter(f.data["message_id"] for f in requested if not f.data["escalation_id"])
        self._found.once(reminders, late, "the reminder")
        now = datetime.now(UTC)
        ends: dict[str, str] = {}
        sent_as = {
            fact.data["message_id"]: fact.data["group_id"]
            for fact in self._of("notify.message_sending")
            if fact.data["group_id"]
        }
        for fact in sorted(self._facts["notify"], key=lambda f: f.version):
            if "message_id" not in fact.data:
                continue  # what notify noted of a case
            ends[fact.data["message_id"]] = fact.type.split(".")[1].removeprefix("message_")
        taken = Counter(text["out_id"] for text in await self._system.texts())
        self._found.doubled += [f"the text {id_} {n} times" for id_, n in taken.items() if n > 1]
        for fact in requested:
            id_, channel = fact.data["message_id"], fact.data["channel"]
            end = ends[id_]
            self._found.unknown += channel == "sms" and end == "unknown"
            done = {"delivered", "failed", "unknown", "suppressed"}
            if channel == "email":
                done.add("sent")
            # A correction waits for the morning.
            waits = (
                fact.data["not_before"] and datetime.fromisoformat(fact.data["not_before"]) > now
            )
            if end not in done and not waits:
                self._found.lost.append(f"the message {id_} has no outcome, it is {end}")
            if channel == "sms" and end == "delivered" and not taken[sent_as.get(id_, id_)]:
                self._found.lost.append(f"the text {id_} was never sent")

    def _of(self, name: str) -> list[Fact]:
        return [fact for fact in self._facts[name.split(".")[0]] if fact.type == f"{name}.v1"]


@pytest.fixture(scope="module")
def own_services() -> Iterator[Stack]:
    with running_services() as stack:
        yield stack


@pytest.fixture(scope="module")
async def chaos(own_services: Stack) -> AsyncIterator[System]:
    async with entered(own_services) as system:
        holders = [(project, role) for project in PROJECTS for role in LADDER]
        await system.register(
            {"type": "group", "group_id": "chaos", "name": "混沌集团"},
            *(
                {"type": "project", "project_id": name, "group_id": "chaos", "name": name}
                for name in PROJECTS
            ),
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
        )
        await system.quiet()
        yield system


@pytest.fixture(scope="module")
async def tickets(chaos: System) -> AsyncIterator[Tickets]:
    # Not idempotent: such a producer goes on by itself after its broker was away.
    producer = AIOKafkaProducer(
        bootstrap_servers=chaos.stack.endpoints.kafka.split(","),
        enable_idempotence=False,
        acks="all",
        request_timeout_ms=10_000,
    )
    await producer.start()
    yield Tickets(producer)
    await producer.stop()


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.mark.parametrize("point", POINTS)
async def test_nothing_is_lost_doubled_or_left_unpublished(
    chaos: System, tickets: Tickets, told: Told, point: str, capsys: pytest.CaptureFixture[str]
) -> None:
    began, before = monotonic(), told.requests
    crowd = Crowd(chaos, told, tickets, point)
    for _ in range(KILLS):
        start = told.requests
        wave = crowd.wave()

        async def works(start: int = start) -> bool:
            if told.requests < start + PEOPLE:
                return False
            return point not in HEARS or await chaos.behind(point, HEARS[point]) > 0

        await chaos.until(works, f"{point} has nothing to do")
        killed = chaos.kill(point)
        await chaos.back(killed)
        await asyncio.gather(*wave)
    await chaos.quiet(90)

    found = await Judge(chaos, told).verdict()
    with capsys.disabled():
        if point == POINTS[0]:
            print("\n" + TABLE.format(*HEADINGS))
        figures = (len(found.lost), len(found.doubled), len(found.unpublished), found.unknown)
        row = (point, KILLS, told.requests - before, *figures, f"{monotonic() - began:.1f}")
        print(TABLE.format(*row))
    assert (found.lost, found.doubled, found.unpublished) == ([], [], [])
