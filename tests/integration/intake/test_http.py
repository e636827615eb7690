"""Intake's HTTP interface on a real PostgreSQL."""

import asyncio
import json
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any, get_args

import pytest
from tests.integration.intake.conftest import NOON, REGISTERS, Caller, Office
from tests.support.rules import rule

from steward_events.intake import CaseReceived
from steward_events.registry import PersonRegistered, PolicyPublished, RoleDelegated
from steward_intake.application.registration import AnyRegistration
from steward_policy.packs import built_in, built_in_text, load

VERSION = built_in().pack.version
KINDS = [kind.model_fields["type"].default for kind in get_args(get_args(AnyRegistration)[0])]
COMPLAINT: dict[str, Any] = {
    "project_id": "lakeside",
    "kind": "complaint",
    "channel": "phone",
    "household_id": "h1",
    "topic": "漏水",
    "summary": "卫生间天花板漏水",
    "reporter": {"name": "王芳", "phone": "13800138000"},
}
CLOSING = {"type": "case_closed"}


async def received(caller: Caller, **changes: Any) -> str:
    answer = await caller.post("cases", {**COMPLAINT, **changes})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["case_id"])


async def test_what_is_registered_in_any_order_is_found_and_sealed(
    registered: Caller, office: Office
) -> None:
    people = (await registered.get("people")).json()["items"]
    assert [person["household_id"] for person in people] == ["h1"]
    assert people[0]["phone"] == {"sealed": True}
    assert "13800138000" not in str(await office.store.facts_of("person-p1"))
    again = await registered.post("registers", REGISTERS)
    assert [line["facts"] for line in again.json()["results"]] == [0] * len(REGISTERS)


async def test_a_changed_phone_is_a_new_fact_and_the_name_keeps_its_seal(
    registered: Caller, office: Office
) -> None:
    changed = {**REGISTERS[0], "phone": "13700137000"}
    changed.pop("type")
    assert (await registered.post("people", changed)).status_code == 201
    before, after = [f.fact for f in await office.store.facts_of("person-p1")]
    assert isinstance(before, PersonRegistered)
    assert isinstance(after, PersonRegistered)
    assert before.name == after.name
    assert before.phone != after.phone


async def test_the_built_in_policy_is_published_once(caller: Caller) -> None:
    policies = (await caller.get("policies")).json()["items"]
    assert [(p["pack"], p["version"]) for p in policies] == [("residential-cn", VERSION)]


@rule("RC-2", "RM-4.6.1", "RM-4.6.3", "RM-4.6.4a")
async def test_a_complaint_goes_from_reception_to_its_end(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered)
    case = (await registered.get(f"cases/{case_id}")).json()
    assert case["number"] == "lakeside-2026-00001"
    steps = [
        ("classify", {"validity": "valid", "severity": "minor"}),
        ("assign", {"person_id": "m1", "reason": "首问负责"}),
        ("accept", {"role": "cs_supervisor", "person_id": "m1"}),
        ("chase", {"demand": "请尽快"}),
        ("handle", {"corrective": "更换管件", "preventive": "每季度检查"}),
        ("tell-result", {"how": "phone"}),
        ("satisfaction", {"score": 5}),
    ]
    for name, body in steps:
        answer = await registered.post(f"cases/{case_id}/{name}", body)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["facts"]) == 1
    too_early = await registered.post(f"cases/{case_id}/close", {})
    assert too_early.status_code == 409
    assert too_early.json()["rule"] == "RM-4.6.4a"
    told = (await registered.get(f"cases/{case_id}/facts")).json()["facts"]
    assert told[0]["data"]["policy"] == built_in().version
    assert told[0]["data"]["summary"] == {"sealed": True}
    shown = await registered.get(f"cases/{case_id}")
    assert shown.headers["ETag"] == f'"{len(told)}"'
    assert shown.json()["status"] == "told"
    assert shown.json()["chased"] == 1


@rule("RM-4.6.1")
async def test_a_valid_complaint_is_not_handled_without_measures(registered: Caller) -> None:
    case_id = await received(registered)
    await registered.post(f"cases/{case_id}/classify", {"validity": "valid", "severity": "minor"})
    answer = await registered.post(f"cases/{case_id}/handle", {"corrective": "更换管件"})
    assert answer.status_code == 409
    assert answer.json()["rule"] == "RM-4.6.1"
    assert "preventive" in answer.json()["detail"]


async def test_bad_requests_get_one_clear_sentence(registered: Caller) -> None:
    late, old = NOON + timedelta(minutes=3), NOON - timedelta(days=31)
    hours = [(NOON - timedelta(hours=hour)).isoformat() for hour in (1, 2)]
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"project_id": "nowhere"}, 404, "There is no project “nowhere”."),
        ({"household_id": "h9"}, 404, "There is no household “h9”."),
        ({"household_id": "h2"}, 422, "does not belong to the project"),
        (
            {"received_by": "nobody"},
            404,
            "There is no member of staff “nobody” of the project's group.",
        ),
        ({"received_by": "p1"}, 404, "There is no member of staff “p1” of the project's group."),
        ({"occurred_at": late.isoformat()}, 422, "is in the future"),
        ({"occurred_at": old.isoformat()}, 422, "import it as history"),
        ({"authority_due": NOON.isoformat()}, 422, "must come after the case was received"),
        ({"owner_requested_date": NOON.isoformat()}, 422, "must come after the case was received"),
        ({"owner_date_accepted": True}, 422, "by owner_requested_date"),
        ({"posted_at": hours[0], "handed_over_at": hours[1]}, 422, "handed_over_at"),
        ({"owner_requested_date": "9999-12-31T23:59:59-12:00"}, 422, "years 1970 to 2150"),
        ({"posted_at": "0001-01-01T00:00:00+14:00"}, 422, "years 1970 to 2150"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, 422, "years 1970 to 2150"),
        ({"posted_at": late.isoformat()}, 422, "is in the future"),
        ({"handed_over_at": late.isoformat()}, 422, "is in the future"),
        ({"kind": "poem"}, 422, "kind"),
        ({"summary": "a\0b"}, 422, "NUL"),
        ({"surprise": 1}, 422, "surprise"),
    ]
    for change, status, sentence in wrong:
        answer = await registered.post("cases", {**COMPLAINT, **change})
        assert answer.status_code == status, answer.text
        assert sentence in answer.json()["detail"]
    assert (await registered.get("cases")).json()["items"] == []


@pytest.mark.parametrize(
    ("address", "blank", "said"),
    [
        ("cases/{}/handle", {"corrective": " ", "preventive": "\t"}, "corrective and a preventive"),
        ("cases/{}/refuse", {"reason": " "}, "its reason"),
        ("cases/{}/withdraw", {"asked_by": " ", "how": "phone"}, "who of the household"),
        ("cases/{}/take-measures", {"measures": " "}, "No harm was reported"),
        ("cases/{}/acknowledge", {"text": "\u3000", "link": " "}, "answered in public"),
        ("cases/{}/correct", {"summary": " ", "place": "  "}, "what is to be corrected"),
        ("cases/{}/correct", {"document": {"title": " ", "author": "m1"}}, "must be named"),
        ("cases/{}/dispatch", {"department": " "}, "too short"),
        ("cases/bulk", {"case_ids": ["c"], "reason": " ", "say": CLOSING}, "“reason” is too short"),
        ("incidents", {"project_id": "lakeside", "title": " "}, "too short"),
        ("incidents/i1/inform", {"text": "  "}, "too short"),
        ("incidents/i1/letter", {"text": " ", "person_id": "m1"}, "too short"),
        ("households/h1/notes", {"about": "mood", "note": "\n", "person_id": "m1"}, "too short"),
    ],
)
async def test_a_blank_text_is_an_empty_one(
    registered: Caller, address: str, blank: dict[str, Any], said: str
) -> None:
    case_id = await received(registered)
    await registered.post(f"cases/{case_id}/classify", {"validity": "valid", "severity": "minor"})
    answer = await registered.post(address.format(case_id), blank)
    assert said in answer.json().get("detail", ""), answer.text


async def test_a_text_stands_without_the_blanks_around_it_and_a_pack_to_the_letter(
    registered: Caller, office: Office
) -> None:
    await received(registered, topic=" 漏水 ")
    [case] = (await registered.get("cases")).json()["items"]
    assert case["topic"] == "漏水"
    text = built_in_text().replace('version: "', 'version: "blanks-', 1) + "\n\n"
    answer = await registered.post("registers", [{"type": "policy", "text": text}])
    assert "error" not in answer.json()["results"][0], answer.text
    published = (await office.store.facts_of("policy-residential-cn"))[-1].fact
    assert isinstance(published, PolicyPublished)
    assert published.text == text


@pytest.mark.parametrize("address", ["households/h1/notes", f"cases/c1/attachments/{'0' * 64}"])
async def test_whoever_looks_gives_a_reason_that_is_not_blank(
    registered: Caller, address: str
) -> None:
    answer = await registered.get(address, reason=" ")
    assert "“reason” is too short" in answer.json()["detail"]


async def test_no_action_takes_a_person_who_is_not_registered_staff(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered, received_by="m1")
    actions: dict[str, dict[str, Any]] = {
        "classify": {"validity": "valid", "severity": "minor"},
        "assign": {},
        "accept": {"role": "cs_supervisor"},
        "report-progress": {"text": "已派人"},
        "handle": {"corrective": "更换管件", "preventive": "每季度检查"},
        "tell-result": {"how": "phone"},
    }
    for name, body in actions.items():
        answer = await registered.post(f"cases/{case_id}/{name}", {**body, "person_id": "nobody"})
        assert answer.status_code == 404, answer.text
        assert (
            answer.json()["detail"]
            == "There is no member of staff “nobody” of the project's group."
        )
    # It was received, and is whose hands received it.
    assert len(await office.store.facts_of(f"case-{case_id}")) == 2
    for name, body in actions.items():
        answer = await registered.post(f"cases/{case_id}/{name}", {**body, "person_id": "m1"})
        assert answer.status_code == 200, answer.text


async def test_other_systems_and_the_past_have_people_of_their_own(registered: Caller) -> None:
    await received(
        registered, received_by="theirs", external={"source": "urn:old", "subject": "T-9"}
    )
    received_, classified, *rest = RECORD["facts"]
    told = [{**received_, "received_by": "gone"}, {**classified, "person_id": "gone"}, *rest]
    [line] = (await registered.post("imports", [{**RECORD, "facts": told}])).json()["results"]
    assert line["facts"] == 5


async def test_an_instant_just_ahead_is_taken_as_now(registered: Caller) -> None:
    soon = NOON + timedelta(seconds=90)
    case_id = await received(registered, occurred_at=soon.isoformat())
    [fact] = (await registered.get(f"cases/{case_id}/facts")).json()["facts"]
    assert datetime.fromisoformat(fact["occurred_at"]) == NOON


async def test_nothing_happens_to_a_case_before_its_reception(registered: Caller) -> None:
    case_id = await received(registered)
    before = (NOON - timedelta(hours=1)).isoformat()
    answer = await registered.post(f"cases/{case_id}/chase", {"occurred_at": before})
    assert answer.status_code == 422
    assert "before the case was received" in answer.json()["detail"]


async def test_a_request_sent_twice_makes_one_case(registered: Caller) -> None:
    first = await registered.post("cases", COMPLAINT, key="once")
    again = await registered.post("cases", COMPLAINT, key="once")
    assert first.json() == again.json()
    assert len((await registered.get("cases")).json()["items"]) == 1


TICKET = {**COMPLAINT, "external": {"source": "urn:old", "subject": "T-7"}}


async def next_number(caller: Caller) -> str:
    case = (await caller.get(f"cases/{await received(caller)}")).json()
    return str(case["number"])


async def test_a_ticket_sent_again_under_a_new_key_is_answered_as_it_was_received(
    registered: Caller, office: Office
) -> None:
    first = await registered.post("cases", TICKET, key="first")
    assert first.status_code == 201
    office.clock.instant = NOON + timedelta(days=40)
    again = await registered.post("cases", TICKET, key="second")
    assert (again.status_code, again.json()) == (200, first.json())
    same = await registered.post("cases", {**TICKET, "kind": "complaint"}, key="third")
    assert (same.status_code, same.json()) == (200, first.json())
    for key, status in (("first", 201), ("second", 200)):
        repeat = await registered.post("cases", TICKET, key=key)
        assert (repeat.status_code, repeat.json()) == (status, first.json())
    assert len(await office.store.facts_of(f"case-{first.json()['case_id']}")) == 1
    assert await next_number(registered) == "lakeside-2026-00002"


async def test_a_ticket_sent_again_with_other_content_is_refused_with_the_fields_that_differ(
    registered: Caller, office: Office
) -> None:
    said = {**TICKET, "occurred_at": NOON.isoformat()}
    first = await registered.post("cases", said, key="first")
    reporter = {"name": "李娜", "phone": "13800138000"}
    changes: list[tuple[dict[str, Any], str]] = [
        ({"summary": "楼道灯不亮"}, "summary"),
        ({"description": "三楼"}, "description"),
        ({"reporter": reporter}, "reporter.name"),
        ({"reporter": {}}, "reporter.name, reporter.phone"),
        ({"occurred_at": (NOON - timedelta(hours=1)).isoformat()}, "occurred_at"),
        ({"occurred_at": (NOON + timedelta(hours=1)).isoformat()}, "occurred_at"),
        ({"kind": "suggestion", "topic": "噪音"}, "kind, topic"),
        ({"project_id": "hillside", "household_id": "h2"}, "project_id, household_id"),
        ({"kind": "service_request", "urgency": "emergency"}, "kind, urgency"),
    ]
    for change, fields in changes:
        answer = await registered.post("cases", {**said, **change})
        assert answer.status_code == 409, answer.text
        assert answer.json()["code"] == "received_otherwise"
        assert answer.json()["detail"] == (
            "The case of this external ticket was received before, with other content in: "
            f"{fields}."
        )
    used = await registered.post("cases", {**said, "summary": "楼道灯不亮"}, key="first")
    assert (used.status_code, used.json()["code"]) == (422, "key_reused")
    assert len(await office.store.facts_of(f"case-{first.json()['case_id']}")) == 1
    assert await next_number(registered) == "lakeside-2026-00002"


async def test_a_ticket_just_ahead_of_the_clock_is_the_same_when_it_is_sent_again(
    registered: Caller, office: Office
) -> None:
    soon = {**TICKET, "occurred_at": (NOON + timedelta(seconds=90)).isoformat()}
    first = await registered.post("cases", soon)
    office.clock.instant = NOON + timedelta(hours=1)
    again = await registered.post("cases", soon)
    assert (again.status_code, again.json()) == (200, first.json())


async def test_of_tickets_sent_at_once_one_is_received_and_the_others_are_told_of_it(
    registered: Caller, office: Office
) -> None:
    alike = [registered.post("cases", TICKET) for _ in range(6)]
    other = registered.post("cases", {**TICKET, "summary": "楼道灯不亮"})
    answers = await asyncio.gather(*alike, other)
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] == 1
    assert statuses in (Counter({200: 5, 201: 1, 409: 1}), Counter({201: 1, 409: 6}))
    told = {str(answer.json()) for answer in answers if answer.is_success}
    assert len(told) == 1
    [taken] = [answer.json() for answer in answers if answer.status_code == 201]
    [fact] = await office.store.facts_of(f"case-{taken['case_id']}")
    assert isinstance(fact.fact, CaseReceived)
    assert fact.fact.number == taken["number"]


async def test_an_outdated_version_is_not_overwritten(registered: Caller) -> None:
    case_id = await received(registered)
    answer = await registered.post(
        f"cases/{case_id}/classify",
        {"validity": "valid", "severity": "minor"},
        **{"If-Match": '"7"'},
    )
    assert answer.status_code == 412


async def test_a_list_goes_on_where_it_stopped(registered: Caller) -> None:
    for _ in range(3):
        await received(registered)
    first = (await registered.get("cases", limit=2)).json()
    rest = (await registered.get("cases", limit=2, since=first["next"])).json()
    assert [len(first["items"]), len(rest["items"])] == [2, 1]
    assert not rest["more"]
    nothing = (await registered.get("cases", since=rest["next"])).json()
    assert nothing["items"] == []
    assert (await registered.get("cases", since="%%")).status_code == 400
    assert (await registered.get("cases", status="closed")).json()["items"] == []


async def test_every_register_goes_on_where_it_stopped_and_tells_of_changes(
    registered: Caller, office: Office
) -> None:
    for register in ("groups", "projects", "households", "people", "staff", "roles", "policies"):
        whole = (await registered.get(register)).json()
        found, since = [], None
        while page := (
            answer := (
                await registered.get(register, limit=1, **({"since": since} if since else {}))
            ).json()
        )["items"]:
            found += page
            since = answer["next"]
        assert found == whole["items"]
        assert found
        assert since == whole["next"]
        assert (await registered.get(register, since=since)).json()["next"] == since

    seen = (await registered.get("projects")).json()["next"]
    office.clock.instant = NOON + timedelta(seconds=1)
    renamed = {"project_id": "lakeside", "group_id": "g1", "name": "湖畔新城"}
    await registered.post("projects", renamed)
    [changed] = (await registered.get("projects", since=seen)).json()["items"]
    assert changed["name"] == "湖畔新城"


async def test_a_list_refuses_the_cursor_of_another(registered: Caller) -> None:
    since = (await registered.get("roles")).json()["next"]
    answer = await registered.get("projects", since=since)
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The cursor “since” is not one that this list gave."


async def test_a_list_refuses_a_parameter_that_it_does_not_know_and_names_those_it_knows(
    registered: Caller,
) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (
            "cases",
            {"statsu": "open"},
            "The parameter “statsu” is not known here: it knows since, limit, project_id, "
            "household_id, kind, status, severity, owner_id, department, "
            "channel, party, committee_id, visit_id, followup_id, document, document_author, incident_id, area, asset, quote, incomplete, received_since.",
        ),
        (
            "groups",
            {"project_id": "lakeside"},
            "The parameter “project_id” is not known here: it knows since, limit.",
        ),
        (
            "cases/x",
            {"limit": 1},
            "The parameter “limit” is not known here: it knows none.",
        ),
    ]
    for path, params, sentence in wrong:
        answer = await registered.get(path, **params)
        assert answer.status_code == 400
        assert answer.json()["detail"] == sentence
    answer = await registered.get("cases", status="opne")
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "The parameter “status” must be one of “open”, “waiting”, “handled”, “told”, “closed”, "
        "“refused”, “withdrawn”, “merged” or “moved_out”."
    )


async def test_cases_are_listed_by_what_they_are(registered: Caller) -> None:
    case_id = await received(registered)
    await received(registered, project_id="hillside", household_id=None, kind="suggestion")
    theirs: list[dict[str, str]] = [
        {"project_id": "lakeside"},
        {"household_id": "h1"},
        {"kind": "complaint", "status": "open"},
    ]
    for filters in theirs:
        found = (await registered.get("cases", **filters)).json()["items"]
        assert [case["case_id"] for case in found] == [case_id]
    assert (await registered.get("cases", severity="major")).json()["items"] == []


async def test_the_document_names_the_filters_of_cases_and_the_shape_of_every_list(
    registered: Caller,
) -> None:
    paths = (await registered.get("openapi.json")).json()["paths"]
    parameters = {p["name"]: p["schema"] for p in paths["/v1/cases"]["get"]["parameters"]}
    assert list(parameters) == [
        "since",
        "limit",
        "project_id",
        "household_id",
        "kind",
        "status",
        "severity",
        "owner_id",
        "department",
        "channel",
        "party",
        "committee_id",
        "visit_id",
        "followup_id",
        "document",
        "document_author",
        "incident_id",
        "area",
        "asset",
        "quote",
        "incomplete",
        "received_since",
    ]
    assert parameters["status"]["anyOf"][0]["enum"][0] == "open"
    assert parameters["kind"]["anyOf"][0] == {"$ref": "#/components/schemas/Kind"}
    for register in ("cases", "groups", "projects", "people", "staff", "roles", "policies"):
        answer = paths[f"/v1/{register}"]["get"]["responses"]["200"]["content"]
        assert answer["application/json"]["schema"] == {"$ref": "#/components/schemas/Page"}


async def test_a_key_of_a_project_sees_the_groups_staff_and_policies_that_reach_it(
    registered: Caller, office: Office
) -> None:
    lines = [
        {"type": "group", "group_id": "g2", "name": "别家集团"},
        {"type": "project", "project_id": "seaside", "group_id": "g2", "name": "海边"},
        {"type": "staff", "person_id": "m2", "group_id": "g2"},
        {"type": "role", "project_id": "seaside", "role": "centre_manager", "person_id": "m2"},
        {"type": "policy", "text": OVERRIDE.format(version="one", days=3), "group_id": "g1"},
        {"type": "policy", "text": OVERRIDE.format(version="two", days=4), "group_id": "g2"},
        {"type": "policy", "text": OVERRIDE.format(version="p", days=5), "project_id": "hillside"},
    ]
    answer = await registered.post("registers", lines)
    assert all("error" not in line for line in answer.json()["results"]), answer.text

    async def seen_with(*projects: str) -> dict[str, list[str]]:
        _, key = await office.authenticator.make_key("a desk", ["administrator"], projects)
        registered.http.headers["Authorization"] = f"Bearer {key}"
        column = {"groups": "group_id", "staff": "person_id", "roles": "person_id"}
        return {
            register: [
                row[column.get(register, "version")]
                for row in (await registered.get(register)).json()["items"]
            ]
            for register in ("groups", "staff", "roles", "policies")
        }

    assert await seen_with("lakeside") == {
        "groups": ["g1"],
        "staff": ["m1"],
        "roles": ["m1"],
        "policies": [VERSION, f"{VERSION}+one"],
    }
    assert await seen_with("g2") == {
        "groups": ["g2"],
        "staff": ["m2"],
        "roles": [],
        "policies": [VERSION, f"{VERSION}+two"],
    }
    assert (await seen_with("nowhere"))["staff"] == []
    assert (await seen_with("*"))["staff"] == ["m1", "m2"]


async def test_a_story_goes_on_after_the_version_that_was_seen(registered: Caller) -> None:
    case_id = await received(registered)
    await registered.post(f"cases/{case_id}/chase", {})
    [second] = (await registered.get(f"cases/{case_id}/facts", since=1)).json()["facts"]
    assert second["type"] == "intake.case_chased.v1"


async def test_an_import_needs_an_idempotency_key_as_every_write_does(registered: Caller) -> None:
    answer = await registered.http.post("/v1/imports", json=[RECORD])
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_another_projects_key_sees_nothing(registered: Caller, office: Office) -> None:
    case_id = await received(registered)
    _, key = await office.authenticator.make_key("hillside", ["staff"], ["hillside"])
    registered.http.headers["Authorization"] = f"Bearer {key}"
    assert (await registered.get("cases")).json()["items"] == []
    assert (await registered.get(f"cases/{case_id}")).status_code == 404
    assert (await registered.post("cases", COMPLAINT)).status_code == 403
    assert (await registered.post("groups", {"group_id": "g2", "name": "x"})).status_code == 403


async def test_a_pack_with_an_unknown_target_is_refused_with_its_line(caller: Caller) -> None:
    text = "pack: mine\nversion: '1'\ncalendar: cn-office\ntargets:\n  - id: x\n    nonsense: 1\n"
    answer = await caller.post("policies", {"text": text})
    assert answer.status_code == 422
    assert "pack.yaml:" in answer.json()["detail"]


OVERRIDE = """
overrides: residential-cn
version: {version}
targets:
  - id: minor-resolve
    within: {{days: {days}}}
    basis: default
"""


async def decided_under(caller: Caller, project_id: str) -> str:
    case_id = await received(caller, project_id=project_id, household_id=None)
    [fact] = (await caller.get(f"cases/{case_id}/facts")).json()["facts"]
    return str(fact["data"]["policy"])


async def test_a_group_overrides_the_pack_and_a_project_its_group(
    registered: Caller, office: Office
) -> None:
    def publish(version: str, days: int, **whose: str) -> Any:
        text = OVERRIDE.format(version=version, days=days)
        return registered.post("policies", {"text": text, **whose})

    assert (await publish("g", 5, group_id="g1")).status_code == 201
    assert await decided_under(registered, "lakeside") == f"{built_in().version}+g"
    assert (await publish("p", 4, project_id="lakeside")).status_code == 201
    assert await decided_under(registered, "lakeside") == f"{built_in().version}+g+p"
    assert await decided_under(registered, "hillside") == f"{built_in().version}+g"

    facts = [f.fact for f in await office.store.facts_of("policy-residential-cn")]
    days = {}
    for fact in facts:
        assert isinstance(fact, PolicyPublished)
        rules = load(fact.text)
        assert rules.version == f"{fact.pack}@{fact.version}"
        assert rules.sha256 == fact.sha256
        within = rules.by_id["minor-resolve"].within
        assert within is not None
        days[fact.version] = within.days
    assert days == {VERSION: 2, f"{VERSION}+g": 5, f"{VERSION}+g+p": 4}

    again = await publish("g", 6, group_id="g1")
    assert again.status_code == 409
    assert "give the changed pack a new version" in again.json()["detail"]


async def test_a_later_version_decides_from_its_day_on_at_the_project(
    registered: Caller, office: Office
) -> None:
    text = built_in_text().replace(
        f'version: "{VERSION}"', 'version: "2099.1"\neffective_from: 2026-10-01', 1
    )
    assert (await registered.post("policies", {"text": text})).status_code == 201
    assert await decided_under(registered, "lakeside") == built_in().version
    office.clock.instant = datetime.fromisoformat("2026-09-30T23:59:00+08:00")
    assert await decided_under(registered, "lakeside") == built_in().version
    office.clock.instant = datetime.fromisoformat("2026-10-01T00:00:00+08:00")
    assert await decided_under(registered, "lakeside") == "residential-cn@2099.1"


async def test_what_is_to_come_is_listed_as_such_and_two_that_begin_together_are_refused(
    registered: Caller,
) -> None:
    def version(name: str, day: str) -> dict[str, str]:
        head = f'version: "{name}"\neffective_from: {day}'
        return {"text": built_in_text().replace(f'version: "{VERSION}"', head, 1)}

    assert (await registered.post("policies", version("2099.1", "2027-01-01"))).status_code == 201
    listed = (await registered.get("policies")).json()["items"]
    assert [(row["version"], row["to_come"]) for row in listed] == [
        (VERSION, False),
        ("2099.1", True),
    ]
    second = await registered.post("policies", version("2099.2", "2027-01-01"))
    assert second.status_code == 409
    assert "residential-cn@2099.1 begins on 2027-01-01 as well" in second.json()["detail"]
    assert (await registered.post("policies", version("2099.2", "2027-02-01"))).status_code == 201


async def test_a_version_is_to_come_until_it_decides_by_the_day_of_its_projects(
    registered: Caller, office: Office
) -> None:
    """A group's is to come until the last of its projects has the day."""
    place = {"project_id": "harbour", "group_id": "g1", "name": "x", "zone": "America/New_York"}
    assert (await registered.post("projects", place)).is_success

    def publish(version: str, **whose: str) -> Any:
        text = f"{OVERRIDE.format(version=version, days=1)}effective_from: 2026-10-01\n"
        return registered.post("policies", {"text": text, **whose})

    for whose in ({"project_id": "lakeside"}, {"project_id": "harbour"}, {"group_id": "g1"}):
        [name] = whose.values()
        assert (await publish(name, **whose)).status_code == 201
    for at, coming in (
        ("2026-09-30T23:59:00+08:00", ["lakeside", "harbour", "g1"]),
        ("2026-10-01T00:00:00+08:00", ["harbour", "g1"]),
        ("2026-09-30T23:59:00-04:00", ["harbour", "g1"]),
        ("2026-10-01T00:00:00-04:00", []),
    ):
        office.clock.instant = datetime.fromisoformat(at)
        items = (await registered.get("policies")).json()["items"]
        to_come = {row["version"] for row in items if row["to_come"]}
        assert to_come == {f"{VERSION}+{name}" for name in coming}
        decides = await decided_under(registered, "lakeside")
        assert decides.endswith("+lakeside") is ("lakeside" not in coming)
    office.clock.instant = datetime.fromisoformat("2026-09-30T23:59:00-04:00")
    assert (await publish("again", project_id="harbour")).status_code == 409
    assert (await publish("again", project_id="lakeside")).status_code == 201


async def test_a_year_of_a_calendar_is_published_to_everybody_and_listed(
    registered: Caller, office: Office
) -> None:
    worked = {"date": "2027-02-07", "hours": [["09:00", "12:00"]]}
    year = {
        "calendar": "cn-office",
        "version": "cn-2027",
        "year": 2027,
        "holidays": ["2027-01-01", "2027-02-08"],
        "working_days": ["2027-02-06", worked],
    }
    assert (await registered.post("calendars", year)).status_code == 201
    assert (await registered.post("calendars", year)).status_code == 201
    [published] = await office.store.facts_of("calendar-years")
    assert published.everywhere
    [listed] = (await registered.get("calendars")).json()["items"]
    assert (listed["year"], listed["holidays"]) == (2027, year["holidays"])
    assert listed["working_days"][1] == {"day": "2027-02-07", "hours": [["09:00", "12:00"]]}
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"holidays": ["2027-01-04"]}, 409, "give the correction a new version"),
        ({"holidays": ["soon"]}, 422, "The field “holidays.0” must be a date, as 2026-10-01."),
        ({"holidays": "2027-01-04"}, 422, "The field “holidays” must be a JSON array."),
        (
            {"working_days": [{"date": "2027-01-02", "hours": [["8", "12:00"]]}]},
            422,
            "must be a time of day, as 09:00 or 24:00.",
        ),
        ({"calendar": "moon"}, 404, "There is no calendar “moon”; there are cn-office"),
        ({"version": "cn-2026"}, 422, "give what is published a version of its own."),
        ({"version": "x", "holidays": ["2028-01-01"]}, 422, "The day 2028-01-01 is not one of"),
        (
            {"version": "x", "working_days": [{**worked, "hours": [["12:00", "09:00"]]}]},
            422,
            "end at 09:00, not after they begin",
        ),
    ]
    for change, status, words in wrong:
        answer = await registered.post("calendars", year | change)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert len(await office.store.facts_of("calendar-years")) == 1


async def test_a_year_of_a_calendar_fits_every_pack_that_brings_it(
    registered: Caller, office: Office
) -> None:
    def pack(version: str, name: str, day: str) -> dict[str, str]:
        hours = f"{{tz: Asia/Shanghai, hours: {{{day}: [['09:00', '18:00']]}}}}"
        text = (
            f"pack: own\nversion: '{version}'\ncalendar: {name}\ncalendars: {{{name}: {hours}}}\n"
        )
        return {"text": text}

    for version, name, day in (
        *(("1", "depot", "mon"), ("2", "depot", "tue")),
        ("3", "service-centre", "mon"),
    ):
        answer = await registered.post("policies", pack(version, name, day))
        assert answer.status_code == 201, answer.text
    mondays = [date(2027, 1, 4) + timedelta(weeks=week) for week in range(52)]
    for name in ("depot", "service-centre"):
        year = {
            "calendar": name,
            "version": "2027",
            "year": 2027,
            "holidays": list(map(str, mondays)),
        }
        answer = await registered.post("calendars", year)
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"] == "The calendar has no working time in 2027."
        year["holidays"] = ["2027-01-04", "2027-01-05"]
        assert (await registered.post("calendars", year)).status_code == 201
    assert len(await office.store.facts_of("calendar-years")) == 2


async def test_an_override_that_cannot_lie_anywhere_is_refused(registered: Caller) -> None:
    sound = OVERRIDE.format(version="x", days=1)
    other = "pack: own\nversion: '1'\ncalendar: cn-office\n"
    unknown_target = sound.replace("minor-resolve", "no-such-target")
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"text": sound}, 422, "name its group or project"),
        ({"text": sound, "group_id": "nobody"}, 404, "nobody"),
        ({"text": sound, "project_id": "nowhere"}, 404, "nowhere"),
        ({"text": sound, "group_id": "g9", "project_id": "lakeside"}, 422, "name one of the two"),
        ({"text": sound, "group_id": "g1", "project_id": "lakeside"}, 422, "name one of the two"),
        ({"text": other, "project_id": "lakeside"}, 422, "is run by the pack “residential-cn”"),
        ({"text": sound.replace("residential-cn", "other"), "group_id": "g1"}, 404, "other"),
        ({"text": unknown_target, "group_id": "g1"}, 422, "pack.yaml:5: the target 'no-such-"),
    ]
    for body, status, words in wrong:
        answer = await registered.post("policies", body)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["detail"]
    assert len((await registered.get("policies")).json()["items"]) == 1


FAR = "0001-01-01T00:00:00+14:00"


async def test_a_bad_line_is_refused_in_its_place_and_the_others_are_registered(
    registered: Caller,
) -> None:
    lines: list[Any] = [
        {"type": "household", "household_id": "h7", "project_id": "lakeside"},
        {"type": "song"},
        {"household_id": "h8"},
        {"type": "household", "household_id": "a b", "project_id": "lakeside"},
        {"type": "household", "household_id": "h8", "project_id": "lakeside", "colour": "blue"},
        {"type": "household", "household_id": "h8", "project_id": "lakeside", "occurred_at": FAR},
        "a household",
        {"type": "household", "household_id": "h8", "project_id": "nowhere"},
        {"type": "household", "household_id": "h9", "project_id": "lakeside"},
    ]
    answer = await registered.post("registers", lines)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [results[0], results[-1]] == [{"id": "h7", "facts": 1}, {"id": "h9", "facts": 1}]
    assert [line["error"] for line in results[1:-1]] == [
        f"The line must have as its “type” one of {', '.join(f'“{kind}”' for kind in KINDS)}.",
        "The line must say its “type”.",
        "The field “household_id” must be an ID, without a space, slash, bar or NUL.",
        "The field “colour” is not known here.",
        "The field “occurred_at” must be an instant of the years 1970 to 2150.",
        "The line must be a JSON object.",
        "There is no project “nowhere”.",
    ]
    assert [line["code"] for line in results[1:-1]] == ["invalid"] * 6 + ["not_found"]
    households = (await registered.get("households")).json()["items"]
    assert [household["household_id"] for household in households][-2:] == ["h7", "h9"]


async def test_delegations_and_duty_rosters_are_registered_and_wrong_ones_refused(
    registered: Caller, office: Office
) -> None:
    delegation = {
        "type": "delegation",
        "delegation_id": "leave",
        "project_id": "lakeside",
        "role": "centre_manager",
        "person_id": "m1",
        "delegate_id": "s7",
        "since": "2026-10-01T00:00:00+08:00",
        "until": "2026-10-08T00:00:00+08:00",
    }
    shift = {
        "role": "cs_supervisor",
        "person_id": "s7",
        "since": "2026-10-01T18:00:00+08:00",
        "until": "2026-10-02T08:30:00+08:00",
    }
    roster = {
        "type": "duty_roster",
        "roster_id": "w40",
        "project_id": "lakeside",
        "shifts": [shift],
    }
    lines = [
        {"type": "staff", "person_id": "s7", "group_id": "g1"},
        delegation,
        delegation,
        roster,
        delegation | {"delegation_id": "other", "role": "frontline"},
        delegation | {"delegation_id": "other", "delegate_id": "m1"},
        delegation | {"delegation_id": "other", "until": "2026-09-30T00:00:00+08:00"},
        delegation | {"delegation_id": "other", "delegate_id": "nobody"},
        roster | {"roster_id": "w41", "shifts": [shift | {"until": shift["since"]}]},
    ]
    results = (await registered.post("registers", lines)).json()["results"]
    assert [line.get("facts") for line in results[1:4]] == [1, 0, 1]
    assert [line["error"] for line in results[4:]] == [
        "“m1” does not hold the role frontline at “lakeside”.",
        "A role is delegated to somebody else.",
        "A delegation ends after it begins.",
        "There is no member of staff “nobody” of the project's group.",
        "Shift 1 does not end after it begins.",
    ]
    [delegated] = await office.store.facts_of("delegation-leave")
    assert isinstance(delegated.fact, RoleDelegated)
    assert delegated.key == "lakeside"
    taken_back = delegation | {"until": delegation["since"]}
    [answer] = (await registered.post("registers", [taken_back])).json()["results"]
    assert answer == {"id": "leave", "facts": 1}


async def test_a_body_that_is_no_array_of_some_lines_is_refused_in_one_sentence(
    registered: Caller,
) -> None:
    group = {"type": "group", "group_id": "g1", "name": "x"}
    for path in ("registers", "imports"):
        for body in ([], [group] * 501, group, 5):
            answer = await registered.post(path, body)
            assert answer.status_code == 422
            assert answer.json()["detail"] == (
                "The body must be a JSON array of 1 to 500 lines, sent as application/json."
            )


async def test_the_document_shows_what_a_line_may_be(registered: Caller) -> None:
    document = (await registered.get("openapi.json")).json()
    schemas = {
        path: document["paths"][path]["post"]["requestBody"]["content"]["application/json"][
            "schema"
        ]
        for path in ("/v1/registers", "/v1/imports")
    }
    assert len(schemas["/v1/registers"]["items"]["oneOf"]) == len(KINDS)
    assert schemas["/v1/imports"]["items"] == {"$ref": "#/components/schemas/Record"}
    assert [schema["maxItems"] for schema in schemas.values()] == [500, 500]


RECORD: dict[str, Any] = {
    "id": "old-1",
    "project_id": "lakeside",
    "external": {"source": "urn:old", "subject": "T-1"},
    "history_until": "2026-09-28T00:00:00+08:00",
    "facts": [
        {
            **COMPLAINT,
            "type": "case_received",
            "occurred_at": "2026-09-20T09:00:00+08:00",
        },
        {
            "type": "case_classified",
            "occurred_at": "2026-09-20T09:10:00+08:00",
            "validity": "valid",
            "severity": "minor",
        },
        {"type": "case_handled", "occurred_at": "2026-09-23T10:00:00+08:00"},
        {"type": "case_closed", "occurred_at": "2026-09-24T10:00:00+08:00"},
    ],
}


async def test_a_record_is_imported_whole_with_its_own_times_and_once(
    registered: Caller, office: Office
) -> None:
    unknown = {**RECORD, "id": "old-2", "project_id": "nowhere"}
    [done, refused] = (await registered.post("imports", [RECORD, unknown])).json()["results"]
    assert refused == {
        "id": "old-2",
        "error": "There is no project “nowhere”.",
        "code": "not_found",
    }
    assert done["id"] == "old-1"
    assert done["facts"] == 5
    facts = await office.store.facts_of(f"case-{done['case_id']}")
    assert [f.type.split(".")[1] for f in facts][-1] == "history_ended"
    assert [f.known_at == f.occurred_at for f in facts] == [True] * 4 + [False]
    assert [f.history is not None for f in facts] == [True] * 4 + [False]
    closed = facts[3].fact
    assert closed is not None
    assert json.loads(closed.model_dump_json())["missing"] == [
        "measures",
        "result_told",
        "followup",
    ]
    [again] = (await registered.post("imports", [RECORD])).json()["results"]
    assert again["repeated"]
    [changed] = (
        await registered.post("imports", [{**RECORD, "facts": RECORD["facts"][:2]}])
    ).json()["results"]
    assert changed["code"] == "key_reused"


async def test_a_bad_record_is_refused_in_its_place_with_its_id_and_the_others_are_imported(
    registered: Caller,
) -> None:
    received, *rest = RECORD["facts"]
    body = [
        {**RECORD, "id": "far", "facts": [{**received, "occurred_at": FAR}, *rest]},
        {**RECORD, "id": "early", "history_until": FAR},
        {**RECORD, "id": "odd", "facts": [{"type": "case_sung"}]},
        {**RECORD, "id": 5},
        RECORD,
    ]
    answer = await registered.post("imports", body)
    assert answer.status_code == 200, answer.text
    *refused, done = answer.json()["results"]
    assert (done["id"], done["facts"]) == ("old-1", 5)
    kinds = "“case_received”, “case_accepted”, "
    assert [(line.get("id"), line["error"].partition(kinds)[0]) for line in refused] == [
        (
            "far",
            "The field “facts.0.case_received.occurred_at” must be an instant of the years "
            "1970 to 2150.",
        ),
        ("early", "The field “history_until” must be an instant of the years 1970 to 2150."),
        ("odd", "The field “facts.0” must have as its “type” one of "),
        (None, "The field “id” must be a text."),
    ]
    assert {line["code"] for line in refused} == {"invalid"}
