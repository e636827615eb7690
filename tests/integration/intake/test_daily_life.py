"""A case's daily life through the door: what people say, and what concerns several cases at once."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_http import COMPLAINT, received
from tests.support.rules import rule

from steward_events.intake import (
    CaseAccepted,
    CaseAssigned,
    CaseClassified,
    CaseDispatched,
    CaseReceived,
    CaseRefused,
    ProgressReported,
    PromiseMade,
)
from steward_events.sealed import Sealed
from steward_events.vocabulary import Urgency
from steward_intake.api import several
from steward_intake.api.http import case_of

STAFF = [
    {"type": "staff", "person_id": "a", "group_id": "g1", "name": "周敏"},
    {"type": "staff", "person_id": "s1", "group_id": "g1", "name": "何静"},
    {"type": "role", "project_id": "lakeside", "role": "frontline", "person_id": "a"},
    {"type": "role", "project_id": "lakeside", "role": "cs_supervisor", "person_id": "s1"},
]


async def do(caller: Caller, case_id: str, name: str, status: int = 200, **body: Any) -> Any:
    answer = await caller.post(f"cases/{case_id}/{name}", body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def shown(caller: Caller, case_id: str) -> dict[str, Any]:
    answer = await caller.get(f"cases/{case_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def staffed(caller: Caller) -> Caller:
    answer = await caller.post("registers", STAFF)
    assert all("error" not in line for line in answer.json()["results"]), answer.text
    return caller


@rule("RC-4.3", "RM-4.9", "RM-4.10.3")
async def test_people_tell_a_case_its_daily_life(registered: Caller) -> None:
    caller = await staffed(registered)
    case_id = await received(caller, received_by="a", harm_ongoing=True)
    assert (await shown(caller, case_id))["owner_id"] == "a"
    steps: list[tuple[str, dict[str, Any]]] = [
        ("confirm-receipt", {"how": "phone"}),
        ("take-measures", {"measures": "关闭阀门"}),
        ("classify", {"validity": "valid", "severity": "important"}),
        ("dispatch", {"department": "engineering"}),
        ("accept-dispatch", {"person_id": "a"}),
        ("propose", {"text": "更换管件"}),
        ("inform", {"about": "solution", "how": "phone"}),
        ("appoint", {"appointment_id": "v1", "at": (NOON + timedelta(days=1)).isoformat()}),
        ("keep-appointment", {"appointment_id": "v1"}),
        ("start-work", {"person_id": "a"}),
        ("promise", {"promise_id": "w1", "promised_at": (NOON + timedelta(days=9)).isoformat()}),
        ("answer", {"decision": "will", "by_date": (NOON + timedelta(days=2)).isoformat()}),
        ("correct", {"topic": "渗水", "reporter_phone": "13700137000"}),
        ("report-progress", {"text": "材料已到"}),
        ("handle", {"corrective": "更换管件", "preventive": "每季度检查"}),
        ("message-owner", {"about": "result", "text": "阀门已更换，不再漏水"}),
        ("submit-record", {}),
        ("keep-promise", {"promise_id": "w1"}),
    ]
    for name, body in steps:
        done = await do(caller, case_id, name, **body)
        assert len(done["facts"]) == 1, name
    case = await shown(caller, case_id)
    wanted = {"department": "engineering", "topic": "渗水", "harm_ongoing": False}
    assert wanted.items() <= case.items()
    facts = (await caller.get(f"cases/{case_id}/facts")).json()["facts"]
    corrected = next(f for f in facts if f["type"] == "intake.case_corrected.v1")
    assert corrected["data"]["reporter_phone"] == {"sealed": True}


@rule("RC-5.1..2")
async def test_an_emergency_is_one_from_its_reception_and_what_work_it_is_is_said_later(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    trapped = {"kind": "service_request", "urgency": "emergency", "received_by": "a"}
    case_id = await received(caller, **trapped)
    facts = await office.store.facts_of(f"case-{case_id}")
    assert [told.fact for told in facts[1:]] == [
        CaseAssigned(case_id=case_id, person_id="a", reason="first_contact"),
        CaseClassified(case_id=case_id, urgency=Urgency.EMERGENCY, classified_by="a"),
    ]
    assert len({told.occurred_at for told in facts}) == 1
    await do(caller, case_id, "classify", work_category="ordinary", reason="电梯维修")
    case = await shown(caller, case_id)
    assert (case["urgency"], case["work_category"]) == ("emergency", "ordinary")
    await do(caller, case_id, "classify", urgency="ordinary", reason="无人被困")
    case = await shown(caller, case_id)
    assert (case["urgency"], case["work_category"]) == ("ordinary", "ordinary")
    await do(caller, case_id, "classify", work_category=None, reason="不是维修")
    case = await shown(caller, case_id)
    assert (case["urgency"], case["work_category"]) == ("ordinary", None)
    refused = await caller.post("cases", COMPLAINT | {"urgency": "emergency"})
    assert (refused.status_code, "harm_ongoing" in refused.json()["detail"]) == (422, True)


async def test_the_same_words_again_are_known_and_others_are_refused_and_not_lost(
    registered: Caller,
) -> None:
    caller = await staffed(registered)
    case_id = await received(caller, harm_ongoing=True)
    await do(caller, case_id, "classify", validity="valid", severity="minor")
    steps: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("chase", {"chase_id": "c1", "demand": "今天就修"}, {"demand": "退还物业费"}),
        ("take-measures", {"measures": "关闭阀门"}, {"measures": "断电"}),
        ("handle", {"corrective": "更换管件", "preventive": "每季检查"}, {"preventive": "换管"}),
        ("tell-result", {"how": "phone"}, {"how": "letter"}),
    ]
    for name, said, other in steps:
        first = await caller.post(f"cases/{case_id}/{name}", said, key=name)
        assert (first.status_code, len(first.json()["facts"])) == (200, 1), first.text
        assert (await caller.post(f"cases/{case_id}/{name}", said, key=name)).json() == first.json()
        assert (await do(caller, case_id, name, **said))["facts"] == [], name
        refused = await do(caller, case_id, name, 409, **said | other)
        assert f"with another {next(iter(other))}: " in refused["detail"]
    score: dict[str, Any] = {"score": 4, "remark": "还行"}
    assert len((await do(caller, case_id, "satisfaction", **score))["facts"]) == 1
    assert (await do(caller, case_id, "satisfaction", **score))["facts"] == []


async def test_what_names_something_that_does_not_exist_is_refused(registered: Caller) -> None:
    case_id = await received(registered)
    there = await received(registered, project_id="hillside", household_id="h2")
    said: dict[str, Any] = {"validity": "valid", "severity": "minor"}
    for other in ("no-such-case", there):
        refused = await do(registered, case_id, "classify", 404, **said, rework_of=other)
        assert refused["detail"] == f"There is no case “{other}” of the project."
    await do(registered, case_id, "classify", 422, **said, rework_of=case_id)
    earlier = await received(registered)
    await do(registered, case_id, "classify", **said, rework_of=earlier)
    informed: tuple[dict[str, Any], ...] = (
        {"about": "new_date"},
        {"about": "new_date", "extension_id": "x1"},
        {"about": "progress", "extension_id": "x1"},
    )
    for more in informed:
        body = {"how": "phone", **more}
        refused = await do(registered, case_id, "inform", 409, **body)
        assert "No extension of this case was approved" in refused["detail"]
    before = (NOON - timedelta(days=1)).isoformat()
    refused = await do(registered, case_id, "correct", 422, owner_requested_date=before)
    assert "must come after the case was received" in refused["detail"]


@rule("RM-4.5.2c")
async def test_the_reception_says_whether_it_accepts_the_owners_date(registered: Caller) -> None:
    first, other = ((NOON + timedelta(days=days)).isoformat() for days in (1, 2))
    asked: dict[str, Any] = {"owner_requested_date": first, "owner_date_accepted": True}
    case_id = await received(registered, **asked)
    await do(registered, case_id, "correct", owner_requested_date=other)
    await do(registered, case_id, "correct", topic="管道")
    again: dict[str, Any] = {"owner_requested_date": other, "owner_date_accepted": True}
    await do(registered, case_id, "correct", **again)
    facts = (await registered.get(f"cases/{case_id}/facts")).json()["facts"]
    said = [f["data"]["owner_date_accepted"] for f in facts if "owner_requested_date" in f["data"]]
    assert said == [True, False, None, True]
    unnamed = await do(registered, case_id, "correct", 422, owner_date_accepted=True)
    assert "by owner_requested_date" in unnamed["detail"]
    early: dict[str, Any] = {"occurred_at": (NOON - timedelta(days=2)).isoformat()}
    case_id = await received(registered, **early)
    past: dict[str, Any] = {"owner_requested_date": (NOON - timedelta(days=1)).isoformat()}
    await do(registered, case_id, "correct", **past)
    refused = await do(registered, case_id, "correct", 422, **past, owner_date_accepted=True)
    assert "is still to come" in refused["detail"]


async def test_whoever_lets_a_case_wait_says_why(registered: Caller) -> None:
    case_id = await received(registered)
    resume_on = (NOON + timedelta(days=1)).isoformat()
    refused = await do(registered, case_id, "pause", 422, resume_on=resume_on)
    assert "owner_asked or not_reached" in refused["detail"]
    await do(registered, case_id, "pause", resume_on=resume_on, because="owner_asked")


@rule("RM-4.8")
async def test_a_refusal_is_approved_by_whoever_holds_the_role_there(registered: Caller) -> None:
    caller = await staffed(registered)
    case_id = await received(caller)
    said = {"reason": "超出合同", "person_id": "a"}
    for approver, status in (("a", 409), ("nobody", 404), ("s1", 200)):
        await do(caller, case_id, "refuse", status, **said, approved_by=approver)
    assert (await shown(caller, case_id))["status"] == "refused"
    elsewhere = await received(caller, project_id="hillside", household_id="h2")
    refused = await do(caller, elsewhere, "refuse", 409, **said, approved_by="s1")
    assert "customer-service supervisor" in refused["detail"]


@rule("RM-4.8")
async def test_to_a_reason_that_no_text_holds_belongs_what_the_owner_is_told(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    case_id = await received(caller)
    said: dict[str, Any] = {
        "reason": "原设计没有的设施，" * 5,
        "person_id": "a",
        "approved_by": "s1",
    }
    refused = await do(caller, case_id, "refuse", 422, **said)
    assert (refused["rule"], "say by text" in refused["detail"]) == ("RM-4.8", True)
    await do(caller, case_id, "refuse", 422, **said, text="设" * 36)
    said["text"] = "原设计没有的设施"
    await do(caller, case_id, "refuse", **said)
    assert (await do(caller, case_id, "refuse", **said))["facts"] == []
    await do(caller, case_id, "refuse", 409, **said | {"text": "合同以外"})
    [fact] = [
        told.fact
        for told in await office.store.facts_of(f"case-{case_id}")
        if isinstance(told.fact, CaseRefused)
    ]
    for name in ("reason", "text"):
        assert await office.sealer.unseal(getattr(fact, name)) == said[name]


async def test_a_merged_case_points_to_the_one_that_goes_on(registered: Caller) -> None:
    early = (NOON - timedelta(days=2)).isoformat()
    first, second = await received(registered, occurred_at=early), await received(registered)
    await do(registered, first, "classify", validity="valid", severity="major")
    await do(registered, second, "classify", validity="valid", severity="minor")
    merged = await do(registered, first, "merge", into=second)
    assert merged["facts"] == ["intake.case_merged.v1", "intake.case_absorbed.v1"]
    assert await do(registered, first, "merge", into=second) == merged | {"facts": []}
    case = await shown(registered, first)
    assert (case["status"], case["goes_on_in"]) == ("merged", second)
    survivor = await shown(registered, second)
    facts = (await registered.get(f"cases/{first}/facts")).json()["facts"]
    assert facts[-1]["data"]["into_number"] == survivor["number"]
    assert survivor["severity"] == "major"
    assert survivor["received_at"] == (await shown(registered, first))["received_at"]
    refused = await do(registered, first, "chase", 409)
    assert second in refused["detail"]


async def test_cases_that_cannot_be_merged_are_both_left_alone(registered: Caller) -> None:
    one, other = await received(registered), await received(registered)
    there = await received(registered, project_id="hillside", household_id="h2")
    assert "itself" in (await do(registered, one, "merge", 409, into=one))["detail"]
    assert "projects" in (await do(registered, one, "merge", 422, into=there))["detail"]
    await do(registered, one, "merge", 404, into="nowhere")
    await do(registered, other, "withdraw", 409, how="phone", asked_by="王芳")
    request = await received(registered, kind="service_request")
    assert "complaint" in (await do(registered, one, "merge", 409, into=request))["detail"]
    assert (await shown(registered, one))["status"] == "open"


DAY = (NOON + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("said", "class_", "lost"),
    [
        ({"kind": "service_request"}, {"urgency": "emergency"}, "an emergency"),
        ({"injury": True}, {}, "an injury"),
        ({"authority_or_media": True}, {}, "an authority or the media"),
        ({"households_concerned": 6}, {}, "more households"),
        ({"authority_due": DAY}, {}, "an authority's earlier date"),
    ],
)
async def test_no_case_goes_on_for_one_on_which_stricter_duties_hang(
    registered: Caller, said: dict[str, Any], class_: dict[str, Any], lost: str
) -> None:
    kind = {"kind": said.get("kind", "complaint")}
    weighty, plain = await received(registered, **said), await received(registered, **kind)
    if class_:
        await do(registered, weighty, "classify", **class_)
    refused = await do(registered, weighty, "merge", 409, into=plain)
    assert f"Of this case alone it was said: {lost}." in refused["detail"]
    assert (await shown(registered, weighty))["status"] == "open"
    await do(registered, plain, "merge", into=weighty)


@rule("FU-S1")
async def test_what_was_promised_in_a_merged_case_is_owed_in_the_one_that_goes_on(
    registered: Caller, office: Office
) -> None:
    merged, into = await received(registered), await received(registered)
    by = {"promised_at": DAY, "what": "补好窗台"}
    for promise_id in ("seal", "kept"):
        await registered.post(f"cases/{merged}/promise", {"promise_id": promise_id, **by})
    await do(registered, merged, "keep-promise", promise_id="kept")
    done = await do(registered, merged, "merge", into=into)
    assert done["facts"][-1] == "intake.promise_made.v1"
    there = [told.fact for told in await office.store.facts_of(f"case-{into}")]
    [promise] = [fact for fact in there if isinstance(fact, PromiseMade)]
    assert (promise.case_id, promise.promise_id) == (into, "seal")
    assert (await do(registered, merged, "merge", into=into))["facts"] == []


@pytest.mark.parametrize("what", ["move", "merge"])
async def test_what_changes_between_reading_and_writing_is_read_again(
    registered: Caller, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    case_id, other = [await received(registered) for _ in range(2)]
    said: dict[str, Any] = {"move": {"to_project": "hillside"}, "merge": {"into": other}}[what]
    reads = 0

    async def meanwhile(service: Any, principal: Any, wanted: str) -> Any:
        nonlocal reads
        case = await case_of(service, principal, wanted)
        reads += wanted == case_id
        if wanted == case_id and reads == 1:
            await do(registered, case_id, "report-progress", text="材料已到")
        return case

    monkeypatch.setattr(several, "case_of", meanwhile)
    await do(registered, case_id, what, **said)
    assert reads == 2


@rule("RM-4.5.2b")
async def test_a_claimed_role_is_not_believed(registered: Caller) -> None:
    case_id = await received(registered)
    accept = f"cases/{case_id}/accept"
    unnamed = await registered.post(accept, {"role": "centre_manager"})
    assert (unnamed.status_code, unnamed.json()["detail"]) == (
        422,
        "Say by person_id who acts as service-centre manager.",
    )
    higher = await registered.post(accept, {"role": "general_manager", "person_id": "m1"})
    assert (higher.status_code, higher.json()["rule"]) == (409, "RM-4.5.2b")
    # Who stands above may take over what is a lower role's.
    await do(registered, case_id, "accept", role="cs_supervisor", person_id="m1")


@rule("RM-4.5.2b", "RM-4.8")
async def test_who_stands_in_acts_in_the_role(registered: Caller) -> None:
    case_id = await received(registered)
    until = (NOON + timedelta(hours=1)).isoformat()
    stands_in = {"since": (NOON - timedelta(hours=1)).isoformat(), "until": until}
    lent = {"role": "centre_manager", "person_id": "m1", "delegate_id": "d1", **stands_in}
    on_duty = {"role": "cs_supervisor", "person_id": "o1", **stands_in}
    lines: list[dict[str, Any]] = [
        *({"type": "staff", "person_id": name, "group_id": "g1"} for name in ("d1", "o1")),
        {"type": "delegation", "delegation_id": "leave", "project_id": "lakeside", **lent},
        {
            "type": "duty_roster",
            "roster_id": "w40",
            "project_id": "lakeside",
            "shifts": [on_duty],
        },
    ]
    results = (await registered.post("registers", lines)).json()["results"]
    assert all("error" not in line for line in results), results
    accept = f"cases/{case_id}/accept"
    above = await registered.post(accept, {"role": "centre_manager", "person_id": "o1"})
    assert above.status_code == 409
    await do(registered, case_id, "accept", role="cs_supervisor", person_id="o1")
    await do(registered, case_id, "accept", role="centre_manager", person_id="d1")
    # A second person may be one who stands in.
    refused: dict[str, Any] = {"reason": "合同以外", "person_id": "m1", "approved_by": "o1"}
    await do(registered, case_id, "refuse", **refused)


async def test_stand_ins_of_before_the_tables_fill_them_as_their_facts_would(
    registered: Caller, office: Office
) -> None:
    """The migration's filling, upon facts that were stored before it, one of them told again."""
    caller = await staffed(registered)
    times = [(NOON + timedelta(hours=hours)).isoformat() for hours in range(4)]
    lent = {
        "type": "delegation",
        "project_id": "lakeside",
        "delegation_id": "leave",
        "role": "cs_supervisor",
    }
    lent |= {"person_id": "s1", "delegate_id": "a", "since": times[0]}
    roster = {"type": "duty_roster", "roster_id": "w40", "project_id": "lakeside"}
    shift = {"role": "cs_supervisor", "person_id": "a"}
    early, late = [{**shift, "since": times[n], "until": times[n + 1]} for n in (0, 2)]
    lines = (
        {**lent, "until": times[1]},
        {**lent, "until": times[3]},
        {**roster, "shifts": [early]},
        {**roster, "shifts": [early, late]},
        {**roster, "roster_id": "none", "shifts": []},
    )
    for line in lines:
        [result] = (await caller.post("registers", [line])).json()["results"]
        assert "error" not in result, result
    migration = import_module("steward_intake.adapters.versions.0011_stand_ins")
    for table, rows in (("delegations", 1), ("rosters", 2)):
        whole = f"SELECT * FROM {table} ORDER BY 1"
        before = await office.store.pool.fetch(whole)
        assert len(before) == rows
        await office.store.pool.execute(f"DELETE FROM {table}")
        [filling] = [sql for sql in migration.STATEMENTS if f"INSERT INTO {table}" in sql]
        await office.store.pool.execute(filling)
        assert await office.store.pool.fetch(whole) == before


@rule("RM-4.5.2b")
async def test_who_accepted_gets_the_same_answer_again_when_the_role_has_ended(
    registered: Caller,
) -> None:
    case_id = await received(registered)
    again = (f"cases/{case_id}/accept", {"role": "centre_manager", "person_id": "m1"}, "again")
    first = await registered.post(*again)
    whose = {"project_id": "lakeside", "role": "centre_manager", "person_id": "m1"}
    ended = await registered.post("roles", {**whose, "ended": True})
    assert (first.status_code, ended.status_code) == (200, 201), ended.text
    repeated = await registered.post(*again)
    assert (repeated.status_code, repeated.json()) == (200, first.json())
    anew = await registered.post(again[0], {"role": "cs_supervisor", "person_id": "m1"})
    assert (anew.status_code, anew.json()["rule"]) == (409, "RM-4.5.2b")


@rule("RC-4.2", "RM-4.5.2b")
async def test_what_was_decided_in_a_case_counts_where_it_is_moved(
    registered: Caller, office: Office
) -> None:
    early, taken, later = (NOON - timedelta(hours=hours) for hours in (5, 4, 3))
    case_id = await received(registered, occurred_at=early.isoformat())
    decisions: list[tuple[str, dict[str, Any]]] = [
        ("classify", {"validity": "valid", "severity": "minor", "occurred_at": early.isoformat()}),
        (
            "accept",
            {"role": "centre_manager", "person_id": "m1", "occurred_at": taken.isoformat()},
        ),
        (
            "classify",
            {
                "validity": "valid",
                "severity": "important",
                "reason": "又漏",
                "occurred_at": later.isoformat(),
            },
        ),
    ]
    for name, said in decisions:
        await do(registered, case_id, name, **said)
    moved = await do(registered, case_id, "move", to_project="hillside", household_id="h2")
    _, first, accepted, second = await office.store.facts_of(f"case-{moved['case_id']}")
    assert isinstance(first.fact, CaseClassified)
    assert (first.occurred_at, first.fact.cause, first.fact.severity) == (early, "first", "minor")
    assert isinstance(accepted.fact, CaseAccepted)
    assert (accepted.occurred_at, accepted.fact.person_id) == (taken, "m1")
    assert isinstance(second.fact, CaseClassified)
    assert (second.occurred_at, second.fact.severity) == (later, "important")
    assert {fact.key for fact in (first, accepted, second)} == {"hillside"}
    assert (await shown(registered, moved["case_id"]))["severity"] == "important"


@rule("RM-4.6.1", "RM-4.9", "RC-5.1..2")
async def test_what_was_done_in_a_case_is_no_longer_owed_where_it_is_moved(
    registered: Caller, office: Office
) -> None:
    home = {"project_id": "hillside", "role": "cs_supervisor", "person_id": "m2"}
    staff = {"person_id": "m2", "name": "周", "group_id": "g1"}
    assert (await registered.post("staff", staff)).status_code == 201
    assert (await registered.post("roles", home)).status_code == 201
    hours = [NOON - timedelta(hours=n) for n in (5, 4, 3, 2)]
    case_id = await received(registered, occurred_at=hours[0].isoformat(), harm_ongoing=True)
    steps: list[tuple[str, dict[str, Any]]] = [
        ("take-measures", {"measures": "关水阀"}),
        ("classify", {"validity": "valid", "severity": "minor"}),
        ("dispatch", {"department": "engineering", "dispatch_id": "d1"}),
        ("accept-dispatch", {"person_id": "m1"}),
        ("report-progress", {"department": "engineering", "text": "在等配件"}),
    ]
    for (name, said), at in zip(steps, (*hours[1:], hours[3], hours[3]), strict=True):
        await do(registered, case_id, name, **said, occurred_at=at.isoformat())
    early = NOON - timedelta(hours=2, minutes=30)
    refused = await do(
        *(registered, case_id, "move", 422),
        to_project="hillside",
        household_id="h2",
        occurred_at=early.isoformat(),
    )
    assert "cannot end it here" in refused["detail"]
    moved = await do(registered, case_id, "move", to_project="hillside", household_id="h2")
    there = await office.store.facts_of(f"case-{moved['case_id']}")
    taken = [(told.type.split(".")[1], told.occurred_at) for told in there]
    assert taken == [
        ("case_received", hours[0]),
        ("immediate_measures_taken", hours[1]),
        ("case_classified", hours[2]),
        ("case_dispatched", hours[3]),
        ("dispatch_accepted", hours[3]),
        ("progress_reported", hours[3]),
        ("dispatch_withdrawn", NOON),
        ("case_assigned", NOON),
    ]
    facts = {name: told.fact for (name, _), told in zip(taken, there, strict=True)}
    assert isinstance(report := facts["progress_reported"], ProgressReported)
    assert isinstance(report.text, Sealed)
    assert report.text.subject == "household-h2"
    assert await office.sealer.unseal(report.text) == "在等配件"
    assert isinstance(given := facts["case_dispatched"], CaseDispatched)
    assert given.before_move
    case = await shown(registered, moved["case_id"])
    assert (case["department"], case["harm_ongoing"]) == (None, False)
    again = await do(registered, case_id, "move", to_project="hillside", household_id="h2")
    assert again["facts"] == []
    await do(registered, moved["case_id"], "dispatch", department="engineering")


@rule("FU-S1")
async def test_what_was_promised_and_not_kept_is_owed_where_a_case_is_moved(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered)
    first, later = ((NOON + timedelta(days=days)).isoformat() for days in (2, 3))
    seal = {"promise_id": "seal", "what": "补好窗台", "promised_at": first}
    call = {"promise_id": "call", "promised_at": first}
    moved_by_owner = {"promise_id": "seal", "moved_by": "owner", "promised_at": later}
    for body in (seal, moved_by_owner, call):
        answer = await registered.post(f"cases/{case_id}/promise", body)
        assert answer.status_code == 200, answer.text
    await do(registered, case_id, "keep-promise", promise_id="call")
    moved = await do(registered, case_id, "move", to_project="hillside", household_id="h2")
    there = await office.store.facts_of(f"case-{moved['case_id']}")
    [promise] = [told.fact for told in there if isinstance(told.fact, PromiseMade)]
    assert promise.promise_id == "seal"
    assert promise.promised_at.isoformat() == later
    assert promise.moved_by is None
    assert isinstance(promise.what, Sealed)
    assert promise.what.subject == "household-h2"
    await do(registered, moved["case_id"], "keep-promise", promise_id="seal")


async def test_a_case_of_another_project_goes_on_there_from_its_first_hour(
    registered: Caller, office: Office
) -> None:
    early = NOON - timedelta(days=2)
    case_id = await received(registered, occurred_at=early.isoformat())
    await do(registered, case_id, "correct", summary="地下室漏水")
    moved = await do(registered, case_id, "move", to_project="hillside", household_id="h2")
    assert moved["facts"] == ["intake.case_moved_out.v1", "intake.case_received.v1"]
    again = await do(registered, case_id, "move", to_project="hillside", household_id="h2")
    assert again == {"case_id": moved["case_id"], "facts": [], "version": None}
    home = {"household_id": "h9", "project_id": "hillside", "address": "9"}
    assert (await registered.post("households", home)).status_code == 201
    refused = await do(registered, case_id, "move", 409, to_project="hillside", household_id="h9")
    assert "another household" in refused["detail"]
    old, new = await shown(registered, case_id), await shown(registered, moved["case_id"])
    assert (old["status"], old["goes_on_in"]) == ("moved_out", moved["case_id"])
    assert (new["number"], new["moved_from"]) == ("hillside-2026-00001", case_id)
    assert new["received_at"] == old["received_at"]
    [fact] = await office.store.facts_of(f"case-{moved['case_id']}")
    assert fact.key == "hillside"
    assert fact.occurred_at == early
    assert isinstance(fact.fact, CaseReceived)
    assert isinstance(fact.fact.summary, Sealed)
    assert fact.fact.summary.subject == "household-h2"
    assert await office.sealer.unseal(fact.fact.summary) == "地下室漏水"
    await do(registered, case_id, "move", 422, to_project="lakeside")
    await do(registered, moved["case_id"], "move", 404, to_project="nowhere")


async def test_a_case_closed_long_ago_goes_on_in_a_new_one(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered, kind="service_request")
    await do(registered, case_id, "handle")
    await do(registered, case_id, "tell-result", how="phone")
    await do(registered, case_id, "close")
    office.clock.instant = NOON + timedelta(days=31)
    anew = await do(registered, case_id, "reopen")
    assert anew["facts"] == ["intake.case_received.v1", "intake.case_linked.v1"]
    assert (await do(registered, case_id, "reopen"))["facts"] == []
    assert (await shown(registered, case_id))["status"] == "closed"
    facts = (await registered.get(f"cases/{anew['case_id']}/facts")).json()["facts"]
    assert facts[1]["data"]["other"] == case_id
    assert facts[1]["data"]["why"] == "reopened_late"


async def test_one_thing_is_said_of_many_cases_and_each_has_its_answer(registered: Caller) -> None:
    one, other = await received(registered), await received(registered)
    body = {
        "case_ids": [one, "nowhere", other],
        "reason": "人员调整",
        "say": {"type": "case_assigned", "person_id": "m1"},
    }
    answer = await registered.post("cases/bulk", body, key="bulk")
    first, unknown, last = answer.json()["results"]
    assert (first["case_id"], first["facts"], last["facts"]) == (one, 1, 1)
    assert unknown["code"] == "not_found"
    again = (await registered.post("cases/bulk", body, key="bulk")).json()["results"]
    assert [line.get("repeated") for line in again] == [True, None, True]
    told = (await registered.get(f"cases/{other}/facts")).json()["facts"][-1]
    assert told["data"]["reason"] == "人员调整"
    assert told["data"]["person_id"] == "m1"
    closing = {"case_ids": [one], "reason": "重复登记", "say": {"type": "case_closed"}}
    [line] = (await registered.post("cases/bulk", closing)).json()["results"]
    assert line["rule"] == "RC-7"
    too_many = {**closing, "case_ids": ["x"] * 501}
    assert (await registered.post("cases/bulk", too_many)).status_code == 422
    chase = {**closing, "say": {"type": "case_chased"}}
    assert (await registered.post("cases/bulk", chase)).status_code == 422


async def test_a_household_sees_what_happened_in_its_cases(registered: Caller) -> None:
    one, other = await received(registered), await received(registered)
    await received(registered, project_id="hillside", household_id="h2")
    await do(registered, one, "chase")
    page = (await registered.get("households/h1/timeline", limit=2)).json()
    assert {case["case_id"] for case in page["cases"]} == {one, other}
    assert page["more"]
    rest = (await registered.get("households/h1/timeline", since=page["next"])).json()
    told = [(fact["case_id"], fact["type"]) for fact in page["items"] + rest["items"]]
    assert sorted(told) == sorted(
        [
            (one, "intake.case_received.v1"),
            (one, "intake.case_chased.v1"),
            (other, "intake.case_received.v1"),
        ]
    )
    last = (await registered.get("households/h1/timeline", since=rest["next"])).json()
    assert last["items"] == []
    assert last["next"] == rest["next"]
    assert (await registered.get("households/h9/timeline")).status_code == 404


@rule("RM-3.4")
async def test_a_case_whose_owner_has_left_is_listed(registered: Caller) -> None:
    caller = await staffed(registered)
    owned, closed = await received(caller, received_by="a"), await received(caller)
    supervised = await received(caller)
    nobodys = await received(caller, project_id="hillside", household_id="h2")
    said: dict[str, Any] = {
        "how": "phone",
        "asked_by": "王芳",
        "person_id": "a",
        "confirmed_by": "s1",
    }
    await do(caller, closed, "withdraw", **said)

    async def listed() -> list[str]:
        answer = await caller.get("cases/without-owner")
        return [case["case_id"] for case in answer.json()["items"]]

    assert await listed() == [nobodys]
    # Nobody above is left to whom the case could go.
    for role in (await caller.get("roles", project_id="lakeside")).json()["items"]:
        left = {name: role[name] for name in ("project_id", "role", "person_id")}
        assert (await caller.post("roles", {**left, "ended": True})).status_code == 201
    assert sorted(await listed()) == sorted([owned, supervised, nobodys])


async def test_an_import_tells_a_daily_life_in_the_same_words(registered: Caller) -> None:
    at = [(NOON - timedelta(days=9 - day)).isoformat() for day in range(5)]
    record = {
        "id": "r1",
        "project_id": "lakeside",
        "external": {"source": "https://old", "subject": "7"},
        "history_until": NOON.isoformat(),
        "facts": [
            {"type": "case_received", "project_id": "lakeside", "kind": "complaint",
             "occurred_at": at[0]},
            {"type": "case_dispatched", "department": "engineering", "occurred_at": at[1]},
            {"type": "dispatch_refused", "occurred_at": at[2]},
            {"type": "harm_reported", "what": "积水", "occurred_at": at[3]},
            {"type": "case_withdrawn", "how": "phone", "occurred_at": at[4]},
        ],
    }  # fmt: skip
    [line] = (await registered.post("imports", [record])).json()["results"]
    assert line["facts"] == 6, line
    assert (await shown(registered, line["case_id"]))["status"] == "withdrawn"
