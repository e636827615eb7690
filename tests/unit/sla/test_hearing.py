"""What sla hears of a case becomes clocks, and the clocks become lists."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.support.eventstore import StillClock, id_of, partition_of
from tests.support.few_targets import only

from steward_events.fact import Fact
from steward_events.intake import CaseClassified, CaseHandled, CaseReceived, HistoryEnded
from steward_events.recorded import Recorded
from steward_events.registry import HouseholdRegistered, PolicyPublished
from steward_events.sealed import Sealed
from steward_events.sla import Escalated
from steward_events.vocabulary import Kind, Severity, Validity
from steward_eventstore.execute import Alarms, Cause, Executor, Job, To
from steward_eventstore.memory import MemoryStore
from steward_policy import packs
from steward_sla.adapters import read_models
from steward_sla.api import subscribers
from steward_sla.application.queries import compliance
from steward_sla.domain.clocks import ClocksDecider, HearCaseFact

RECEIVED = datetime(2026, 9, 29, 2, tzinfo=UTC)  # ten in Shanghai
DUE = datetime(2026, 10, 1, 16, tzinfo=UTC)
SECRET = Sealed(subject="household-h1", field="summary", value_id="v1", box="Yg==")
CASE = CaseReceived(
    case_id="c1",
    number="P1-2026-000001",
    project_id="p1",
    zone="Asia/Shanghai",
    policy=packs.built_in().version,
    kind=Kind.COMPLAINT,
    summary=SECRET,
)
MINOR = CaseClassified(case_id="c1", severity=Severity.MINOR, validity=Validity.VALID)


def recorded(
    fact: Fact, version: int, at: datetime, *, history: datetime | None = None
) -> Recorded:
    return Recorded(
        id=id_of(f"{fact.wire_type}{version}"),
        type=fact.wire_type,
        stream="case-c1",
        version=version,
        key="p1",
        source="/steward/intake",
        occurred_at=at,
        recorded_at=at,
        known_at=at,
        fact=fact,
        history=history,
    )


class Sla:
    """The service's logic over a store in memory."""

    def __init__(self) -> None:
        self.clock = StillClock(RECEIVED)
        self.store = MemoryStore(self.clock)
        self.executor = Executor(
            self.store,
            self.clock,
            {
                "clocks": ClocksDecider(
                    {packs.built_in().version: only("minor-resolve")}.__getitem__
                )
            },
            source="/steward/sla",
            partition_of=partition_of,
            project=read_models.project,
        )

    async def hear(self, heard: Recorded) -> list[Recorded]:
        self.clock.instant = max(self.clock.instant, heard.known_at)
        cause = Cause(
            heard.id,
            "sla",
            known_at=heard.known_at,
            history=heard.history,
            ends_history=isinstance(heard.fact, HistoryEnded),
        )
        job = Job(cause, lambda: subscribers.on_intake(heard), heard=heard)
        return list((await self.executor.execute(job)).facts)  # type: ignore[union-attr]

    async def ring(self, until: datetime) -> None:
        self.clock.instant = until
        alarms = To("clocks-c1", "p1", Alarms(until, until))
        await self.executor.execute(Job(Cause(UUID(int=7), "ticker"), lambda: [alarms]))

    async def facts(self) -> list[Recorded]:
        return await self.store.facts_of("clocks-c1")


def names(facts: Iterable[Recorded]) -> list[str]:
    return [fact.type.removeprefix("sla.").removesuffix(".v1") for fact in facts]


async def heard_case(history: datetime | None = None) -> Sla:
    sla = Sla()
    await sla.hear(recorded(CASE, 1, RECEIVED, history=history))
    await sla.hear(recorded(MINOR, 2, RECEIVED + timedelta(minutes=5), history=history))
    return sla


def test_nothing_sealed_is_taken_over() -> None:
    [to] = subscribers.on_intake(recorded(CASE, 1, RECEIVED))
    assert isinstance(to.command, HearCaseFact)
    assert to.stream == "clocks-c1"
    assert "summary" not in to.command.fields
    assert to.command.fields["kind"] == "complaint"


def test_what_concerns_no_case_is_passed_over() -> None:
    household = HouseholdRegistered(household_id="h1", project_id="p1")
    assert not list(subscribers.on_intake(recorded(household, 1, RECEIVED)))


def test_a_parked_case_keeps_its_clocks_from_ringing() -> None:
    assert subscribers.feeds("case-c1") == "clocks-c1"
    assert subscribers.feeds("project-p1") == ""


async def test_a_complaint_rings_at_its_due_time_and_is_listed_as_breached() -> None:
    sla = await heard_case()
    assert await sla.store.next_due([partition_of("p1")]) == DUE - timedelta(hours=10)
    await sla.ring(DUE + timedelta(hours=1))
    told = [fact for fact in await sla.facts() if fact.type != "sla.case_noted.v1"]
    assert names(told) == ["clock_started", "clock_warned", "clock_breached", "escalated"]
    assert told[-2].occurred_at == DUE
    assert isinstance(told[-1].fact, Escalated)
    assert told[-1].fact.policy == packs.built_in().version
    [clock] = sla.store.rows(read_models.CLOCKS)
    assert (clock["target"], clock["rule"]) == ("minor-resolve", "RM-4.5.2c RM-4.10.1")
    assert (clock["breached_at"], clock["state"], clock["month"]) == (DUE, "running", "2026-10")
    [escalation] = sla.store.rows(read_models.ESCALATIONS)
    assert (escalation["to"], escalation["status"]) == ("cs_supervisor", "open")
    assert escalation["number"] == "P1-2026-000001"


async def test_a_handling_heard_late_takes_breach_and_escalation_off_the_lists() -> None:
    sla = await heard_case()
    await sla.ring(DUE + timedelta(hours=1))
    handled = CaseHandled(case_id="c1")
    late = recorded(handled, 3, DUE - timedelta(hours=1))
    await sla.hear(late)
    [clock] = sla.store.rows(read_models.CLOCKS)
    assert (clock["breached_at"], clock["state"], clock["outcome"]) == (None, "met", "in_time")
    [escalation] = sla.store.rows(read_models.ESCALATIONS)
    assert escalation["status"] == "withdrawn"
    assert await sla.store.next_due([partition_of("p1")]) is None


async def test_history_rings_only_when_its_next_fact_is_heard_and_says_that_it_is_history() -> None:
    end = DUE + timedelta(days=30)
    sla = await heard_case(history=end)
    assert await sla.store.next_due([partition_of("p1")]) is None
    ended = HistoryEnded(case_id="c1", until=end)
    facts = await sla.hear(recorded(ended, 3, end, history=end))
    assert names(facts) == [
        "clock_warned",
        "clock_breached",
        "escalated",
        "escalated",
        "case_noted",
    ]
    assert all(fact.history == end for fact in facts[:-1])


async def test_a_published_policy_is_kept() -> None:
    sla = Sla()
    text = packs.built_in_text()
    pack, _, version = packs.built_in().version.partition("@")
    published = PolicyPublished(
        pack=pack, version=version, text=text, sha256="0", effective_from=RECEIVED
    )
    await sla.hear(recorded(published, 1, RECEIVED))
    kept = {"version": packs.built_in().version, "text": text}
    assert sla.store.rows(read_models.POLICIES) == [kept]


def test_compliance_counts_by_target_and_month() -> None:
    line = {"month": "2026-10", "target": "minor-resolve", "rule": "RM-4.5.2c RM-4.10.1"}
    counts: list[dict[str, Any]] = [
        {**line, "status": "met", "n": 6},
        {**line, "status": "breached", "n": 2},
        {**line, "status": "running", "n": 5},
        {**line, "status": "paused", "n": 1},
    ]
    [found] = compliance(counts)
    assert found["rule"] == ["RM-4.5.2c", "RM-4.10.1"]
    assert (found["met"], found["breached"], found["running"]) == (6, 2, 6)
    assert found["rate"] == 0.75
