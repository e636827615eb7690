"""A running case when the year it reaches into is published, and when its house changes its rules."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.support.rules import rule
from tests.support.system import System, steward
from uuid_utils.compat import uuid7

PACK = """
overrides: residential-cn
version: "{version}"
calendars:
  {house}:
    tz: Asia/Shanghai
    hours: {{mon: [["09:00", "18:00"]], tue: [["09:00", "18:00"]], wed: [["09:00", "18:00"]],
             thu: [["09:00", "18:00"]], fri: [["09:00", "18:00"]]}}
    known_years: [2000]
targets:
  - id: minor-resolve
    within: {{days: {days}, counting: working}}
    calendar: {house}
    basis: default
"""


async def clock_of(system: System, case_id: str) -> Mapping[str, Any]:
    query = {"case_id": case_id, "target": "minor-resolve"}
    items = (await system.get("sla", "/v1/clocks", **query))["items"]
    return dict(items[0]) if items else {}


@rule("RM-4.5.2c")
async def test_a_published_year_and_a_reapplied_policy_move_a_case_that_runs(
    system: System,
) -> None:
    own = uuid7().hex[-8:]
    group, project, house = f"moved-g-{own}", f"moved-{own}", f"house-{own}"
    staff = f"{project}-s1"
    await system.register(
        {"type": "group", "group_id": group, "name": "汇和物业"},
        {"type": "project", "project_id": project, "group_id": group, "name": "早晴苑"},
        {"type": "staff", "person_id": staff, "group_id": group, "name": "王主管"},
    )

    async def publish(version: str, days: int) -> str:
        text = PACK.format(version=f"{version}-{own}", house=house, days=days)
        await system.accepted("intake", "/v1/policies", {"text": text, "project_id": project})
        listed = (await system.get("intake", "/v1/policies", project_id=project))["items"]
        return f"residential-cn@{listed[-1]['version']}"

    await publish("a", 30)
    said = {"project_id": project, "kind": "complaint", "summary": "楼道灯坏了"}
    case_id = (await system.accepted("intake", "/v1/cases", said))["case_id"]
    classified = {"severity": "minor", "validity": "valid"}
    await system.accepted("intake", f"/v1/cases/{case_id}/classify", classified)

    async def runs() -> bool:
        return bool((await clock_of(system, case_id)).get("provisional"))

    await system.until(runs, "no clock waits for a year")
    before = await clock_of(system, case_id)

    # Nobody works in the week after next: the house publishes this year and the next.
    today = datetime.now(UTC).date()
    off = [today + timedelta(days=14 + n) for n in range(7)]
    for year in (today.year, today.year + 1):
        body = {
            "calendar": house,
            "version": f"v-{year}",
            "year": year,
            "holidays": [day.isoformat() for day in off if day.year == year],
        }
        await system.accepted("intake", "/v1/calendars", body)

    async def settled() -> bool:
        return not (await clock_of(system, case_id))["provisional"]

    await system.until(settled, "the clock still waits for a year")
    moved = await clock_of(system, case_id)
    lost = date.fromisoformat(moved["due_at"][:10]) - date.fromisoformat(before["due_at"][:10])
    assert lost >= timedelta(days=5)

    second = await publish("b", 40)

    async def looked() -> bool:
        look = {"policy": second, "projects": [project]}
        answer = await system.post("sla", "/v1/policies/reapply", look)
        return answer.is_success and len(answer.json()["moves"]) == 1

    await system.until(looked, "nothing would move by the second version")
    # The command says what would move and asks first; whoever says no has changed nothing.
    scope = ("--project", project, "--state", str(system.stack.state.folder))
    decided = ("--reason", "合同约定变更", "--by", staff, "--carry-out")
    reapply = ("policy", "reapply", second, *scope, *decided)
    code, shown, told = await steward(*reapply, stdin="n\n")
    assert (code, shown.split()[1:3]) == (1, ["minor-resolve#1", "moves"])
    assert "1 running clocks would move" in told
    assert told.endswith("Nothing was changed.\n")
    assert await clock_of(system, case_id) == moved
    code, shown, told = await steward(*reapply, "--yes", "--json")
    assert code == 0, told
    would, done = map(json.loads, shown.splitlines())
    assert (would["what"], done["cases"]) == ("moves", 1)
    assert datetime.fromisoformat(would["old_due"]) == datetime.fromisoformat(moved["due_at"])

    async def reapplied() -> bool:
        return bool((await clock_of(system, case_id))["policy"] == second)

    await system.until(reapplied, "the case does not go by the second version")
    due = datetime.fromisoformat((await clock_of(system, case_id))["due_at"])
    assert due == datetime.fromisoformat(would["new_due"])
    assert due > datetime.fromisoformat(moved["due_at"])
    told = await system.get("sla", f"/v1/clocks/{case_id}/explain")
    [clock] = [one for one in told["clocks"] if one["target"] == "minor-resolve"]
    assert {"first_day", "counts", "weekend", "holiday"} == {
        part["why"] for part in clock["intervals"]
    }
    facts = await system.facts("sla", f"clocks-{case_id}")
    assert facts.count("sla.clock_rescheduled.v1") >= 2
