"""What the auditor concludes from what it heard."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table

from steward_audit.adapters import read_models
from steward_audit.application.ports import Counters, Row, Timers
from steward_audit.application.summary import by_rule, summary, unpublished, without_timer
from steward_events.fact import Fact
from steward_events.intake import CaseClassified, CaseHandled, CaseReceived, HistoryEnded
from steward_events.notify import MessageFailed, MessageRequested, MessageSent
from steward_events.recorded import Recorded
from steward_events.sla import BreachWithdrawn, ClockBreached, ClockStarted, Escalated
from steward_events.vocabulary import Channel, IssuedDocument, Kind, Role, Suggested
from steward_eventstore.execute import Cause, Executor, Job
from steward_eventstore.memory import MemoryStore
from steward_policy import packs
from steward_stack.rulebook import places

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 10, 2, tzinfo=UTC)
CLOCK: dict[str, Any] = {
    "case_id": "c1",
    "project_id": "p1",
    "clock": "minor-resolve#1",
    "target": "minor-resolve",
    "rule": ("RM-4.5.2c", "RM-4.10.1"),
}
RECEIVED = CaseReceived(
    case_id="c1",
    number="1",
    project_id="p1",
    zone="Asia/Shanghai",
    policy=packs.built_in().version,
    kind=Kind.COMPLAINT,
)
STARTED = ClockStarted(**CLOCK, started_at=NOW, due_at=NOW, policy=packs.built_in().version)
BREACHED = ClockBreached(**CLOCK, due_at=NOW, breached_at=NOW, number=1)
ESCALATED = Escalated(
    **CLOCK, escalation_id="e1", breach=1, step=0, to=Role.CS_SUPERVISOR, due_at=NOW
)


class Standing:
    """The time does not pass."""

    def now(self) -> datetime:
        return NOW


async def remembered(table: Table, *facts: Fact, history: datetime | None = None) -> list[Row]:
    """What a table holds after these facts were heard."""
    store, clock = MemoryStore(Standing()), Standing()
    executor = Executor(
        store, clock, {}, source="audit", partition_of=lambda _: 0, project=read_models.project
    )
    for number, fact in enumerate(facts, 1):
        owner = fact.wire_type.partition(".")[0]
        heard = Recorded(
            UUID(int=number),
            fact.wire_type,
            "clocks-c1",
            number,
            "p1",
            f"/steward/{owner}",
            NOW,
            NOW,
            NOW,
            fact,
            history=history,
        )
        await executor.execute(Job(Cause(heard.id, "audit"), tuple, heard=heard))
    return [dict(row) for row in store.rows(table)]


async def test_a_case_is_remembered_as_it_stands() -> None:
    [row] = await remembered(read_models.CASES, RECEIVED, CaseHandled(case_id="c1"))
    assert (row["kind"], row["status"], row["live"]) == ("complaint", "handled", True)


async def test_a_case_of_history_is_live_from_its_end_on() -> None:
    [row] = await remembered(read_models.CASES, RECEIVED, history=NOW)
    assert not row["live"]
    ended = HistoryEnded(case_id="c1", until=NOW)
    [row] = await remembered(read_models.CASES, RECEIVED, ended, history=NOW)
    assert row["live"]


async def test_every_fact_is_counted_by_service_and_type() -> None:
    rows = await remembered(read_models.HEARD, RECEIVED, STARTED, BREACHED)
    assert [(row["service"], row["type"], row["facts"]) for row in rows] == [
        ("intake", "intake.case_received.v1", 1),
        ("sla", "sla.clock_breached.v1", 1),
        ("sla", "sla.clock_started.v1", 1),
    ]


async def test_facts_are_counted_by_the_rules_that_they_carry() -> None:
    rows = await remembered(read_models.RULES, STARTED, BREACHED)
    assert {row["rule"]: row["facts"] for row in rows} == {"RM-4.5.2c": 2, "RM-4.10.1": 2}


RECEPTION = {"RC-2", "RM-4.2ch", "HV-4.1", "RM-4.5.1a"}
"""What every reception of a complaint carries out."""


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        ({}, RECEPTION),
        ({"kind": Kind.CONSULTATION}, RECEPTION - {"RM-4.5.1a"} | {"RC-3.1"}),
        ({"channel": Channel.HOTLINE}, RECEPTION | {"RM-3.5"}),
        ({"channel": Channel.LETTER}, RECEPTION | {"RM-4.7"}),
        ({"committee_id": "c"}, RECEPTION | {"RM-4.2.9"}),
        ({"visit_id": "v"}, RECEPTION | {"CV-9.3.2d"}),
        ({"followup_id": "f"}, RECEPTION | {"FU-4.1.3"}),
        ({"document": IssuedDocument(title="通知", author="a")}, RECEPTION | {"FU-5.3"}),
    ],
)
async def test_a_reception_counts_for_the_rules_of_which_it_is(
    said: Mapping[str, Any], rules: set[str]
) -> None:
    rows = await remembered(read_models.RULES, RECEIVED.model_copy(update=said))
    assert {row["rule"] for row in rows} == rules


async def test_a_class_counts_for_the_rules_by_which_it_was_suggested() -> None:
    suggested = Suggested(policy="p@1", rows=("major-injury",), rule=("RM-4.4.1b",))
    rows = await remembered(read_models.RULES, CaseClassified(case_id="c1", suggested=suggested))
    assert {row["rule"] for row in rows} == {"RM-3.4", "RC-4.2", "RM-4.4.1b"}


async def test_what_is_one_of_several_rules_counts_for_that_one() -> None:
    message = MessageRequested(
        message_id="m1",
        channel="sms",
        project_id="p1",
        template="escalation",
        rule=("RM-4.9",),
    )
    rows = await remembered(read_models.RULES, message)
    assert {row["rule"] for row in rows} == {"RM-4.9"}


async def test_extensions_quotas_and_what_was_imported_are_counted_by_their_facts() -> None:
    heard = {
        "sla": {"sla.extension_requested.v1": 3, "sla.extension_approved.v1": 2},
        "visits": {"visits.quota_missed.v1": 4},
    }
    history = {"intake.case_received.v1": 5, "intake.case_closed.v1": 4, "sla.clock_met.v1": 9}
    kept = Kept(heard=heard, history=history, rules={"RM-4.9": 1})
    found = await summary(kept, Asked(set()), rules_of, NOW)
    assert found["extensions"] == {"requested": 3, "approved": 2, "refused": 0}
    assert found["quotas"] == {"reached": 0, "missed": 4}
    assert found["imported"] == {"cases": 5, "facts": 9}
    assert {rule: n for rule, n in found["rules"].items() if n} == {"RM-4.9": 1}
    assert found["rules"]["RM-4.5.2c"] == 0
    placed = {place.rule.id for place in places(ROOT) if place.state == "carried out"}
    assert placed <= found["rules"].keys()


async def test_a_breach_knows_its_escalation_and_its_withdrawal() -> None:
    [row] = await remembered(read_models.BREACHES, BREACHED, ESCALATED)
    assert (row["breached"], row["escalated"], row["withdrawn"]) == (True, True, False)
    [row] = await remembered(read_models.BREACHES, BREACHED, BreachWithdrawn(**CLOCK, number=1))
    assert (row["escalated"], row["withdrawn"]) == (False, True)


@pytest.mark.parametrize("order", [1, -1])
async def test_an_escalation_knows_its_messages_in_whichever_order_they_are_heard(
    order: int,
) -> None:
    facts: list[Fact] = [
        ESCALATED,
        *(
            MessageRequested(
                message_id=f"m-{channel}",
                channel=channel,
                project_id="p1",
                template="escalation",
                escalation_id="e1",
            )
            for channel in ("sms", "email")
        ),
    ]
    [row] = await remembered(read_models.ESCALATIONS, *facts[::order])
    assert (row["raised"], row["sms"], row["email"]) == (True, True, True)


async def test_a_message_knows_when_its_last_fact_was_stored() -> None:
    named: dict[str, Any] = {"message_id": "m1", "channel": "sms"}
    [row] = await remembered(read_models.MESSAGES, MessageSent(**named, attempt=1, provider_id="b"))
    assert row["changed_at"] == NOW


async def test_a_message_that_is_tried_again_is_owed_still() -> None:
    named: dict[str, Any] = {"message_id": "m1", "channel": "sms"}
    later = MessageFailed(**named, attempt=1, code="x", again_at=NOW + timedelta(seconds=5))
    [row] = await remembered(read_models.MESSAGES, later)
    assert row["status"] == "owed"
    [row] = await remembered(
        read_models.MESSAGES, later, MessageSent(**named, attempt=2, provider_id="b")
    )
    assert row["status"] == "sent"


def test_a_clock_of_two_rules_counts_for_both_and_a_breach_outlives_its_clock() -> None:
    rows = [
        {"rule": "A B", "status": "met", "outcome": "in_time", "breached": False, "n": 3},
        {"rule": "A", "status": "met", "outcome": "with_approval", "breached": False, "n": 2},
        {"rule": "A", "status": "met", "outcome": "breached", "breached": True, "n": 1},
        {"rule": "A", "status": "running", "outcome": "", "breached": True, "n": 1},
        {"rule": "B", "status": "paused", "outcome": "", "breached": False, "n": 4},
    ]
    a, b = by_rule(rows)
    assert a == {
        "rule": "A", "met": 3, "approved": 2, "breached": 2, "running": 0, "cancelled": 0
    }  # fmt: skip
    assert (b["rule"], b["met"], b["running"]) == ("B", 3, 4)


@pytest.mark.parametrize(
    ("stored", "heard", "missing"),
    [
        ({"a": 2}, {"a": 2}, 0),
        ({"a": 3}, {"a": 2}, 1),
        ({"a": 2}, {"a": 3}, 1),
        ({"a": 1, "b": 1}, {}, 2),
    ],
)
def test_what_was_stored_must_have_been_heard_once(
    stored: dict[str, int], heard: dict[str, int], missing: int
) -> None:
    assert unpublished({"sla": Counters(stored, 0)}, {"sla": heard}) == missing


class Kept:
    """Figures as they might have been heard."""

    def __init__(self, **said: Any) -> None:
        self.said = said

    def __getattr__(self, name: str) -> Any:
        async def answer(*_: object) -> Any:
            return self.said.get(name, 0 if name == "messages_without_outcome" else [])

        return answer

    async def running(self, after: str, upto: str | None) -> Mapping[tuple[str, str], str]:
        running: Mapping[tuple[str, str], str] = self.said.get("running", {})
        return {
            clock: stream
            for clock, stream in running.items()
            if after < stream and (upto is None or stream <= upto)
        }

    async def heard(self) -> Mapping[str, Mapping[str, int]]:
        more: dict[str, Mapping[str, int]] = self.said.get("heard", {})
        return {"sla": {"sla.clock_started.v1": 1}} | more

    async def history(self) -> Mapping[str, int]:
        history: Mapping[str, int] = self.said.get("history", {})
        return history

    async def rules(self) -> Mapping[str, int]:
        rules: Mapping[str, int] = self.said.get("rules", {})
        return rules


class Asked:
    """Services that stored what was heard."""

    def __init__(self, timers: set[str], page: int = 100) -> None:
        self._timers = timers
        self._page = page

    async def counters(self) -> Mapping[str, Counters]:
        return {"sla": Counters({"sla.clock_started.v1": 1}, 0)}

    async def timers(self, _service: str, after: str) -> Timers:
        page = sorted(name for name in self._timers if name > after)[: self._page]
        return Timers(frozenset(page), page[-1] if len(page) == self._page else None)


ESCALATIONS = {"role": "frontline", "withdrawn": False, "silent": False, "untold": False, "n": 1}
CLOCKS_OF_TWO = {(case, "minor-resolve#1"): f"clocks-{case}" for case in ("c1", "c2")}


def rules_of(version: str) -> packs.Rules:
    return {packs.built_in().version: packs.built_in()}[version]


async def test_all_is_well_when_every_promise_was_kept() -> None:
    found = await summary(
        Kept(running={("c1", "minor-resolve#1"): "clocks-c1"}), Asked({"clocks-c1"}), rules_of, NOW
    )
    assert found["audit"]["agree"] is True
    assert found["events"] == {"steward.sla": 1}


async def test_escalations_of_history_are_told_apart_since_nobody_was_told() -> None:
    [row] = await remembered(read_models.ESCALATIONS, ESCALATED, history=NOW)
    assert row["history"]
    rows = [ESCALATIONS, ESCALATIONS | {"silent": True, "n": 5}]
    found = await summary(Kept(escalations=rows), Asked(set()), rules_of, NOW)
    assert found["escalations"] == {
        "total": 6, "withdrawn": 0, "silent": 5, "to": {"frontline": 6}
    }  # fmt: skip


@pytest.mark.parametrize("page", [1, 2, 3, 9])
async def test_a_clock_without_alarm_is_found_wherever_it_stands_among_the_pages(page: int) -> None:
    names = [f"c{n}" for n in range(1, 7)]
    running = {(name, "minor-resolve#1"): f"clocks-{name}" for name in names}
    for lost in names:
        timers = {*running.values(), "clocks-c0", "clocks-c35"} - {f"clocks-{lost}"}
        found = await without_timer(Kept(running=running), Asked(timers, page))
        assert found == {(lost, "minor-resolve#1")}
    assert await without_timer(Kept(running=running), Asked(set(), page)) == running.keys()


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("clocks_without_timer", {"running": CLOCKS_OF_TWO}),
        (
            "breaches_without_escalation",
            {"unescalated": [{"policy": "elsewhere@1", "target": "t", "n": 1}]},
        ),
        (
            "escalations_without_message",
            {"escalations": [ESCALATIONS | {"untold": True}]},
        ),
        ("messages_without_outcome", {"messages_without_outcome": 1}),
    ],
)
async def test_a_promise_that_was_not_kept_is_counted(check: str, said: dict[str, Any]) -> None:
    found = await summary(Kept(**said), Asked({"clocks-c1"}), rules_of, NOW)
    assert found["audit"][check] == 1
    assert found["audit"]["agree"] is False
