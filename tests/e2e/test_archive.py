"""What became of a case is told by every service, and found again; many cases on one cause are one."""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from rich.progress import Progress
from tests.e2e.test_owner_is_told import at_noon
from tests.support.rules import rule
from tests.support.system import OWNERS, System
from uuid_utils.compat import uuid7

from steward_stack.door import Door
from steward_stack.story import SERVICES, story_of
from steward_stack.verifying import verify

OWN = uuid7().hex[-8:]
PROJECT = f"archive-{OWN}"
HOMES = {f"{PROJECT}-h{number}": f"1390000670{number}" for number in range(1, 5)}
IDS = list(HOMES)
SIGNS = f"{PROJECT}-manager"
REACHED = {"phone": "13900006700", "email": "zhou.min@example.cn"}


@pytest.fixture(scope="module")
async def estate(system: System) -> System:
    """A project with a household for each telephone."""
    group, who = f"archive-g-{OWN}", {"person_id": SIGNS}
    project = {"project_id": PROJECT, "group_id": group, "name": "望江苑", "zone": at_noon()}
    await system.register(
        {"type": "group", "group_id": group, "name": "汇和物业"},
        {"type": "project", **project},
        {**who, "type": "staff", "group_id": group, "name": "周敏", **REACHED},
        # Of a project without one, what is owed to a role waits for minutes, and all that rests with it.
        {**who, "type": "role", "project_id": PROJECT, "role": "cs_supervisor"},
        *({"type": "household", "household_id": home, "project_id": PROJECT} for home in HOMES),
        *(
            {"type": "person", "person_id": f"{home}-p", "household_id": home, "phone": phone}
            for home, phone in HOMES.items()
        ),
    )
    return system


@pytest.fixture
async def door(estate: System) -> AsyncIterator[Door]:
    """The way by which the command asks."""
    opened = Door(estate.stack.endpoints.services, estate.stack.settings.admin_key)
    yield opened
    await opened.close()


async def received(system: System, home: int, **said: Any) -> str:
    body = {"project_id": PROJECT, "household_id": IDS[home], **said}
    return str((await system.accepted("intake", "/v1/cases", body))["case_id"])


async def each_has(system: System, service: str, kind: str, cases: list[str], fact: str) -> bool:
    """Say whether the stream of this kind has the fact for each of the cases."""
    for case_id in cases:
        if fact not in await system.facts(service, f"{kind}-{case_id}"):
            return False
    return True


def names(facts: list[dict[str, Any]]) -> list[str]:
    return [fact["type"].rpartition(".v")[0] for fact in facts]


@rule("RC-7")
async def test_a_closed_case_is_found_and_every_service_tells_what_became_of_it(
    estate: System, door: Door
) -> None:
    case_id = await received(estate, 0, kind="service_request", summary="露台地漏返水")
    path = f"/v1/cases/{case_id}"

    async def confirmed() -> bool:
        return "intake.receipt_confirmed.v1" in await estate.facts("intake", f"case-{case_id}")

    await estate.until(confirmed, "the request was not confirmed")
    await estate.accepted("intake", f"{path}/classify", {"work_category": "ordinary"})
    await estate.accepted("intake", f"{path}/handle", {})
    await estate.accepted("intake", f"{path}/tell-result", {"how": "phone"})
    await estate.accepted("intake", f"{path}/close", {})

    async def found(**asked: str) -> list[str]:
        page = await estate.get("intake", "/v1/search", project_id=PROJECT, **asked)
        return [item["id"] for item in page["items"]]

    async def archived() -> bool:
        return await found(q="地漏返水", status="closed") == [case_id]

    await estate.until(archived, "the closed case is not found by its words")
    assert await found(household_id=IDS[0], kind="service_request") == [case_id]
    assert await found(status="open") == []

    # Each service tells its part, with its rules; one command puts them into one order.
    async def whole() -> bool:
        facts = (await story_of(door, case_id))["facts"]
        told = {fact["service"] for fact in facts}
        return told == set(SERVICES) and "visits.followup_due" in names(facts)

    await estate.until(whole, "a service does not tell of the case")
    number = (await estate.get("intake", path))["number"]
    story = await story_of(door, number)
    assert story["case"]["status"] == "closed"
    recorded = [datetime.fromisoformat(fact["recorded_at"]) for fact in story["facts"]]
    assert recorded == sorted(recorded)
    rules: defaultdict[str, set[str]] = defaultdict(set)
    for name, fact in zip(names(story["facts"]), story["facts"], strict=True):
        rules[name] |= set(fact["rules"])
    assert "RC-7" in rules["intake.case_closed"]
    assert "RC-5.1..2" in rules["sla.clock_started"]
    assert "RC-5.1..2" in rules["notify.message_requested"]
    assert rules["visits.followup_due"]
    assert story["clocks"]

    async def heard() -> bool:
        timeline = await estate.get("intake", f"/v1/households/{IDS[0]}/timeline", limit="500")
        told = {"intake.case_closed", "visits.followup_due", "notify.message_delivered"}
        return told <= set(names(timeline["items"]))

    await estate.until(heard, "the household's story lacks what the others told")


async def test_many_cases_on_one_cause_are_told_once_and_keep_their_clocks(estate: System) -> None:
    said = {"kind": "suggestion", "summary": "泳池水质差"}
    first, second = [await received(estate, 1, **said) for _ in range(2)]
    third = await received(estate, 2, **said)
    opening = {"project_id": PROJECT, "title": "泳池停用", "cause": "水质"}
    incident = (await estate.accepted("intake", "/v1/incidents", opening))["incident_id"]
    path = f"/v1/incidents/{incident}"
    cases = {"case_ids": [first, second, third]}
    lines = (await estate.accepted("intake", f"{path}/attach", cases))["results"]
    assert [line["facts"] for line in lines] == [2, 2, 2]
    words = "泳池换水，周五重新开放"
    told = await estate.accepted("intake", f"{path}/inform", {"text": words})
    assert (told["households"], told["cases"]) == (2, 3)
    fourth = await received(estate, 3, **said)
    await estate.accepted("intake", f"{path}/attach", {"case_ids": [fourth]})

    async def informed() -> bool:
        attached = [first, second, third, fourth]
        return await each_has(estate, "intake", "case", attached, "intake.owner_informed.v1")

    await estate.until(informed, "a delivered statement did not inform all cases")
    texts = [text["phone"] for text in await estate.texts() if words in text["text"]]
    assert sorted(texts) == list(HOMES.values())[1:]

    async def counts_anew() -> bool:
        for case_id in (first, second, third, fourth):
            facts = (await estate.get("sla", f"/v1/cases/{case_id}/facts"))["facts"]
            clocks = [fact["data"] for fact in facts if fact["type"] == "sla.clock_started.v1"]
            progress = [clock for clock in clocks if clock["target"] == "suggestion-progress"]
            if len(progress) != 2:
                return False
        return True

    await estate.until(counts_anew, "what owners are told does not stop the clock of each case")
    # What is read of all this follows from the facts, also what the others have told.
    for read_model in await verify(estate.stack.endpoints, OWNERS, Progress(disable=True)):
        assert read_model.equal, read_model
    left = await estate.accepted("intake", f"{path}/close", {"leave_open": True})
    assert sorted(left["left_open"]) == sorted([first, second, third, fourth])


@rule("FU-4.1.2.1b")
async def test_one_open_letter_makes_the_follow_ups_of_many_cases(estate: System) -> None:
    said = {"kind": "complaint", "summary": "电梯夜间停运"}
    cases = [await received(estate, home, **said) for home in (1, 2)]
    opening = {"project_id": PROJECT, "title": "电梯停运"}
    incident = (await estate.accepted("intake", "/v1/incidents", opening))["incident_id"]
    path = f"/v1/incidents/{incident}"
    await estate.accepted("intake", f"{path}/attach", {"case_ids": cases})
    valid = {"validity": "valid", "severity": "minor", "ground": "b"}
    measures = {"corrective": "更换曳引机", "preventive": "每月检查"}
    for case_id in cases:
        await estate.accepted("intake", f"/v1/cases/{case_id}/classify", valid)
        await estate.accepted("intake", f"/v1/cases/{case_id}/handle", measures)

    async def owed() -> bool:
        return await each_has(estate, "visits", "followups", cases, "visits.followup_due.v1")

    await estate.until(owed, "no follow-up is owed")
    letter = {"text": "关于电梯停运的公开信", "person_id": SIGNS}
    assert (await estate.accepted("intake", f"{path}/letter", letter))["cases"] == 2

    async def followed_up() -> bool:
        return await each_has(estate, "intake", "case", cases, "intake.followup_noted.v1")

    await estate.until(followed_up, "the letter did not make the follow-ups")
    for case_id in cases:
        facts = (await estate.get("visits", f"/v1/cases/{case_id}/facts"))["facts"]
        [made] = [fact["data"] for fact in facts if fact["type"] == "visits.followup_done.v1"]
        assert (made["mode"], made["person_id"]) == ("letter", SIGNS)
