"""What the desk writes down and what it does not take, by HTTP, and what comes of it.

These rules no entry of the pack carries out, so nothing here is dropped: that each of them depends on
the code that keeps it, `make mutations` shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.rules import rule
from tests.support.system import System
from tests.support.waiting import until
from uuid_utils.compat import uuid7

from steward_events.vocabulary import ContactChannel, Kind

GROUP = f"record-{uuid7()}"
PROJECT, HOME, CLERK, COMMITTEE = (f"{GROUP}-{name}" for name in ("p", "h", "c", "committee"))
HANDLER, SUPERVISOR = (f"{GROUP}-{name}" for name in ("handler", "supervisor"))
ROLES = {CLERK: "frontline", HANDLER: "cs_supervisor", SUPERVISOR: "cs_supervisor"}
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
    "from a visit": {"channel": "visit"},
    "handled": {},
    "refused": {},
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
BEGUN = {
    Kind.COMPLAINT: {"triage"},
    Kind.CONSULTATION: {"consultation-answered"},
    Kind.SERVICE_REQUEST: {"request-confirmed", "request-appointment", "request-done"},
    Kind.SUGGESTION: {"suggestion-acknowledged", "suggestion-progress"},
}
"""The clocks of which each kind of case has its own."""


@dataclass(frozen=True)
class Record:
    """What was said at the desk, and how it is found again."""

    system: System
    visit: str
    """The visit in which one of the cases was raised."""
    cases: Mapping[str, str]
    """By what was said, the case's ID."""
    incomplete: frozenset[str]
    """What was listed as incomplete before it was corrected."""
    heard: Mapping[str, Sequence[Mapping[str, Any]]]
    """The case's facts as they are published: its reception, then corrections."""

    async def listed(self, **asked: str) -> set[str]:
        """Name what was said in the cases that are listed."""
        return set(await listed(self.system, self.cases, **asked))

    async def published(self, name: str, fact: str) -> list[Mapping[str, Any]]:
        """Give a case's facts of a name, as the topic has them."""
        return [
            one.data
            for one in await self.system.published("intake")
            if one.type == f"intake.{fact}.v1" and one.data["case_id"] == self.cases[name]
        ]

    async def clocks(self, name: str) -> dict[str, str]:
        """Give how each clock of a case has ended; nothing of those that run."""
        page = await self.system.get("sla", "/v1/clocks", project_id=PROJECT, limit="500")
        theirs = (one for one in page["items"] if one["case_id"] == self.cases[name])
        return {one["target"]: one["outcome"] for one in theirs}

    async def say(self, name: str, action: str, **body: Any) -> None:
        """Say of a case what must be accepted."""
        await self.system.accepted("intake", f"/v1/cases/{self.cases[name]}/{action}", body)

    async def refusal(self, name: str, action: str, **body: Any) -> str:
        """Say of a case what must be refused, and give the rule by which it is."""
        answer = await self.system.post("intake", f"/v1/cases/{self.cases[name]}/{action}", body)
        assert answer.status_code == 409, answer.text
        return str(answer.json()["rule"])


async def listed(system: System, cases: Mapping[str, str], **asked: str) -> list[str]:
    said = {case_id: name for name, case_id in cases.items()}
    page = await system.get("intake", "/v1/cases", project_id=PROJECT, limit="500", **asked)
    return [said[case["case_id"]] for case in page["items"]]


@pytest.fixture(scope="module")
async def record(system: System) -> Record:
    """All of it said over HTTP, and read from the topic by anybody."""
    await system.register(
        {"type": "group", "group_id": GROUP, "name": "汇和物业"},
        {"type": "project", "project_id": PROJECT, "group_id": GROUP, "name": "翠湖苑"},
        {"type": "household", "household_id": HOME, "project_id": PROJECT},
        *(
            {"type": "staff", "person_id": person, "group_id": GROUP, "name": "林姐"}
            for person in ROLES
        ),
        *(
            {"type": "role", "project_id": PROJECT, "role": role, "person_id": person}
            for person, role in ROLES.items()
        ),
    )
    committee = {"committee_id": COMMITTEE, "project_id": PROJECT, "name": "业主委员会"}
    await system.accepted("intake", "/v1/committees", committee)
    visit = await visited(system)
    cases: dict[str, str] = {}
    for name, said in {**SAID, "from a visit": {"channel": "visit", "visit_id": visit}}.items():
        first = {"project_id": PROJECT, "kind": "complaint", "channel": "phone"}
        body = {**first, "household_id": HOME, "summary": "电梯异响", **said}
        cases[name] = (await system.accepted("intake", "/v1/cases", body))["case_id"]
    incomplete = frozenset(await listed(system, cases, incomplete="true"))
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
    heard = {
        name: [fact for fact in facts if fact["case_id"] == case_id]
        for name, case_id in cases.items()
    }
    return Record(system, visit, cases, incomplete, heard)


async def visited(system: System) -> str:
    """Visit the household, as soon as visits has heard of it and of who works there."""
    said = {"household_id": HOME, "person_id": CLERK, "mode": "on_site"}
    visits: list[str] = []

    async def is_known() -> bool:
        answer = await system.post("visits", "/v1/visits", said)
        if answer.status_code == 201:
            visits.append(answer.json()["visit_id"])
        return bool(visits)

    await until(is_known, "the household is not known to visits")
    return visits[0]


@rule("RC-2")
@pytest.mark.parametrize("kind", list(Kind))
async def test_a_reception_opens_a_case_of_its_kind(record: Record, kind: Kind) -> None:
    name = f"kind {kind}"
    assert record.heard[name][0]["kind"] == kind
    assert name in await record.listed(kind=kind, status="open")

    async def begun() -> bool:
        return (await record.clocks(name)).keys() == BEGUN[kind]

    await until(begun, f"the clocks of a {kind} did not begin")


@rule("RM-4.2ch", "HV-4.1")
async def test_every_contact_is_found_by_the_channel_by_which_it_came(record: Record) -> None:
    for channel in ContactChannel:
        [received, *_] = record.heard[f"by {channel}"]
        assert (received["came_by"] or received["channel"]) == channel
        came = {name for name, said in SAID.items() if said.get("channel", "phone") == channel}
        assert await record.listed(channel=channel) == came


@rule("RM-4.5.1a")
async def test_a_complaint_is_listed_as_incomplete_until_all_was_asked_for(record: Record) -> None:
    name = "complaint without all"
    received, corrected = record.heard[name]
    assert received["lacks"] == ["place", "complained_of", "matter", "demand", "contact"]
    assert corrected["lacks"] == ["place", "complained_of"]
    assert DEMAND not in str(corrected)
    assert name in record.incomplete & await record.listed(incomplete="true")
    await record.say(name, "correct", complained_of="工程部", not_given={"place": "unknown"})
    assert name not in await record.listed(incomplete="true")


@rule("RC-3.1")
async def test_a_consultation_is_listed_as_incomplete_until_it_says_where(record: Record) -> None:
    name = "consultation without place"
    received, corrected = record.heard[name]
    assert (received["lacks"], corrected["lacks"]) == (["place"], [])
    assert name in record.incomplete
    assert "kind consultation" not in record.incomplete
    assert name not in await record.listed(incomplete="true")


@rule("FU-5.3")
async def test_what_is_complained_of_a_document_is_listed_with_it_and_with_its_author(
    record: Record,
) -> None:
    [of_notice] = record.heard["of a document"]
    named = {name: of_notice["document"][name] for name in ("title", "author")}
    assert named == {"title": "停水通知", "author": CLERK}
    assert await record.listed(document="停水通知") == {"of a document"}
    assert await record.listed(document="d7") == {"kind complaint"}
    assert await record.listed(document_author=CLERK) == {"of a document", "kind complaint"}


@rule("RM-4.2.9")
async def test_the_owners_committee_is_a_party_of_its_own(record: Record) -> None:
    [received] = record.heard["of the committee"]
    assert (received["party"], received["committee_id"]) == ("committee", COMMITTEE)
    assert await record.listed(committee_id=COMMITTEE) == {"of the committee"}
    assert await record.listed(party="committee") == {"of the committee"}


@rule("CV-9.3.2d")
async def test_what_was_raised_in_a_visit_is_a_case_that_is_listed_with_it(record: Record) -> None:
    [received] = record.heard["from a visit"]
    assert (received["channel"], received["visit_id"]) == ("visit", record.visit)
    assert await record.listed(visit_id=record.visit) == {"from a visit"}


@rule("RM-4.6.1")
async def test_a_valid_complaint_is_handled_with_both_measures_or_its_clock_runs_on(
    record: Record,
) -> None:
    await record.say("handled", "classify", validity="valid", severity="minor")
    both = {"corrective": "更换门机", "preventive": "每季检查门机"}
    for measures in ({}, *({name: words} for name, words in both.items())):
        assert await record.refusal("handled", "handle", **measures) == "RM-4.6.1"
    assert await record.listed(status="handled") == set()
    await record.say("handled", "handle", **both)

    async def met() -> bool:
        return (await record.clocks("handled")).get("minor-resolve") == "in_time"

    await until(met, "its clock is not met")
    assert await record.listed(status="handled") == {"handled"}
    [handled] = await record.published("handled", "case_handled")
    assert {handled[name]["field"] for name in both} == set(both)


@rule("RM-4.8")
async def test_a_refusal_is_approved_by_a_supervisor_who_had_no_hand_in_the_case(
    record: Record,
) -> None:
    await record.say("refused", "classify", validity="excessive", ground="a")
    await record.say("refused", "start-work", person_id=HANDLER)
    refusal = {"reason": "原设计没有的设施", "person_id": CLERK}
    assert await record.refusal("refused", "refuse", **refusal) == "RM-4.8"
    for nobody in (CLERK, HANDLER):
        said = {**refusal, "approved_by": nobody}
        assert await record.refusal("refused", "refuse", **said) == "RM-4.8"
    by_supervisor = {**refusal, "person_id": SUPERVISOR}
    by_clerk = {**by_supervisor, "approved_by": CLERK}
    assert await record.refusal("refused", "refuse", **by_clerk) == "RM-4.8"
    assert await record.listed(status="refused") == set()
    await record.say("refused", "refuse", **refusal, approved_by=SUPERVISOR)
    assert await record.listed(status="refused") == {"refused"}
    told: list[Mapping[str, Any]] = []

    async def is_published() -> bool:
        told[:] = await record.published("refused", "case_refused")
        return bool(told)

    await until(is_published, "the refusal is not published")
    [refused] = told
    assert (refused["person_id"], refused["approved_by"]) == (CLERK, SUPERVISOR)
