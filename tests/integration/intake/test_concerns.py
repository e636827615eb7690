"""Cases that concern several households, over HTTP on a real PostgreSQL."""

from datetime import timedelta
from typing import Any

import pytest
from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_daily_life import do, shown
from tests.integration.intake.test_http import received
from tests.support.rules import rule

from steward_events.intake import HouseholdConcerned
from steward_events.sealed import Sealed


@pytest.fixture
async def neighbours(registered: Caller) -> Caller:
    """The caller, after households h3, h4 and h5 were registered beside h1."""
    for household in ("h3", "h4", "h5"):
        body = {"household_id": household, "project_id": "lakeside"}
        assert (await registered.post("households", body)).status_code == 201
    return registered


async def timeline(caller: Caller, household_id: str) -> dict[str, Any]:
    answer = await caller.get(f"households/{household_id}/timeline")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_case_stands_in_the_story_of_each_household_that_it_concerns(
    neighbours: Caller,
) -> None:
    also = [{"household_id": "h3", "part": "complainant"}]
    case_id = await received(neighbours, household_id="h1", concerns=also)
    await do(neighbours, case_id, "concern", household_id="h4", part="affected")
    concerns = (await shown(neighbours, case_id))["concerns"]
    assert concerns == [*also, {"household_id": "h4", "part": "affected"}]
    for household_id in ("h3", "h4"):
        told = await timeline(neighbours, household_id)
        assert [case["case_id"] for case in told["cases"]] == [case_id]
        assert told["items"][0]["data"]["household_id"] == "h1"
    await do(neighbours, case_id, "concern", household_id="h4", part=None)
    assert (await timeline(neighbours, "h4"))["cases"] == []
    again = await do(neighbours, case_id, "concern", household_id="h3", part="complainant")
    assert again["facts"] == []


async def test_whose_case_it_no_longer_is_it_may_concern_again(neighbours: Caller) -> None:
    case_id = await received(neighbours, household_id="h1")
    concern: dict[str, Any] = {"household_id": "h3", "part": "complainant"}
    await do(neighbours, case_id, "concern", **concern)
    for household_id in ("h3", "h1"):
        await do(neighbours, case_id, "correct", household_id=household_id)
    assert (await shown(neighbours, case_id))["concerns"] == []
    again = await do(neighbours, case_id, "concern", **concern)
    assert again["facts"] == ["intake.household_concerned.v1"]
    assert (await shown(neighbours, case_id))["concerns"] == [concern]


async def test_the_counterpart_never_sees_who_complains(neighbours: Caller) -> None:
    said = {
        "summary": "楼上深夜跳舞",
        "place": "1-101 主卧",
        "reporter": {"name": "王芳", "phone": "13800138000"},
        "complained_of": "3-301",
        "concerns": [{"household_id": "h3", "part": "counterpart"}],
    }
    case_id = await received(neighbours, household_id="h1", **said)
    await do(neighbours, case_id, "concern", household_id="h4", part="complainant")
    await do(neighbours, case_id, "report-progress", department="1-101", text="已上门劝导")
    told = await timeline(neighbours, "h3")
    [case] = told["cases"]
    assert (case["case_id"], case["part"], case["status"]) == (case_id, "counterpart", "open")
    assert [item["type"] for item in told["items"]] == [
        "intake.case_received.v1",
        "intake.household_concerned.v1",
        "intake.progress_reported.v1",
    ]
    for names in ("h1", "h4", "1-101", "reporter", "王芳"):
        assert f'"{names}"' not in str(told).replace("'", '"'), names
        assert "1-101" not in str(told)
    # Nor does it become the one whose case it is.
    refused = await do(neighbours, case_id, "correct", 409, household_id="h3")
    assert "complains of this household" in refused["detail"]


async def test_whom_a_case_cannot_concern_is_refused(neighbours: Caller) -> None:
    case_id = await received(neighbours, household_id="h1")
    own = await do(neighbours, case_id, "concern", 409, household_id="h1", part="affected")
    assert "own case" in own["detail"]
    none = await do(neighbours, case_id, "concern", 409, household_id="h3", part=None)
    assert "does not concern" in none["detail"]
    await do(neighbours, case_id, "concern", 422, household_id="h2", part="affected")
    await do(neighbours, case_id, "concern", 404, household_id="h9", part="affected")
    for concerns in (
        [{"household_id": "h1", "part": "affected"}],
        [{"household_id": "h3", "part": "affected"}] * 2,
        [{"household_id": "h2", "part": "affected"}],
    ):
        body = {"project_id": "lakeside", "kind": "complaint", "household_id": "h1"}
        answer = await neighbours.post("cases", body | {"concerns": concerns})
        assert answer.status_code == 422, answer.text


@rule("RM-4.6.3")
async def test_the_merged_case_of_another_household_goes_on_for_both(
    neighbours: Caller, office: Office
) -> None:
    phone = {"phone": "13600136000"}
    theirs = await received(
        neighbours,
        household_id="h3",
        reporter=phone,
        concerns=[{"household_id": "h5", "part": "counterpart"}],
    )
    number = (await shown(neighbours, theirs))["number"]
    goes_on = await received(neighbours, household_id="h1")
    merged = await do(neighbours, theirs, "merge", into=goes_on)
    assert merged["facts"] == [
        "intake.case_merged.v1",
        "intake.case_absorbed.v1",
        *["intake.household_concerned.v1"] * 2,
    ]
    concerns = (await shown(neighbours, goes_on))["concerns"]
    assert concerns == [
        {"household_id": "h3", "part": "complainant"},
        {"household_id": "h5", "part": "counterpart"},
    ]
    assert {case["case_id"] for case in (await timeline(neighbours, "h3"))["cases"]} == {
        theirs,
        goes_on,
    }
    facts = [told.fact for told in await office.store.facts_of(f"case-{goes_on}")]
    [both] = [f for f in facts if isinstance(f, HouseholdConcerned) and f.household_id == "h3"]
    assert both.number == number
    # How they asked to be reached goes with their key, not with the other household's.
    assert isinstance(both.phone, Sealed)
    assert await office.sealer.unseal(both.phone) == "13600136000"
    gone = {"subject": "household-h3", "reason": "asked"}
    assert (await neighbours.post("erasures", gone)).status_code in (200, 201)
    said = (await neighbours.get(f"cases/{goes_on}/facts")).json()["facts"]
    [named] = [f["data"] for f in said if f["data"].get("household_id") == "h3"]
    assert named["phone"] == {"erased": True}
    assert not isinstance(await office.sealer.unseal(both.phone), str)
    reception = said[0]["data"]
    assert reception["summary"] == {"sealed": True}


@rule("RM-4.6.3")
async def test_who_complained_in_both_of_two_merged_cases_is_told_where_they_left_an_address(
    neighbours: Caller, office: Office
) -> None:
    theirs = await received(neighbours, household_id="h3", reporter={"phone": "13600136000"})
    number = (await shown(neighbours, theirs))["number"]
    also = [{"household_id": "h3", "part": "complainant"}]
    goes_on = await received(neighbours, household_id="h1", concerns=also)
    own = await received(neighbours, household_id="h1", reporter={"phone": "13700137000"})
    for case_id in (theirs, own):
        await do(neighbours, case_id, "merge", into=goes_on)
    facts = [told.fact for told in await office.store.facts_of(f"case-{goes_on}")]
    [known] = [fact for fact in facts if isinstance(fact, HouseholdConcerned)]
    assert (known.household_id, known.number) == ("h3", number)
    assert isinstance(known.phone, Sealed)
    assert await office.sealer.unseal(known.phone) == "13600136000"
    assert (await shown(neighbours, goes_on))["concerns"] == also


async def test_who_complains_of_each_other_keeps_two_cases(neighbours: Caller) -> None:
    concerns = [{"household_id": "h3", "part": "counterpart"}]
    one = await received(neighbours, household_id="h1", concerns=concerns)
    other = await received(neighbours, household_id="h3")
    for case_id, into in ((one, other), (other, one)):
        refused = await do(neighbours, case_id, "merge", 409, into=into)
        assert "stay two cases" in refused["detail"]
        assert (await shown(neighbours, case_id))["status"] == "open"


async def test_whom_a_case_concerned_it_concerns_where_it_begins_anew_and_nowhere_else(
    neighbours: Caller, office: Office
) -> None:
    concerns = [{"household_id": "h3", "part": "affected"}]
    request = {"kind": "service_request", "household_id": "h1", "concerns": concerns}
    case_id = await received(neighbours, **request)
    await do(neighbours, case_id, "concern", household_id="h4", part="complainant")
    elsewhere = await received(neighbours, **request)
    moved = (await do(neighbours, elsewhere, "move", to_project="hillside"))["case_id"]
    assert (await shown(neighbours, moved))["concerns"] == []
    await do(neighbours, case_id, "handle")
    await do(neighbours, case_id, "tell-result", how="phone")
    await do(neighbours, case_id, "close")
    await do(neighbours, case_id, "concern", household_id="h3", part=None)
    office.clock.instant = NOON + timedelta(days=31)
    anew = (await do(neighbours, case_id, "reopen"))["case_id"]
    concerned = [{"household_id": "h4", "part": "complainant"}]
    assert (await shown(neighbours, anew))["concerns"] == concerned
    assert (await do(neighbours, case_id, "reopen"))["facts"] == []
