"""What the project's policy allows at the desk: dating back, waiting, closing, reopening, mentions."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_daily_life import do, shown, staffed
from tests.integration.intake.test_http import COMPLAINT, received
from tests.support.rules import rule

RULES = """\
overrides: residential-cn
version: desk-1
cases:
  backdating: [{within: {days: 2}}, {within: {days: 60}, by: cs_supervisor}]
  waits_at_most: {days: 2}
  failed_contacts: 1
  closes_after: {days: 1}
  reopened_within: {days: 5}
  mentioned_within: {months: 1}
"""


def days_ago(days: int) -> str:
    return (NOON - timedelta(days=days)).isoformat()


@pytest.fixture
async def strict(registered: Caller) -> Caller:
    caller = await staffed(registered)
    answer = await caller.post("policies", {"project_id": "lakeside", "text": RULES})
    assert answer.status_code == 201, answer.text
    return caller


async def last_fact(caller: Caller, case_id: str) -> dict[str, Any]:
    facts = (await caller.get(f"cases/{case_id}/facts")).json()["facts"]
    return dict(facts[-1]["data"])


async def test_how_far_back_is_dated_and_by_whom_the_policy_says(strict: Caller) -> None:
    for days, person, status in [
        (2, "a", 201),
        (3, "a", 422),
        (3, None, 422),
        (60, "s1", 201),
        (61, "s1", 422),
    ]:
        said = {**COMPLAINT, "occurred_at": days_ago(days), "received_by": person}
        answer = await strict.post("cases", said)
        assert answer.status_code == status, (days, person, answer.text)
    assert "import it as history" in answer.json()["detail"]
    case_id = await received(strict, received_by="s1", occurred_at=days_ago(9))
    done: dict[str, Any] = {"occurred_at": days_ago(4), "role": "cs_supervisor"}
    await do(strict, case_id, "accept", 422, **done, person_id="a")
    await do(strict, case_id, "accept", **done, person_id="s1")


async def test_how_long_a_case_waits_for_its_owner_the_policy_says(strict: Caller) -> None:
    case_id = await received(strict)
    waits: dict[str, Any] = {"because": "not_reached"}
    waits["resume_on"] = (NOON + timedelta(days=2)).isoformat()
    refused = await do(strict, case_id, "pause", 409, **waits)
    assert refused["detail"].endswith("Needed: 1; recorded: 0.")
    await do(strict, case_id, "fail-contact", contact_id="t1")
    long = waits | {"resume_on": (NOON + timedelta(days=2, seconds=1)).isoformat()}
    refused = await do(strict, case_id, "pause", 409, **long)
    assert refused["detail"] == "A case waits for its owner for 2 days at most."
    await do(strict, case_id, "pause", **waits)


async def test_when_a_request_closes_and_until_when_it_is_reopened_the_policy_says(
    strict: Caller, office: Office
) -> None:
    case_id = await received(strict, kind="service_request")
    await do(strict, case_id, "handle")
    closes_on = datetime.fromisoformat((await last_fact(strict, case_id))["closes_on"])
    assert closes_on == datetime.fromisoformat("2026-09-30T00:00:00+08:00")
    await do(strict, case_id, "tell-result", how="phone")
    await do(strict, case_id, "close")
    office.clock.instant = NOON + timedelta(days=5)
    assert (await do(strict, case_id, "reopen"))["facts"] == ["intake.case_reopened.v1"]
    await do(strict, case_id, "handle")
    await do(strict, case_id, "tell-result", how="phone")
    await do(strict, case_id, "close")
    office.clock.instant += timedelta(days=5, seconds=1)
    anew = await do(strict, case_id, "reopen")
    assert anew["facts"][0] == "intake.case_received.v1"
    assert (await shown(strict, case_id))["status"] == "closed"


@rule("RM-4.4.1a")
async def test_since_when_a_matter_was_mentioned_the_policy_says(strict: Caller) -> None:
    await received(strict, received_by="s1", occurred_at=days_ago(32))
    within = await received(strict, received_by="s1", occurred_at=days_ago(30))
    case_id = await received(strict)
    answer = (await strict.get(f"cases/{case_id}/suggestion")).json()
    assert [mention["case_id"] for mention in answer["mentions"]] == [within]


async def test_without_a_policy_in_force_the_desk_goes_on_by_what_a_silent_pack_allows(
    registered: Caller,
) -> None:
    case_id = await received(registered, occurred_at=days_ago(9))
    text = "pack: own\nversion: '1'\ncalendar: cn-office\neffective_from: 2027-01-01\n"
    assert (await registered.post("policies", {"text": text})).status_code == 201
    project = {"project_id": "lakeside", "group_id": "g1", "name": "湖畔", "zone": "Asia/Shanghai"}
    answer = await registered.post("projects", {**project, "policy": "own"})
    assert answer.status_code == 201, answer.text
    assert (await registered.post("cases", COMPLAINT)).json()["code"] == "not_heard_yet"
    await do(registered, case_id, "chase", occurred_at=days_ago(8))
