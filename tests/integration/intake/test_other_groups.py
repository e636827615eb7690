"""Staff of one group act nowhere for a project of another: every door that takes a person asks.

A new door, or a new field that names a person, is a line of `DOORS`; one that is missing there fails.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_attachments import LETTER
from tests.integration.intake.test_daily_life import staffed
from tests.integration.intake.test_http import COMPLAINT, received
from tests.integration.intake.test_registers import owner_of
from tests.integration.intake.test_tickets import OPENED, STREAM, hear, message
from uuid_utils.compat import uuid7

from steward_events.registry import RoleDelegated
from steward_events.vocabulary import Role
from steward_eventstore.execute import Cause, Job, To
from steward_intake.domain.registry import AssignRole, Register

WHO = "?"
"""Stands where a door takes a person."""
ELSEWHERE = [
    {"type": "group", "group_id": "g2", "name": "别家集团"},
    {"type": "project", "project_id": "seaside", "group_id": "g2", "name": "海边"},
    {"type": "staff", "person_id": "x9", "group_id": "g2"},
]
LATER = {"since": NOON.isoformat(), "until": (NOON + timedelta(days=1)).isoformat()}
SOON = (NOON + timedelta(days=1)).isoformat()
AT_LAKESIDE = {"project_id": "lakeside"}
ROLE = {**AT_LAKESIDE, "role": "frontline"}
LENT = {**AT_LAKESIDE, "delegation_id": "d1", "role": "centre_manager", **LATER}
PART = {"department_id": "works", "name": "工程部", "head": WHO}
TITLED = {"title": "装修须知", "author": WHO}
BY = {"person_id": WHO}
BY_US = {"person_id": "a", "approved_by": WHO}

DOORS: list[tuple[str, str, Any]] = [
    ("roles", "person_id", {**ROLE, **BY}),
    ("roles", "successor", {**ROLE, "person_id": "a", "ended": True, "successor": WHO}),
    ("zones", "person_id", {**AT_LAKESIDE, **BY, "zone_id": "z1", "buildings": ["1"]}),
    ("delegations", "person_id", {**LENT, **BY, "delegate_id": "a"}),
    ("delegations", "delegate_id", {**LENT, "person_id": "m1", "delegate_id": WHO}),
    (
        "rosters",
        "shifts.person_id",
        {**AT_LAKESIDE, "roster_id": "w40", "shifts": [{"role": "frontline", **BY, **LATER}]},
    ),
    ("departments", "head", {**PART, **AT_LAKESIDE}),
    ("departments", "head", {**PART, "department_id": "quality", "group_id": "g1"}),
    ("registers", "person_id", [{"type": "role", **ROLE, **BY}]),
    ("cases", "received_by", {**COMPLAINT, "received_by": WHO}),
    ("cases", "document.author", {**COMPLAINT, "document": TITLED}),
    ("cases/bulk", "say.person_id", {"reason": "x", "say": {"type": "case_assigned", **BY}}),
    ("cases/{case_id}/merge", "person_id", {**BY, "into": "{other}"}),
    ("cases/{case_id}/move", "person_id", {**BY, "to_project": "hillside"}),
    ("suggestion-boxes/{box_id}/openings", "person_id", BY),
    ("households/{household_id}/notes", "person_id", {**BY, "about": "mood", "note": "急"}),
    (
        "households/{household_id}/notes/{note_id}/retire",
        "person_id",
        {**BY, "because": "asked"},
    ),
    ("incidents", "person_id", {**AT_LAKESIDE, **BY, "title": "停水"}),
    ("incidents/{incident_id}/attach", "person_id", {**BY, "case_ids": ["{case_id}"]}),
    ("incidents/{incident_id}/detach", "person_id", {**BY, "case_id": "{case_id}", "reason": "x"}),
    ("incidents/{incident_id}/inform", "person_id", {**BY, "text": "已抢修"}),
    ("incidents/{incident_id}/letter", "person_id", {**BY, "text": "已抢修"}),
    ("incidents/{incident_id}/close", "person_id", BY),
    ("erasures", "asked_by", {"subject": "person-p1", "reason": "asked", "asked_by": WHO}),
    *(
        (f"cases/{{case_id}}/{name}", field, body)
        for name, field, body in [
            ("classify", "person_id", {**BY, "validity": "valid", "severity": "minor"}),
            ("classify", "confirmed_by", {"validity": "valid", "severity": "minor", "person_id": "a",
                                          "confirmed_by": WHO}),
            ("assign", "person_id", BY),
            ("dispatch", "person_id", {**BY, "department": "works"}),
            ("accept-dispatch", "person_id", BY),
            ("refuse-dispatch", "person_id", {**BY, "reason": "x"}),
            ("accept", "person_id", {**BY, "role": "cs_supervisor"}),
            ("acknowledge", "person_id", {**BY, "text": "已收到"}),
            ("confirm-receipt", "person_id", {**BY, "how": "phone"}),
            ("forward", "person_id", {**BY, "to": "centre_manager"}),
            ("call-manager", "person_id", BY),
            ("chase", "person_id", BY),
            ("report-harm", "person_id", {**BY, "what": "积水"}),
            ("take-measures", "person_id", {**BY, "measures": "断电"}),
            ("answer", "person_id", {**BY, "decision": "will", "by_date": SOON}),
            ("propose", "person_id", {**BY, "text": "更换管件"}),
            ("quote", "person_id", {**BY, "amount": 100}),
            ("accept-quote", "person_id", {**BY, "quote_id": "q1", "how": "phone"}),
            ("decline-quote", "person_id", {**BY, "quote_id": "q1", "how": "phone"}),
            ("inform", "person_id", {**BY, "about": "progress", "how": "phone"}),
            ("message-owner", "person_id", {**BY, "about": "progress", "text": "已派人"}),
            ("appoint", "person_id", {**BY, "at": SOON}),
            ("appoint", "approved_by", {**BY_US, "at": SOON}),
            ("keep-appointment", "person_id", {**BY, "appointment_id": "v1"}),
            ("miss-appointment", "person_id", {**BY, "appointment_id": "v1", "by": "us"}),
            ("fail-contact", "person_id", BY),
            ("start-work", "person_id", BY),
            ("make-safe", "person_id", BY),
            ("report-progress", "person_id", {**BY, "text": "已派人"}),
            ("handle", "person_id", BY),
            ("submit-record", "person_id", BY),
            ("tell-result", "person_id", {**BY, "how": "phone"}),
            ("promise", "person_id", {**BY, "promised_at": SOON}),
            ("promise", "approved_by", {**BY_US, "promised_at": SOON}),
            ("concern", "person_id", {**BY, "household_id": "h1", "part": "affected"}),
            ("keep-promise", "person_id", {**BY, "promise_id": "w1"}),
            ("refuse", "person_id", {**BY, "reason": "x"}),
            ("refuse", "approved_by", {**BY_US, "reason": "x"}),
            ("withdraw", "person_id", {**BY, "how": "phone", "asked_by": "王芳"}),
            ("withdraw", "confirmed_by", {"how": "phone", "asked_by": "王芳", "person_id": "a",
                                          "confirmed_by": WHO}),
            ("link", "person_id", {**BY, "other": "{other}", "why": "repeat"}),
            ("correct", "person_id", {**BY, "topic": "渗水"}),
            ("correct", "approved_by", {**BY_US, "topic": "渗水"}),
            ("correct", "document.author", {"document": TITLED}),
        ]
    ),
]  # fmt: skip
"""Each address, the field that names somebody there, and what is said."""

NAMES = ("person_id", "delegate_id", "successor", "head", "author")
"""And whatever ends in `_by`."""
NOT_STAFF = {
    ("people", "person_id"),  # themselves
    ("staff", "person_id"),
    ("cases/{case_id}/withdraw", "asked_by"),  # a household's person, in words
    ("cases/{case_id}/accept-quote", "said_by"),
    ("cases/{case_id}/decline-quote", "said_by"),
}
ELSE = {
    "/v1/imports",  # the past has people of its own
    "/v1/registers",  # all registers together
}


@pytest.fixture
async def ours(registered: Caller) -> Caller:
    caller = await staffed(registered)
    answer = await caller.post("registers", ELSEWHERE)
    assert all("error" not in line for line in answer.json()["results"]), answer.text
    return caller


async def place(caller: Caller) -> dict[str, str]:
    """Give by name what the addresses name."""
    note = {"about": "mood", "note": "急", "person_id": "m1"}
    made = [
        await caller.post("suggestion-boxes", {"box_id": "b1", **AT_LAKESIDE}),
        await caller.post("households/h1/notes", note),
        await caller.post("incidents", {**AT_LAKESIDE, "title": "停水"}),
    ]
    assert [answer.status_code for answer in made] == [201] * len(made)
    _, noted, incident = (answer.json() for answer in made)
    case_id, other = await received(caller), await received(caller)
    names = {"case_id": case_id, "other": other, "box_id": "b1", "household_id": "h1"}
    return {**names, **noted, **incident}


async def through(
    caller: Caller, names: dict[str, str], door: tuple[str, str, Any], person_id: str
) -> str:
    """Give the refusal of whoever is no staff there, if there is one."""
    address, _, body = door
    said = json.dumps(body, ensure_ascii=False).replace(f'"{WHO}"', f'"{person_id}"')
    for name, id_ in names.items():
        said = said.replace(f"{{{name}}}", id_)
        address = address.replace(f"{{{name}}}", id_)
    known = json.loads(said)
    if address == "cases/bulk":
        known["case_ids"] = [names["case_id"]]
    answer = await caller.post(address, known)
    return refusal(answer.text, person_id)


def refusal(text: str, person_id: str) -> str:
    _, begins, rest = text.partition("There is no ")
    sentence = begins + rest.partition('"')[0]
    return sentence if f"member of staff “{person_id}” of the " in sentence else ""


async def test_staff_of_another_group_are_refused_at_every_door_as_unknown_ones_are(
    ours: Caller, office: Office
) -> None:
    names = await place(ours)
    before = await office.store.pool.fetchval("SELECT count(*) FROM events")
    for door in DOORS:
        unknown = await through(ours, names, door, "nobody")
        another = await through(ours, names, door, "x9")
        assert another, f"{door[:2]} lets staff of another group act"
        assert another == unknown.replace("nobody", "x9")
    assert await office.store.pool.fetchval("SELECT count(*) FROM events") == before
    for door in DOORS:
        assert not await through(ours, names, door, "s1"), door[:2]


async def test_a_case_does_not_go_on_at_another_group(ours: Caller) -> None:
    case_id = await received(ours)
    answer = await ours.post(f"cases/{case_id}/move", {"to_project": "seaside"})
    assert (answer.status_code, "of its own group" in answer.text) == (422, True)


async def test_files_and_attachments_ask_for_the_group_too(ours: Caller) -> None:
    case_id = await received(ours)
    table = "项目,岗位,工号\nlakeside,管家,x9\n".encode()
    letter: dict[str, str] = {"kind": "letter", "person_id": "x9"}
    for answer in (
        await ours.send("registers/files", table, "text/csv", kind="roles"),
        await ours.send(f"cases/{case_id}/attachments", LETTER, "application/pdf", **letter),
    ):
        assert refusal(answer.text, "x9"), answer.text


async def test_every_door_that_takes_a_person_is_a_line_of_the_table(registered: Caller) -> None:
    document = (await registered.get("openapi.json")).json()
    schemas = document["components"]["schemas"]

    def named(schema: Any, at: str = "") -> Iterator[str]:
        match schema:
            case {"$ref": str(ref)}:
                yield from named(schemas[ref.rpartition("/")[2]], at)
            case {"properties": dict(properties)}:
                for name, its in properties.items():
                    if name in NAMES or (name.endswith("_by") and name != "moved_by"):
                        yield f"{at}{name}"
                    yield from named(its, f"{at}{name}.")
            case dict():
                for its in schema.values():
                    yield from named(its, at)
            case list():
                for its in schema:
                    yield from named(its, at)

    doors = {
        (path.removeprefix("/v1/"), field)
        for path, methods in document["paths"].items()
        if path not in ELSE
        for said in methods.get("post", {}).get("requestBody", {}).get("content", {}).values()
        for field in named(said.get("schema"))
    }
    assert doors - NOT_STAFF == {door[:2] for door in DOORS if door[0] != "registers"}


async def test_what_another_system_says_makes_no_stranger_the_owner(
    ours: Caller, office: Office
) -> None:
    there = {"source": "urn:old", "subject": "T-9"}
    case_id = await received(ours, external=there, received_by="x9")
    assert await owner_of(ours, case_id) == "s1"
    await hear(office, message("ticket.opened.v1", {**OPENED, "assignee": "x9"}, "1"))
    assert await owner_of(ours, STREAM.removeprefix("case-")) == "s1"


async def test_what_was_given_to_a_stranger_before_lets_them_act_nowhere_and_is_taken_back(
    ours: Caller, office: Office
) -> None:
    role = {**AT_LAKESIDE, "role": "cs_supervisor", "person_id": "x9"}
    lent = {**LENT, "person_id": "m1", "delegate_id": "x9"}
    delegated = RoleDelegated.model_validate(lent)
    to = [
        To("roles-lakeside", "lakeside", AssignRole(NOON, "lakeside", Role.CS_SUPERVISOR, "x9")),
        To("delegation-d1", "lakeside", Register(NOON, delegated)),
    ]
    await office.executor.execute(Job(Cause(uuid7(), "test"), lambda: to))
    case_id = await received(ours)
    for as_role in ("cs_supervisor", "centre_manager"):
        accept = {"role": as_role, "person_id": "x9"}
        assert (await ours.post(f"cases/{case_id}/accept", accept)).status_code == 404
    assert (await ours.post("roles", {**role, "ended": True})).status_code == 201
    taken_back = await ours.post("delegations", {**lent, "until": lent["since"]})
    assert taken_back.status_code == 201, taken_back.text
