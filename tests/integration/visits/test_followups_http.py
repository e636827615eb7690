"""Follow-ups over HTTP: who may make them, what a late one tells, and the rates of a month."""

from datetime import datetime, timedelta
from importlib import import_module

import pytest
from tests.integration.visits.conftest import NOON, Desk
from tests.support.rules import rule

from steward_events.fact import Fact
from steward_events.intake import CaseMerged, CaseMovedOut, CaseRefused, CaseWithdrawn
from steward_events.registry import ProjectRegistered, RoleAssigned, StaffRegistered
from steward_events.visits import FollowupDone, FollowupOverdue
from steward_events.vocabulary import Kind, Role, Severity, Validity, WorkCategory

THIRD_MIDNIGHT = datetime.fromisoformat("2026-10-16T00:00:00+08:00")


@rule("FU-4.1.2.2a")
async def test_a_major_complaint_is_followed_up_by_somebody_who_holds_the_role(desk: Desk) -> None:
    owed = await desk.handled(severity=Severity.MAJOR, validity=Validity.VALID)
    assert owed["rule"] == ["FU-4.1.2.2a", "RM-4.6.4a"]
    assert (owed["modes"], owed["roles"]) == (["on_site"], ["centre_manager", "cs_supervisor"])
    done = f"followups/{owed['followup_id']}/done"
    for person, status in (("e1", 409), ("x1", 409), ("nobody", 404)):
        refused = await desk.post(done, {"mode": "on_site", "person_id": person})
        assert refused.status_code == status, refused.text
    assert (await desk.post(done, {"mode": "phone", "person_id": "m1"})).status_code == 409
    assert (await desk.post(done, {"mode": "on_site", "person_id": "m1"})).status_code == 200
    assert (await desk.get(f"followups/{owed['followup_id']}"))["status"] == "done"


@rule("FU-4.1.2.3b")
async def test_a_rework_is_followed_up_by_the_engineering_supervisor(desk: Desk) -> None:
    owed = await desk.handled(
        kind=Kind.SERVICE_REQUEST, work_category=WorkCategory.ORDINARY, rework_of="c0"
    )
    assert (owed["rule"], owed["roles"]) == (["FU-4.1.2.3b"], ["engineering_supervisor"])
    done = f"followups/{owed['followup_id']}/done"
    assert (await desk.post(done, {"mode": "on_site", "person_id": "s1"})).status_code == 409
    assert (await desk.post(done, {"mode": "on_site", "person_id": "e1"})).status_code == 200


async def test_whoever_waives_a_follow_up_is_registered_staff(desk: Desk) -> None:
    owed = await desk.handled(severity=Severity.MINOR)
    waive = f"followups/{owed['followup_id']}/waive"
    assert (await desk.post(waive, {"reason": " ", "person_id": "s1"})).status_code == 422
    unknown = await desk.post(waive, {"reason": "moved", "person_id": "nobody"})
    assert (unknown.status_code, "nobody" in unknown.json()["detail"]) == (404, True)
    for key in ("one", "one", "two"):
        waived = await desk.post(waive, {"reason": "moved", "person_id": "s1"}, key=key)
        assert waived.status_code == 200
    other = await desk.post(waive, {"reason": "moved", "person_id": "m1"})
    assert (other.status_code, "another content" in other.json()["detail"]) == (409, True)


async def test_staff_of_another_group_are_refused_as_unknown_ones_are(desk: Desk) -> None:
    owed = await desk.handled(severity=Severity.MINOR)
    await desk.hear(StaffRegistered(person_id="x9", group_id="g2"))
    await desk.hear(RoleAssigned(project_id="p1", role=Role.CS_SUPERVISOR, person_id="x9"))
    visited = {"household_id": "h1", "mode": "phone"}
    visit = (await desk.post("visits", {**visited, "person_id": "m1"})).json()["visit_id"]
    doors: list[tuple[str, dict[str, str]]] = [
        (f"followups/{owed['followup_id']}/done", {"mode": "phone"}),
        (f"followups/{owed['followup_id']}/waive", {"reason": "moved"}),
        ("visits", visited),
        (f"visits/{visit}/strike", {"reason": "moved"}),
    ]
    for door, body in doors:
        refused = await desk.post(door, {**body, "person_id": "x9"})
        assert (refused.status_code, refused.json()["detail"]) == (
            404,
            "There is no member of staff “x9” of the project's group.",
        )


async def test_projects_of_before_the_table_stand_in_it_with_their_last_group(desk: Desk) -> None:
    moved = {"project_id": "p1", "group_id": "g2", "name": "P", "zone": "Asia/Shanghai"}
    await desk.hear(ProjectRegistered(**moved))
    pool, whole = desk.store.pool, "SELECT * FROM projects"
    before = await pool.fetch(whole)
    assert [tuple(row) for row in before] == [("p1", "g2")]
    await pool.execute("DELETE FROM projects")
    migration = import_module("steward_visits.adapters.versions.0004_projects")
    await pool.execute(migration.STATEMENTS[1])
    assert await pool.fetch(whole) == before


@rule("FU-5.1")
async def test_a_follow_up_is_told_again_only_as_it_was_told(desk: Desk) -> None:
    owed = await desk.handled(severity=Severity.MINOR)
    done = f"followups/{owed['followup_id']}/done"
    told = {"mode": "phone", "person_id": "s1", "satisfied": True, "remark": "一切都好"}
    too_early = await desk.post(done, told | {"made_at": (NOON - timedelta(hours=1)).isoformat()})
    assert (too_early.status_code, "handled" in too_early.json()["detail"]) == (409, True)
    assert (await desk.post(done, told)).status_code == 200
    assert (await desk.post(done, told)).status_code == 200
    for otherwise in ({"satisfied": False}, {"remark": "电梯还是响"}):
        refused = await desk.post(done, told | otherwise)
        assert (refused.status_code, "made already" in refused.json()["detail"]) == (409, True)
    assert len([f for f in await desk.facts("followups-c1") if isinstance(f, FollowupDone)]) == 1


@rule("FU-5.1")
async def test_a_follow_up_is_dated_no_further_back_than_the_policy_says(desk: Desk) -> None:
    owed = await desk.handled(severity=Severity.MINOR)
    done = f"followups/{owed['followup_id']}/done"
    desk.clock.instant = NOON + timedelta(days=31)
    told = {"mode": "phone", "person_id": "s1", "made_at": NOON.isoformat()}
    refused = await desk.post(done, told)
    assert refused.status_code == 422, refused.text
    since = "2026-10-13T12:00:00+08:00"
    assert refused.json()["detail"] == f"Only a follow-up since {since} is written down here."
    told["made_at"] = (NOON + timedelta(days=1)).isoformat()
    assert (await desk.post(done, told)).status_code == 200


@rule("RM-4.6.4a")
async def test_a_late_follow_up_names_whom_to_tell(desk: Desk) -> None:
    await desk.handled(severity=Severity.MINOR)
    await desk.pass_to(THIRD_MIDNIGHT, "followups-c1")
    await desk.pass_to(THIRD_MIDNIGHT.replace(hour=1), "followups-c1")
    [late] = [f for f in await desk.facts("followups-c1") if isinstance(f, FollowupOverdue)]
    assert (late.to, late.number, late.rule) == (Role.CS_SUPERVISOR, "P1-c1", ("RM-4.6.4a",))
    [row] = (await desk.get("followups", status="overdue"))["items"]
    assert row["was_overdue"] is True


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (CaseRefused(case_id="c1"), "refused"),
        (CaseWithdrawn(case_id="c1", how="phone"), "withdrawn"),
        (CaseMerged(case_id="c1", into="c2"), "merged"),
        (CaseMovedOut(case_id="c1", to_project="p2", to_case="c2"), "moved_out"),
    ],
)
async def test_a_case_that_goes_on_no_further_owes_no_follow_up(
    desk: Desk, ended: Fact, reason: str
) -> None:
    await desk.handled(severity=Severity.MINOR)
    await desk.hear(ended)
    [row] = (await desk.get("followups", case_id="c1"))["items"]
    assert (row["status"], row["waived_because"]) == ("waived", reason)


@rule("FU-4.1.2.3a", "RM-4.6.4a")
async def test_the_rates_of_a_month_stand_beside_their_targets(desk: Desk) -> None:
    repairs = [
        await desk.handled(f"r{n}", kind=Kind.SERVICE_REQUEST, work_category=WorkCategory.ORDINARY)
        for n in range(4)
    ]
    major = await desk.handled("m", severity=Severity.MAJOR)
    late, waived = repairs[1], repairs[2]
    made = {"mode": "phone", "person_id": "s1"}
    await desk.post(f"followups/{repairs[0]['followup_id']}/done", made)
    await desk.post(f"followups/{waived['followup_id']}/waive", {"reason": "moved"})
    await desk.pass_to(NOON.replace(day=15), "followups-r1", "followups-r3")
    await desk.post(f"followups/{late['followup_id']}/done", made)
    rates = await desk.get("followups/rates", month="2026-10", project_id="p1")
    assert rates["items"] == [
        rate("FU-4.1.2.2a", owed=1, rate=0.0),
        rate(
            "FU-4.1.2.3a", owed=4, done=2, in_time=1, waived=1, overdue=1, target=0.7, rate=0.6667
        ),
        rate("RM-4.6.4a", owed=1, rate=0.0),
    ]
    await desk.post(
        f"followups/{major['followup_id']}/done", {"mode": "on_site", "person_id": "m1"}
    )
    rates = await desk.get("followups/rates", month="2026-10")
    assert [row["rate"] for row in rates["items"]] == [1.0, 0.6667, 1.0]
    assert (await desk.get("followups/rates", month="2026-11"))["items"] == []
    unreadable = await desk.client.get("/v1/followups/rates", params={"month": "2026-13"})
    assert unreadable.status_code == 422


def rate(rule_id: str, **counts: float) -> dict[str, object]:
    nothing = dict.fromkeys(("owed", "done", "in_time", "waived", "overdue"), 0)
    return {"rule": rule_id, **nothing, "target": 1.0, **counts}
