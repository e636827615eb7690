"""The example holds together: the same each time, and nothing in it is refused by the rules."""

from collections import Counter
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from steward_events.intake import CaseReceived, ExtensionNoted
from steward_events.sealed import Sealed
from steward_events.vocabulary import External, Role
from steward_intake.application.actions import ACTIONS, Record, Speaking
from steward_intake.application.desk import external_case_id
from steward_intake.application.registration import AnyRegistration, Registration
from steward_intake.application.words import Reception
from steward_intake.domain.approval import Approver
from steward_intake.domain.case import decide
from steward_intake.domain.commands import CaseCommand, ReceiveCase
from steward_intake.domain.evolving import evolve
from steward_intake.domain.sayings import Say
from steward_intake.domain.story import Case, Nothing, Origin
from steward_policy import packs
from steward_policy.case_rules import CaseRules
from steward_policy.catalogue import RULES
from steward_policy.classification import suggest
from steward_stack.example import example
from steward_stack.example.fortnight import (
    BOUNDARY,
    END,
    OLDEST,
    PROJECTS,
    SOURCE,
    START,
    Fortnight,
)
from steward_stack.example.seldom import seldom
from steward_stack.scenario import Asked, Decided, Happened, Received


@cache
def fortnight() -> Fortnight:
    return Fortnight()


async def seal(field: str, text: str) -> Sealed | None:
    return Sealed(subject="case-c", field=field, value_id="1", box="AA==") if text else None


async def rules() -> CaseRules:
    """Give what the built-in pack allows."""
    return packs.built_in().cases


async def approver(person_id: str | None) -> Approver | None:
    """Give somebody with the roles that the example has them hold."""
    held = {
        Role(line["role"])
        for line in fortnight().registers
        if line["type"] == "role" and line["person_id"] == person_id
    }
    return Approver(person_id, frozenset(held)) if person_id else None


def received(said: Reception, case_id: str, at: datetime) -> ReceiveCase:
    return ReceiveCase(
        at,
        CaseReceived(
            case_id=case_id,
            number="1",
            project_id=said.project_id,
            zone="Asia/Shanghai",
            policy="residential-cn@2026.1",
            kind=said.kind,
            harm_ongoing=said.harm_ongoing,
        ),
    )


def test_the_same_seed_gives_the_same_example_and_another_seed_another() -> None:
    again, other = Fortnight(), Fortnight(7)
    assert list(again.history()) == list(fortnight().history())
    assert list(again.live()) == list(fortnight().live())
    assert list(other.history()) != list(fortnight().history())


def test_there_are_six_projects_with_600_households_and_every_role_has_its_holder() -> None:
    lines: list[Registration] = [
        TypeAdapter[Registration](AnyRegistration).validate_python(line)
        for line in fortnight().registers
    ]
    counts = Counter(type(line).__name__ for line in lines)
    assert counts["Project"] == len(PROJECTS) == 6
    assert counts["Household"] == counts["Person"] == 600
    roles = Counter(
        (line["project_id"], line["role"])
        for line in fortnight().registers
        if line["type"] == "role"
    )
    assert len(roles) == 6 * 6


def test_a_day_brings_the_ordinary_number_of_cases_in_the_ordinary_mix() -> None:
    receptions = [
        (record["facts"][0]["occurred_at"][:10], record["facts"][0]["kind"])
        for record in fortnight().history()
        if record["id"].startswith("E-")
    ]
    by_day = Counter(day for day, _ in receptions)
    assert len(by_day) == 12
    assert all(20 <= count <= 42 for count in by_day.values())
    kinds = Counter(kind for _, kind in receptions)
    share = {kind: count / len(receptions) for kind, count in kinds.items()}
    assert 0.38 < share["service_request"] < 0.52
    assert 0.19 < share["complaint"] < 0.31
    severities = Counter(
        fact["severity"]
        for record in fortnight().history()
        for fact in record["facts"]
        if "severity" in fact
    )
    assert severities["minor"] > severities["important"] > severities["major"] > 0


async def test_nothing_in_the_example_is_refused() -> None:
    states: dict[str, Case] = {}

    def do(case_id: str, command: CaseCommand) -> None:
        state = states.get(case_id, Nothing())
        for fact in decide(command, state):
            state = evolve(state, fact)
        states[case_id] = state

    async def say(case_id: str, said: object, at: datetime, by: Origin) -> None:
        if isinstance(said, Reception):
            do(case_id, received(said, case_id, at))
        else:
            assert hasattr(said, "command")
            speaking = Speaking(at, by, f"{case_id}-{at.timestamp()}", seal, approver, rules, at)
            do(case_id, await said.command(speaking))

    for line in fortnight().history():
        record = Record.model_validate(line)
        case_id = case_of(record)
        times = [said.occurred_at for said in record.facts]
        assert times == sorted(times, key=lambda at: at or START)
        for said in record.facts:
            assert said.occurred_at is not None
            assert (OLDEST if record.id.startswith("A-") else START) <= said.occurred_at < BOUNDARY
            await say(case_id, said, said.occurred_at, "history")
    for step in fortnight().live():
        assert BOUNDARY <= step.at < END
        case_id = external_case_id(External(source=SOURCE, subject=step.ref))
        if isinstance(step, Received):
            case_id = step.ref
            await say(case_id, Reception.model_validate(step.body), step.at, "steward")
            continue
        case_id = case_id if case_id in states else step.ref
        if isinstance(step, Decided) and step.approved:
            more: dict[str, Any] = {
                "extension_id": step.clock,
                "until": END,
                "approved_by": step.person_id,
            }
            do(case_id, Say(step.at, ExtensionNoted(case_id=case_id, **more), "external"))
        if not isinstance(step, Happened):
            continue  # more time is sla's matter
        await say(case_id, ACTIONS[step.action].model_validate(step.body), step.at, "steward")


def test_the_live_days_have_every_kind_of_write() -> None:
    steps = list(fortnight().live())
    actions = Counter(step.action for step in steps if isinstance(step, Happened))
    assert {"assign", "classify", "accept", "handle", "tell-result", "close"} <= set(actions)
    decided = {step.approved for step in steps if isinstance(step, Decided)}
    assert decided == {True, False}
    assert sum(isinstance(step, Asked) for step in steps) > len(decided)  # one is left undecided
    assert 50 <= sum(isinstance(step, Received) for step in steps) <= 84
    imported = {record["id"] for record in fortnight().history()}
    went_on = {step.ref for step in steps if isinstance(step, Happened)} & imported
    assert len(went_on) > 20


def test_what_is_seldom_is_suggested_as_it_is_decided_and_shows_every_rule_of_the_table() -> None:
    plain = {"kind": "complaint", "party": "household", "injury": False, "harm_ongoing": False}
    shown: set[str] = set()
    for each in seldom("v1", "s1", "s2"):
        chased = sum(what == "case_chased" for _, what, _ in each.meanwhile)
        known = {"topic": each.topic, "earlier_mentions": chased, "duty_unmet": True}
        found = suggest(packs.built_in().classification, plain | known | dict(each.said))
        decided = {name: found.found.get(name) for name in ("validity", "ground", "severity")}
        assert decided == {name: each.found.get(name) for name in decided}, each.summary
        shown |= {rule for row in found.held if row.id in found.taken for rule in row.rule}
    asked = {
        rule.id for rule in RULES if rule.kind == "class" and "RM-4.3.1" <= rule.id < "RM-4.4.4"
    }
    assert asked <= shown


def test_some_complaints_have_been_open_since_august_and_others_were_handled_after_a_month() -> (
    None
):
    old = [record for record in fortnight().history() if record["id"].startswith("A-")]
    assert len(old) == 7
    handled = {
        record["id"]
        for record in old
        if any(fact["type"] == "case_handled" for fact in record["facts"])
    }
    assert len(handled) == 3


def test_the_play_begins_where_history_ends() -> None:
    play = example()
    assert play.begins == BOUNDARY
    assert {record["history_until"] for record in play.history} == {BOUNDARY.isoformat()}


def case_of(record: Record) -> str:
    return external_case_id(record.external)
