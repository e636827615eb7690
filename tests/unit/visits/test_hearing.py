"""What visits does about what it hears of intake."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from tests.support.rules import rule

from steward_decider import Command
from steward_events.fact import Fact
from steward_events.intake import (
    CaseAbsorbed,
    CaseClassified,
    CaseMerged,
    CaseMovedOut,
    CaseReceived,
    CaseRefused,
    CaseWithdrawn,
    SeverityRaised,
)
from steward_events.recorded import Recorded
from steward_events.registry import ProjectRegistered, RoleAssigned, RoleEnded
from steward_events.vocabulary import Kind, Role, Severity, WorkCategory
from steward_visits.api.subscribers import feeds, on_intake
from steward_visits.domain.followups import NoteCase, NoteClassification, NoteEnd, NoteSeverity
from steward_visits.domain.ledger import NoteProject, NoteRole

AT = datetime(2026, 10, 12, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
KNOWN = AT + timedelta(days=40)


def heard(fact: Fact, known_at: datetime = AT) -> tuple[str, Command]:
    place = ("s-1", 1, "p1", "/steward/intake", AT, known_at, known_at)
    [to] = on_intake(Recorded(UUID(int=1), fact.wire_type, *place, fact))
    assert to.key == "p1"
    return to.stream, to.command


def test_a_case_is_noted_with_its_number_and_what_rules_may_ask_for() -> None:
    received = CaseReceived(
        case_id="c1",
        number="P1-7",
        project_id="p1",
        zone="Asia/Shanghai",
        policy="residential-cn@1",
        kind=Kind.COMPLAINT,
    )
    stream, command = heard(received)
    assert stream == "followups-c1"
    assert isinstance(command, NoteCase)
    assert (command.number, command.fields["kind"]) == ("P1-7", "complaint")
    said = CaseClassified(case_id="c1", work_category=WorkCategory.CONCEALED, rework_of="c0")
    _, classified = heard(said)
    assert isinstance(classified, NoteClassification)
    assert classified.fields == {
        "urgency": "ordinary",
        "work_category": "concealed",
        "rework_of": "c0",
    }


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        (CaseRefused(case_id="c1"), "refused"),
        (CaseWithdrawn(case_id="c1", how="phone"), "withdrawn"),
        (CaseMerged(case_id="c1", into="c2"), "merged"),
        (CaseMovedOut(case_id="c1", to_project="p2", to_case="c2"), "moved_out"),
    ],
)
def test_a_case_that_goes_on_no_further_is_noted_with_its_reason(fact: Fact, reason: str) -> None:
    assert heard(fact) == ("followups-c1", NoteEnd(AT, reason))


@rule("FU-4.1.2.2a")
@pytest.mark.parametrize(
    "fact",
    [
        SeverityRaised(case_id="c1", severity=Severity.MAJOR),
        CaseAbsorbed(case_id="c1", merged="c2", received_at=AT, severity=Severity.MAJOR),
    ],
)
def test_what_makes_a_case_weightier_is_noted(fact: Fact) -> None:
    assert heard(fact) == ("followups-c1", NoteSeverity(AT, "major"))


@rule("CV-9.1a", "CV-9.1b", "CV-9.1c")
def test_nobody_owes_visits_for_a_time_in_which_steward_did_not_know_of_the_role() -> None:
    role: dict[str, Any] = {"project_id": "p1", "role": Role.FRONTLINE, "person_id": "a"}
    told = heard(RoleAssigned(**role), known_at=KNOWN)
    assert told == ("ledger-p1", NoteRole(KNOWN, "p1", Role.FRONTLINE, "a", held=True))
    told = heard(RoleEnded(**role))
    assert told == ("ledger-p1", NoteRole(AT, "p1", Role.FRONTLINE, "a", held=False))


def test_a_project_without_a_pack_follows_the_built_in_one() -> None:
    fact = ProjectRegistered(project_id="p1", group_id="g1", name="P", zone="Asia/Shanghai")
    noted = NoteProject(AT, "p1", "Asia/Shanghai", "g1", "residential-cn")
    assert heard(fact) == ("ledger-p1", noted)


@pytest.mark.parametrize(
    ("source", "derived"),
    [
        ("case-c-1", "followups-c-1"),
        ("roles-p-1", "ledger-p-1"),
        ("project-p-1", "ledger-p-1"),
        ("household-h1", ""),
    ],
)
def test_alarms_wait_while_what_they_follow_from_is_parked(source: str, derived: str) -> None:
    assert feeds(source) == derived
