"""What is written down of a case when it is taken in, and the lists in which it is found again."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_daily_life import do, shown, staffed
from tests.integration.intake.test_http import COMPLAINT, received
from tests.support.rules import rule

from steward_events.vocabulary import ContactChannel, Kind


async def found(caller: Caller, **asked: Any) -> list[str]:
    answer = await caller.get("cases", **asked)
    assert answer.status_code == 200, answer.text
    return [case["case_id"] for case in answer.json()["items"]]


async def refusal(caller: Caller, **changes: Any) -> str:
    answer = await caller.post("cases", {**COMPLAINT, **changes})
    assert answer.status_code in {404, 422}, answer.text
    return str(answer.json()["detail"])


@rule("RC-2")
async def test_whatever_kind_somebody_comes_with_the_case_is_of_that_kind(
    registered: Caller,
) -> None:
    came = {kind: await received(registered, kind=kind) for kind in Kind}
    for kind, case_id in came.items():
        assert await found(registered, kind=kind) == [case_id]
    assert "kind" in await refusal(registered, kind="praise")


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


@rule("RM-4.2.9")
async def test_the_owners_committee_is_a_party_of_its_own(
    registered: Caller, office: Office
) -> None:
    committee = {
        "committee_id": "c1",
        "project_id": "lakeside",
        "name": "第三届业主委员会",
        "phone": "051288880001",
        "members": ["p1"],
        "chair": "p1",
    }
    assert (await registered.post("committees", committee)).status_code == 201
    [row] = (await registered.get("committees", project_id="lakeside")).json()["items"]
    assert (row["members"], row["chair"], row["phone"]) == (["p1"], "p1", {"sealed": True})
    assert "051288880001" not in str(await office.store.facts_of("committee-c1"))
    case_id = await received(registered, party="committee", committee_id="c1")
    await received(registered)
    assert await found(registered, party="committee") == [case_id]
    assert await found(registered, committee_id="c1") == [case_id]
    assert "“committee”" in await refusal(registered, committee_id="c1")
    assert "“c2”" in await refusal(registered, party="committee", committee_id="c2")
    for wrong, why in (({"members": ["p1", "p9"]}, "“p9”"), ({"chair": "p2"}, "one of")):
        answer = await registered.post("committees", {**committee, **wrong})
        assert why in answer.json()["detail"]
    # Its own data goes as a person's does.
    erased = await registered.post("erasures", {"subject": "committee-c1", "reason": "asked"})
    assert erased.json()["erased"] == ["committee-c1"]
    [row] = (await registered.get("committees")).json()["items"]
    assert row["phone"] == {"erased": True}


@rule("RM-4.2.8", "RM-4.7")
async def test_what_lies_in_the_suggestion_box_becomes_cases_when_it_is_opened(
    registered: Caller,
) -> None:
    caller = await staffed(registered)
    box = {"box_id": "b1", "project_id": "lakeside", "place": "大堂"}
    assert (await caller.post("suggestion-boxes", box)).status_code == 201
    opened_at = (NOON - timedelta(hours=3)).isoformat()
    complaint = {"kind": "complaint", "summary": "电梯异响", "party": "household"}
    slips = [{"summary": "增设长椅"}, {**complaint, "household_id": "h1"}]
    opening = {"occurred_at": opened_at, "person_id": "s1", "slips": slips}
    answer = await caller.post("suggestion-boxes/b1/openings", opening, key="o1")
    assert answer.status_code == 201, answer.text
    assert (await caller.post("suggestion-boxes/b1/openings", opening, key="o1")).json() == (
        answer.json()
    )
    cases = [case["case_id"] for case in answer.json()["cases"]]
    assert await found(caller, channel="suggestion_box") == cases
    suggestion, other = [await shown(caller, case_id) for case_id in cases]
    assert (suggestion["kind"], suggestion["party"]) == ("suggestion", "anonymous")
    assert (other["kind"], other["household_id"], other["owner_id"]) == ("complaint", "h1", "s1")
    at = datetime.fromisoformat(opened_at)
    assert [datetime.fromisoformat(case["received_at"]) for case in (suggestion, other)] == [at, at]
    [row] = (await caller.get("suggestion-boxes")).json()["items"]
    assert (datetime.fromisoformat(row["opened_at"]), row["opened_by"]) == (at, "s1")
    whose = {"project_id": "lakeside", "role": "cs_supervisor", "person_id": "s1"}
    assert (await caller.post("roles", {**whose, "ended": True})).status_code == 201
    again = await caller.post("suggestion-boxes/b1/openings", opening, key="o1")
    assert (again.status_code, again.json()) == (201, answer.json())
    assert (await caller.post("suggestion-boxes/b1/openings", opening)).status_code == 409


@rule("RM-4.2.8")
async def test_only_the_supervisor_opens_the_box_and_an_opening_is_whole_or_not_at_all(
    registered: Caller,
) -> None:
    caller = await staffed(registered)
    box = {"box_id": "b1", "project_id": "lakeside"}
    await caller.post("suggestion-boxes", box)

    async def opening(status: int, box_id: str = "b1", **said: Any) -> str:
        body = {"person_id": "s1", **said}
        answer = await caller.post(f"suggestion-boxes/{box_id}/openings", body)
        assert answer.status_code == status, answer.text
        return str(answer.json()["detail"])

    assert "customer-service supervisor" in await opening(409, person_id="a")
    assert "suggestion box" in await opening(404, box_id="b2")
    slips = [{"summary": "增设长椅"}, {"summary": "停电", "household_id": "h9"}]
    assert "“h9”" in await opening(404, slips=slips)
    assert await found(caller) == []
    await caller.post("suggestion-boxes", {**box, "removed": True})
    assert "taken away" in await opening(409)


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


@rule("RC-3.1")
async def test_what_is_in_a_common_area_is_nobodys_home_and_is_found_by_its_asset(
    registered: Caller,
) -> None:
    said = {"kind": "consultation", "summary": "电梯何时检修", "area": "common_area"}
    case_id = await received(registered, **said)
    # The household tells who asks, not where it is.
    assert (await shown(registered, case_id))["lacks"] == ["place"]
    await do(registered, case_id, "correct", asset="T-03")
    case = await shown(registered, case_id)
    assert (case["area"], case["asset"], case["lacks"]) == ("common_area", "T-03", [])
    home = await received(registered, area="household")
    assert await found(registered, area="household") == [home]
    assert await found(registered, asset="T-03") == [case_id]
    for asked in ({"asset": "T-03"}, {"project_id": "lakeside", "q": "t-03"}):
        items = (await registered.get("search", **asked)).json()["items"]
        assert [item["id"] for item in items] == [case_id], asked
    assert items[0]["field"] == "asset"


@rule("RM-4.7")
async def test_a_letter_counts_from_its_arrival(registered: Caller) -> None:
    arrived = NOON - timedelta(hours=3)
    said = {"channel": "letter", "occurred_at": arrived.isoformat()}
    case = await shown(registered, await received(registered, **said))
    assert datetime.fromisoformat(case["received_at"]) == arrived


@rule("RC-3.1")
async def test_where_a_matter_is_is_judged_by_all_that_is_known_of_it(registered: Caller) -> None:
    lift = {"kind": "consultation", "summary": "电梯何时检修"}

    async def lacks(case_id: str, **corrected: Any) -> list[str]:
        await do(registered, case_id, "correct", **corrected)
        return list((await shown(registered, case_id))["lacks"])

    common = await received(registered, **lift, area="common_area", household_id=None)
    assert await lacks(common, household_id="h1") == ["place"]
    assert await lacks(common, topic="电梯") == ["place"]
    assert await lacks(common, area="household") == []
    assert await lacks(common, area="common_area") == ["place"]
    assert await lacks(common, not_given={"place": "unknown"}) == []
    home = await received(registered, **lift)
    assert await lacks(home, area="common_area") == ["place"]
    named = await received(registered, **lift, place="3号楼")
    assert await lacks(named, area="common_area") == []


@rule("RM-4.5.1a")
async def test_a_complaint_lacks_what_nobody_asked_for(registered: Caller, office: Office) -> None:
    nothing: dict[str, Any] = {"household_id": None, "summary": "", "reporter": {}}
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


@rule("FU-S1")
async def test_a_households_preferences_are_shown_before_the_next_contact(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    case_id = await received(caller)

    async def noted(status: int = 201, **said: Any) -> Any:
        body = {"about": "preference", "note": "午休时间请勿来电", "person_id": "a", **said}
        answer = await caller.post("households/h1/notes", body)
        assert answer.status_code == status, answer.text
        return answer.json()

    first = await noted(case_id=case_id)
    second = await noted(about="mood", note="对多次返修很失望")
    assert (await caller.get("households/h1/timeline")).json()["notes"] == 2
    shown_notes = (await caller.get("households/h1/notes", reason="回访前")).json()["items"]
    assert {(note["about"], note["note"]) for note in shown_notes} == {
        ("preference", "午休时间请勿来电"),
        ("mood", "对多次返修很失望"),
    }
    facts = [fact.type for fact in await office.store.facts_of(f"note-{first['note_id']}")]
    assert facts == ["intake.household_note_added.v1", "intake.household_note_revealed.v1"]
    assert "午休" not in str(await office.store.facts_of(f"note-{first['note_id']}"))
    retired = {"because": "no_longer_true", "person_id": "a"}
    path = f"households/h1/notes/{second['note_id']}/retire"
    assert (await caller.post(path, retired)).status_code == 200
    again = await caller.post(path, retired)
    assert (again.status_code, again.json()) == (200, {"note_id": second["note_id"]})
    other = path.replace("/h1/", "/h2/")
    assert (await caller.post(other, retired)).status_code == 404
    [left] = (await caller.get("households/h1/notes", reason="回访前")).json()["items"]
    assert left["note_id"] == first["note_id"]
    office.clock.instant = datetime.fromisoformat(left["until"])
    assert (await caller.get("households/h1/notes", reason="回访前")).json()["items"] == []
    await noted(404, person_id="nobody")
    await noted(422, note="")
    elsewhere = await received(caller, household_id=None)
    assert "not this household" in (await noted(422, case_id=elsewhere))["detail"]
