"""What is dated back is never before what it goes on from: deadlines go by when things happened."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_daily_life import do, shown, staffed
from tests.integration.intake.test_http import received
from tests.support.rules import rule

from steward_events.intake import BreachNoted
from steward_eventstore.execute import Cause, Job, To
from steward_intake.domain.sayings import Say

VALID = {"validity": "valid", "severity": "important", "reason": "又漏"}


def back(minutes: int, **said: Any) -> dict[str, Any]:
    return {"occurred_at": (NOON - timedelta(minutes=minutes)).isoformat(), **said}


def appointment(**said: Any) -> dict[str, Any]:
    return {"appointment_id": "a", "at": (NOON + timedelta(hours=2)).isoformat(), **said}


def promise(**said: Any) -> dict[str, Any]:
    return {"promise_id": "p", "promised_at": (NOON + timedelta(days=2)).isoformat(), **said}


HANDLED = {"corrective": "更换管件", "preventive": "每季度检查", "person_id": "a"}
RESUME = (NOON + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(
            ("classify", VALID | {"severity": "minor"}), ("classify", VALID), id="a class"
        ),
        pytest.param(
            ("dispatch", {"department": "engineering"}), ("dispatch", {"department": "cleaning"}),
            id="another department",
        ),
        pytest.param(
            ("dispatch", {"department": "engineering"}), ("accept-dispatch", {}), id="an answer to it"
        ),
        pytest.param(("assign", {"person_id": "m1"}), ("assign", {"person_id": "a"}), id="an owner"),
        pytest.param(
            ("pause", {"resume_on": RESUME, "because": "owner_asked"}), ("resume", {}), id="a wait"
        ),
        pytest.param(("handle", HANDLED), ("reopen", {"reason": "owner"}), id="a reopening"),
        pytest.param(("handle", HANDLED), ("tell-result", {"how": "phone"}), id="a result"),
        pytest.param(("handle", HANDLED), ("submit-record", {}), id="a record"),
        pytest.param(
            ("report-harm", {"what": "还在漏"}), ("take-measures", {"measures": "断电"}),
            id="measures",
        ),
        pytest.param(
            ("appoint", appointment()), ("keep-appointment", {"appointment_id": "a"}),
            id="an appointment",
        ),
        pytest.param(("promise", promise()), ("keep-promise", {"promise_id": "p"}), id="a promise"),
        pytest.param(("correct", {"topic": "漏水"}), ("correct", {"topic": "噪音"}), id="a word"),
    ],
)  # fmt: skip
async def test_nothing_is_dated_before_what_it_goes_on_from(
    registered: Caller, first: tuple[str, dict[str, Any]], then: tuple[str, dict[str, Any]]
) -> None:
    case_id = await received(
        await staffed(registered), occurred_at=back(60)["occurred_at"], harm_ongoing=False
    )
    name, body = first
    if name == "handle":
        await do(registered, case_id, "classify", **back(50, **VALID))
    await do(registered, case_id, name, **back(10, **body))
    name, body = then
    before = await shown(registered, case_id)
    refused = await do(registered, case_id, name, 409, **back(20, **body))
    assert "It goes on from what was at" in refused["detail"]
    assert await shown(registered, case_id) == before
    assert (await do(registered, case_id, name, **back(5, **body)))["facts"]


async def test_promises_are_told_apart_and_a_repeat_is_answered_as_before(
    registered: Caller,
) -> None:
    case_id = await received(await staffed(registered), occurred_at=back(60)["occurred_at"])
    await do(registered, case_id, "promise", **back(30, **promise(promise_id="early")))
    await do(registered, case_id, "promise", **back(10, **promise()))
    await do(registered, case_id, "keep-promise", **back(20, promise_id="early"))
    path, body = f"cases/{case_id}/classify", back(40, validity="valid", severity="minor")
    first = await registered.post(path, body, key="once")
    await do(registered, case_id, "classify", **back(15, **VALID))
    again = await registered.post(path, body, key="once")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()


async def test_what_has_ended_a_case_is_answered_again_whatever_was_heard_of_it_since(
    registered: Caller, office: Office
) -> None:
    case_id = await received(await staffed(registered), occurred_at=back(60)["occurred_at"])
    path, body = f"cases/{case_id}/move", back(20, to_project="hillside", household_id="h2")
    first = await registered.post(path, body, key="once")
    heard = Say(
        NOON - timedelta(minutes=10), BreachNoted(case_id=case_id, clock="triage#1"), "history"
    )
    told = To(f"case-{case_id}", "lakeside", heard)
    await office.executor.execute(Job(Cause(UUID(int=8), "sla"), lambda: [told]))
    again = await registered.post(path, body, key="once")
    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert again.json() == first.json()
    anew = await registered.post(path, body, key="anew")
    assert (anew.status_code, anew.json()["facts"]) == (200, [])


@rule("RM-4.8")
@pytest.mark.parametrize(
    ("name", "body", "second"),
    [
        ("refuse", {"reason": "超出范围", "person_id": "a"}, "approved_by"),
        ("withdraw", {"asked_by": "吴女士", "how": "phone", "person_id": "a"}, "confirmed_by"),
        ("pause", {"resume_on": RESUME, "because": "owner_asked"}, None),
    ],
)
async def test_what_was_missed_is_forgiven_by_the_centre_manager_alone(
    registered: Caller, office: Office, name: str, body: dict[str, Any], second: str | None
) -> None:
    case_id = await received(await staffed(registered), occurred_at=back(60)["occurred_at"])
    missed = BreachNoted(case_id=case_id, clock="important-to-manager#1")
    at = NOON - timedelta(minutes=10)
    told = To(f"case-{case_id}", "lakeside", Say(at, missed, "history"))
    await office.executor.execute(Job(Cause(UUID(int=7), "sla"), lambda: [told]))
    agreed = back(20, **body, **({second: "s1"} if second else {}))
    refused = await do(registered, case_id, name, 409, **agreed)
    assert "only the centre manager agrees" in refused["detail"]
    forgiven = back(20, **body, **{second: "m1"}) if second else body
    assert (await do(registered, case_id, name, **forgiven))["facts"]


@rule("RM-4.8")
async def test_what_was_missed_is_not_forgotten_where_the_case_is_moved(
    registered: Caller, office: Office
) -> None:
    case_id = await received(await staffed(registered))
    await do(registered, case_id, "classify", validity="valid", ground="a", severity="minor")
    missed = BreachNoted(case_id=case_id, clock="appointment-kept#1:v1")
    told = To(f"case-{case_id}", "lakeside", Say(NOON, missed, "history"))
    await office.executor.execute(Job(Cause(UUID(int=8), "sla"), lambda: [told]))
    staff = {"person_id": "m2", "name": "周", "group_id": "g1"}
    assert (await registered.post("staff", staff)).status_code == 201
    home = {"project_id": "hillside", "role": "cs_supervisor", "person_id": "m2"}
    assert (await registered.post("roles", home)).status_code == 201
    moved = await do(registered, case_id, "move", to_project="hillside", household_id="h2")
    said = {"reason": "超出范围", "person_id": "a", "approved_by": "m2"}
    refused = await do(registered, moved["case_id"], "refuse", 409, **said)
    assert "service-centre manager" in refused["detail"]
