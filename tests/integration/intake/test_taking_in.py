"""What is written down of a case when it is taken in, and the lists in which it is found again."""

from datetime import datetime
from typing import Any

import pytest
from tests.integration.intake.conftest import Caller, Office
from tests.integration.intake.test_daily_life import do, shown
from tests.integration.intake.test_http import COMPLAINT, received
from tests.support.rules import rule

from steward_events.vocabulary import ContactChannel


async def found(caller: Caller, **asked: Any) -> list[str]:
    answer = await caller.get("cases", **asked)
    assert answer.status_code == 200, answer.text
    return [case["case_id"] for case in answer.json()["items"]]


async def refusal(caller: Caller, **changes: Any) -> str:
    answer = await caller.post("cases", {**COMPLAINT, **changes})
    assert answer.status_code in {404, 422}, answer.text
    return str(answer.json()["detail"])


@rule("RM-4.2ch", "HV-4.1")
async def test_a_case_is_found_by_the_channel_by_which_it_came(registered: Caller) -> None:
    came = {channel: await received(registered, channel=channel) for channel in ContactChannel}
    for channel, case_id in came.items():
        assert await found(registered, channel=channel) == [case_id]
    assert "channel" in await refusal(registered, channel="pigeon")


@rule("RM-3.5")
@pytest.mark.parametrize("hour", ["00:00", "03:17", "23:59"])
async def test_the_hotline_is_stamped_at_any_hour(
    registered: Caller, office: Office, hour: str
) -> None:
    office.clock.instant = datetime.fromisoformat(f"2026-10-04T{hour}:00+08:00")  # a holiday
    case = await shown(registered, await received(registered, channel="hotline"))
    assert datetime.fromisoformat(case["received_at"]) == office.clock.instant


@rule("CV-9.3.2d", "FU-4.1.3")
async def test_what_a_visit_or_a_follow_up_raised_is_listed_with_it(registered: Caller) -> None:
    at_the_door = await received(registered, channel="visit", visit_id="v1")
    on_the_phone = await received(registered, channel="followup", followup_id="f1")
    assert await found(registered, visit_id="v1") == [at_the_door]
    assert await found(registered, followup_id="f1") == [on_the_phone]
    assert await found(registered, visit_id="v2") == []
    assert "“visit”" in await refusal(registered, visit_id="v1")
    assert "“followup”" in await refusal(registered, followup_id="f1", channel="visit")


@rule("RC-3.1")
async def test_a_consultation_that_does_not_say_where_is_listed_until_it_does(
    registered: Caller,
) -> None:
    said = {"kind": "consultation", "household_id": None, "summary": "装修押金多久退还"}
    case_id = await received(registered, **said)
    assert (await shown(registered, case_id))["lacks"] == ["place"]
    assert await found(registered, incomplete=True) == [case_id]
    await do(registered, case_id, "correct", place="3号楼大堂")
    assert (await shown(registered, case_id))["lacks"] == []
    assert await found(registered, incomplete=True) == []
    assert await found(registered, incomplete=False) == [case_id]


@rule("RM-4.5.1a")
async def test_a_complaint_lacks_what_nobody_asked_for(registered: Caller, office: Office) -> None:
    nothing = {"household_id": None, "summary": "", "reporter": {}}
    case_id = await received(registered, **nothing)
    held = ["place", "complained_of", "matter", "demand", "contact"]
    assert (await shown(registered, case_id))["lacks"] == held
    await do(registered, case_id, "correct", summary="电梯停运", complained_of="engineering")
    assert (await shown(registered, case_id))["lacks"] == ["place", "demand", "contact"]
    # What was asked for in vain lacks no longer.
    await do(registered, case_id, "correct", not_given={"place": "unknown", "contact": "declined"})
    assert (await shown(registered, case_id))["lacks"] == ["demand"]
    await do(registered, case_id, "correct", demand="尽快修好")
    assert (await shown(registered, case_id))["lacks"] == []
    facts = str(await office.store.facts_of(f"case-{case_id}"))
    assert "尽快修好" not in facts
    anonymous = await received(registered, **nothing, party="anonymous")
    assert "contact" not in (await shown(registered, anonymous))["lacks"]


@rule("FU-5.3")
async def test_a_complaint_of_a_document_names_it_and_its_author(registered: Caller) -> None:
    notice = {"title": "停水通知", "issued_on": "2026-09-20", "author": "m1"}
    case_id = await received(registered, document=notice)
    other = await received(registered)
    await do(registered, other, "correct", document={"document_id": "d7", "author": "m1"})
    assert await found(registered, document="停水通知") == [case_id]
    assert await found(registered, document="d7") == [other]
    assert await found(registered, document_author="m1") == [case_id, other]
    assert "author" in await refusal(registered, document={"title": "停水通知"})
    assert "its ID or its title" in await refusal(registered, document={"author": "m1"})
    assert "“nobody”" in await refusal(registered, document={**notice, "author": "nobody"})
    wrong = {**notice, "author": "nobody"}
    assert "“nobody”" in (await do(registered, other, "correct", 404, document=wrong))["detail"]
