"""What is written down at reception, through HTTP to what everybody hears on Kafka.

These rules ask for a record; no entry of the pack carries them out, so nothing here is dropped. What
each of them owes to the code that keeps it is tried by `make mutations`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.support.rules import rule
from tests.support.system import System
from tests.support.waiting import until
from uuid_utils.compat import uuid7

from steward_events.vocabulary import ContactChannel, Kind

GROUP = f"record-{uuid7()}"
PROJECT, HOME, CLERK, COMMITTEE = (f"{GROUP}-{name}" for name in ("p", "h", "c", "committee"))
DEMAND = "本周内书面答复"
NOTHING = {"household_id": None, "summary": ""}
NOTICE = {"title": "停水通知", "issued_on": "2026-09-20", "author": CLERK}
SAID: Mapping[str, Mapping[str, Any]] = {
    **{f"kind {kind}": {"kind": kind} for kind in Kind},
    **{f"by {channel}": {"channel": channel} for channel in ContactChannel},
    "complaint without all": NOTHING,
    "consultation without place": {"kind": "consultation", "household_id": None},
    "of a document": {"document": NOTICE},
    "of the committee": {"party": "committee", "committee_id": COMMITTEE},
    "from a visit": {"channel": "visit", "visit_id": "v1"},
}
CORRECTED: Mapping[str, Mapping[str, Any]] = {
    "complaint without all": {
        "summary": "电梯停运",
        "demand": DEMAND,
        "not_given": {"contact": "declined"},
    },
    "consultation without place": {"place": "3号楼大堂"},
    "kind complaint": {"document": {"document_id": "d7", "author": CLERK}},
}

Heard = Mapping[str, Sequence[Mapping[str, Any]]]
"""By what was said, the case's facts as they are published: its reception, then corrections."""


@pytest.fixture(scope="module")
async def heard(system: System) -> Heard:
    """All of it said over HTTP, and read from the topic by anybody."""
    await system.register(
        {"type": "group", "group_id": GROUP, "name": "汇和物业"},
        {"type": "project", "project_id": PROJECT, "group_id": GROUP, "name": "翠湖苑"},
        {"type": "household", "household_id": HOME, "project_id": PROJECT},
        {"type": "staff", "person_id": CLERK, "group_id": GROUP, "name": "林姐"},
    )
    committee = {"committee_id": COMMITTEE, "project_id": PROJECT, "name": "业主委员会"}
    await system.accepted("intake", "/v1/committees", committee)
    cases: dict[str, str] = {}
    for name, said in SAID.items():
        first = {"project_id": PROJECT, "kind": "complaint", "channel": "phone"}
        body = {**first, "household_id": HOME, "summary": "电梯异响", **said}
        cases[name] = (await system.accepted("intake", "/v1/cases", body))["case_id"]
    for name, said in CORRECTED.items():
        await system.accepted("intake", f"/v1/cases/{cases[name]}/correct", said)
    wanted = ("intake.case_received.v1", "intake.case_corrected.v1")
    facts: list[Mapping[str, Any]] = []

    async def all_published() -> bool:
        facts[:] = [
            one.data
            for one in await system.published("intake")
            if one.key == PROJECT and one.type in wanted
        ]
        return len(facts) == len(SAID) + len(CORRECTED)

    await until(all_published, "what was written down is not published")
    return {
        name: [fact for fact in facts if fact["case_id"] == case_id]
        for name, case_id in cases.items()
    }


@rule("RC-2")
@pytest.mark.parametrize("kind", list(Kind))
def test_a_reception_opens_a_case_of_its_kind(heard: Heard, kind: Kind) -> None:
    assert heard[f"kind {kind}"][0]["kind"] == kind


@rule("RM-4.2ch", "HV-4.1")
def test_every_contact_tells_by_which_channel_it_came(heard: Heard) -> None:
    for channel in ContactChannel:
        [received] = heard[f"by {channel}"]
        assert (received["came_by"] or received["channel"]) == channel


@rule("RM-4.5.1a")
def test_a_complaint_says_what_its_record_lacks_until_it_is_asked_for(heard: Heard) -> None:
    received, corrected = heard["complaint without all"]
    assert received["lacks"] == ["place", "complained_of", "matter", "demand", "contact"]
    assert corrected["lacks"] == ["place", "complained_of"]
    assert DEMAND not in str(corrected)


@rule("RC-3.1")
def test_a_consultation_says_that_nobody_noted_where(heard: Heard) -> None:
    received, corrected = heard["consultation without place"]
    assert (received["lacks"], corrected["lacks"]) == (["place"], [])
    assert heard["kind consultation"][0]["lacks"] == []


@rule("FU-5.3")
def test_a_complaint_of_a_document_tells_which_and_whose_it_is(heard: Heard) -> None:
    [of_notice] = heard["of a document"]
    named = {name: of_notice["document"][name] for name in ("title", "author")}
    assert named == {"title": "停水通知", "author": CLERK}
    received, corrected = heard["kind complaint"]
    assert received["document"] is None
    assert corrected["document"]["document_id"] == "d7"


@rule("RM-4.2.9")
def test_a_case_of_the_owners_committee_names_it_as_a_party_of_its_own(heard: Heard) -> None:
    [received] = heard["of the committee"]
    assert (received["party"], received["committee_id"]) == ("committee", COMMITTEE)


@rule("CV-9.3.2d")
def test_what_was_raised_in_a_visit_names_the_visit(heard: Heard) -> None:
    [received] = heard["from a visit"]
    assert (received["channel"], received["visit_id"]) == ("visit", "v1")
