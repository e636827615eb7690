"""Departments, zones, and what a role's end does, over HTTP on a real PostgreSQL."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_daily_life import staffed
from tests.integration.intake.test_http import received
from tests.support.rules import rule

from steward_events.fact import read_fact


async def role_ended(caller: Caller, person_id: str, **more: Any) -> None:
    said = {"project_id": "lakeside", "role": "frontline", "person_id": person_id, "ended": True}
    answer = await caller.post("roles", said | more)
    assert answer.status_code == 201, answer.text


async def owner_of(caller: Caller, case_id: str) -> str | None:
    owner: str | None = (await caller.get(f"cases/{case_id}")).json()["owner_id"]
    return owner


async def without_owner(caller: Caller) -> list[str]:
    answer = await caller.get("cases/without-owner", project_id="lakeside")
    return [case["case_id"] for case in answer.json()["items"]]


@rule("RM-3.4")
async def test_a_successor_takes_over_the_role_and_the_open_cases(registered: Caller) -> None:
    caller = await staffed(registered)
    case_id = await received(caller, received_by="a")
    others = await received(caller, received_by="s1")
    await role_ended(caller, "a", successor="m1")
    assert await owner_of(caller, case_id) == "m1"
    assert await owner_of(caller, others) == "s1"
    assert await without_owner(caller) == []
    roles = (await caller.get("roles", project_id="lakeside")).json()["items"]
    assert ("frontline", "m1") in {(each["role"], each["person_id"]) for each in roles}
    [*_, last] = (await caller.get(f"cases/{case_id}/facts")).json()["facts"]
    assert last["type"] == "intake.case_assigned.v1"
    assert (last["data"]["before"], last["data"]["reason"]) == ("a", "role_ended")


@rule("RM-3.4")
async def test_a_case_that_nobody_known_has_received_is_the_supervisors(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    office.clock.instant += timedelta(minutes=1)
    for person_id in ("b1", "b2"):  # the longest holder, not the first by name
        line = {"project_id": "lakeside", "role": "cs_supervisor", "person_id": person_id}
        staff = {"person_id": person_id, "group_id": "g1", "name": "新来"}
        assert (await caller.post("staff", staff)).status_code == 201
        assert (await caller.post("roles", line)).status_code == 201
    there = {"source": "urn:old", "subject": "T-1"}
    spoken = await received(caller)
    ticket = await received(caller, external=there, received_by="theirs")
    at = (NOON - timedelta(days=9)).isoformat()
    past = {"type": "case_received", "project_id": "lakeside", "kind": "complaint"}
    record = {
        "id": "r1",
        "project_id": "lakeside",
        "history_until": NOON.isoformat(),
        "external": {"source": "urn:old", "subject": "T-2"},
        "facts": [past | {"occurred_at": at}],
    }
    [line] = (await caller.post("imports", [record])).json()["results"]
    for case_id in (spoken, ticket, line["case_id"]):
        assert await owner_of(caller, case_id) == "s1"
        _, assigned = (await caller.get(f"cases/{case_id}/facts")).json()["facts"][:2]
        assert assigned["data"]["reason"] == "no_first_contact"
    assert await without_owner(caller) == []
    elsewhere = await received(caller, project_id="hillside", household_id="h2")
    assert await owner_of(caller, elsewhere) is None


@rule("RM-3.4")
async def test_without_a_successor_the_supervisor_takes_the_open_cases(registered: Caller) -> None:
    caller = await staffed(registered)
    case_id = await received(caller, received_by="a")
    await role_ended(caller, "a")
    assert await owner_of(caller, case_id) == "s1"
    await role_ended(caller, "a")
    assert await owner_of(caller, case_id) == "s1"
    assert await without_owner(caller) == []


@rule("RM-3.4")
async def test_only_a_role_that_is_held_ends_and_its_end_may_be_said_again(
    registered: Caller,
) -> None:
    caller = await staffed(registered)
    case_id = await received(caller, received_by="a")
    left = {"project_id": "lakeside", "role": "quality", "person_id": "a", "ended": True}
    never = await caller.post("roles", {**left, "successor": "m1"})
    assert (never.status_code, never.json()["detail"]) == (
        409,
        "“a” does not hold the role quality at “lakeside”.",
    )
    assert await owner_of(caller, case_id) == "a"
    held = {**left, "role": "frontline", "successor": "m1"}
    answers = [await caller.post("roles", held, key=key) for key in ("one", "one", "two")]
    assert [answer.status_code for answer in answers] == [201] * 3
    other = await caller.post("roles", {**held, "successor": "s1"})
    assert (other.status_code, "“s1” did not take it over" in other.json()["detail"]) == (409, True)
    assert await owner_of(caller, case_id) == "m1"


@rule("RM-3.4")
async def test_two_who_leave_in_one_file_leave_no_case_behind(registered: Caller) -> None:
    caller = await staffed(registered)
    case_id = await received(caller, received_by="a")
    table = "项目,岗位,工号,离任,接任人\nlakeside,管家,a,是,s1\nlakeside,管家,s1,是,\nlakeside,客服主管,s1,是,m1\n"
    answer = await caller.send("registers/files", table.encode(), "text/csv", kind="roles")
    assert answer.json()["refused"] == []
    assert await owner_of(caller, case_id) == "m1"
    assert await without_owner(caller) == []


async def test_a_successor_must_be_staff_and_another_person(registered: Caller) -> None:
    caller = await staffed(registered)
    said = {"project_id": "lakeside", "role": "frontline", "person_id": "a"}
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"ended": True, "successor": "nobody"}, 404),
        ({"ended": True, "successor": "a"}, 409),
        ({"successor": "s1"}, 422),
    ]
    for more, status in wrong:
        assert (await caller.post("roles", said | more)).status_code == status


@rule("RM-4.6.1")
async def test_a_case_goes_to_a_department_that_is_registered_for_its_project(
    registered: Caller,
) -> None:
    caller = await staffed(registered)
    case_id = await received(caller)
    free = await caller.post(f"cases/{case_id}/dispatch", {"department": "engineering"})
    assert free.status_code == 200, free.text
    works = {
        "type": "department",
        "department_id": "works",
        "project_id": "lakeside",
        "name": "工程部",
        "head": "m1",
    }
    lines = [
        works,
        {"type": "department", "department_id": "quality", "group_id": "g1", "name": "品质部"},
        {**works, "department_id": "nowhere", "group_id": "g1"},
        {**works, "department_id": "headless", "head": "nobody"},
    ]
    results = (await caller.post("registers", lines)).json()["results"]
    assert [line.get("code", "") for line in results] == ["", "", "bad_data", "not_found"]
    unknown = await caller.post(f"cases/{case_id}/dispatch", {"department": "engineering"})
    assert unknown.status_code == 404
    assert "“工程部”, “品质部”" in unknown.json()["detail"]
    for said in ("工程部", "works"):
        answer = await caller.post(
            f"cases/{case_id}/dispatch", {"department": said, "dispatch_id": "d2"}
        )
        assert answer.status_code == 200, answer.text
    report = f"cases/{case_id}/report-progress"
    nobodys = await caller.post(report, {"department": "engineering"})
    assert (nobodys.status_code, "“工程部”" in nobodys.json()["detail"]) == (404, True)
    assert (await caller.post(report, {"department": "工程部"})).status_code == 200
    assert (await caller.get(f"cases/{case_id}")).json()["department"] == "works"
    listed = (await caller.get("departments", project_id="lakeside")).json()["items"]
    assert [each["department_id"] for each in listed] == ["works"]


async def test_a_zone_names_whose_steward_a_person_is(registered: Caller) -> None:
    caller = await staffed(registered)
    zone = {"zone_id": "z1", "project_id": "lakeside", "person_id": "a", "buildings": ["1", "2"]}
    assert (await caller.post("zones", zone)).status_code == 201
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"households": ["h2"]}, 422),
        ({"households": ["h9"]}, 404),
        ({"person_id": "nobody"}, 404),
        ({"zone_id": "z2", "buildings": []}, 422),
    ]
    for more, status in wrong:
        assert (await caller.post("zones", zone | more)).status_code == status
    # What is left out stays.
    only = {"zone_id": "z1", "project_id": "lakeside", "person_id": "s1"}
    assert (await caller.post("zones", only)).status_code == 201
    [found] = (await caller.get("zones", person_id="s1")).json()["items"]
    assert (found["person_id"], found["buildings"]) == ("s1", ["1", "2"])


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
async def test_what_stands_in_the_subject_of_a_mail_has_one_line(
    registered: Caller, end: str
) -> None:
    name, reads = f"湖畔{end}花园", "must stand on one line."
    project = {"project_id": "lakeside", "group_id": "g1", "name": name}
    incident = {"project_id": "lakeside", "title": name}
    refused = [
        await registered.post("projects", project),
        await registered.post("incidents", incident),
    ]
    assert [answer.status_code for answer in refused] == [422, 422]
    said = [answer.json()["detail"] for answer in refused]
    assert said == [f"The field “{field}” {reads}" for field in ("name", "title")]
    # What was registered before it was asked for is read.
    stored = project | {"zone": "Asia/Shanghai", "policy": "residential-cn"}
    assert read_fact("registry.project_registered.v1", json.dumps(stored)) is not None
    opened = {"incident": "i1", "project": "lakeside", "title": name}
    assert read_fact("intake.incident_opened.v1", json.dumps(opened)) is not None


async def test_a_zone_names_no_more_buildings_than_a_project_has(registered: Caller) -> None:
    zone = {"zone_id": "z1", "project_id": "lakeside", "person_id": "s1"}
    answer = await registered.post("zones", zone | {"buildings": ["1"] * 1_001})
    assert answer.status_code == 422
    wrong = await registered.post("zones", zone | {"buildings": [1] * 100_000})
    assert [each["field"] for each in wrong.json()["errors"]] == ["buildings.0"]


async def test_who_moves_out_keeps_what_is_known_of_them(registered: Caller) -> None:
    person = {"person_id": "p1", "household_id": "h1", "moved_out": "2026-09-01"}
    assert (await registered.post("people", person)).status_code == 201
    [found] = (await registered.get("people")).json()["items"]
    assert found["moved_out"] == "2026-09-01"
    assert found["phone"] == {"sealed": True}
    early = {**person, "moved_in": "2026-09-02"}
    assert (await registered.post("people", early)).status_code == 422
