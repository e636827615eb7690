"""One complaint, top to bottom: the best first file to read. `docs/story.md` walks the same way."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.rules import rule
from uuid_utils.compat import uuid7

from steward_decider import Command
from steward_events.cloudevents import to_kafka
from steward_events.intake import CaseClassified, CaseReceived
from steward_events.sla import ClockBreached
from steward_events.vocabulary import Kind, Role, Severity, Validity
from steward_eventstore.execute import Alarms, Applied, Cause, Executor, Job, To
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import Cursor, Parcel
from steward_intake.domain.case import CaseDecider
from steward_intake.domain.commands import ClassifyCase, ReceiveCase
from steward_notify.api.subscribers import on_sla
from steward_notify.domain.message import BeginSending, MessageDecider, NoteSent
from steward_policy import packs
from steward_service.hearing import Hearing, Reaction
from steward_sla.api.subscribers import on_intake
from steward_sla.domain.clocks import ClocksDecider

ROOT = Path(__file__).parents[2]
TUESDAY_TEN = datetime.fromisoformat("2026-09-29T10:00:00+08:00")
RULES = packs.built_in()


@dataclass
class Hand:
    """A clock that is set by hand."""

    time: datetime = TUESDAY_TEN

    def now(self) -> datetime:
        return self.time


class InMemory:
    """One service without servers: its deciders, what it hears, and an event store in memory."""

    def __init__(
        self, clock: Hand, deciders: Mapping[str, Any], listens: Mapping[str, Reaction] = {}
    ) -> None:
        self.store = MemoryStore(clock)
        self.executor = Executor(
            self.store, clock, deciders, source="story", partition_of=lambda _: 0
        )
        self._hearing = Hearing("story", listens)
        self._heard = Cursor(0, 0, 0)

    async def do(self, stream: str, command: Command) -> list[str]:
        """Give a command; answer with the names of the facts that followed."""
        job = Job(Cause(uuid7(), "story"), lambda: [To(stream, "garden", command)])
        return await self._facts_of(job)

    async def hear(self, other: "InMemory", topic: str) -> list[str]:
        """Hear what another service has published since; answer with the facts that followed."""
        followed: list[str] = []
        for row in await other.store.relay_page(self._heard, 100):
            self._heard = row.cursor
            key, headers, value = to_kafka(row.type, row.stream, row.version, row.data, row.meta)
            job = self._hearing.own_job(Parcel(topic, key, tuple(headers), value), "")
            followed += await self._facts_of(job)
        return followed

    async def _facts_of(self, job: Job) -> list[str]:
        outcome = await self.executor.execute(job)
        assert isinstance(outcome, Applied)
        return [fact.type for fact in outcome.facts]


@rule("RM-4.5.2b")
async def test_one_complaint_from_the_door_to_the_text_message() -> None:
    clock = Hand()
    intake = InMemory(clock, {"case": CaseDecider()})
    sla = InMemory(
        clock,
        {"clocks": ClocksDecider({RULES.version: RULES}.__getitem__)},
        {"steward.intake": on_intake},
    )
    notify = InMemory(clock, {"message": MessageDecider()}, {"steward.sla": on_sla})

    # 1-3: somebody calls; intake decides, and the fact is stored.
    received = CaseReceived(
        case_id="c1",
        number="garden-2026-000001",
        project_id="garden",
        zone="Asia/Shanghai",
        policy=RULES.version,
        kind=Kind.COMPLAINT,
    )
    assert await intake.do("case-c1", ReceiveCase(clock.time, received)) == [
        "intake.case_received.v1"
    ]
    important = CaseClassified(case_id="c1", severity=Severity.IMPORTANT, validity=Validity.VALID)
    await intake.do("case-c1", ClassifyCase(clock.time, important))

    # 4-7: sla hears of it, and its clocks start; the manager has an hour.
    followed = await sla.hear(intake, "steward.intake")
    assert "sla.clock_started.v1" in followed
    assert (await sla.store.next_due([0])) is not None

    # 8-9: nobody takes it; the alarm rings at its own time, and lateness climbs.
    clock.time = TUESDAY_TEN + timedelta(hours=1, seconds=1)
    rang = await sla.do("clocks-c1", Alarms(clock.time, until=clock.time))
    assert "sla.clock_breached.v1" in rang
    assert "sla.escalated.v1" in rang
    breached_at = {
        told.fact.target: told.occurred_at
        for told in sla.store.log
        if isinstance(told.fact, ClockBreached)
    }
    assert breached_at["important-to-manager"] == TUESDAY_TEN + timedelta(hours=1)

    # 10-11: notify hears of it: a text and a mail are owed before they are sent.
    assert set(await notify.hear(sla, "steward.sla")) == {"notify.message_requested.v1"}

    # 12: begun, then sent.
    message = next(stream for stream in notify.store.heads)
    assert await notify.do(message, BeginSending(clock.time, "p1", Role.CENTRE_MANAGER)) == [
        "notify.message_sending.v1"
    ]
    assert await notify.do(message, NoteSent(clock.time, "BizId-1")) == ["notify.message_sent.v1"]


def test_every_file_that_the_story_names_is_there() -> None:
    story = (ROOT / "docs" / "story.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:libs|services|stack|tests)/[^`]+)`", story)
    assert len(named) >= 12
    for path in named:
        (ROOT / path).open(encoding="utf-8").close()
