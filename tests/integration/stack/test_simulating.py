"""A simulation reads what intake and sla have stored, and counts as of the last instant known."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from rich.progress import Progress
from tests.support.eventstore import StillClock
from tests.support.prepared import tables_of
from tests.support.stack import FreshDatabase
from uuid_utils.compat import uuid7

from steward_events.fact import Fact
from steward_events.intake import CaseClassified, CaseReceived, ExtensionNoted, OwnerInformed
from steward_events.recorded import Recorded
from steward_events.vocabulary import Kind, Role, Severity, Validity
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.postgres import PostgresStore
from steward_policy import packs
from steward_service.policies import Policies
from steward_sla.adapters import read_models
from steward_sla.api import subscribers
from steward_sla.domain.clocks import ApproveExtension, ClocksDecider, RequestExtension
from steward_stack.simulation import simulate
from steward_stack.supervisor import Endpoints

TEN = datetime(2026, 9, 28, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
DUE = datetime(2026, 10, 1, tzinfo=ZoneInfo("Asia/Shanghai"))
UNTIL = DUE + timedelta(days=5)


@dataclass(frozen=True)
class Two(Endpoints):
    """Servers of which two databases are known, as sla's and as intake's."""

    intake: str

    def database(self, name: str) -> str:
        return {"sla": self.postgres, "intake": self.intake}[name]


@dataclass(frozen=True, slots=True)
class Tell:
    at: datetime
    fact: Fact


class Teller:
    """Says what it is told to say."""

    initial = None

    def decide(self, command: Tell, _: None) -> Sequence[Fact]:
        return [command.fact]

    def evolve(self, _: None, _fact: Fact) -> None:
        return None

    def wake_at(self, _: None) -> None:
        return None


class Case:
    """A minor complaint at intake and sla."""

    def __init__(self, intake: PostgresStore, sla: PostgresStore) -> None:
        policies = Policies()
        policies.put(packs.built_in())
        self._clock = StillClock(TEN)
        self._intake = Executor(
            intake,
            self._clock,
            {"case": Teller()},
            source="/steward/intake",
            partition_of=lambda _: 0,
        )
        self._sla = Executor(
            sla,
            self._clock,
            {"clocks": ClocksDecider(policies.__getitem__)},
            source="/steward/sla",
            partition_of=lambda _: 0,
            project=read_models.project,
        )

    async def tell(self, fact: Fact, at: datetime) -> None:
        to = To("case-c1", "p1", Tell(at, fact))
        done = await self._intake.execute(Job(Cause(uuid7(), "test"), lambda: [to]))
        heard: Recorded = done.facts[0]  # type: ignore[union-attr]
        job = Job(Cause(heard.id, "sla", at), lambda: subscribers.on_intake(heard), heard=heard)
        await self._sla.execute(job)

    async def ask(self, *commands: RequestExtension | ApproveExtension) -> None:
        for command in commands:
            to = To("clocks-c1", "p1", command)
            await self._sla.execute(Job(Cause(uuid7(), "test"), lambda to=to: [to]))  # type: ignore[misc]


@pytest.fixture
async def two(fresh_database: FreshDatabase) -> Two:
    sla = await fresh_database(tables_of("sla"))
    intake = await fresh_database(tables_of("intake"))
    return Two("", sla, {}, smtp="", sms="", logs="", intake=intake)


@pytest.fixture
async def case(two: Two) -> AsyncIterator[Case]:
    intake = await PostgresStore.connect(two.intake)
    sla = await PostgresStore.connect(two.postgres)
    yield Case(intake, sla)
    await intake.close()
    await sla.close()


async def test_more_time_that_was_granted_counts_and_moves_no_clock_of_the_simulation(
    two: Two, case: Case
) -> None:
    received = CaseReceived(
        case_id="c1",
        number="P1-1",
        project_id="p1",
        kind=Kind.COMPLAINT,
        zone="Asia/Shanghai",
        policy=packs.built_in().version,
    )
    await case.tell(received, TEN)
    minor = CaseClassified(case_id="c1", severity=Severity.MINOR, validity=Validity.VALID)
    await case.tell(minor, TEN + timedelta(minutes=1))
    asked = TEN + timedelta(hours=1)
    await case.ask(
        RequestExtension(asked, "e1", "minor-resolve#1", UNTIL, "s1"),
        ApproveExtension(asked + timedelta(minutes=5), "e1", "m1", Role.CENTRE_MANAGER),
    )
    granted = ExtensionNoted(case_id="c1", extension_id="e1", until=UNTIL, approved_by="m1")
    await case.tell(granted, asked + timedelta(minutes=6))
    told = OwnerInformed(
        case_id="c1", notice_id="n1", about="new_date", extension_id="e1", how="phone"
    )
    await case.tell(told, asked + timedelta(minutes=9))
    last = DUE + timedelta(days=2)
    await case.tell(minor, last)
    found = await simulate(two, packs.built_in(), Progress(disable=True))
    assert found.until == last
    [line] = [line for line in found.lines() if line["target"] == "minor-resolve"]
    assert line["simulated"]["running"] == line["recorded"]["running"] == 1
